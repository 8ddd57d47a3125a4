"""The largest pixel of a window, the mean of its pixels, and pixels that become blocks."""

from collections.abc import Sequence

from xpnet.backend.reference.arrays import Array
from xpnet.backend.reference.sums import FEW, add_arrays
from xpnet.backend.reference.windows import Windows
from xpnet.backend.window import Window


class Pooling(Windows):
    def max_pool2d(self, x: Array, window: Window) -> Array:
        """The largest pixel of each window; padding never wins. (N, C, H, W) -> (N, C, OH, OW)."""
        padded = self.pad(x, window.padding, -float("inf"))
        slices = [padded[:, :, rows, columns] for _, _, rows, columns in window.taps(x.shape[2:])]
        y = slices[0]
        for s in slices[1:]:
            y = self.xp.maximum(y, s)
        return self.copy(y) if len(slices) == 1 else y

    def max_pool2d_backward(self, dy: Array, x: Array, y: Array, window: Window, relu: bool = False) -> Array:
        """dy goes to the pixel that was the largest; of several equal ones, to the first in reading order.

        To a pixel, never to padding; to none where a NaN was the largest. With `relu`, where y > 0 alone: what the ReLU
        that x came from would let through.
        """
        xp = self.xp
        dy = xp.where(y > 0, dy, 0) if relu else dy
        (top, _), (left, _) = window.padding
        H, W = x.shape[2:]
        padded = self.pad(x, window.padding, float("nan"))  # which is equal to nothing
        dx = xp.zeros_like(padded)
        open_ = xp.ones_like(y, dtype=xp.bool)  # outputs whose maximum has not been met yet
        for _, _, rows, columns in window.taps((H, W)):
            hit = open_ & (padded[:, :, rows, columns] == y)
            dx[:, :, rows, columns] += xp.where(hit, dy, 0)
            open_ = open_ & ~hit
        return dx[:, :, top : top + H, left : left + W]

    def avg_pool2d(self, x: Array, window: Window) -> Array:
        """The mean of each window, zeros of the padding counted in. (N, C, H, W) -> (N, C, OH, OW)."""
        padded = self.pad(x, window.padding)
        pixels = [padded[:, :, rows, columns] for _, _, rows, columns in window.taps(x.shape[2:])]
        return add_arrays(pixels) / len(pixels)

    def avg_pool2d_backward(self, dy: Array, size: tuple[int, int], window: Window) -> Array:
        """Each pixel of the window gets dy / (KH*KW)."""
        share, ((top, bottom), (left, right)) = dy / (window.kernel[0] * window.kernel[1]), window.padding
        H, W = size
        shape = *dy.shape[:2], top + H + bottom, left + W + right

        def collect(taps: Sequence[tuple[int, int, slice, slice]]) -> Array:
            if len(taps) > FEW:  # the halves, as in `add_arrays`
                half = len(taps) // 2
                return collect(taps[:half]) + collect(taps[half:])
            padded = self.zeros(shape, dy.dtype)
            for _, _, rows, columns in taps:
                padded[:, :, rows, columns] += share
            return padded

        return collect(window.taps(size))[:, :, top : top + H, left : left + W]

    def repeat2d(self, x: Array, times: tuple[int, int]) -> Array:
        """Each pixel becomes a block of so many rows and columns. (N, C, H, W) -> (N, C, H * rows, W * columns)."""
        (N, C, H, W), (rows, columns) = x.shape, times
        blocks = self.xp.broadcast_to(x[:, :, :, None, :, None], (N, C, H, rows, W, columns))
        return self.xp.reshape(blocks, (N, C, H * rows, W * columns))
