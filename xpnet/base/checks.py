"""Arguments that must be numbers of some kind: each function returns the value, or raises OptionError."""

import math
from typing import Any

import numpy as np

from xpnet.errors import OptionError, ShapeError


def whole(name: str, value: Any, least: int = 1) -> int:
    """An integer (NumPy's too) of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise OptionError(f"{name} must be an integer of at least {least}, not {value!r}")
    return int(value)


def integer(name: str, value: Any) -> int:
    """An integer (NumPy's too), also below zero."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise OptionError(f"{name} must be an integer, not {value!r}")
    return int(value)


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise OptionError(f"{name} must be True or False, not {value!r}")
    return value


def truth(name: str, value: Any) -> bool:
    """True or False, also NumPy's, or 1 or 0."""
    if not isinstance(value, (bool, np.bool_, int, np.integer)) or value not in (0, 1):
        raise OptionError(f"{name} must be True or False, not {value!r}")
    return bool(value)


def sample_shape(name: str, value: Any) -> tuple[int, ...]:
    """The shape of one sample, without the batch."""
    if isinstance(value, (tuple, list)) and value and all(isinstance(size, (tuple, list)) for size in value):
        each = ", ".join(str(tuple(shape)) for shape in value)
        raise ShapeError(f"{name}: build takes the shape of each input as an argument of its own: build({each})")
    sizes: list[Any] = list(value) if isinstance(value, (tuple, list)) else [None]
    if any(isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1 for size in sizes):
        raise ShapeError(
            f"{name}: build takes the shape of one sample, without the batch, such as (1, 28, 28) or (784,), not"
            f" {value!r}"
        )
    return tuple(map(int, sizes))


def height_and_width(name: str, value: Any) -> tuple[int, int]:
    """(H, W), both at least 1, from one integer or a pair."""
    sides = value if isinstance(value, (tuple, list)) else (value, value)
    if len(sides) != 2:
        raise OptionError(f"{name} must be an integer or a pair (H, W), not {value!r}")
    return whole(name, sides[0]), whole(name, sides[1])


def finite(name: str, value: Any) -> float:
    """A number that is neither infinite nor NaN."""
    if not math.isfinite(_number(value)):
        raise OptionError(f"{name} must be a finite number, not {value!r}")
    return float(value)


def number(name: str, value: Any) -> float:
    """A finite number."""
    if not -math.inf < _number(value) < math.inf:
        raise OptionError(f"{name} must be a finite number, not {value!r}")
    return float(value)


def positive(name: str, value: Any) -> float:
    """A finite number above 0."""
    if not 0 < _number(value) < math.inf:
        raise OptionError(f"{name} must be a positive number, not {value!r}")
    return float(value)


def at_least_zero(name: str, value: Any) -> float:
    """A finite number, 0 or above."""
    if not 0 <= _number(value) < math.inf:
        raise OptionError(f"{name} must be a number of at least 0, not {value!r}")
    return float(value)


def fraction(name: str, value: Any) -> float:
    """A number from 0, and below 1."""
    if not 0 <= _number(value) < 1:
        raise OptionError(f"{name} must be at least 0 and below 1, not {value!r}")
    return float(value)


def _number(value: Any) -> float:
    """The value as a float; NaN, which no comparison lets pass, for what is no real number."""
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    try:
        return float(value) if real else math.nan
    except OverflowError:  # an integer of hundreds of digits
        return math.inf if value > 0 else -math.inf
