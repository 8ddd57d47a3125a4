"""The base of activations that are no more than a formula of each entry."""

from xpnet.backend import Array
from xpnet.core.layer import Back, Layer


class Elementwise(Layer):
    """Any shape in, the same shape out; forward and back stand side by side in backend/reference/elementwise.py."""

    formula: str
    constants: tuple[float, ...] = ()  # what the formula takes behind x

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        return self.backend.activation(x, self.formula, *self.constants)
