"""Activations, elementwise but for Softmax: any shape in, the same shape out."""

from typing import Any

from xpnet.backend import Array
from xpnet.base.checks import at_least_zero, positive
from xpnet.base.lookup import by_name
from xpnet.core.layer import Back, Layer
from xpnet.errors import OptionError

__all__ = ["LeakyReLU", "LogSoftmax", "ReLU", "Sigmoid", "Softmax", "Tanh"]


class ReLU(Layer):
    """y = max(x, 0);  dx = dy where y > 0, else 0 (Nair and Hinton, 2010)."""

    kind = "relu"
    gives = "scores"

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        y = self.backend.activate(x, "relu")  # same shape as x

        def back(dy: Array) -> Array:
            return self.backend.activate_backward(dy, y, "relu")

        return y, back


class LeakyReLU(Layer):
    """y = x where x > 0, else negative_slope * x (Maas et al., 2013)."""

    kind = "leaky_relu"
    gives = "scores"

    def __init__(self, negative_slope: float = 0.01, name: str | None = None) -> None:
        super().__init__(name)
        self.negative_slope = at_least_zero("LeakyReLU: negative_slope", negative_slope)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        xp = self.xp
        above = x > 0
        y = xp.where(above, x, self.negative_slope * x)

        def back(dy: Array) -> Array:
            return xp.where(above, dy, self.negative_slope * dy)

        return y, back


class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x));  dx = dy y (1 - y). No overflow for any x."""

    kind = "sigmoid"
    gives = "probabilities"

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        y = self.backend.sigmoid(x)

        def back(dy: Array) -> Array:
            return dy * y * (1 - y)

        return y, back


class Tanh(Layer):
    """y = amplitude * tanh(slope * x);  dx = dy slope (amplitude - y**2 / amplitude).

    LeNet-5 has amplitude 1.7159 and slope 2/3 (LeCun et al., 1998).
    """

    kind = "tanh"
    gives = "scores"

    def __init__(self, amplitude: float = 1.0, slope: float = 1.0, name: str | None = None) -> None:
        super().__init__(name)
        self.amplitude, self.slope = positive("Tanh: amplitude", amplitude), positive("Tanh: slope", slope)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        y = self.amplitude * self.xp.tanh(self.slope * x)

        def back(dy: Array) -> Array:
            return dy * (self.slope * (self.amplitude - y * y / self.amplitude))

        return y, back


class _AlongAxis(Layer):
    """What the two softmaxes share."""

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

    For training, leave it out and use the loss "softmax_cross_entropy", which contains it.
    """

    kind = "softmax"
    gives = "probabilities"

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        y = self.backend.softmax(x, self.axis)

        def back(dy: Array) -> Array:
            return y * (dy - self.xp.sum(dy * y, axis=self.axis, keepdims=True))

        return y, back


class LogSoftmax(_AlongAxis):
    """y = x - log(sum(exp(x))) along `axis` (default 1): log-probabilities;  dx = dy - exp(y) sum(dy).

    Where they are to be added up or averaged; their loss is "negative_log_likelihood". The largest x is taken from all,
    so that nothing overflows.
    """

    kind = "log_softmax"
    gives = "log_probabilities"

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        xp, axis = self.xp, self.axis
        below = x - xp.max(x, axis=axis, keepdims=True)
        y = below - xp.log(xp.sum(xp.exp(below), axis=axis, keepdims=True))

        def back(dy: Array) -> Array:
            return dy - xp.exp(y) * xp.sum(dy, axis=axis, keepdims=True)

        return y, back


ACTIVATIONS: dict[str, type[Layer]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "softmax": Softmax,
    "log_softmax": LogSoftmax,
}


def activation_layer(activation: Any) -> Layer | None:
    """The layer for "relu", ReLU() or None."""
    if activation is None or activation == "linear":
        return None
    if isinstance(activation, Layer):
        return activation
    return by_name("activation", activation, ACTIVATIONS, "or give a layer")
