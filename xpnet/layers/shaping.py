"""Layers that give the same numbers in another shape."""

import math
from collections.abc import Sequence

from xpnet.backend import Array
from xpnet.base.checks import whole
from xpnet.core.declare import Shape
from xpnet.core.layer import Back, Layer
from xpnet.errors import OptionError

__all__ = ["Flatten", "Permute", "Reshape"]


class Flatten(Layer):
    """(N, C, H, W) -> (N, C*H*W), in the order of the shape; the way back restores it.

    Elsewhere: torch.nn.Flatten; keras.layers.Flatten.
    """

    kind = "flatten"
    gives = "scores"

    def output_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        xp = self.xp
        y = xp.reshape(x, (x.shape[0], -1))  # (N, C*H*W)

        def back(dy: Array) -> Array:
            return xp.reshape(dy, x.shape)  # (N, C, H, W)

        return y, back


class Reshape(Layer):
    """(N, ...) -> (N, *shape), in the order of the shape; the way back restores it.

    shape: of one sample; one of its sizes may be -1, which stands for what is left: Reshape((8, -1)).

    Elsewhere: torch.nn.Unflatten; keras.layers.Reshape.
    """

    kind = "reshape"
    gives = "scores"

    def __init__(self, shape: Sequence[int], name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(shape, (tuple, list)):
            raise OptionError(f"Reshape: shape must be that of one sample, such as (8, 4, 4), not {shape!r}")
        self.shape = tuple(size if size == -1 else whole("Reshape: each size", size) for size in shape)
        if self.shape.count(-1) > 1:
            raise OptionError(f"Reshape: one size may be -1, not several: {shape!r}")

    def output_shape(self, shape: Shape) -> Shape:
        size, known = math.prod(shape), math.prod(each for each in self.shape if each != -1)
        if size % known if -1 in self.shape else size != known:
            raise self.wrong_shape(shape, f"one that {self.shape} has room for, {known} numbers a sample")
        return tuple(size // known if each == -1 else each for each in self.shape)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        xp, shape = self.xp, x.shape
        y = xp.reshape(x, (shape[0], *self.output_shape(tuple(shape[1:]))))

        def back(dy: Array) -> Array:
            return xp.reshape(dy, shape)

        return y, back


class Permute(Layer):
    """The axes in another order: axis i of y is axis axes[i - 1] of x, counted from 1; 0 is the batch and stays.

    Permute((2, 1)) makes (N, T, F) of (N, F, T), and Permute((3, 1, 2)) makes (N, C, H, W) of (N, H, W, C).

    Elsewhere: torch.permute; keras.layers.Permute.
    """

    kind = "permute"
    gives = "scores"

    def __init__(self, axes: Sequence[int], name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(axes, (tuple, list)) or sorted(axes) != list(range(1, len(axes) + 1)):
            raise OptionError(
                f"Permute: axes must be the numbers from 1 on in some order, such as (2, 1), not {axes!r}"
            )
        self.axes = tuple(axes)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != len(self.axes):
            raise self.wrong_shape(shape, f"{len(self.axes)} axes behind the batch")
        return tuple(shape[axis - 1] for axis in self.axes)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        xp, axes = self.xp, (0, *self.axes)
        inverse = tuple(sorted(range(len(axes)), key=axes.__getitem__))

        def back(dy: Array) -> Array:
            return xp.permute_dims(dy, inverse)

        return xp.permute_dims(x, axes), back
