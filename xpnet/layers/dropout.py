"""Layers that drop or disturb what goes through them, in training only.

All numbers come from a counter-based generator, so that one seed gives the same ones on every backend, and a part of a
batch its part of them.
"""

import math
from typing import Any

from xpnet import random
from xpnet.backend import Array
from xpnet.base.checks import at_least_zero, fraction
from xpnet.core.declare import Shape
from xpnet.core.layer import Back, Layer
from xpnet.errors import OptionError

__all__ = ["DropPath", "Dropout", "GaussianDropout", "GaussianNoise", "SpatialDropout"]


class _Dropping(Layer):
    """What they share that drop: a mask, and what of a sample has one entry of it."""

    def __init__(self, rate: float, name: str | None) -> None:
        super().__init__(name)
        self.rate = fraction(f"{type(self).__name__}: rate", rate)

    def _mask_shape(self, shape: Shape) -> Shape:
        """Of the mask of one sample of this shape: 1 along axes that are dropped together."""
        return shape

    def _draw_mask(self, shape: Shape, dtype: Any, first: int) -> Array:
        return self.backend.dropout_mask(shape, self.rate, self.next_key(), dtype, first)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        if not train or self.rate == 0:
            return x, lambda dy: dy
        shape = self._mask_shape(tuple(x.shape[1:]))
        first = random.first_sample() * math.prod(shape)  # this many entries of the mask are elsewhere
        mask = self._draw_mask((x.shape[0], *shape), x.dtype, first)

        def back(dy: Array) -> Array:
            return dy * mask

        return x * mask, back


class Dropout(_Dropping):
    """In training y = x m, m = 0 with probability `rate`, else 1 / (1 - rate); in inference y = x (Srivastava et al.,
    2014).

    This is inverted dropout: the expectation is the same in training and inference.

    Elsewhere: torch.nn.Dropout; keras.layers.Dropout; the book's Dropout.
    """

    kind = "dropout"
    gives = "scores"

    def __init__(self, rate: float = 0.5, name: str | None = None) -> None:
        super().__init__(rate, name)


class SpatialDropout(_Dropping):
    """Dropout of whole channels: one m for all that stands in one channel of a sample (Tompson et al., 2015).

    axis: of the channels; 1 for images (N, C, H, W) and signals (N, C, T), -1 for sequences (N, T, F), where a feature
    is dropped from all steps.

    Elsewhere: torch.nn.Dropout1d, torch.nn.Dropout2d; keras.layers.SpatialDropout1D, keras.layers.SpatialDropout2D.
    """

    kind = "dropout"
    gives = "scores"

    def __init__(self, rate: float = 0.5, axis: int = 1, name: str | None = None) -> None:
        super().__init__(rate, name)
        if not isinstance(axis, int) or isinstance(axis, bool) or axis == 0:
            raise OptionError(f"SpatialDropout: axis must be an integer other than 0 (the batch), not {axis!r}")
        self.axis = axis

    def output_shape(self, shape: Shape) -> Shape:
        if not -len(shape) <= self.axis <= len(shape):
            raise self.wrong_shape(shape, f"an axis {self.axis} besides the batch")
        return shape

    def _mask_shape(self, shape: Shape) -> Shape:
        channels = self.axis - 1 if self.axis > 0 else len(shape) + self.axis
        return tuple(size if axis == channels else 1 for axis, size in enumerate(shape))


class DropPath(_Dropping):
    """Dropout of whole samples, also called stochastic depth (Huang et al., 2016): one m for all of a sample.

    At the end of a residual block's path a sample that is dropped skips the block.

    Elsewhere: torchvision.ops.StochasticDepth, of mode "row".
    """

    kind = "drop_path"
    gives = "scores"

    def __init__(self, rate: float = 0.1, name: str | None = None) -> None:
        super().__init__(rate, name)

    def _mask_shape(self, shape: Shape) -> Shape:
        return (1,) * len(shape)


class GaussianNoise(Layer):
    """In training y = x + std n, n standard normal; in inference y = x (Bishop, "Training with noise", 1995).

    Elsewhere: keras.layers.GaussianNoise.
    """

    kind = "noise"
    gives = "scores"

    def __init__(self, std: float = 0.1, name: str | None = None) -> None:
        super().__init__(name)
        self.std = at_least_zero("GaussianNoise: std", std)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        if not train or self.std == 0:
            return x, lambda dy: dy
        first = random.first_sample() * math.prod(x.shape[1:])
        return x + self.std * self.backend.normal(tuple(x.shape), self.next_key(), x.dtype, first), lambda dy: dy


class GaussianDropout(_Dropping):
    """In training y = x m, m normal with mean 1 and the variance rate / (1 - rate) of Dropout's; in inference y = x
    (Srivastava et al., 2014, section 10).

    Elsewhere: keras.layers.GaussianDropout.
    """

    kind = "dropout"
    gives = "scores"

    def __init__(self, rate: float = 0.5, name: str | None = None) -> None:
        super().__init__(rate, name)

    def _draw_mask(self, shape: Shape, dtype: Any, first: int) -> Array:
        spread = math.sqrt(self.rate / (1 - self.rate))
        return 1 + spread * self.backend.normal(shape, self.next_key(), dtype, first)
