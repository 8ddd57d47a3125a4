"""Turn a picture of a handwritten digit into what a network trained on MNIST expects to see.

MNIST's digits were scaled into a box of 20 x 20 pixels, their aspect kept, with antialiasing, and placed in 28 x 28
with their centre of mass in the middle (Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
document recognition", 1998).
"""

import os
from typing import get_args

import numpy as np
import numpy.typing as npt

from xpnet.base.atomic_files import checked_path, file_errors
from xpnet.base.host import as_host
from xpnet.base.regular_files import opened
from xpnet.data.ink import find_strokes, resized
from xpnet.data.one_digit import find_digit
from xpnet.data.picture_file import Background, Floats, brightness, decode
from xpnet.errors import DataError, OptionError

_SIZE, _BOX, _CENTRE = 28, 20, 14  # pixels; measured over MNIST, the mean centre of mass is (14.0, 14.0)
_LARGEST = 512  # pixels along the longer side; more only adds noise


def read_digit(path: str | os.PathLike[str], background: Background = "auto") -> Floats:
    """Read the picture of one digit as MNIST would show it: float32 (1, 28, 28), strokes near 1 on a background of 0.

    Any image that Pillow reads will do, of any size: grey, colour or palette, 8 or 16 bits, transparent, rotated by
    EXIF, of an animation the first frame. See `digit_from_array` for what is done and for `background`.

    Raises FileError if the file cannot be read, FormatError if it is not a sound image or is suspiciously large,
    DataError if the picture is blank or cannot be understood.
    """
    path = checked_path(path)
    with file_errors(f"cannot read {path}", advice=""), opened(path) as file:
        data = file.read()
    grey = decode(path, data, background)
    try:
        return digit_from_array(grey, background)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def digit_from_array(a: npt.ArrayLike, background: Background = "auto") -> Floats:
    """The digit in a grey picture `a`, (H, W) of any size, as MNIST would show it: float32 (1, 28, 28) in [0, 1].

    Numbers are brightness: integers from 0 to 255, or as many bits as there are (of a 12-bit picture in 16 bits 4095),
    floats from 0 to 1 (or to their own maximum). The strokes that belong together are taken; uneven light, noise, dust,
    lines and frames are left out. `background` is "light" (dark strokes, as on paper), "dark", or "auto": then the
    picture shows which.

    Raises ShapeError or DTypeError if `a` is not a picture; DataError if it is blank, not finite, or cannot be
    understood: strokes that run over its edge, several things that may be meant; OptionError for another `background`.
    """
    return _placed(find_digit(_prepared(a, background), background))


def digit_from_drawing(a: npt.ArrayLike, background: Background = "dark") -> Floats:
    """As `digit_from_array`, of what was drawn on an even ground: all of it counts, finished or not."""
    return _placed(find_strokes(_prepared(a, background), background))


def ink_of_picture(data: bytes, size: int, background: Background = "auto") -> Floats:
    """The ink of the digit in a picture's file, so large that it fills a canvas well: float32 (size, size) in [0, 1].

    `digit_from_drawing(ink)` reads it on from there. For `background` see `digit_from_array`.

    Raises FormatError if the file is no sound image or is suspiciously large, DataError if the picture is blank or
    cannot be understood.
    """
    a = _prepared(decode("the file", data, background), background)
    digit = _fitted(find_digit(a, background), round(0.7 * size))
    y = np.zeros((size, size), np.float32)
    top, left = (size - digit.shape[0]) // 2, (size - digit.shape[1]) // 2
    y[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return y


def _prepared(a: npt.ArrayLike, background: Background) -> Floats:
    if background not in get_args(Background):
        raise OptionError(f"background must be 'auto', 'light' or 'dark', not {background!r}")
    return _shrunk(brightness(as_host(a)))


def _placed(ink: Floats) -> Floats:
    """The centre of mass in the middle."""
    digit = _fitted(ink, _BOX)
    y = np.zeros((1, _SIZE, _SIZE), np.float32)
    top, left = (_offset(digit.sum(axis=axis)) for axis in (1, 0))
    y[0, top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return y


def _shrunk(a: Floats) -> Floats:
    """At most `_LARGEST` pixels along a side; averaging the rest away takes noise with it."""
    scale = _LARGEST / max(a.shape)
    return a if scale >= 1 else resized(a, max(1, round(a.shape[0] * scale)), max(1, round(a.shape[1] * scale)))


def _fitted(ink: Floats, box: int) -> Floats:
    """What is not paper, its longer side `box` pixels long, the strongest ink 1."""
    mask = ink > 0
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    digit = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    h, w = digit.shape
    scale = box / max(h, w)
    digit = resized(digit, max(1, round(h * scale)), max(1, round(w * scale)))
    digit /= digit.max()  # a thin pen fades when it is scaled down
    return digit


def _offset(profile: Floats) -> int:
    """Where a digit begins along an axis if the centre of mass of its `profile` is to be in the middle, room given."""
    centre = float(profile @ np.arange(len(profile), dtype=np.float32) / profile.sum())
    return min(max(round(_CENTRE - centre), 0), _SIZE - len(profile))
