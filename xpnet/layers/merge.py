"""Layers of several inputs: `layers.Add()(a, b)` in a model's `call`; `a + b` is short for it."""

from xpnet.backend import Array
from xpnet.core.declare import Shape
from xpnet.core.layer import Back, Layer
from xpnet.errors import OptionError


class _Alike(Layer):
    """The base of layers whose inputs are all of one shape."""

    def output_shape(self, *shapes: Shape) -> Shape:
        if len(shapes) < 2 or any(shape != shapes[0] for shape in shapes):
            raise self.wrong_shape(
                shapes[-1], f"two or more inputs of one shape; they have {', '.join(map(str, shapes))}"
            )
        return shapes[0]


class Add(_Alike):
    """y = x1 + x2 + ..., all of one shape; each input's gradient is dy."""

    kind = "add"

    def forward(self, *xs: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(*xs)
        y = sum(xs[1:], start=xs[0])

        def back(dy: Array) -> tuple[Array, ...]:
            return (dy,) * len(xs)

        return y, back


class Average(_Alike):
    """y = (x1 + ... + xk) / k, all of one shape; each input's gradient is dy / k."""

    kind = "average"

    def forward(self, *xs: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(*xs)
        y = sum(xs[1:], start=xs[0]) / len(xs)

        def back(dy: Array) -> tuple[Array, ...]:
            return (dy / len(xs),) * len(xs)

        return y, back


class Concat(Layer):
    """The inputs behind one another along `axis` (default 1, the channels); the way back cuts dy up again."""

    kind = "concat"
    gives = "scores"

    def __init__(self, axis: int = 1, name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(axis, int) or axis < 1:
            raise OptionError(f"Concat: axis must be an integer of at least 1 (0 is the batch), not {axis!r}")
        self.axis = axis

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
