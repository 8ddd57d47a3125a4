"""The geometry of a sliding window: which input pixels an output pixel of a convolution or a pooling sees."""

import functools
from typing import Any, NamedTuple

from xpnet.base.checks import whole
from xpnet.errors import OptionError, ShapeError

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]  # ((top, bottom), (left, right))
Padding = int | str | Pair | Pads  # as users may write it


class Window(NamedTuple):
    """A window of KH x KW pixels, `dilation` pixels apart, that moves by `stride` over a padded image.

    Output pixel (i, j) sees the input pixels (i*SH + m*DH - top, j*SW + n*DW - left) for 0 <= m < KH and 0 <= n < KW;
    those outside the image are padding.
    """

    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pads = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)

    @property
    @functools.lru_cache(maxsize=4096)  # noqa: B019 (a window is two pairs of pairs: nothing large is kept)
    def extent(self) -> Pair:
        """Rows and columns from the first to the last pixel of the window."""
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return (kh - 1) * dh + 1, (kw - 1) * dw + 1

    @functools.lru_cache(maxsize=4096)  # noqa: B019
    def output_size(self, size: Pair) -> Pair:
        """(H, W) -> (OH, OW), with OH = floor((H + top + bottom - extent) / stride) + 1."""
        padded = size[0] + sum(self.padding[0]), size[1] + sum(self.padding[1])
        if padded[0] < self.extent[0] or padded[1] < self.extent[1]:
            raise ShapeError(
                f"the window covers {self.extent[0]}x{self.extent[1]} pixels, more than the {size[0]}x{size[1]}"
                f" input has with its padding ({padded[0]}x{padded[1]}); use a smaller kernel or dilation, more"
                " padding, or larger images"
            )
        return (padded[0] - self.extent[0]) // self.stride[0] + 1, (padded[1] - self.extent[1]) // self.stride[1] + 1

    @functools.lru_cache(maxsize=4096)  # noqa: B019
    def taps(self, size: Pair) -> list[tuple[int, int, slice, slice]]:
        """For each pixel (m, n) of the window, the rows and columns of the padded image that it meets."""
        OH, OW = self.output_size(size)
        (kh, kw), (sh, sw), (dh, dw) = self.kernel, self.stride, self.dilation
        return [
            (m, n, slice(m * dh, m * dh + (OH - 1) * sh + 1, sh), slice(n * dw, n * dw + (OW - 1) * sw + 1, sw))
            for m in range(kh)
            for n in range(kw)
        ]


def pair(value: int | Pair, name: str, minimum: int = 1) -> Pair:
    """`3` or `(3, 3)` -> `(3, 3)`, checked."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    try:
        vertical, horizontal = values
        return whole(name, vertical, minimum), whole(name, horizontal, minimum)
    except (OptionError, ValueError):
        raise OptionError(f"{name} must be an integer of at least {minimum} or a pair of them, not {value!r}") from None


def check_padding(padding: Any) -> str | Pads:
    """Accept 0, "valid", "same", (vertical, horizontal) or ((top, bottom), (left, right)); numbers become pairs."""
    if padding in ("valid", "same"):
        return str(padding)
    try:
        if isinstance(padding, (tuple, list)) and any(isinstance(side, (tuple, list)) for side in padding):
            vertical, horizontal = padding
            return pair(vertical, "padding", 0), pair(horizontal, "padding", 0)
        vertical, horizontal = pair(padding, "padding", 0)
        return (vertical, vertical), (horizontal, horizontal)
    except (OptionError, ValueError):
        raise OptionError(
            'padding must be an integer, "same", "valid", (vertical, horizontal) or ((top, bottom), (left, right)),'
            f" not {padding!r}"
        ) from None


@functools.lru_cache(maxsize=4096)
def make_window(kernel: Pair, stride: Pair, padding: str | Pads, dilation: Pair, size: Pair) -> Window:
    """The window for an image of `size` (H, W).

    "same" pads so that OH = ceil(H / SH); an odd pixel of padding goes to the bottom and to the right, as in Keras.
    """
    if padding == "valid":
        return Window(kernel, stride, ((0, 0), (0, 0)), dilation)
    if not isinstance(padding, str):
        return Window(kernel, stride, padding, dilation)
    pads = []
    for length, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max((-(-length // s) - 1) * s + (k - 1) * d + 1 - length, 0)
        pads.append((total // 2, total - total // 2))
    return Window(kernel, stride, (pads[0], pads[1]), dilation)
