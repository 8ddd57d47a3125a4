"""Handwritten digits as a camera might find them: MNIST's, drawn into 400 x 400 pixels with what lies around them.

Each scene takes a digit, (28, 28) uint8 with strokes of 255, and a generator of random numbers, and gives a grey
picture (H, W) uint8. Those of ISSUE must be read; those of OTHERS read or refused.
"""

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Scene = Callable[[Bytes, np.random.Generator], Bytes]

SIDE, DIGIT, PAPER = 400, 240, 245.0


def strokes(digit: Bytes, size: int = DIGIT, top: int = 80, left: int = 80) -> Floats:
    """How much ink lies on each pixel, (SIDE, SIDE) from 0 to 1; what is beyond the edges is cut off."""
    large = np.asarray(Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC)) / 255
    sheet = np.zeros((SIDE + 2 * size, SIDE + 2 * size))
    sheet[size + top : 2 * size + top, size + left : 2 * size + left] = large
    return sheet[size:-size, size:-size]


def written(digit: Bytes) -> Floats:
    """Black on bright paper."""
    return PAPER * (1 - strokes(digit))


def as_bytes(a: Floats) -> Bytes:
    return a.clip(0, 255).astype(np.uint8)


def clean(digit: Bytes, rng: np.random.Generator) -> Bytes:
    return as_bytes(written(digit))


def speck(digit: Bytes, rng: np.random.Generator) -> Bytes:
    a = written(digit)
    a[12:18, 378:384] = 40
    return as_bytes(a)


def dark_corner(digit: Bytes, rng: np.random.Generator) -> Bytes:
    a = written(digit)
    a[:40, :60] = 20
    return as_bytes(a)


def ruled_paper(digit: Bytes, rng: np.random.Generator) -> Bytes:
    a = written(digit)
    for row in range(15, SIDE, 40):
        a[row : row + 2] = np.minimum(a[row : row + 2], 180)
    return as_bytes(a)


def frame(digit: Bytes, rng: np.random.Generator) -> Bytes:
    a = written(digit)
    inner = a[9:-9, 9:-9].copy()
    a[5:-5, 5:-5] = 60
    a[9:-9, 9:-9] = inner
    return as_bytes(a)


def shadow(digit: Bytes, rng: np.random.Generator) -> Bytes:
    """A hand's: half of the picture lies in it, with an edge that is soft and slanting, right across the digit."""
    row, column = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    turn = rng.uniform(0, 2 * np.pi)
    beyond = row * np.sin(turn) + column * np.cos(turn) - rng.uniform(-0.2, 0.2)
    lit = 1 / (1 + np.exp(-beyond / rng.uniform(0.01, 0.05)))
    a = (PAPER - 215 * strokes(digit)) * (0.45 + 0.55 * lit)
    return as_bytes(a + rng.normal(0, 3, a.shape))


def vignette(digit: Bytes, rng: np.random.Generator) -> Bytes:
    """The corners have a third of the light of the middle."""
    row, column = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    a = (PAPER - 215 * strokes(digit)) * (1 - 1.33 * (row**2 + column**2))
    return as_bytes(a + rng.normal(0, 3, a.shape))


def squared_paper(digit: Bytes, rng: np.random.Generator) -> Bytes:
    a, faint = PAPER - 205 * strokes(digit), rng.uniform(150, 200)
    first = rng.integers(5, 25, 2)
    for place in range(0, SIDE, 25):
        for line in (a[first[0] + place : first[0] + place + 2], a[:, first[1] + place : first[1] + place + 2]):
            line[...] = np.minimum(line, faint)
    return as_bytes(a + rng.normal(0, 2, a.shape))


def dark_squares(digit: Bytes, rng: np.random.Generator) -> Bytes:
    """Lines as dark as the strokes, and the sheet a little askew."""
    row, column = np.mgrid[:SIDE, :SIDE]
    turn = np.deg2rad(rng.uniform(-2, 2))
    along = (row * np.cos(turn) - column * np.sin(turn) + 9) % 50
    across = (row * np.sin(turn) + column * np.cos(turn) + 9) % 50
    a = PAPER - 200 * np.maximum(strokes(digit), 0.9 * ((along < 2) | (across < 2)))
    return as_bytes(a + rng.normal(0, 2, a.shape))


def pencil(digit: Bytes, rng: np.random.Generator) -> Bytes:
    """Grey, grainy strokes on paper that is a little uneven."""
    grain = rng.uniform(0.5, 1, (SIDE, SIDE))
    uneven = 8 * np.sin(np.arange(SIDE) / 60)[:, None]
    a = PAPER - 15 - 75 * strokes(digit) * grain + uneven
    return as_bytes(a + rng.normal(0, 4, a.shape))


def blackboard(digit: Bytes, rng: np.random.Generator) -> Bytes:
    """Chalk with gaps, on a board that was wiped: broad, faint smears."""
    smears = np.asarray(Image.fromarray(rng.uniform(0, 1, (5, 5)).astype(np.float32)).resize((SIDE, SIDE)))
    a = 45 + 25 * smears + 150 * strokes(digit) * rng.uniform(0.6, 1, (SIDE, SIDE))
    return as_bytes(a + rng.normal(0, 5, a.shape))


def jpeg(digit: Bytes, rng: np.random.Generator) -> Bytes:
    """Small, at quality 20, with some light from one side."""
    light = np.linspace(1, rng.uniform(0.7, 1), SIDE)
    small = Image.fromarray(as_bytes(written(digit) * light)).resize((160, 160), Image.Resampling.BILINEAR)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=20)
    return np.asarray(Image.open(file))


def at_the_edge(digit: Bytes, rng: np.random.Generator) -> Bytes:
    """Moved towards an edge: some stay whole, of others up to a quarter is cut off."""
    place = [80, 80]
    axis = int(rng.integers(2))
    place[axis] = int(rng.integers(-95, 10)) if rng.integers(2) else int(rng.integers(SIDE - DIGIT - 10, SIDE - 145))
    a = PAPER * (1 - strokes(digit, top=place[0], left=place[1]))
    return as_bytes(a)


def small_among_dust(digit: Bytes, rng: np.random.Generator) -> Bytes:
    a = PAPER * (1 - strokes(digit, 120, int(rng.integers(40, 240)), int(rng.integers(40, 240))))
    for row, column in rng.integers(0, SIDE - 4, (25, 2)):
        a[row : row + rng.integers(1, 4), column : column + rng.integers(1, 4)] = rng.uniform(20, 150)
    return as_bytes(a + rng.normal(0, 3, a.shape))


def table_behind(digit: Bytes, rng: np.random.Generator) -> Bytes:
    """The sheet ends: along one side lies a dark table."""
    a = written(digit)
    side = [a, a[::-1], a.T, a.T[::-1]][rng.integers(4)]
    side[: int(rng.integers(20, 60))] = rng.uniform(60, 110)
    return as_bytes(a + rng.normal(0, 3, a.shape))


def cut_out(digit: Bytes, rng: np.random.Generator) -> Bytes:
    """Along the ends of its strokes, without any room."""
    rows, columns = (np.flatnonzero(digit.max(axis=axis) > 60) for axis in (1, 0))
    tight = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    factor = int(rng.integers(1, 12))
    large = Image.fromarray(tight).resize((tight.shape[1] * factor, tight.shape[0] * factor), Image.Resampling.BICUBIC)
    return as_bytes(PAPER - np.asarray(large))


def two_digits(digit: Bytes, rng: np.random.Generator) -> Bytes:
    """No one digit: to be refused."""
    a = strokes(digit, 170, 110, 10) + strokes(digit, 170, 110, 220)
    return as_bytes(PAPER * (1 - a))


ISSUE: dict[str, Scene] = {
    "clean": clean, "speck": speck, "dark corner": dark_corner, "ruled paper": ruled_paper, "frame": frame,
}  # fmt: skip
OTHERS: dict[str, Scene] = {
    "shadow": shadow, "vignette": vignette, "squared paper": squared_paper, "dark squares": dark_squares,
    "pencil": pencil, "blackboard": blackboard, "jpeg": jpeg, "at the edge": at_the_edge,
    "small among dust": small_among_dust, "table behind": table_behind,
    "cut out": cut_out,
}  # fmt: skip
