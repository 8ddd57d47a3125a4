"""Weights of classes that belong to a loss. Those of one training, `fit(class_weight=...)`, are the training's."""

import functools
import math
from collections.abc import Sequence

from xpnet.backend import Array, Backend
from xpnet.errors import OptionError


def read_class_weights(name: str, weights: Sequence[float] | None) -> tuple[float, ...] | None:
    """A number for each class, as a tuple; None if there are none."""
    if weights is None:
        return None
    if isinstance(weights, (str, dict)) or not hasattr(weights, "__len__"):
        raise OptionError(f"{name} must be a list of a number for each class, not {weights!r}")
    numbers = tuple(float(weight) for weight in weights)
    if len(numbers) < 2 or not all(map(math.isfinite, numbers)):
        raise OptionError(f"{name} must be finite numbers, one for each class, not {weights!r}")
    return numbers


@functools.lru_cache(maxsize=64)
def as_array(numbers: tuple[float, ...], dtype: str, backend: Backend) -> Array:
    """(C,) on the backend: copied there once, and not in every step."""
    return backend.copy(backend.asarray(list(numbers), dtype))
