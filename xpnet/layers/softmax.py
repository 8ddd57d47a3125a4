"""Activations along an axis: what comes out of the others depends on them all."""

from xpnet.backend import Array
from xpnet.core.layer import Back, Layer
from xpnet.errors import OptionError

__all__ = ["LogSoftmax", "Softmax"]


class _AlongAxis(Layer):
    """What the two share."""

    def __init__(self, axis: int = 1, name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(axis, int) or axis == 0:
            raise OptionError(f"{type(self).__name__}: axis must be an integer other than 0 (the batch), not {axis!r}")
        self.axis = axis

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if not -len(shape) <= self.axis <= len(shape):
            raise self.wrong_shape(shape, f"an axis {self.axis} besides the batch")
        return shape


class Softmax(_AlongAxis):
    """y = exp(x) / sum(exp(x)) along `axis` (default 1, the classes or channels);  dx = y (dy - sum(dy y)).

    For training, leave it out and use the loss "softmax_cross_entropy", which contains it (Bridle, 1990).

    Elsewhere: torch.nn.Softmax; keras.layers.Softmax; the book's Softmax.
    """

    kind = "softmax"
    gives = "probabilities"

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        y = self.backend.softmax(x, self.axis)

        def back(dy: Array) -> Array:
            return y * (dy - self.backend.sum(dy * y, axis=self.axis, keepdims=True))

        return y, back


class LogSoftmax(_AlongAxis):
    """y = x - log(sum(exp(x))) along `axis` (default 1): log-probabilities;  dx = dy - exp(y) sum(dy).

    Where they are to be added up or averaged; their loss is "negative_log_likelihood". The largest x is taken from all,
    so that nothing overflows.

    Elsewhere: torch.nn.LogSoftmax; keras.activations.log_softmax.
    """

    kind = "log_softmax"
    gives = "log_probabilities"

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        xp, axis = self.xp, self.axis
        below = x - xp.max(x, axis=axis, keepdims=True)
        y = below - xp.log(self.backend.sum(xp.exp(below), axis=axis, keepdims=True))

        def back(dy: Array) -> Array:
            return dy - xp.exp(y) * self.backend.sum(dy, axis=axis, keepdims=True)

        return y, back
