"""Pooling: a window's largest pixel, its mean, or the mean of the whole image."""

from xpnet.backend import Array
from xpnet.backend.window import Padding, Pair, Window, check_padding, make_window, pair
from xpnet.core.declare import Shape
from xpnet.core.layer import Back, Layer
from xpnet.errors import OptionError, ShapeError

__all__ = ["AvgPool2D", "GlobalAvgPool2D", "MaxPool2D"]


class _Pool2D(Layer):
    """What the two share: (N, C, H, W) -> (N, C, OH, OW), OH = floor((H + top + bottom - KH) / stride) + 1."""

    kind = "pool"

    def __init__(
        self, pool_size: int | Pair = 2, stride: int | Pair | None = None, padding: Padding = 0, name: str | None = None
    ) -> None:
        super().__init__(name)
        self.pool_size = pair(pool_size, "pool_size")
        self.stride = self.pool_size if stride is None else pair(stride, "stride")
        self.padding = check_padding(padding)
        if not isinstance(self.padding, str):
            for pads, k in zip(self.padding, self.pool_size, strict=True):
                if max(pads) >= k:
                    raise OptionError(
                        f"{type(self).__name__}: padding {padding!r} must be smaller than pool_size"
                        f" {self.pool_size}, else a window would see padding only"
                    )

    def window(self, size: Pair) -> Window:
        return make_window(self.pool_size, self.stride, self.padding, (1, 1), size)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3:
            raise self.wrong_shape(shape, "(N, C, H, W)")
        try:
            return (shape[0], *self.window(shape[1:]).output_size(shape[1:]))
        except ShapeError as error:
            raise ShapeError(f"{self.label}: {error}") from None


class MaxPool2D(_Pool2D):
    """The largest pixel of each window; dy goes to that pixel, of several equal ones to the first in reading order.

    pool_size, stride: an integer or a pair (stride defaults to pool_size).  padding: as in Conv2D; padding never wins.
    """

    gives = "scores"

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        window = self.window(x.shape[2:])
        y = self.backend.max_pool2d(x, window)

        def back(dy: Array) -> Array:
            return self.backend.max_pool2d_backward(dy, x, y, window)

        return y, back


class AvgPool2D(_Pool2D):
    """The mean of each window, padded zeros counted in (as PyTorch does by default); dy is shared out equally.

    pool_size, stride: an integer or a pair (stride defaults to pool_size).  padding: as in Conv2D.
    """

    gives = "scores"

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        size = x.shape[2:]
        window = self.window(size)
        y = self.backend.avg_pool2d(x, window)

        def back(dy: Array) -> Array:
            return self.backend.avg_pool2d_backward(dy, size, window)

        return y, back


class GlobalAvgPool2D(Layer):
    """(N, C, H, W) -> (N, C), the mean of each channel's image (Lin, Chen and Yan, 2014)."""

    kind = "global_pool"
    gives = "scores"

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3:
            raise self.wrong_shape(shape, "(N, C, H, W)")
        return shape[:1]

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        N, C, H, W = x.shape
        y = self.xp.mean(x, axis=(2, 3))

        def back(dy: Array) -> Array:
            share = self.xp.reshape(dy / (H * W), (N, C, 1, 1))
            return self.backend.copy(self.xp.broadcast_to(share, (N, C, H, W)))

        return y, back
