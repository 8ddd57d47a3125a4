"""Convolution: im2col and one product of matrices for each image and group."""

from xpnet.backend.reference.activations import Activations
from xpnet.backend.reference.arrays import Array
from xpnet.backend.reference.windows import Windows
from xpnet.backend.window import Window


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
        need_dw: bool = True,
        need_db: bool = True,
    ) -> tuple[Array | None, Array | None, Array | None]:
        """(dx, dw, db) of `conv2d`, None for each that is not needed; `y` is what it returned."""
        xp = self.xp
        N, O, OH, OW = dy.shape
        dz = xp.reshape(self.activate_backward(dy, y, activation), (N, groups, O // groups, OH * OW))
        dw, db = None, xp.reshape(self.sum(dz, axis=(0, 3)), (O,)) if need_db else None
        if need_dw:
            cols = xp.reshape(self.im2col(x, window), (N, groups, -1, OH * OW))  # (N, G, C/G*KH*KW, OH*OW)
            dw = xp.reshape(self.sum(xp.matmul(dz, cols.mT), axis=0), w.shape)
        if not need_dx:
            return None, dw, db
        kernels = xp.reshape(w, (1, groups, O // groups, -1))  # (1, G, O/G, C/G*KH*KW)
        dcols = xp.reshape(xp.matmul(kernels.mT, dz), (N, x.shape[1], *window.kernel, OH, OW))
        return self.col2im(dcols, x.shape[2:], window), dw, db
