"""Ink apart from what it is written on."""

import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from xpnet.data.picture_file import Background, Floats
from xpnet.data.pieces import Mask
from xpnet.errors import DataError

FAINTEST = 0.1  # of full scale: less contrast than this is a blank picture
NOISE = 0.15  # of the strongest ink: less than this is taken for paper
_COARSE = 64  # pixels of the longer side in which the background is looked for
_WIDEST = 0.25  # of the picture: what is wider is no stroke

BLANK = "the picture is blank: nothing in it stands out from the background"


def find_strokes(a: Floats, background: Background) -> Floats:
    """All the ink of a drawing on an even ground, whatever it shows; DataError if there is none."""
    ink, noise = on_even_paper(a, background)
    ink[ink < max(NOISE * ink.max(), 4 * noise)] = 0
    ink[_neighbours(ink > 0) == 0] = 0  # specks
    if not ink.any():
        raise DataError("the picture is blank: it holds specks but no stroke")
    return ink


def on_even_paper(a: Floats, background: Background) -> tuple[Floats, float]:
    """The ink on a background that is a plane, and the noise in it; raises DataError if the picture is blank."""
    border, plane = _border_and_plane(*a.shape)
    level = np.median(a[border])
    paper = border & (np.abs(a - level) <= np.abs(a - level).max() / 2)  # strokes may touch the border

    # The background is the plane through its border: level + p * row + q * column, by least squares.
    a = a - plane @ np.linalg.lstsq(plane[paper], a[paper], rcond=1e-3)[0]

    light = -a.min() > a.max() if background == "auto" else background == "light"
    return _checked(np.maximum(-a if light else a, 0), a)


def on_uneven_paper(a: Floats, background: Background) -> tuple[Floats, float]:
    """The ink where shadows and light fall on the paper: what is darker than all around it, as a share of that."""
    light = (guess_background(a) if background == "auto" else background) == "light"
    if not light:
        a = 1 - a
    coarse, width = _coarse(a)
    paper = resized(averaged(-_largest(-_largest(coarse, width), width), 5), *a.shape)
    share = np.maximum(paper, 0.2) if light else np.float32(1)
    return _checked(np.maximum(paper - a, 0) / share, a / share)


def guess_background(a: Floats) -> Background:
    """Strokes are less than what lies around them: they differ from the mean there by more."""
    coarse, width = _coarse(a)
    return "light" if ((coarse - averaged(coarse, width)) ** 3).sum() < 0 else "dark"


def _coarse(a: Floats) -> tuple[Floats, int]:
    """The picture at a few pixels, and how many of them are wider than any stroke."""
    scale = min(1, _COARSE / max(a.shape))
    coarse = resized(a, *(max(1, round(n * scale)) for n in a.shape))
    return coarse, 2 * round(_WIDEST * max(coarse.shape) / 2) + 1


def _checked(ink: Floats, a: Floats) -> tuple[Floats, float]:
    """The ink and the noise in it, unless there is none."""
    strongest = float(ink.max())
    if strongest < FAINTEST or strongest < 6 * (noise := _noise(a)):
        raise DataError(BLANK)
    return ink, noise


def is_drawn(a: Floats) -> bool:
    """Whether most of the border is of exactly one brightness, as no camera sees it."""
    border = a[_border_and_plane(*a.shape)[0]]
    return 2 * int((border == np.median(border)).sum()) > border.size and _noise(a) == 0


@functools.lru_cache(maxsize=4)
def _border_and_plane(H: int, W: int) -> tuple[Mask, Floats]:
    """Which pixels are the border (H, W), and the terms of a plane at each of them, (H, W, 3)."""
    row, column = np.mgrid[:H, :W].astype(np.float32)
    border = (row == 0) | (row == H - 1) | (column == 0) | (column == W - 1)
    return border, np.stack([np.ones_like(row), row / H - 0.5, column / W - 0.5], axis=-1)


def _noise(a: Floats) -> float:
    """Standard deviation of Gaussian noise, from the differences of neighbours: most have no stroke between them."""
    steps = np.concatenate([np.diff(a, axis=axis).ravel() for axis in (0, 1)])
    return float(1.4826 * np.median(np.abs(steps)) / np.sqrt(2))  # 1.4826: from median to standard deviation


def resized(a: Floats, h: int, w: int) -> Floats:
    """Scaled with a triangle filter as wide as a pixel of the smaller picture: antialiased, and nothing overshoots."""
    from PIL import Image

    return np.array(Image.fromarray(a).resize((w, h), Image.Resampling.BILINEAR))


def averaged(a: Floats, width: int) -> Floats:
    """The mean of a square around each pixel."""
    return _along_both(a, width, lambda windows: windows.mean(axis=-1))


def _largest(a: Floats, width: int) -> Floats:
    """The largest value in a square around each pixel."""
    return _along_both(a, width, lambda windows: windows.max(axis=-1))


def _along_both(a: Floats, width: int, of: Callable[[Floats], Floats]) -> Floats:
    for _ in range(2):
        padded = np.pad(a, ((0, 0), (width // 2, width // 2)), "edge")
        a = of(np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)).T
    return a


def _neighbours(mask: Mask) -> npt.NDArray[np.uint8]:
    """How many of the 8 pixels around each are set."""
    H, W = mask.shape
    padded = np.pad(mask, 1).astype(np.uint8)
    count = np.zeros((H, W), np.uint8)
    for i, j in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2)):
        count += padded[i : i + H, j : j + W]
    return count
