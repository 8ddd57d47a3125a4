"""Which number is black and which is white."""

import numpy as np
import pytest

from xpnet.errors import OptionError
from xpnet.visualize.pixels import limits_of, name_of


@pytest.mark.parametrize(
    ("values", "limits"),
    [
        ([0.2, 0.7], (0, 1)), ([0.0, 1.0], (0, 1)), ([-0.1, 0.7], (-0.1, 0.7)), ([0.5, 1.5], (0.5, 1.5)),
        ([-2.0, -2.0], (-2, -1)), ([3.0, 3.0], (3, 4)), ([np.nan, 0.5], (0, 1)), ([np.inf, -3.0, 2.0], (-3, 2)),
        ([np.nan], (0, 1)), ([0, 1], (0, 1)), ([0, 7], (0, 7)),
    ],
)  # fmt: skip
def test_limits_are_those_of_shares_or_of_the_numbers_themselves(
    values: list[float], limits: tuple[float, float]
) -> None:
    assert limits_of(np.array(values)) == limits


def test_bytes_have_limits_of_their_own() -> None:
    assert limits_of(np.array([3, 7], np.uint8)) == (0, 255)


def test_classes_have_names_or_numbers() -> None:
    assert (name_of(3, None), name_of(1, ["a", "b"])) == ("3", "b")
    with pytest.raises(OptionError, match="names holds 2 names, for classes 0 to 1, but there is a 2"):
        name_of(2, ["a", "b"])
