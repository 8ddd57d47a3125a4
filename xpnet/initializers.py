"""Initial weights: He and Xavier (Glorot), normal and uniform, drawn on the host from the one seed.

`fan_in` is the number of inputs that one output sees, `fan_out` the number of outputs that see one input; for a
convolution both count the kernel's pixels.
"""

from typing import TYPE_CHECKING

import numpy as np

from xpnet import random
from xpnet.base.budget import check_size
from xpnet.base.configured import Configured
from xpnet.base.hints import explained
from xpnet.base.lookup import by_name
from xpnet.errors import DTypeError, OptionError, ShapeError


class Initializer(Configured):
    """Called with a shape and its fans, it returns a float32 NumPy array."""

    def __call__(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        raise OptionError(f"{type(self).__name__} does not say how weights are drawn")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.config() == other.config()

    def __hash__(self) -> int:
        return hash(repr(self))


class Normal(Initializer):
    """Normal with mean 0 and standard deviation `std` (default 0.01)."""

    def __init__(self, std: float = 0.01) -> None:
        self.std = std

    def __call__(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return normal(shape, self.std)


class Uniform(Initializer):
    """Uniform in +-`limit` (default 0.05)."""

    def __init__(self, limit: float = 0.05) -> None:
        self.limit = limit

    def __call__(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return uniform(shape, self.limit)


class HeNormal(Initializer):
    """Normal with variance 2 / fan_in: keeps the variance through ReLU (He et al., 2015)."""

    def __call__(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return normal(shape, (2 / fan_in) ** 0.5)


class HeUniform(Initializer):
    """Uniform in +-sqrt(6 / fan_in) (He et al., 2015)."""

    def __call__(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return uniform(shape, (6 / fan_in) ** 0.5)


class XavierNormal(Initializer):
    """Normal with variance 2 / (fan_in + fan_out): for tanh and sigmoid (Glorot and Bengio, 2010)."""

    def __call__(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return normal(shape, (2 / (fan_in + fan_out)) ** 0.5)


class XavierUniform(Initializer):
    """Uniform in +-sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""

    def __call__(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return uniform(shape, (6 / (fan_in + fan_out)) ** 0.5)


def normal(shape: tuple[int, ...], std: float) -> np.ndarray:
    check_size(shape)
    return random.generator().standard_normal(shape, dtype=np.float32) * np.float32(std)


def uniform(shape: tuple[int, ...], limit: float) -> np.ndarray:
    check_size(shape)
    return (random.generator().random(shape, dtype=np.float32) * 2 - 1) * np.float32(limit)


INITIALIZERS: dict[str, type[Initializer]] = {
    "he_normal": HeNormal,
    "he_uniform": HeUniform,
    "xavier_normal": XavierNormal,
    "xavier_uniform": XavierUniform,
    "normal": Normal,
    "uniform": Uniform,
}
_KERAS_NAMES = {
    "he": "he_normal",
    "xavier": "xavier_normal",
    "glorot_normal": "xavier_normal",
    "glorot_uniform": "xavier_uniform",
}


def get(initializer: str | float | Initializer) -> Initializer:
    """An initializer from its name, from a standard deviation, or as it is."""
    if isinstance(initializer, Initializer):
        return initializer
    if isinstance(initializer, (int, float)) and not isinstance(initializer, bool) and initializer >= 0:
        return Normal(float(initializer))
    return by_name(
        "initializer", initializer, INITIALIZERS, "a standard deviation, or an Initializer", aliases=_KERAS_NAMES
    )


def draw(initializer: str | float | Initializer, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
    """Initial weights of `shape` for a layer. An initializer may be the user's own, so what it gives is checked.

    Raises OptionError for an unknown initializer, DTypeError unless it returns a NumPy array of floating point numbers,
    ShapeError if that has another shape.
    """
    check_size(shape)
    initializer = get(initializer)
    weights, name = initializer(shape, fan_in, fan_out), type(initializer).__name__
    if not isinstance(weights, np.ndarray) or weights.dtype.kind != "f":
        found = weights.dtype if isinstance(weights, np.ndarray) else type(weights).__name__
        raise DTypeError(f"the initializer {name} returned {found}; expected a NumPy array of float32")
    if weights.shape != shape:
        raise ShapeError(f"the initializer {name} returned shape {weights.shape}; expected {shape}")
    return weights


if not TYPE_CHECKING:
    __getattr__, __dir__ = explained(__name__)
