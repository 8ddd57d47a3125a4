"""Activations in which one half of the input says how much of the other passes."""

from xpnet.backend import Array
from xpnet.core.declare import Shape
from xpnet.core.layer import Back, Layer
from xpnet.errors import OptionError

__all__ = ["GLU"]


class GLU(Layer):
    """y = a sigmoid(b), a and b the halves of x along `axis` (default 1; -1 is the last) (Dauphin et al., 2017).

    The axis is half as long in y; a layer whose `activation` it would be cannot have that, so it stands behind it.

    Elsewhere: torch.nn.GLU; keras.activations.glu.
    """

    kind = "glu"
    gives = "scores"

    def __init__(self, axis: int = 1, name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(axis, int) or isinstance(axis, bool) or axis == 0:
            raise OptionError(f"GLU: axis must be an integer other than 0 (the batch), not {axis!r}")
        self.axis = axis

    def output_shape(self, shape: Shape) -> Shape:
        at = self.axis - 1 if self.axis > 0 else len(shape) + self.axis  # the shape here has no batch
        if not 0 <= at < len(shape) or shape[at] % 2:
            raise self.wrong_shape(shape, f"an axis {self.axis} of even length")
        return (*shape[:at], shape[at] // 2, *shape[at + 1 :])

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        before = (slice(None),) * (self.axis % x.ndim)
        half = x.shape[self.axis] // 2
        a, b = x[(*before, slice(half), ...)], x[(*before, slice(half, None), ...)]
        s, sigmoid_back = self.backend.activation(b, "sigmoid")

        def back(dy: Array) -> Array:
            return self.xp.concat([dy * s, sigmoid_back(dy * a)], axis=self.axis)

        return a * s, back
