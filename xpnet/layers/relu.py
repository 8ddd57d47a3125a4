"""The rectifier: the shortest layer that shows the protocol."""

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
