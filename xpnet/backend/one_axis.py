"""Windows that slide along one axis: a signal (N, C, T) is an image (N, C, 1, T), one pixel high."""

from typing import Any

from xpnet.backend.reference import Array
from xpnet.backend.window import Pair, Window, make_window, pair
from xpnet.base.checks import whole
from xpnet.errors import OptionError, ShapeError

Padding1D = int | str | Pair  # as users may write it


def single(value: int | tuple[int], name: str, minimum: int = 1) -> int:
    """`3` or `(3,)` -> `3`, checked."""
    alone = value[0] if isinstance(value, (tuple, list)) and len(value) == 1 else value
    return whole(name, alone, minimum)


def check_padding1d(padding: Any) -> str | Pair:
    """Accept 0, "valid", "same" or (left, right); a number becomes a pair."""
    if padding in ("valid", "same"):
        return str(padding)
    try:
        return pair(padding, "padding", 0)
    except OptionError:
        raise OptionError(f'padding must be an integer, "same", "valid" or (left, right), not {padding!r}') from None


def make_window1d(kernel: int, stride: int, padding: str | Pair, dilation: int, length: int) -> Window:
    """The window for a signal of `length` T, over the image (1, T): see make_window."""
    pads = padding if isinstance(padding, str) else ((0, 0), padding)
    return make_window((1, kernel), (1, stride), pads, (1, dilation), (1, length))


def output_length(window: Window, length: int) -> int:
    """T -> OT, with OT = floor((T + left + right - extent) / stride) + 1."""
    padded = length + sum(window.padding[1])
    if padded < window.extent[1]:
        raise ShapeError(
            f"the window covers {window.extent[1]} steps, more than the {length} that the input has with its padding"
            f" ({padded}); use a smaller kernel or dilation, more padding, or longer inputs"
        )
    return window.output_size((1, length))[1]


def as_image(x: Array) -> Array:
    """(N, C, T) -> (N, C, 1, T), a view; so is a weight (O, C, K)."""
    return x[:, :, None, :]


def as_signal(y: Array) -> Array:
    """(N, C, 1, T) -> (N, C, T), a view."""
    return y[:, :, 0, :]
