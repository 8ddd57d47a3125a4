"""A network's answers in one compiled call: the walk along a table that inference.py has written, and what a row says.

A row is an operation on images: the address of its code, from where it reads (columns 1 to 3), to where it writes (4 to
6), and what it needs to know besides. A place is three numbers (base, offset, step): image i of the block is `step`
bytes behind image i - 1, and the first lies `offset` bytes behind the base, which is the address of the arena, of the
input, of the output, or 0. All is float32; a channel's rows lie `rs` bytes apart, and channels `cs`.

Each operation is compiled by itself, when a network first has it: compiled together, they would take half a minute.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import carray, types

from xpnet.backend.jit.compiled import callback, compiled
from xpnet.backend.jit.tiles import call, floats, words
from xpnet.backend.jit.together import SIGNATURE as SHARED
from xpnet.backend.jit.together import take_part

FOR_ALL = 14  # numbers in front of the arenas
WIDTH = 24  # numbers in a row
WHOLE = 23  # the last: whether the operation takes many images at once; others are called for each
ARENA, INPUT, OUTPUT, ABSOLUTE = range(4)  # bases

SIGNATURE = types.void(*[types.int64] * 6)  # address of the row, arena, input, output, first and end of the images


def operation(**options: Any) -> Callable[[Callable[..., None]], Callable[[], Any]]:
    """What compiles an operation when it is first asked for; the object that it gives has an `address`."""

    def decorate(function: Callable[..., None]) -> Callable[[], Any]:
        return functools.cache(lambda: callback(SIGNATURE, **options)(function))

    return decorate


@compiled()
def number(bits):  # type: ignore[no-untyped-def]
    """The float32 nearest to the double with these bits."""
    return np.float32(np.int64(bits).view(np.float64))


@compiled()
def run(address, count):  # type: ignore[no-untyped-def]
    """So many float32 from an address on, as an array."""
    return carray(floats(address), (count,))


@compiled()
def opened(row, arena, inputs, outputs, i0):  # type: ignore[no-untyped-def]
    """The numbers of a row, and the addresses of image i0 where it reads, and where it writes."""
    r = carray(words(row), (WIDTH,))
    x = (arena if r[1] == ARENA else inputs if r[1] == INPUT else outputs) + r[2] + i0 * r[3]
    y = (arena if r[4] == ARENA else outputs) + r[5] + i0 * r[6]
    return r, x, y


@compiled()
def place(r, at, arena):  # type: ignore[no-untyped-def]
    """Of what all images share, in columns `at` (its base) and behind."""
    return (arena if r[at] == ARENA else 0) + r[at + 1]


@compiled()
def answer_at(x, y, table, rows, block, x_step, y_step, arena, first, last):  # type: ignore[no-untyped-def]
    """Images first ... last, `block` at a time; all are addresses and numbers.

    The table is cut into segments, of which each begins with a row (0, rows, one by one): those of which an image goes
    through all before the next one does, so that its arrays stay in the cache, and those that take the whole block.
    """
    program = carray(words(table), (rows, WIDTH))
    for start in range(first, last, block):
        images = min(block, last - start)
        inputs, outputs, at = x + start * x_step, y + start * y_step, 0
        while at < rows:
            end = at + 1 + program[at, 1]
            rounds = images if program[at, 2] else 1
            for i in range(rounds):
                for k in range(at + 1, end):
                    row = table + k * WIDTH * 8
                    if program[at, 2]:
                        call(program[k, 0], row, arena, inputs, outputs, i, i + 1)
                    elif program[k, WHOLE]:
                        call(program[k, 0], row, arena, inputs, outputs, 0, images)
                    else:
                        for each in range(images):
                            call(program[k, 0], row, arena, inputs, outputs, each, each + 1)
            at = end


@compiled()
def answer(x, y, table, rows, block, x_step, y_step, arena, first, last):  # type: ignore[no-untyped-def]
    """The same of flat arrays x and y."""
    answer_at(x.ctypes.data, y.ctypes.data, table, rows, block, x_step, y_step, arena, first, last)


@functools.cache
def answer_in_pieces() -> Any:
    """What each thread does of many images: the pieces that it takes. The arguments are numbers:

    0 to 6 as `answer_at` has them, 7 images of a unit, 8 units, 9 pieces, 10 images, 11 to 13 the state of `take_part`,
    which begins as zeros; behind them an arena for each thread.
    """

    @callback(SHARED)
    def pieces(arguments, part):  # type: ignore[no-untyped-def]
        g = carray(words(arguments), (FOR_ALL + part + 1,))
        units, count = g[8], g[9]
        piece = take_part(arguments + 8 * 11, count, part)
        while piece >= 0:
            first, last = piece * units // count * g[7], min((piece + 1) * units // count * g[7], g[10])
            answer_at(g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[FOR_ALL + part], first, last)
            piece = take_part(arguments + 8 * 11, count, part)

    return pieces
