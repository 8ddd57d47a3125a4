"""Turn a picture of a handwritten digit into what a network trained on MNIST expects to see.

MNIST's digits were scaled into a box of 20 x 20 pixels, their aspect kept, with antialiasing, and placed in 28 x 28
with their centre of mass in the middle (Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
document recognition", 1998).
"""

import functools
import os
import warnings
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from xpnet.base.atomic_files import checked_path, file_errors
from xpnet.base.file_kinds import other_kind
from xpnet.errors import DataError, DTypeError, FormatError, OptionError, ShapeError

if TYPE_CHECKING:
    from PIL import Image

Background = Literal["auto", "light", "dark"]
Floats = npt.NDArray[np.float32]

_SIZE, _BOX, _CENTRE = 28, 20, 14  # pixels; measured over MNIST, the mean centre of mass is (14.0, 14.0)
_LARGEST = 512  # pixels along the longer side; more only adds noise
_FAINTEST = 0.1  # of full scale: less contrast than this is a blank picture
_NOISE = 0.15  # of the strongest ink: less than this is taken for paper


def read_digit(path: str | os.PathLike[str], background: Background = "auto") -> Floats:
    """Read the picture of one digit as MNIST would show it: float32 (1, 28, 28), strokes near 1 on a background of 0.

    Any image that Pillow reads will do, of any size: grey, colour or palette, 8 or 16 bits, transparent, rotated by
    EXIF, of an animation the first frame. See `digit_from_array` for what is done and for `background`.

    Raises FileError if the file cannot be read, FormatError if it is not a sound image or is suspiciously large,
    DataError if the picture is blank.
    """
    path = checked_path(path)
    with file_errors(f"cannot read {path}", advice=""), open(path, "rb") as file:
        data = file.read()
    grey = _decode(path, data, background)
    try:
        return digit_from_array(grey, background)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def digit_from_array(a: npt.ArrayLike, background: Background = "auto") -> Floats:
    """The digit in a grey picture `a`, (H, W) of any size, as MNIST would show it: float32 (1, 28, 28) in [0, 1].

    Numbers are brightness: integers from 0 to the greatest of their type, floats from 0 to 1 (or to their own maximum).
    A background that brightens or darkens evenly across the picture, and faint noise, are removed. `background` is
    "light" (dark strokes, as on paper), "dark", or "auto": then the border of the picture shows which.

    Raises ShapeError or DTypeError if `a` is not a picture, DataError if it is blank or not finite, OptionError for
    another `background`.
    """
    if background not in get_args(Background):
        raise OptionError(f"background must be 'auto', 'light' or 'dark', not {background!r}")
    digit = _fitted(_ink(_shrunk(_brightness(np.asarray(a))), background), _BOX)
    y = np.zeros((1, _SIZE, _SIZE), np.float32)
    top, left = (_offset(digit.sum(axis=axis)) for axis in (1, 0))
    y[0, top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return y


def ink_of_picture(data: bytes, size: int, background: Background = "auto") -> Floats:
    """The ink of the digit in a picture's file, so large that it fills a canvas well: float32 (size, size) in [0, 1].

    `digit_from_array(ink, "dark")` reads it on from there. For `background` see there.

    Raises FormatError if the file is no sound image or is suspiciously large, DataError if the picture is blank.
    """
    digit = _fitted(_ink(_shrunk(_brightness(_decode("the file", data, background))), background), round(0.7 * size))
    y = np.zeros((size, size), np.float32)
    top, left = (size - digit.shape[0]) // 2, (size - digit.shape[1]) // 2
    y[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return y


def _decode(path: str | os.PathLike[str], data: bytes, background: Background) -> npt.NDArray[Any]:
    import io

    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # metadata that is odd but harmless
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                return np.asarray(_grey(ImageOps.exif_transpose(image), background))
    except Exception as error:  # on damaged files Pillow's decoders raise errors of a dozen kinds
        why = "it has no format that is known" if isinstance(error, UnidentifiedImageError) else str(error)
        why = other_kind(data, "a picture") or why
        raise FormatError(f"{path} cannot be read as an image ({why}); expected a PNG, JPEG or the like") from error


def _grey(image: "Image.Image", background: Background) -> npt.NDArray[Any]:
    """Brightness of an image of any mode, (H, W): uint8, uint16, or float32 of any range."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)  # in the byte order of this machine
    if image.mode in ("I", "F"):
        return np.asarray(image, np.float32)
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB").convert("L"))
    rgba = image.convert("RGBA")
    grey, alpha = np.asarray(rgba.convert("RGB").convert("L")), np.asarray(rgba.getchannel("A"))
    opaque = grey[alpha > 127]
    if opaque.size == 0:
        return np.full_like(grey, 255)
    if 2 * opaque.size > grey.size:  # a card with transparent edges: they get its colour
        behind = int(np.median(opaque))
    elif background == "auto":  # strokes alone: what is behind contrasts with them
        behind = 255 if opaque.mean() < 128 else 0
    else:
        behind = 255 if background == "light" else 0
    flat = Image.new("RGBA", rgba.size, (behind, behind, behind, 255))
    return np.asarray(Image.alpha_composite(flat, rgba).convert("RGB").convert("L"))


def _brightness(a: npt.NDArray[Any]) -> Floats:
    """`a` as float32 from 0 to 1."""
    if a.ndim != 2 or a.size == 0:
        raise ShapeError(f"a picture must have shape (H, W) with at least one pixel, not {a.shape}")
    if a.dtype.kind not in "buif":
        raise DTypeError(f"a picture must hold real numbers, not {a.dtype}")
    full = np.iinfo(a.dtype).max if a.dtype.kind in "ui" else 1
    a = a.astype(np.float32)
    if not np.isfinite(a).all():
        raise DataError("the picture holds NaN or infinite values")
    a /= max(full, np.abs(a).max())
    return a


def _shrunk(a: Floats) -> Floats:
    """At most `_LARGEST` pixels along a side; averaging the rest away takes noise with it."""
    scale = _LARGEST / max(a.shape)
    return a if scale >= 1 else _resized(a, max(1, round(a.shape[0] * scale)), max(1, round(a.shape[1] * scale)))


def _resized(a: Floats, h: int, w: int) -> Floats:
    """Scaled with a triangle filter as wide as a pixel of the smaller picture: antialiased, and nothing overshoots."""
    from PIL import Image

    return np.array(Image.fromarray(a).resize((w, h), Image.Resampling.BILINEAR))


def _fitted(ink: Floats, box: int) -> Floats:
    """What is not paper, its longer side `box` pixels long, the strongest ink 1."""
    mask = ink > 0
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    digit = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    h, w = digit.shape
    scale = box / max(h, w)
    digit = _resized(digit, max(1, round(h * scale)), max(1, round(w * scale)))
    digit /= digit.max()  # a thin pen fades when it is scaled down
    return digit


@functools.lru_cache(maxsize=4)
def _border_and_plane(H: int, W: int) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Which pixels are the border (H, W), and the terms of a plane at each of them, (H, W, 3)."""
    row, column = np.mgrid[:H, :W].astype(np.float32)
    border = (row == 0) | (row == H - 1) | (column == 0) | (column == W - 1)
    return border, np.stack([np.ones_like(row), row / H - 0.5, column / W - 0.5], axis=-1)


def _ink(a: Floats, background: Background) -> Floats:
    """How much ink each pixel holds, 0 on the background; raises DataError if there is none."""
    border, plane = _border_and_plane(*a.shape)
    level = np.median(a[border])
    paper = border & (np.abs(a - level) <= np.abs(a - level).max() / 2)  # strokes may touch the border

    # The background is the plane through its border: level + p * row + q * column, by least squares.
    a = a - plane @ np.linalg.lstsq(plane[paper], a[paper], rcond=1e-3)[0]

    light = -a.min() > a.max() if background == "auto" else background == "light"
    ink = np.maximum(-a if light else a, 0)
    strongest = ink.max()
    if strongest < _FAINTEST or strongest < 6 * (noise := _noise(a)):
        raise DataError("the picture is blank: nothing in it stands out from the background")
    ink[ink < max(_NOISE * strongest, 4 * noise)] = 0
    ink[_neighbours(ink > 0) == 0] = 0  # specks
    if not ink.any():
        raise DataError("the picture is blank: it holds specks but no stroke")
    return ink


def _noise(a: Floats) -> float:
    """Standard deviation of Gaussian noise, from the differences of neighbours: most have no stroke between them."""
    steps = np.concatenate([np.diff(a, axis=axis).ravel() for axis in (0, 1)])
    return float(1.4826 * np.median(np.abs(steps)) / np.sqrt(2))  # 1.4826: from median to standard deviation


def _neighbours(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """How many of the 8 pixels around each are set."""
    H, W = mask.shape
    padded = np.pad(mask, 1).astype(np.uint8)
    count = np.zeros((H, W), np.uint8)
    for i, j in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2)):
        count += padded[i : i + H, j : j + W]
    return count


def _offset(profile: Floats) -> int:
    """Where a digit begins along an axis if the centre of mass of its `profile` is to be in the middle, room given."""
    centre = float(profile @ np.arange(len(profile), dtype=np.float32) / profile.sum())
    return min(max(round(_CENTRE - centre), 0), _SIZE - len(profile))
