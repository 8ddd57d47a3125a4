"""Pieces of a picture that hang together, and the straight lines in it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]

_SLOPES = np.arange(-8, 9) / 100  # of lines, to the edges of the picture: about 5 degrees either way
_LONG = 0.55  # of the picture: what is straight for so long is a line
_FILLED = 0.9  # so much of which must be there
_THICKEST = 0.04  # of the picture: what is thicker is no line


class Pieces(NamedTuple):
    """Pixels that touch each other, also at corners, piece by piece."""

    labels: npt.NDArray[np.intp]  # (H, W), the number of the piece of each pixel, -1 elsewhere
    area: Ints  # (n,) pixels
    top: Ints
    bottom: Ints  # the first row below
    left: Ints
    right: Ints

    @property
    def size(self) -> Ints:
        """The longer side of each one's box."""
        size: Ints = np.maximum(self.bottom - self.top, self.right - self.left)
        return size

    def box(self, of: int | list[int]) -> tuple[int, int, int, int]:
        """Top, bottom, left and right of a piece, or around several."""
        ends = (self.top[of].min(), self.bottom[of].max(), self.left[of].min(), self.right[of].max())
        top, bottom, left, right = (int(end) for end in ends)
        return top, bottom, left, right

    def gaps(self, of: list[int], box: tuple[int, int, int, int]) -> Ints:
        """How far the boxes of these are from a box; 0 if they overlap."""
        top, bottom, left, right = box
        rows = np.maximum(self.top[of] - bottom, top - self.bottom[of])
        columns = np.maximum(self.left[of] - right, left - self.right[of])
        return np.maximum(np.maximum(rows, columns), 0)

    def pixels(self, of: list[int]) -> Mask:
        """All pixels of these, (H, W)."""
        chosen = np.zeros(len(self.area) + 1, bool)  # the last is what -1 names
        chosen[of] = True
        return chosen[self.labels]


def find_pieces(mask: Mask) -> Pieces:
    """By runs: those of neighbouring rows that touch have one number in the end, the smallest."""
    H, W = mask.shape
    begins, ends = _runs(mask)
    step = W + 1  # from a pixel to the one below it
    first = np.searchsorted(ends, begins + step, "left")
    last = np.searchsorted(begins, ends + step, "right")
    count = np.maximum(last - first, 0)
    above = np.repeat(np.arange(len(begins)), count)
    below = np.arange(len(above)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    number = np.arange(len(begins))
    while True:
        least = np.minimum(number[above], number[below])
        before = number.copy()
        np.minimum.at(number, number[above], least)
        np.minimum.at(number, number[below], least)
        number = number[number]
        if np.array_equal(number, before):
            break
    roots, number = np.unique(number, return_inverse=True)
    lengths, row, left = ends - begins, begins // step, begins % step
    n = len(roots)
    top, bottom, start, stop = np.full(n, H), np.zeros(n, np.intp), np.full(n, W), np.zeros(n, np.intp)
    np.minimum.at(top, number, row)
    np.maximum.at(bottom, number, row + 1)
    np.minimum.at(start, number, left)
    np.maximum.at(stop, number, left + lengths)
    labels = np.full((H, W), -1, np.intp)
    labels[mask] = np.repeat(number, lengths)
    return Pieces(labels, np.bincount(number, lengths, n).astype(np.intp), top, bottom, start, stop)


def _runs(mask: Mask) -> tuple[Ints, Ints]:
    """Where runs along the rows begin and end, in a picture with one more column, which is empty."""
    flat = np.pad(mask, ((0, 0), (0, 1))).ravel().view(np.int8)
    steps = np.diff(flat, prepend=np.int8(0))
    return np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)


def find_lines(mask: Mask) -> Mask:
    """Pixels of long straight lines along rows and columns, also a little askew; not where strokes cross them."""
    return _lines_along_rows(mask) | _lines_along_rows(mask.T).T


def _lines_along_rows(mask: Mask) -> Mask:
    H, W = mask.shape
    column = np.arange(W)
    some = column[:: max(1, W // 100)]
    sharpness = [(mask[_askew(H, W, slope, some), some].mean(axis=1) ** 2).sum() for slope in _SLOPES]
    rows = _askew(H, W, _SLOPES[int(np.argmax(sharpness))], column)
    level = mask[rows, column]  # the lines lie along its rows
    near = level.copy()
    near[1:] |= level[:-1]
    near[:-1] |= level[1:]
    long = max(3, round(_LONG * W))
    total = np.pad(np.cumsum(near, axis=1, dtype=np.int32), ((0, 0), (1, 0)))
    full = total[:, long:] - total[:, :-long] >= _FILLED * long  # (H, W - long + 1): a line begins here
    begun = np.pad(np.cumsum(full, axis=1, dtype=np.int32), ((0, 0), (long, long)), "edge")
    begun[:, :long] = 0
    line = level & (begun[:, long : long + W] > begun[:, :W])
    found = np.zeros_like(mask)
    if not line.any():
        return found
    thickness = _heights(level)
    usual = np.median(thickness[line])
    if usual <= _THICKEST * H:
        i, j = np.nonzero(line & (thickness <= 1.5 * usual + 1))
        found[rows[i, j], j] = True
    return found


def _askew(H: int, W: int, slope: float, column: Ints) -> Ints:
    """For each pixel of a row that is not level, the row in which it lies, (H, columns)."""
    rows: Ints = np.arange(H)[:, None] + np.rint(slope * (column - W / 2)).astype(np.intp)
    return rows.clip(0, H - 1)


def _heights(mask: Mask) -> Ints:
    """How long the run along the column is in which each pixel lies."""
    begins, ends = _runs(mask.T)
    heights = np.zeros(mask.shape[::-1], np.intp)
    heights[mask.T] = np.repeat(ends - begins, ends - begins)
    return heights.T


def holds_square(mask: Mask, side: int) -> bool:
    """Whether so large a square lies anywhere within the mask."""
    side = max(side, 2)
    if side > min(mask.shape):
        return False
    total = np.pad(mask, ((1, 0), (1, 0))).cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32)
    filled = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    return bool((filled == side * side).any())
