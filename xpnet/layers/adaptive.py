"""Pooling to a size that is given: the windows follow from it."""

from typing import Any

from xpnet.backend import Array, Backend
from xpnet.backend.reference import dtype_name
from xpnet.backend.window import Window
from xpnet.base.checks import whole
from xpnet.core.declare import Shape
from xpnet.core.layer import Back
from xpnet.errors import OptionError
from xpnet.layers.constants import constant
from xpnet.layers.spatial import Resize, Spatial, map_lines, take_lines

__all__ = ["AdaptiveAvgPool1D", "AdaptiveAvgPool2D", "AdaptiveMaxPool1D", "AdaptiveMaxPool2D"]

Sizes = int | tuple[int | None, int | None] | None  # as users may write it


class _Adaptive(Spatial):
    """Window i along an axis of L pixels, of M, is from floor(i L / M) to ceil((i + 1) L / M); the axes in turn."""

    kind = "adaptive_pool"

    def __init__(self, output_size: Any, name: str | None) -> None:
        super().__init__(name)
        several = isinstance(output_size, (tuple, list))
        sizes = tuple(output_size) if several else (output_size,) * self.rank
        try:
            if len(sizes) != self.rank:
                raise OptionError("too many, or too few")
            sizes = tuple(None if size is None else whole("output_size", size) for size in sizes)
        except OptionError:
            pair = " or a pair of them" if self.rank == 2 else ""
            raise OptionError(
                f"{type(self).__name__}: output_size must be an integer of at least 1, or None for the size of the"
                f" input{pair}, not {output_size!r}"
            ) from None
        self.output_size = sizes if self.rank == 2 else sizes[0]

    def output_shape(self, shape: Shape) -> Shape:
        self.check_rank(shape)
        sizes = self.output_size if self.rank == 2 else (self.output_size,)
        return (shape[0], *(given or own for given, own in zip(sizes, shape[1:], strict=True)))

    def pool_axes(self, x: Array, pool: Resize) -> tuple[Array, Back]:
        """In which `pool` makes lines shorter, or longer."""
        OH, OW = (1, *self.output_shape(tuple(x.shape[1:]))[1:])[-2:]
        y, back = self.along_axes(self.as_image(x), (OH, OW), pool)
        return self.as_given(y), lambda dy: self.as_given(back(self.as_image(dy)))


def _begin_and_end(i: int, length: int, outputs: int) -> tuple[int, int]:
    return i * length // outputs, -(-(i + 1) * length // outputs)


def _side_by_side(axis: int, size: int) -> Window:
    """So many pixels along one axis, then the next."""
    kernel = (size, 1) if axis == 2 else (1, size)
    return Window(kernel, kernel)


# ---- the mean ------------------------------------------------------------------------------------------------------


class _AdaptiveAvgPool(_Adaptive):
    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        return self.pool_axes(x, _average_lines)


def _average_lines(backend: Backend, x: Array, axis: int, outputs: int) -> tuple[Array, Back]:
    length, size = x.shape[axis], x.shape[2:]
    if length % outputs == 0:
        window = _side_by_side(axis, length // outputs)
        return backend.avg_pool2d(x, window), lambda dy: backend.avg_pool2d_backward(dy, size, window)
    shares = constant(backend, dtype_name(x.dtype), _shares, length, outputs)  # (M, L)
    return map_lines(backend, x, shares, axis), lambda dy: map_lines(backend, dy, shares.T, axis)


def _shares(length: int, outputs: int) -> list[list[float]]:
    """(M, L): what each pixel of the line has in each mean."""
    windows = [_begin_and_end(i, length, outputs) for i in range(outputs)]
    return [[(begin <= p < end) / (end - begin) for p in range(length)] for begin, end in windows]


class AdaptiveAvgPool2D(_AdaptiveAvgPool):
    """(N, C, H, W) -> (N, C, OH, OW), the mean of the pixels from floor(i H / OH) to ceil((i + 1) H / OH).

    It is a product of two small matrices of shares with the image, y = A x B^T, so dx = A^T dy B.

    output_size: an integer, a pair (OH, OW), or None in place of either for that of the input.

    He, Zhang, Ren and Sun, 2014, whose spatial pyramids are made of such.

    Elsewhere: torch.nn.AdaptiveAvgPool2d; keras.layers.AdaptiveAveragePooling2D.
    """

    gives = "scores"

    def __init__(self, output_size: Sizes, name: str | None = None) -> None:
        super().__init__(output_size, name)


class AdaptiveAvgPool1D(_AdaptiveAvgPool):
    """(N, C, T) -> (N, C, OT), the mean of the steps from floor(i T / OT) to ceil((i + 1) T / OT).

    output_size: an integer, or None for that of the input.

    Elsewhere: torch.nn.AdaptiveAvgPool1d; keras.layers.AdaptiveAveragePooling1D.
    """

    axes = "T"
    gives = "scores"

    def __init__(self, output_size: int | None, name: str | None = None) -> None:
        super().__init__(output_size, name)


# ---- the largest pixel ---------------------------------------------------------------------------------------------


class _AdaptiveMaxPool(_Adaptive):
    """Of each row, then of these: dy goes to the first row that has the largest pixel, and to the first in it."""

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        return self.pool_axes(x, _largest_of_lines)


def _largest_of_lines(backend: Backend, x: Array, axis: int, outputs: int) -> tuple[Array, Back]:
    length, take_back = x.shape[axis], None
    size = length // outputs
    if length % outputs:  # windows of several sizes: the pixels of each, as many, side by side
        size = _longest(length, outputs)
        x, take_back = take_lines(backend, x, axis, _places, length, outputs)
    window = _side_by_side(axis, size)
    y = backend.max_pool2d(x, window)

    def back(dy: Array) -> Array:
        dx = backend.max_pool2d_backward(dy, x, y, window)
        return take_back(dx) if take_back else dx

    return y, back


def _longest(length: int, outputs: int) -> int:
    return max(end - begin for begin, end in (_begin_and_end(i, length, outputs) for i in range(outputs)))


def _places(length: int, outputs: int) -> list[int]:
    """The pixels of all windows; a shorter one has its last again, which is never the first of equal ones."""
    windows = [_begin_and_end(i, length, outputs) for i in range(outputs)]
    return [min(begin + k, end - 1) for begin, end in windows for k in range(_longest(length, outputs))]


class AdaptiveMaxPool2D(_AdaptiveMaxPool):
    """(N, C, H, W) -> (N, C, OH, OW), the largest of the pixels from floor(i H / OH) to ceil((i + 1) H / OH).

    dy goes to that pixel, of several equal ones to the first in reading order.

    output_size: an integer, a pair (OH, OW), or None in place of either for that of the input.

    He, Zhang, Ren and Sun, 2014, whose spatial pyramids are made of such.

    Elsewhere: torch.nn.AdaptiveMaxPool2d; keras.layers.AdaptiveMaxPooling2D.
    """

    gives = "scores"

    def __init__(self, output_size: Sizes, name: str | None = None) -> None:
        super().__init__(output_size, name)


class AdaptiveMaxPool1D(_AdaptiveMaxPool):
    """(N, C, T) -> (N, C, OT), the largest of the steps from floor(i T / OT) to ceil((i + 1) T / OT).

    dy goes to that step, of several equal ones to the first.

    output_size: an integer, or None for that of the input.

    Elsewhere: torch.nn.AdaptiveMaxPool1d; keras.layers.AdaptiveMaxPooling1D.
    """

    axes = "T"
    gives = "scores"

    def __init__(self, output_size: int | None, name: str | None = None) -> None:
        super().__init__(output_size, name)
