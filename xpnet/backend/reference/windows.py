"""Windows as columns: padding, im2col and its adjoint."""

from xpnet.backend.reference.arrays import Array, Arrays
from xpnet.backend.window import Window


class Windows(Arrays):
    def pad(self, x: Array, padding: tuple[tuple[int, int], tuple[int, int]], value: float = 0.0) -> Array:
        """(N, C, H, W) -> (N, C, top + H + bottom, left + W + right)."""
        (top, bottom), (left, right) = padding
        N, C, H, W = x.shape
        out = self.xp.full((N, C, top + H + bottom, left + W + right), value, dtype=x.dtype, device=self.device)
        out[:, :, top : top + H, left : left + W] = x
        return out

    def im2col(self, x: Array, window: Window) -> Array:
        """(N, C, H, W) -> (N, C, KH, KW, OH, OW): the input pixels that each output pixel sees."""
        padded = self.pad(x, window.padding)
        taps = window.taps(x.shape[2:])
        slices = [padded[:, :, rows, columns] for _, _, rows, columns in taps]
        cols = self.xp.stack(slices, axis=2)  # (N, C, KH*KW, OH, OW)
        return self.xp.reshape(cols, (*x.shape[:2], *window.kernel, *cols.shape[3:]))

    def col2im(self, cols: Array, size: tuple[int, int], window: Window) -> Array:
        """The adjoint of `im2col`: each input pixel collects from all the places that it was copied to."""
        (top, bottom), (left, right) = window.padding
        N, C = cols.shape[:2]
        H, W = size
        padded = self.zeros((N, C, top + H + bottom, left + W + right), cols.dtype)
        for m, n, rows, columns in window.taps(size):
            padded[:, :, rows, columns] += cols[:, :, m, n, :, :]
        return padded[:, :, top : top + H, left : left + W]
