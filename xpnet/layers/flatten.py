"""From images to vectors."""

import math

from xpnet.backend import Array
from xpnet.core.declare import Shape
from xpnet.core.layer import Back, Layer

__all__ = ["Flatten"]


class Flatten(Layer):
    """(N, C, H, W) -> (N, C*H*W), in the order of the shape; the way back restores it."""

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
