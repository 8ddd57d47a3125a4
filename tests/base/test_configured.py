"""Objects are described by the arguments of their constructors."""

from typing import Any

import pytest

from xpnet.base.configured import Configured, arguments_of, defaults_in, parameters_of
from xpnet.errors import OptionError


class Point(Configured):
    def __init__(self, x: float, y: float = 0.0) -> None:
        self.x, self.y = x, y


class Forgetful(Configured):
    def __init__(self, x: float, y: Any = None) -> None:
        self.x = x


def test_the_arguments_are_those_that_are_kept() -> None:
    assert Point(1, 2).config() == arguments_of(Point(1, 2)) == {"x": 1, "y": 2}
    assert arguments_of(Forgetful(1)) == {"x": 1}
    with pytest.raises(OptionError, match=r"Forgetful: its constructor takes 'y', .*: write self\.y = y in __init__"):
        Forgetful(1).config()


def test_what_is_as_usual_is_not_shown() -> None:
    assert defaults_in(Point(1), {"x": 1, "y": 0.0, "z": 3}) == ["y"]
    assert repr(Point(1)) == "Point(x=1)"
    assert repr(Point(1, 0)) == "Point(x=1, y=0)"  # an integer, where the usual is none
    assert repr(Forgetful(1)) == "<Forgetful>"


def test_a_class_that_is_not_written_in_python_has_no_parameters() -> None:
    assert parameters_of(dict) == {} and arguments_of({}) == {}
