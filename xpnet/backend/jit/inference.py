"""A network's answers as one call of a compiled kernel, which goes down a table of its operations.

Arrays between the operations lie in one arena; those that are never needed together share their place. What is computed
of an image asks neither for its batch nor for its place in it, and not for the thread.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.jit import program, steps
from xpnet.backend.jit.buffers import BLOCK, Segments, lay_out
from xpnet.backend.jit.kernels import BYTES, LANES
from xpnet.backend.jit.operations import Planner, Unknown
from xpnet.backend.jit.program import ARENA, OUTPUT, WHOLE, WIDTH
from xpnet.backend.jit.work import UNITS, cut_ranges

Array = Any

SLACK = 4 * LANES  # entries that tiles may read beyond the last one
SHARED = 1 << 21  # multiplications that are worth a thread's while
LONGEST = 1 << 33  # multiplications, some tenths of a second, after which Ctrl-C is heard
ALIGNMENT = 64  # bytes


def plan(graph: Any) -> "Answers | None":
    """What answers batches of the graph's images; None if there is an operation that the kernel does not have."""
    try:
        planner = Planner(graph)
        planner.run()
        end = planner.values[graph.output]
        read = {id(buffer) for row in planner.rows for buffer in (row.source, *row.others)}
        if not end.compact or end.buffer.base != ARENA or id(end.buffer) in read:
            end = planner.copied(end)
    except Unknown:
        return None
    end.buffer.base, end.buffer.size = OUTPUT, math.prod(end.shape)
    segments = [
        (each, list(rows)) for each, rows in itertools.groupby(planner.norms + planner.rows, lambda row: row.each)
    ]
    size = lay_out(segments, (planner.input, end.buffer))
    return Answers(planner, write(segments), size, end.shape)


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
            line[: len(values)], line[WHOLE] = values, row.kind in (steps.dense, steps.norm)
    return table


def _number(entry: Any) -> int:
    """Of (buffer, entry of it) the offset, of (buffer,) the step from image to image."""
    if not isinstance(entry, tuple):
        return int(entry)
    buffer, *more = entry
    return int(buffer.offset + more[0] * BYTES if more else buffer.step)


class Answers:
    """y = network(x), for x (N, ...) of float32; several threads may call it at once."""

    def __init__(self, planner: Planner, table: Array, size: int, shape: tuple[int, ...]) -> None:
        self.keep = planner.keep  # what lies at the addresses of the table
        self.table, self.shape, self.size, self.work = table, shape, size, planner.work
        self.arenas: list[tuple[int, Array]] = []  # free ones; a list gives and takes in one step of the interpreter
        steps = planner.input.step, math.prod(shape) * BYTES
        self.start = (table.ctypes.data, len(table), BLOCK, *steps)
        self.blocks = max(1, SHARED // (max(1, self.work) * BLOCK))  # of a piece of work, at least

    def __call__(self, x: Array) -> Array:
        x = np.ascontiguousarray(x, np.float32)
        count = x.shape[0]
        y = np.empty((count, *self.shape), np.float32)
        if count > self.blocks * BLOCK:
            self.share(x.reshape(-1), y.reshape(-1), count)
            return y
        self.some(x.reshape(-1), y.reshape(-1), 0, count)
        return y

    def some(self, x: Array, y: Array, first: int, last: int) -> None:
        """The images first ... last."""
        try:
            arena = self.arenas.pop()
        except IndexError:
            arena = self.arena()
        answer(x, y, *self.start, arena[0], first, last)
        self.arenas.append(arena)

    def share(self, x: Array, y: Array, count: int) -> None:
        """Among the threads: which takes which images changes no bit."""

        def work(first: int, last: int) -> None:
            self.some(x, y, first * BLOCK, min(last * BLOCK, count))

        blocks = -(-count // BLOCK)
        pieces = max(min(UNITS, blocks // self.blocks), count * self.work // LONGEST)
        run_tiles(work, cut_ranges(blocks, pieces), blas=False)

    def arena(self) -> tuple[int, Array]:
        """The address of memory for a block, and what holds it."""
        memory = np.zeros(self.size + SLACK + ALIGNMENT // BYTES, np.float32)
        address = memory.ctypes.data
        return int(address + -address % ALIGNMENT), memory


answer: Callable[..., None] = program.answer
