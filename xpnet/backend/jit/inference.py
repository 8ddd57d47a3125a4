"""A network's answers as one call of a compiled kernel, which goes down a table of its operations.

Arrays between the operations lie in one arena; those that are never needed together share their place. What is computed
of an image asks neither for its batch nor for its place in it, and not for the thread.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from xpnet.backend.cpu.memory_pool import STEP, pool
from xpnet.backend.cpu.threads import run_tiles, thread_count
from xpnet.backend.jit import program, steps, transposed
from xpnet.backend.jit.buffers import BLOCK, Segments, lay_out
from xpnet.backend.jit.kernels import BYTES, LANES
from xpnet.backend.jit.operations import Planner, Unknown
from xpnet.backend.jit.program import ARENA, OUTPUT, WHOLE, WIDTH
from xpnet.backend.jit.tiles import CHANNELS, IMAGES
from xpnet.backend.jit.together import run_parts
from xpnet.backend.jit.work import UNITS, cut_ranges

Array = Any

SLACK = 4 * LANES  # entries that tiles may read beyond the last one
SHARED = 1 << 21  # multiplications that are worth a thread's while
ONCE = 400  # multiplications that are worth for a thread to turn another number of the weights
LARGE = 1 << 25  # multiplications of an image that the threads share, where there are fewer images than threads
LONGEST = 1 << 33  # multiplications, some tenths of a second, after which Ctrl-C is heard
ALIGNMENT = 64  # bytes
WHOLE_BLOCKS = steps.dense, steps.norm, transposed.turn, transposed.project  # operations that take many images at once


def plan(graph: Any) -> "Answers | None":
    """What answers batches of the graph's images; None if there is an operation that the kernel does not have."""
    try:
        planner = Planner(graph)
        planner.run()
        end, shape = planner.last(graph.output)
        read = {id(buffer) for row in planner.rows for buffer in (row.source, *row.others)}
        if not end.compact or end.buffer.base != ARENA or id(end.buffer) in read:
            end = planner.copied(end)
    except Unknown:
        return None
    end.buffer.base, end.buffer.size = OUTPUT, math.prod(shape)
    segments = [
        (each, list(rows)) for each, rows in itertools.groupby(planner.norms + planner.rows, lambda row: row.each)
    ]
    size = lay_out(segments, (planner.input, end.buffer))
    return Answers(planner, write(segments), size, shape)


def write(segments: Segments) -> Array:
    """The table that program.py reads."""
    table = np.zeros((sum(1 + len(rows) for _, rows in segments), WIDTH), np.int64)
    lines = iter(table)
    for each, rows in segments:
        next(lines)[:3] = 0, len(rows), each
        for row in rows:
            first, *rest = row.rest
            places = [(b.base, b.offset + extra, b.step) for b, extra in ((row.source, 0), (row.out, first))]
            values = [row.kind().address, *places[0], *places[1], *map(_number, rest)]
            line = next(lines)
            line[: len(values)], line[WHOLE] = values, row.kind in WHOLE_BLOCKS
    return table


def _number(entry: Any) -> int:
    """Of (buffer, entry of it) the offset, of (buffer,) the step from image to image."""
    if not isinstance(entry, tuple):
        return int(entry)
    buffer, *more = entry
    return int(buffer.offset + more[0] * BYTES if more else buffer.step)


def divided(table: Array) -> list[list[Array]]:
    """The operations of one image, one after the other: of each, tables whose rows several threads may do at once."""
    found: list[list[Array]] = []
    for row in table[table[:, 0] != 0]:
        pieces = [_table(piece) for piece in _pieces(row)]
        if len(pieces) == 1 and found and len(found[-1]) == 1:  # the threads need not meet in between
            found[-1] = [_table(*found[-1][0][1:], row)]
        else:
            found.append(pieces)
    return found


def _table(*rows: Array) -> Array:
    table = np.zeros((1 + len(rows), WIDTH), np.int64)
    table[0, :3], table[1:] = (0, len(rows), 1), rows
    return table


def _pieces(row: Array) -> Iterator[Array]:
    """The row, cut by its channels, pixels or rows if it is a large product."""
    kind = row[0]
    if kind == steps.convolution().address:
        K, groups, O, vectors, width = (int(row[at]) for at in (14, 15, 16, 19, 20))
        work, moves = K * groups * O * vectors * LANES, {2: LANES * BYTES, 5: LANES * BYTES}
        size, length, unit = 19, vectors, width
        if groups == 1 and vectors * LANES <= O:
            size, length, unit, moves = 16, O, CHANNELS[0], _by_channels(K, int(row[18]))
    elif kind == steps.dense().address:
        K, O = int(row[13]), int(row[14])
        work, size, length, unit, moves = K * O, 14, O, LANES, _by_channels(K, BYTES)
    elif steps.dense_rows.cache_info().currsize and kind == steps.dense_rows().address:  # type: ignore[attr-defined]
        K, O, length = int(row[13]), int(row[14]), int(row[15])
        work, size, unit, moves = K * O * length, 15, IMAGES[0], {2: K * BYTES, 5: O * BYTES}
    else:
        yield row
        return
    for first, last in cut_ranges(-(-length // unit), min(UNITS, work // SHARED)):
        piece, first = row.copy(), first * unit
        piece[size] = min(last * unit, length) - first
        for column, distance in moves.items():
            piece[column] += first * distance
        yield piece


def _by_channels(K: int, distance: int) -> dict[int, int]:
    """How far weights, scale, shift and output of a channel are from those of the one before, by their columns."""
    return {7: K * BYTES, 9: BYTES, 11: BYTES, 5: distance}


class Answers:
    """y = network(x), for x (N, ...) of float32; several threads may call it at once."""

    def __init__(self, planner: Planner, table: Array, size: int, shape: tuple[int, ...]) -> None:
        self.keep = planner.keep  # what lies at the addresses of the table
        self.table, self.shape, self.size, self.work = table, shape, size, planner.work
        self.arenas: list[tuple[int, Array]] = []  # free ones; a list gives and takes in one step of the interpreter
        steps = planner.input.step, math.prod(shape) * BYTES
        self.start = (table.ctypes.data, len(table), BLOCK, *steps)
        self.least = max(1, max(SHARED, ONCE * planner.once) // max(1, self.work))  # images of a piece of work
        self.least = max(self.least // BLOCK * BLOCK, BLOCK) if self.least > 1 else 1  # whole blocks, if they are small
        self.parts: list[list[Array]] = divided(table) if self.work >= LARGE else []

    def __call__(self, x: Array) -> Array:
        pool.count(STEP)
        if not x.flags.c_contiguous:
            x = np.ascontiguousarray(x)
        count = x.shape[0]
        y = np.empty((count, *self.shape), np.float32)
        if count <= self.least and not self.parts:
            self.some(x.reshape(-1), y.reshape(-1), 0, count)
        elif self.parts and count < thread_count():
            for image in range(count):
                self.one(x[image].reshape(-1), y[image].reshape(-1))
        else:
            self.share(x.reshape(-1), y.reshape(-1), count)
        return y

    def some(self, x: Array, y: Array, first: int, last: int) -> None:
        """The images first ... last."""
        try:  # not by `self.arena()`: a call of a function is a tenth of an MLP's image
            arena = self.arenas.pop()
        except IndexError:
            arena = self.arena()
        answer(x, y, *self.start, arena[0], first, last)
        self.arenas.append(arena)

    def share(self, x: Array, y: Array, count: int) -> None:
        """Among the threads: which takes which images changes no bit."""
        unit = IMAGES[0] if self.least > 1 else 1  # of a tile of a dense layer
        units, pieces = -(-count // unit), min(UNITS, count // self.least)
        if count * self.work <= LONGEST:
            return self.share_at_once(x, y, (unit, units, max(1, min(pieces, units)), count))

        def work(first: int, last: int) -> None:
            self.some(x, y, first * unit, min(last * unit, count))

        return run_tiles(work, cut_ranges(units, max(pieces, count * self.work // LONGEST)), blas=False)

    def share_at_once(self, x: Array, y: Array, pieces: tuple[int, int, int, int]) -> None:
        """By one compiled call."""
        arenas = [self.arena() for _ in range(min(thread_count(), pieces[2]))]
        places = [address for address, _ in arenas]
        numbers = np.array([x.ctypes.data, y.ctypes.data, *self.start, *pieces, 0, 0, 0, *places], np.int64)
        run_parts(answer_in_pieces().address, numbers.ctypes.data, len(arenas))
        self.arenas += arenas

    def one(self, x: Array, y: Array) -> None:
        """An image, of which all threads do an operation before they go on to the next."""
        arena = self.arena()
        _, _, *steps = self.start

        def work(table: Array) -> None:
            answer(x, y, table.ctypes.data, len(table), *steps, arena[0], 0, 1)

        for tables in self.parts:
            run_tiles(work, [(table,) for table in tables], blas=False)
        self.arenas.append(arena)

    def arena(self) -> tuple[int, Array]:
        """The address of memory for a block, and what holds it; whoever takes it gives it back."""
        try:
            return self.arenas.pop()
        except IndexError:
            pass
        memory = np.zeros(self.size + SLACK + ALIGNMENT // BYTES, np.float32)
        address = memory.ctypes.data
        return int(address + -address % ALIGNMENT), memory


answer: Callable[..., None] = program.answer
answer_in_pieces = program.answer_in_pieces
