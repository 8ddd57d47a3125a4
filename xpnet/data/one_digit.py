"""The strokes of one digit, apart from what else a picture shows: dust, lines, frames, and what lies at its edges."""

from collections.abc import Iterator

import numpy as np

from xpnet.data.ink import (
    BLANK,
    NOISE,
    averaged,
    find_strokes,
    guess_background,
    is_drawn,
    on_even_paper,
    on_uneven_paper,
)
from xpnet.data.picture_file import Background, Floats
from xpnet.data.pieces import Ints, Mask, Pieces, find_lines, find_pieces, holds_square
from xpnet.errors import DataError

_LEVELS = (NOISE, 0.3, 0.5)  # of the strongest ink: where strokes end, tried in turn
_GRAIN = 0.005  # of full scale: less noise than this is none
_SMALLEST = 0.06  # of the picture's longer side: a digit is not smaller
_DUST = 0.01  # of the digit's pixels: what has less does not count
_NEAR = 0.2  # of the digit's longer side: strokes of one digit are not farther apart
_ANOTHER = 0.15  # of the digit's pixels: what has so many, and lies apart, may be another
_MOST = 0.65  # of the picture: no ink covers more
_THICKEST = 0.3  # of the picture's longer side: no stroke is thicker
_RIM = 0.1  # of the digit's longer side: what is faint, and so thick, is not the rim of a stroke
_MIDDLE = 0.2  # of a frame's box on each side: inside of this it is empty
_ALONG = 0.5  # of two neighbouring sides of the picture: a digit does not lie along more
_CUT = 0.5  # of the digit's ink: so dark at the edge of the picture, a stroke goes on beyond it


def find_digit(a: Floats, background: Background) -> Floats:
    """The ink of the one digit in a picture, (H, W), 0 elsewhere.

    What is ink is looked for in several ways, and the first that shows one digit, with paper all around it, is taken.
    Raises DataError with the reason if there is none, or the picture cannot be understood.
    """
    known = background != "auto"
    if not known:
        background = guess_background(a)
    reason, cropped = "", None
    for ink, mask, grainy in _readings(a, background, known):
        try:
            chosen = _chosen(mask, ink)
            _check_strokes(chosen, ink)
        except DataError as why:
            reason = reason or str(why)
            continue
        digit: Floats = np.where(chosen, ink, np.float32(0))
        if grainy:
            digit = np.minimum(digit, np.quantile(ink[chosen], 0.9))
        if not _touches_the_edge(chosen):
            return digit
        cropped = digit if cropped is None else cropped
    if cropped is None and known and is_drawn(a):  # nobody photographed it, and all of it is meant
        return find_strokes(a, background)
    if cropped is None:
        raise DataError(reason or BLANK)
    return cropped  # nothing lies inside: the picture was cut out around the digit


def _readings(a: Floats, background: Background, known: bool) -> Iterator[tuple[Floats, Mask, bool]]:
    """How much ink there is, where strokes may be, and whether there is noise: the most likely reading first."""
    for layer in (on_even_paper, on_uneven_paper):
        try:
            ink, noise = layer(a, background)
        except DataError:  # blank, on light or on dark ground if one was guessed
            if known:
                raise
            continue
        if noise > _GRAIN:  # of pencil and chalk, too
            ink = averaged(ink, 2 * (max(a.shape) // 250) + 1)
        for mask in _masks(ink, noise):
            yield ink, mask, noise > _GRAIN


def _masks(ink: Floats, noise: float) -> Iterator[Mask]:
    """Where ink may be: by each level, then without lines."""
    masks = [ink > max(level * ink.max(), 4 * noise if level == NOISE else 0) for level in _LEVELS]
    yield from masks
    for mask in masks:
        lines = find_lines(mask)
        if lines.any():
            yield mask & ~lines


def _chosen(mask: Mask, ink: Floats) -> Mask:
    """The pixels of the strokes that make one digit. Raises DataError if this is not clear."""
    if mask.mean() > _MOST:
        raise DataError("the picture is mostly dark or unevenly lit: strokes and paper cannot be told apart")
    pieces = find_pieces(mask)
    large = pieces.area > 1
    if not large.any():
        raise DataError("the picture is blank: it holds specks but no stroke")
    inside = large & ~_at_the_edge(pieces, mask.shape)
    smallest = _SMALLEST * max(mask.shape)
    digits = np.flatnonzero(inside & (pieces.size >= smallest))
    frames = [piece for piece in digits if _is_frame(pieces, int(piece), digits)]
    digits = np.setdiff1d(digits, frames)
    edge = np.flatnonzero(large & ~inside)
    if not len(digits):
        return _cropped(pieces, edge, ink)
    main = int(digits[np.argmax(pieces.area[digits])])
    for piece in edge:
        if _may_be_the_digit(pieces, int(piece), main):
            raise DataError("strokes run over the edge of the picture; leave some room around the digit")
    return _joined(pieces, main, np.setdiff1d(np.flatnonzero(inside), frames))


def _at_the_edge(pieces: Pieces, shape: tuple[int, ...]) -> Mask:
    H, W = shape
    found: Mask = (pieces.top == 0) | (pieces.left == 0) | (pieces.bottom == H) | (pieces.right == W)
    return found


def _touches_the_edge(mask: Mask) -> bool:
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


def _is_frame(pieces: Pieces, piece: int, others: Ints) -> bool:
    """Whether it goes around another piece, and leaves its own middle empty."""
    top, bottom, left, right = pieces.box(piece)
    within = (pieces.top[others] > top) & (pieces.bottom[others] < bottom)
    within &= (pieces.left[others] > left) & (pieces.right[others] < right)
    h, w = round(_MIDDLE * (bottom - top)), round(_MIDDLE * (right - left))
    return bool(within.any()) and not (pieces.labels[top + h : bottom - h, left + w : right - w] == piece).any()


def _may_be_the_digit(pieces: Pieces, piece: int, main: int) -> bool:
    """Whether what lies at the edge is as large as the piece inside: not so a strip or a corner."""
    top, bottom, left, right = pieces.box(piece)
    return min(bottom - top, right - left) >= 0.5 * int(pieces.size[main])


def _cropped(pieces: Pieces, edge: Ints, ink: Floats) -> Mask:
    """Nothing lies inside: what reaches the edges is the digit if the picture was cut out around it."""
    H, W = ink.shape
    if not len(edge):
        raise DataError(f"what the picture shows is too small for a digit: it should fill {_SMALLEST:.0%} at least")
    main = int(edge[np.argmax(pieces.area[edge])])
    chosen = _joined(pieces, main, edge)
    strong = chosen & (ink >= _CUT * np.quantile(ink[chosen], 0.9))
    sides = [strong[0], strong[-1], strong[:, 0], strong[:, -1]]
    touched = [bool(side.any()) for side in sides]
    if any(touched) and not (touched[0] and touched[1]) and not (touched[2] and touched[3]):
        raise DataError("strokes run over the edge of the picture; leave some room around the digit")
    if sum(int(side.sum()) for side in sides) > _ALONG * (H + W):
        raise DataError("the picture is dark along its edges, and no stroke can be told from that")
    if find_lines(chosen).any():
        raise DataError("lines run across the picture, and no stroke can be told from them")
    return chosen


def _check_strokes(chosen: Mask, ink: Floats) -> None:
    """Raises DataError for what no pen has drawn: areas, and shadows behind the strokes."""
    if holds_square(chosen, round(_THICKEST * max(chosen.shape))):
        raise DataError("the picture shows an area, and no strokes of a pen")
    strong = chosen & (ink >= 0.5 * np.quantile(ink[chosen], 0.9))
    rows, columns = np.flatnonzero(strong.any(axis=1)), np.flatnonzero(strong.any(axis=0))
    size = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    if holds_square(chosen & ~strong, round(_RIM * size)):
        raise DataError("there are shadows or stains behind the strokes, and they cannot be told apart")


def _joined(pieces: Pieces, main: int, others: Ints) -> Mask:
    """The piece and those that are near it, one after the other, of which none is dust."""
    chosen, area = [main], int(pieces.area[main])
    waiting = [int(piece) for piece in others if piece != main and pieces.area[piece] >= _DUST * area]
    while True:
        box = pieces.box(chosen)
        reach = _NEAR * max(box[1] - box[0], box[3] - box[2])
        near = [piece for piece, gap in zip(waiting, pieces.gaps(waiting, box), strict=True) if gap <= reach]
        if not near:
            break
        chosen += near
        waiting = [piece for piece in waiting if piece not in near]
    if sum(int(pieces.area[piece]) for piece in waiting) > _ANOTHER * area:
        raise DataError("the picture shows several things that lie apart; cut it out around one digit")
    return pieces.pixels(chosen)
