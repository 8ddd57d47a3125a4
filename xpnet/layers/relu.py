"""The rectifier: the shortest layer that shows the protocol."""

from collections.abc import Callable

from xpnet.backend import Array
from xpnet.core.layer import Back, Layer

__all__ = ["ReLU"]


class ReLU(Layer):
    """y = max(x, 0);  dx = dy where y > 0, else 0 (Nair and Hinton, 2010).

    Elsewhere: torch.nn.ReLU; keras.layers.ReLU; the book's Relu.
    """

    kind = "relu"
    gives = "scores"

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        y = self.backend.activate(x, "relu")  # same shape as x

        def back(dy: Array) -> Array:
            return self.backend.activate_backward(dy, y, "relu")

        return y, back

    def with_sum(self) -> Callable[[Array, Array], tuple[Array, Back]] | None:
        """The forward of a sum (core/chains.py); None where somebody looks at the sum or at what comes of it."""
        if type(self) is not ReLU or "forward" in vars(self) or not self.backend.fills:
            return None
        return self._forward_of_sum

    def _forward_of_sum(self, a: Array, b: Array) -> tuple[Array, Back]:
        self.check(a)
        y = self.backend.add_relu(a, b)

        def back(dy: Array) -> tuple[Array, Array]:
            dx = self.backend.activate_backward(dy, y, "relu")
            return dx, dx

        return y, back
