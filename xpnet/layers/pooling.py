"""Pooling: a window's largest pixel, its mean, or the same of a whole image or signal."""

import functools
import math
from typing import Any

from xpnet.backend import Array
from xpnet.backend.one_axis import Padding1D, check_padding1d, make_window1d, output_length, single
from xpnet.backend.reference import dtype_name
from xpnet.backend.window import Padding, Pair, Window, check_padding, make_window, pair
from xpnet.base.checks import flag, whole
from xpnet.core.declare import Shape
from xpnet.core.layer import Back
from xpnet.errors import OptionError, ShapeError
from xpnet.layers.constants import constant
from xpnet.layers.spatial import Spatial

__all__ = [
    "AvgPool1D",
    "AvgPool2D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "MaxPool1D",
    "MaxPool2D",
]


class _Pool(Spatial):
    """What all with a window share: (N, C, H, W) -> (N, C, OH, OW), or (N, C, T) -> (N, C, OT)."""

    kind = "pool"

    def __init__(
        self, pool_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, name: str | None
    ) -> None:
        super().__init__(name)
        read_number, read_padding = (pair, check_padding) if self.rank == 2 else (single, check_padding1d)
        self.pool_size: Any = self.read(read_number, pool_size, "pool_size")
        self.stride: Any = self.pool_size if stride is None else self.read(read_number, stride, "stride")
        self.padding: Any = self.read(read_padding, padding)
        self.dilation: Any = self.read(read_number, dilation, "dilation")
        self.ceil_mode = self.read(flag, "ceil_mode", ceil_mode)
        window = self.plain_window((1, 1))
        sides = zip(window.padding, window.extent, strict=True)
        if self.padding != "same" and any(max(pads) >= extent for pads, extent in sides):
            raise OptionError(
                f"{type(self).__name__}: padding {padding!r} must be smaller than pool_size {self.pool_size!r}, else a"
                " window would see padding only"
            )

    def plain_window(self, size: Pair) -> Window:
        """The window for images of `size` (H, W), or signals of (1, T), with the padding that was asked for."""
        if self.rank == 2:
            return make_window(self.pool_size, self.stride, self.padding, self.dilation, size)
        return make_window1d(self.pool_size, self.stride, self.padding, self.dilation, size[1])

    def window(self, size: Pair) -> Window:
        plain = self.plain_window(size)
        return _with_last(plain, size) if self.ceil_mode else plain

    def output_shape(self, shape: Shape) -> Shape:
        self.check_rank(shape)
        size = (shape[-2], shape[-1]) if self.rank == 2 else (1, shape[-1])
        window = self.window(size)
        try:
            output = window.output_size(size) if self.rank == 2 else (output_length(window, size[1]),)
        except ShapeError as error:
            raise ShapeError(f"{self.label}: {error}") from None
        if _sees_padding_only(window, size):
            raise self.wrong_shape(
                shape, f"{self.needed} with no window around all of it: use less padding or dilation, or larger inputs"
            )
        return (shape[0], *output)


@functools.lru_cache(maxsize=4096)
def _with_last(window: Window, size: Pair) -> Window:
    """With as much more padding behind as a last window needs that begins within the image, or in front of it."""
    pads = []
    steps = zip(size, window.extent, window.stride, window.padding, strict=True)
    for length, extent, stride, (before, after) in steps:
        count = -(-(length + before + after - extent) // stride) + 1
        if (count - 1) * stride >= length + before:
            count -= 1
        pads.append((before, max(after, (count - 1) * stride + extent - length - before)))
    return window._replace(padding=(pads[0], pads[1]))


def _sees_padding_only(window: Window, size: Pair) -> bool:
    """Whether some window does: one that is dilated may lie around a small image."""
    if window.dilation == (1, 1):
        return False
    steps = zip(
        size, window.output_size(size), window.kernel, window.stride, window.dilation, window.padding, strict=True
    )
    return any(
        not any(0 <= o * stride + k * dilation - before < length for k in range(kernel))
        for length, outputs, kernel, stride, dilation, (before, _) in steps
        for o in range(outputs)
    )


# ---- the largest pixel ---------------------------------------------------------------------------------------------


class _MaxPool(_Pool):
    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        x = self.as_image(x)
        window = self.window(x.shape[2:])
        y = self.backend.max_pool2d(x, window)

        def back(dy: Array, relu: bool = False) -> Array:
            return self.as_given(self.backend.max_pool2d_backward(self.as_image(dy), x, y, window, relu))

        back.takes_relu = True  # type: ignore[attr-defined]
        return self.as_given(y), back


class MaxPool2D(_MaxPool):
    """The largest pixel of each window; dy goes to that pixel, of several equal ones to the first in reading order.

    Shapes: x (N, C, H, W), y (N, C, OH, OW), OH = floor((H + top + bottom - (KH - 1) * dilation - 1) / stride) + 1.

    pool_size, stride: an integer or a pair (stride defaults to pool_size).  padding: as in Conv2D; padding never wins.
    dilation: how far apart the pixels are that a window sees.  ceil_mode: OH is rounded up: a last window may end
    behind the padding, if it begins within the image or in front of it.

    Riesenhuber and Poggio, 1999; windows that overlap: Krizhevsky et al., 2012.

    Elsewhere: torch.nn.MaxPool2d; keras.layers.MaxPooling2D; the book's Pooling.
    """

    gives = "scores"

    def __init__(
        self,
        pool_size: int | Pair = 2,
        stride: int | Pair | None = None,
        padding: Padding = 0,
        name: str | None = None,
        dilation: int | Pair = (1, 1),
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(pool_size, stride, padding, dilation, ceil_mode, name)


class MaxPool1D(_MaxPool):
    """The largest step of each window; dy goes to that step, of several equal ones to the first.

    Shapes: x (N, C, T), y (N, C, OT), OT = floor((T + left + right - (K - 1) * dilation - 1) / stride) + 1.

    pool_size, stride, dilation: integers (stride defaults to pool_size).  padding: 0, "valid", "same" or (left, right);
    padding never wins.  ceil_mode: as in MaxPool2D.

    Elsewhere: torch.nn.MaxPool1d; keras.layers.MaxPooling1D.
    """

    axes = "T"
    gives = "scores"

    def __init__(
        self,
        pool_size: int = 2,
        stride: int | None = None,
        padding: Padding1D = 0,
        dilation: int = 1,
        ceil_mode: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(pool_size, stride, padding, dilation, ceil_mode, name)


# ---- the mean ------------------------------------------------------------------------------------------------------


class _AvgPool(_Pool):
    """The primitive divides by the window's size; where another number counts, `scale` makes up for it."""

    count_include_pad = True
    divisor_override: int | None = None

    def scale(self, size: Pair, window: Window, dtype: str) -> Array | float | None:
        """What each mean is multiplied by, (OH, OW) or one number for all; None for 1."""
        if self.divisor_override is not None:
            return math.prod(window.kernel) / self.divisor_override
        if self.count_include_pad and not self.ceil_mode:
            return None
        return constant(self.backend, dtype, _scale, window, self.plain_window(size), size, self.count_include_pad)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        x = self.as_image(x)
        size = x.shape[2:]
        window = self.window(size)
        scale = self.scale(size, window, dtype_name(x.dtype))
        y = self.backend.avg_pool2d(x, window)

        def back(dy: Array) -> Array:
            share = self.as_image(dy) if scale is None else self.as_image(dy) * scale
            return self.as_given(self.backend.avg_pool2d_backward(share, size, window))

        return self.as_given(y if scale is None else y * scale), back


def _scale(window: Window, plain: Window, size: Pair, count_pads: bool) -> list[list[float]]:
    """(OH, OW): the window's size through the pixels that count, those of the image and of `plain`'s padding."""
    steps = zip(window.output_size(size), window.kernel, window.stride, size, plain.padding, strict=True)
    counts = []
    for outputs, kernel, stride, length, (before, after) in steps:
        first, last = (-before, length + after) if count_pads else (0, length)
        starts = [o * stride - before for o in range(outputs)]
        counts.append([min(start + kernel, last) - max(start, first) for start in starts])
    return [[math.prod(window.kernel) / (rows * columns) for columns in counts[1]] for rows in counts[0]]


class AvgPool2D(_AvgPool):
    """The mean of each window, padded zeros counted in (as PyTorch does by default); dy is shared out equally.

    Shapes: x (N, C, H, W), y (N, C, OH, OW), OH = floor((H + top + bottom - KH) / stride) + 1.

    pool_size, stride: an integer or a pair (stride defaults to pool_size).  padding: as in Conv2D.
    ceil_mode: as in MaxPool2D; what a window sees behind the padding does not count.  count_include_pad: False for the
    mean of the image's pixels alone, as in Keras.  divisor_override: the sum is divided by this number instead.

    LeCun et al., 1998.

    Elsewhere: torch.nn.AvgPool2d; keras.layers.AveragePooling2D.
    """

    gives = "scores"

    def __init__(
        self,
        pool_size: int | Pair = 2,
        stride: int | Pair | None = None,
        padding: Padding = 0,
        name: str | None = None,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(pool_size, stride, padding, 1, ceil_mode, name)
        self.count_include_pad = self.read(flag, "count_include_pad", count_include_pad)
        if divisor_override is not None:
            self.divisor_override = self.read(whole, "divisor_override", divisor_override)


class AvgPool1D(_AvgPool):
    """The mean of each window, padded zeros counted in (as PyTorch does by default); dy is shared out equally.

    Shapes: x (N, C, T), y (N, C, OT), OT = floor((T + left + right - K) / stride) + 1.

    pool_size, stride: integers (stride defaults to pool_size).  padding: 0, "valid", "same" or (left, right).
    ceil_mode, count_include_pad: as in AvgPool2D.

    Elsewhere: torch.nn.AvgPool1d; keras.layers.AveragePooling1D.
    """

    axes = "T"
    gives = "scores"

    def __init__(
        self,
        pool_size: int = 2,
        stride: int | None = None,
        padding: Padding1D = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(pool_size, stride, padding, 1, ceil_mode, name)
        self.count_include_pad = self.read(flag, "count_include_pad", count_include_pad)


# ---- of the whole image or signal ----------------------------------------------------------------------------------


class _Global(Spatial):
    kind = "global_pool"

    def output_shape(self, shape: Shape) -> Shape:
        self.check_rank(shape)
        return shape[:1]


class _GlobalAvgPool(_Global):
    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        shape = x.shape
        y = self.backend.mean(x, axis=tuple(range(2, x.ndim)))

        def back(dy: Array) -> Array:
            share = dy / math.prod(shape[2:])
            share = self.xp.reshape(share, (*shape[:2], *(1,) * self.rank))  # (N, C, 1, 1) or (N, C, 1)
            return self.backend.copy(self.xp.broadcast_to(share, shape))

        return y, back


class GlobalAvgPool2D(_GlobalAvgPool):
    """(N, C, H, W) -> (N, C), the mean of each channel's image; dy is shared out equally (Lin, Chen and Yan, 2014).

    Elsewhere: keras.layers.GlobalAveragePooling2D.
    """

    gives = "scores"


class GlobalAvgPool1D(_GlobalAvgPool):
    """(N, C, T) -> (N, C), the mean of each channel over the steps; dy is shared out equally. Sequences (N, T, F) go
    through Permute((2, 1)) first.

    Elsewhere: keras.layers.GlobalAveragePooling1D.
    """

    axes = "T"
    gives = "scores"


class _GlobalMaxPool(_Global):
    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        xp = self.xp
        y = xp.max(x, axis=tuple(range(2, x.ndim)))

        def back(dy: Array) -> Array:
            (N, C), L = x.shape[:2], math.prod(x.shape[2:])
            places = xp.argmax(xp.reshape(x, (N, C, L)), axis=2, keepdims=True)  # (N, C, 1), of equal ones the first
            hit = xp.arange(L, device=self.backend.device) == places  # (N, C, L)
            return xp.reshape(xp.where(hit, dy[:, :, None], 0), x.shape)

        return y, back


class GlobalMaxPool2D(_GlobalMaxPool):
    """(N, C, H, W) -> (N, C), the largest pixel of each channel's image; dy goes there, if several are, to the first.

    Oquab, Bottou, Laptev and Sivic, 2015.

    Elsewhere: keras.layers.GlobalMaxPooling2D.
    """

    gives = "scores"


class GlobalMaxPool1D(_GlobalMaxPool):
    """(N, C, T) -> (N, C), the largest of each channel's steps; dy goes there, if several are, to the first. Sequences
    (N, T, F) go through Permute((2, 1)) first.

    Collobert and Weston, 2008.

    Elsewhere: keras.layers.GlobalMaxPooling1D.
    """

    axes = "T"
    gives = "scores"
