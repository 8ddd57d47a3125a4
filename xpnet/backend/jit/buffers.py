"""Where the arrays between a network's operations lie in memory: all in one arena, in places that others leave."""

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from xpnet.backend.jit.kernels import BYTES, LANES
from xpnet.backend.jit.program import ARENA

CACHED = 1 << 18  # bytes of a convolution's weights that stay in a level-2 cache beside the rest
BLOCK = 8  # images that meet the weights of a dense layer together
Shape = tuple[int, ...]
Kind = Callable[[], Any]  # gives an operation of steps.py or curves.py, compiled


class Buffer:
    """Memory of a value: so many float32 of an image; whoever plans finds out where it lies."""

    def __init__(self, size: int, base: int = ARENA, own: bool = True) -> None:
        self.size = -(-size // LANES) * LANES if base == ARENA else size
        self.base = base
        self.own = own  # each image has its own, if one row after the other takes the whole block
        self.offset = self.step = 0


class View(NamedTuple):
    """A value of this shape (without the batch) in a buffer; of images, `rs` is from row to row, `cs` to a channel."""

    buffer: Buffer
    shape: Shape
    cs: int = 0
    rs: int = 0

    @property
    def compact(self) -> bool:
        return len(self.shape) != 3 or (self.rs == self.shape[2] and self.cs == self.shape[1] * self.shape[2])

    @property
    def entries(self) -> int:
        """Of a channel, with what lies between; of all, if there are none."""
        return self.cs if len(self.shape) == 3 else math.prod(self.shape)


class Row(NamedTuple):
    kind: Kind
    source: Buffer
    out: Buffer
    rest: tuple[Any, ...]  # of what the table has behind the places: numbers, and buffers with their base and offset
    each: bool  # an image after the other
    others: tuple[Buffer, ...] = ()  # that it reads, too


def full(buffer: Buffer, shape: Shape) -> View:
    return View(buffer, shape, *((shape[1] * shape[2], shape[2]) if len(shape) == 3 else (0, 0)))


Segments = list[tuple[bool, list[Row]]]  # rows that go on image by image, or not


class Life(NamedTuple):
    """The first and the last row for which a buffer is needed, and whether each image of the block has its own."""

    first: int
    last: int
    own: bool


def lay_out(segments: Segments, outside: tuple[Buffer, ...]) -> int:
    """Give the buffers their places in the arena; returns its entries."""
    for buffer in outside:
        buffer.step = buffer.size * BYTES
    lives = lives_of(segments)
    placed: list[tuple[Life, int, int]] = []
    for buffer, life in sorted(lives.items(), key=lambda item: -item[0].size):
        if buffer in outside:
            continue
        size, start = buffer.size * (BLOCK if life.own else 1), 0
        beside = sorted((a, b) for other, a, b in placed if other.first <= life.last and life.first <= other.last)
        for a, b in beside:  # the first gap that is wide enough
            if start + size <= a:
                break
            start = max(start, b)
        placed.append((life, start, start + size))
        buffer.offset, buffer.step = start * BYTES, buffer.size * BYTES if life.own else 0
    return max((end for _, _, end in placed), default=0)


def lives_of(segments: Segments) -> dict[Buffer, Life]:
    lives: dict[Buffer, Life] = {}
    start = 0
    for each, rows in segments:
        end = start + len(rows) - 1
        for at, row in enumerate(rows, start):
            for buffer in {row.source, row.out, *row.others}:
                life = lives.get(buffer)
                # What is read after another segment, or by a row that takes the block, is each image's own, and needed
                # as long as the segment goes on with other images.
                own = not each or (life is not None and (life.own or life.first < start))
                first = at if life is None else life.first
                lives[buffer] = Life(start if own and first >= start else first, end if own else at, own)
        start = end + 1
    starts = list(itertools.accumulate((len(rows) for _, rows in segments), initial=0))
    return {
        buffer: Life(max(s for s in starts if s <= life.first) if life.own else life.first, life.last,
                     life.own and buffer.own)
        for buffer, life in lives.items()
    }  # fmt: skip


def together(largest: int, K: int) -> int:
    """Channels of a convolution at once, with `largest` in a tile: those whose weights stay in the cache."""
    return max(largest, CACHED // (BYTES * max(K, 1)) // largest * largest)


def buffers_of(affine: tuple[Any, ...]) -> tuple[Buffer, ...]:
    return tuple(place[0] for place in affine if isinstance(place, tuple))


def bits(number: float) -> int:
    return int(np.float64(number).view(np.int64))
