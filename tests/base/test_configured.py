"""Objects are described by the arguments of their constructors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
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


class Own(xpnet.Layer):
    def __init__(self, f: Any) -> None:
        super().__init__()
        self.f = f

    def forward(self, x: Any, train: bool = False) -> Any:
        return x, lambda dy: dy


def compiled(f: Any, loss: Any = "mse", metrics: Any = None) -> xpnet.Sequential:
    model = xpnet.Sequential([Own(f), xpnet.layers.Dense(1)])
    model.compile("sgd", loss, metrics)
    return model


@pytest.mark.parametrize("f", [abs, [1, abs], {"a": 1}, np.ones(3), Point(1, abs)])
def test_what_no_file_can_hold_is_told_when_compiled(f: Any, tmp_path: Path) -> None:
    words = r"(Own\(\.\.\., f=|Point\(\.\.\., y=).* can be trained, but model\.save will refuse it"
    with pytest.warns(UserWarning, match=words) as told:
        model = compiled(f)
    assert len(told) == 1 and told[0].filename == __file__
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    with pytest.raises(OptionError, match="cannot save"):
        model.save(tmp_path / "own.safetensors")


@pytest.mark.parametrize("f", [None, 1, 0.5, "a", (1, [2.0]), np.float32(1), np.int64(2), Point(1), True])
def test_what_a_file_can_hold_is_not_told(f: Any, tmp_path: Path) -> None:
    model = compiled(f, loss=lambda y, t: ((y - t).mean(), lambda: y), metrics=[lambda y, t: 0.5])
    model.build((2,))
    model.save(tmp_path / "own.safetensors")  # a warning would be an error here
    assert (tmp_path / "own.safetensors").stat().st_size > 0
