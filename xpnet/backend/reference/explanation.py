"""Which algorithm computes a convolution, and why: in words, for a layer and a batch's shape."""

from typing import Protocol, runtime_checkable

import numpy as np

from xpnet.backend.reference.arrays import Array
from xpnet.backend.reference.convolution import Convolution
from xpnet.backend.window import Window
from xpnet.errors import OptionError

Shape = tuple[int, ...]


@runtime_checkable
class ConvolutionLayer(Protocol):
    """What `explain` asks of a layer, such as Conv2D."""

    groups: int
    axes: str

    @property
    def dtype(self) -> str: ...

    def output_shape(self, shape: Shape) -> Shape: ...

    def as_conv2d(self, shape: Shape) -> tuple[Shape, Shape, Window]: ...


class Explanation(Convolution):
    def explain(self, layer: ConvolutionLayer, shape: Shape) -> str:
        """Which algorithm computes the convolution of a layer for a batch of images (N, C, H, W), and why.

        A transposed one goes the way of the convolution that it turns round.
        """
        axes = layer.axes if isinstance(layer, ConvolutionLayer) else ""
        if len(shape) != 2 + len(axes) or not axes:
            needed = ", ".join(axes or "HW")
            raise OptionError(
                f"explain takes a convolution and a batch's shape, (N, C, {needed}), not {layer!r} and {shape}"
            )
        layer.output_shape(shape[1:])  # an error where there is none
        images, weight, window = layer.as_conv2d(shape)
        x, w = (np.broadcast_to(np.zeros((), layer.dtype), each) for each in (images, weight))  # takes no memory
        return self.explain_conv2d(x, w, window, layer.groups)

    def explain_conv2d(self, x: Array, w: Array, window: Window, groups: int = 1) -> str:
        """Which algorithm `conv2d` and `conv2d_backward` take for such arrays, and why; their values do not matter."""
        return "columns: those of all images at once, and a product for each image and group; there is no other way"
