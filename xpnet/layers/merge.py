"""Layers of several inputs or outputs.

In a model's `call`: `layers.Add()(a, b)`, for which `a + b` is short, and `a, b = layers.Split(2)(x)`.
"""

import math
from collections.abc import Sequence
from typing import Any

from xpnet.backend import Array
from xpnet.backend.reference import dtype_name
from xpnet.base.checks import whole
from xpnet.core.declare import Shape
from xpnet.core.layer import Back, Layer
from xpnet.errors import OptionError

__all__ = ["Add", "Average", "Concat", "Multiply", "Split"]


class _Alike(Layer):
    """The base of layers whose inputs are all of one shape."""

    def output_shape(self, *shapes: Shape) -> Shape:
        if len(shapes) < 2 or any(shape != shapes[0] for shape in shapes):
            raise self.wrong_shape(
                shapes[-1], f"two or more inputs of one shape; they have {', '.join(map(str, shapes))}"
            )
        return shapes[0]


class Add(_Alike):
    """y = x1 + x2 + ..., all of one shape; each input's gradient is dy.

    Elsewhere: torch.add; keras.layers.Add.
    """

    kind = "add"

    def forward(self, *xs: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(*xs)
        y = sum(xs[1:], start=xs[0])

        def back(dy: Array) -> tuple[Array, ...]:
            return (dy,) * len(xs)

        return y, back


class Average(_Alike):
    """y = (x1 + ... + xk) / k, all of one shape; each input's gradient is dy / k.

    Elsewhere: keras.layers.Average.
    """

    kind = "average"

    def forward(self, *xs: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(*xs)
        y = sum(xs[1:], start=xs[0]) / len(xs)

        def back(dy: Array) -> tuple[Array, ...]:
            return (dy / len(xs),) * len(xs)

        return y, back


class Multiply(Layer):
    """y = x1 x2 ..., entry by entry; an axis of length 1 goes with each entry of the others' (not that of the batch).

    So a gate (N, C, 1, 1) scales the channels of (N, C, H, W) (Hu, Shen and Sun, "Squeeze-and-excitation", 2018).
    The gradient of an input is dy times the others, summed along its axes of length 1.

    Elsewhere: torch.mul; keras.layers.Multiply.
    """

    kind = "multiply"

    def output_shape(self, *shapes: Shape) -> Shape:
        alike = len(shapes) > 1 and len({len(shape) for shape in shapes}) == 1
        largest = tuple(map(max, zip(*shapes, strict=True))) if alike else ()
        if not alike or any(
            size not in (1, most) for shape in shapes for size, most in zip(shape, largest, strict=True)
        ):
            needed = (
                f"two or more inputs of one shape, but for axes of length 1; they have {', '.join(map(str, shapes))}"
            )
            raise self.wrong_shape(shapes[-1], needed)
        return largest

    def forward(self, *xs: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(*xs)

        def back(dy: Array) -> tuple[Array, ...]:
            dxs = []
            for place, x in enumerate(xs):
                dx = math.prod((*xs[:place], *xs[place + 1 :]), start=dy)
                axes = tuple(axis for axis, size in enumerate(dx.shape) if size != x.shape[axis])
                dxs.append(self.backend.sum(dx, axis=axes, keepdims=True) if axes else dx)
            return tuple(dxs)

        return math.prod(xs[1:], start=xs[0]), back


class Concat(Layer):
    """The inputs behind one another along `axis` (default 1, the channels); the way back cuts dy up again.

    Elsewhere: torch.cat; keras.layers.Concatenate.
    """

    kind = "concat"
    gives = "scores"

    def __init__(self, axis: int = 1, name: str | None = None) -> None:
        super().__init__(name)
        self.axis = _behind_the_batch("Concat", axis)

    def output_shape(self, *shapes: Shape) -> Shape:
        at = self.axis - 1  # the shapes here have no batch
        rest = [shape[:at] + shape[at + 1 :] for shape in shapes]
        if len(shapes) < 2 or any(len(s) <= at or r != rest[0] for s, r in zip(shapes, rest, strict=True)):
            needed = f"two or more inputs that differ in axis {self.axis} only; they have {', '.join(map(str, shapes))}"
            raise self.wrong_shape(shapes[-1], needed)
        return (*shapes[0][:at], sum(shape[at] for shape in shapes), *shapes[0][at + 1 :])

    def forward(self, *xs: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(*xs)
        y = self.xp.concat(xs, axis=self.axis)

        def back(dy: Array) -> tuple[Array, ...]:
            before, parts = (slice(None),) * self.axis, []
            start = 0
            for x in xs:
                end = start + x.shape[self.axis]
                parts.append(dy[(*before, slice(start, end), ...)])
                start = end
            return tuple(parts)

        return y, back


class Split(Layer):
    """Cut x into parts along `axis` (default 1, the channels), the opposite of Concat: a tuple of several outputs.

    parts: how many of equal size, or the size of each, such as (3, 5). dx is the gradients of the parts behind one
    another, with zeros for a part that nothing depends on.

    Elsewhere: torch.split.
    """

    kind = "split"
    gives = "scores"
    skips_dy = True

    def __init__(self, parts: int | Sequence[int], axis: int = 1, name: str | None = None) -> None:
        super().__init__(name)
        self.axis = _behind_the_batch("Split", axis)
        several = isinstance(parts, (tuple, list))
        sizes = tuple(whole("Split: each size", size) for size in parts) if several else ()  # type: ignore[union-attr]
        if several and len(sizes) < 2:
            raise OptionError(f"Split: parts must be how many, or the sizes of two or more, not {parts!r}")
        self.parts: int | tuple[int, ...] = sizes if several else whole("Split: parts", parts, 2)

    def output_shape(self, shape: Shape) -> tuple[Shape, ...]:
        at = self.axis - 1  # the shape here has no batch
        before, after = shape[:at], shape[at + 1 :]
        return tuple((*before, size, *after) for size in self._sizes(shape))

    def _sizes(self, shape: Shape) -> tuple[int, ...]:
        length = shape[self.axis - 1] if len(shape) >= self.axis else 0
        if isinstance(self.parts, int):
            if length < self.parts or length % self.parts:
                raise self.wrong_shape(shape, f"a size of axis {self.axis} that {self.parts} divides")
            return (length // self.parts,) * self.parts
        if sum(self.parts) != length:
            raise self.wrong_shape(shape, f"a size of axis {self.axis} of {sum(self.parts)}, the sum of {self.parts}")
        return self.parts

    def forward(self, x: Array, train: bool = False) -> tuple[tuple[Array, ...], Back]:
        self.check(x)
        before, ys, start = (slice(None),) * self.axis, [], 0
        for size in self._sizes(tuple(x.shape[1:])):
            ys.append(x[(*before, slice(start, start + size), ...)])
            start += size
        shapes, dtype = [tuple(y.shape) for y in ys], dtype_name(x.dtype)

        def back(dy: tuple[Array | None, ...]) -> Array:
            parts = zip(dy, shapes, strict=True)
            return self.xp.concat(
                [self.backend.zeros(shape, dtype) if part is None else part for part, shape in parts],
                axis=self.axis,
            )

        return tuple(ys), back


def _behind_the_batch(layer: str, axis: Any) -> int:
    if not isinstance(axis, int) or axis < 1:
        raise OptionError(f"{layer}: axis must be an integer of at least 1 (0 is the batch), not {axis!r}")
    return axis
