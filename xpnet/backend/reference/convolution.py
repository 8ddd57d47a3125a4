"""Convolution: im2col and one product of matrices for each image and group."""

from typing import Protocol, runtime_checkable

import numpy as np

from xpnet.backend.reference.activations import Activations
from xpnet.backend.reference.arrays import Array
from xpnet.backend.reference.windows import Windows
from xpnet.backend.window import Pair, Window
from xpnet.errors import OptionError


@runtime_checkable
class ConvolutionLayer(Protocol):
    """What `explain` asks of a layer, such as Conv2D."""

    filters: int
    groups: int
    kernel_size: Pair

    @property
    def dtype(self) -> str: ...

    def window(self, size: Pair) -> Window: ...


class Convolution(Windows, Activations):
    def conv2d(
        self, x: Array, w: Array, b: Array | None, window: Window, groups: int = 1, activation: str | None = None
    ) -> Array:
        """y[n,o,i,j] = act(b[o] + sum_{c,m,n} w[o,c,m,n] x[n,c,i+m,j+n]): x (N,C,H,W), w (O,C/G,KH,KW), y (N,O,OH,OW).

        `activation` is None or "relu".
        """
        N, O = x.shape[0], w.shape[0]
        OH, OW = window.output_size(x.shape[2:])
        cols = self.xp.reshape(self.im2col(x, window), (N, groups, -1, OH * OW))  # (N, G, C/G*KH*KW, OH*OW)
        kernels = self.xp.reshape(w, (1, groups, O // groups, -1))  # (1, G, O/G, C/G*KH*KW)
        y = self.xp.reshape(self.xp.matmul(kernels, cols), (N, O, OH, OW))
        if b is not None:
            y = y + self.xp.reshape(b, (1, O, 1, 1))
        return self.activate(y, activation)

    def conv2d_backward(
        self,
        dy: Array,
        x: Array,
        w: Array,
        y: Array,
        window: Window,
        groups: int = 1,
        activation: str | None = None,
        need_dx: bool = True,
    ) -> tuple[Array | None, Array, Array]:
        """(dx or None, dw, db) of `conv2d`; `y` is what it returned."""
        xp = self.xp
        N, O, OH, OW = dy.shape
        dz = xp.reshape(self.activate_backward(dy, y, activation), (N, groups, O // groups, OH * OW))
        db = xp.reshape(xp.sum(dz, axis=(0, 3)), (O,))
        cols = xp.reshape(self.im2col(x, window), (N, groups, -1, OH * OW))  # (N, G, C/G*KH*KW, OH*OW)
        dw = xp.reshape(xp.sum(xp.matmul(dz, cols.mT), axis=0), w.shape)
        if not need_dx:
            return None, dw, db
        kernels = xp.reshape(w, (1, groups, O // groups, -1))  # (1, G, O/G, C/G*KH*KW)
        dcols = xp.reshape(xp.matmul(kernels.mT, dz), (N, x.shape[1], *window.kernel, OH, OW))
        return self.col2im(dcols, x.shape[2:], window), dw, db

    def explain(self, layer: ConvolutionLayer, shape: tuple[int, int, int, int]) -> str:
        """Which algorithm computes the convolution of a layer for a batch of images (N, C, H, W), and why."""
        if not isinstance(layer, ConvolutionLayer) or len(shape) != 4:
            raise OptionError(f"explain takes a Conv2D and a batch's shape, (N, C, H, W), not {layer!r} and {shape}")
        window, weight = layer.window(shape[2:]), (layer.filters, shape[1] // layer.groups, *layer.kernel_size)
        window.output_size(shape[2:])  # an error where there is none
        x, w = (np.broadcast_to(np.zeros((), layer.dtype), axes) for axes in (shape, weight))  # takes no memory
        return self.explain_conv2d(x, w, window, layer.groups)

    def explain_conv2d(self, x: Array, w: Array, window: Window, groups: int = 1) -> str:
        """Which algorithm `conv2d` and `conv2d_backward` take for such arrays, and why; their values do not matter."""
        return "columns: those of all images at once, and a product for each image and group; there is no other way"
