"""Transposed convolution: the way back through a convolution's input, as a way forward."""

from xpnet.backend.reference.arrays import Array
from xpnet.backend.reference.convolution import Convolution
from xpnet.backend.window import Pair, Window


class Transposed(Convolution):
    def conv2d_transposed(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        window: Window,
        size: Pair,
        groups: int = 1,
        activation: str | None = None,
    ) -> Array:
        """y[n,o,i*SH+m*DH-top,j*SW+l*DW-left] = act(b[o] + the sum of w[c,o,m,l] x[n,c,i,j] that fall there).

        x (N,C,H,W), w (C,O/G,KH,KW), y (N,O,*size). It is the gradient of a `conv2d` of this window over images of
        `size` (which gives images of H x W) with respect to its input, if x is that with respect to its output.
        """
        xp = self.xp
        N, C, H, W = x.shape
        pixels = xp.reshape(x, (N, groups, C // groups, H * W))
        kernels = xp.reshape(w, (1, groups, C // groups, -1))  # (1, G, C/G, O/G*KH*KW)
        cols = xp.reshape(xp.matmul(kernels.mT, pixels), (N, groups * w.shape[1], *window.kernel, H, W))
        y = self.col2im(cols, size, window)
        if b is not None:
            y = y + xp.reshape(b, (1, -1, 1, 1))
        return self.activate(y, activation)

    def conv2d_transposed_backward(
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
        """(dx, dw, db) of `conv2d_transposed`, None for each that is not needed; `y` is what it returned."""
        xp = self.xp
        N, C, H, W = x.shape
        dz = self.activate_backward(dy, y, activation)
        dw, db = None, self.sum(dz, axis=(0, 2, 3)) if need_db else None
        cols = xp.reshape(self.im2col(dz, window), (N, groups, -1, H * W))  # (N, G, O/G*KH*KW, H*W)
        if need_dw:
            pixels = xp.reshape(x, (N, groups, C // groups, H * W))
            dw = xp.reshape(self.sum(xp.matmul(pixels, cols.mT), axis=0), w.shape)
        if not need_dx:
            return None, dw, db
        kernels = xp.reshape(w, (1, groups, C // groups, -1))  # (1, G, C/G, O/G*KH*KW)
        return xp.reshape(xp.matmul(kernels, cols), x.shape), dw, db
