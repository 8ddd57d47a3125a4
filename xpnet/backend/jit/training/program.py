"""The walk along a list of phases, by one thread or by several at once.

A phase is some pieces of work that do not need each other; when all of them are done, the next begins. Who is free
takes the next piece, so that nobody waits for a thread that has not come. A piece is some rows of the table, one after
the other, for some images or for some columns of a product: which they are follows from shapes alone.
"""

import functools
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import carray, types
from numba.extending import intrinsic

from xpnet.backend.jit.compiled import callback, compiled
from xpnet.backend.jit.kernels import I64
from xpnet.backend.jit.tiles import words
from xpnet.backend.jit.together import SIGNATURE as SHARED
from xpnet.backend.jit.together import take_number, take_part, wait_for

WIDTH = 24  # numbers in a row
PIECE = 5  # in a piece: first row, end, first image or block, end, number of the piece
LINE = 64  # bytes between numbers that different threads write
# Bases: 0; what all threads share; what each has of its own; input, output and their gradients; then those of weights.
ABSOLUTE, ARENA, OWN, X, Y, DY, DX, GRADIENTS = range(8)

SIGNATURE = types.void(*[types.int64] * 5)  # address of the row, of the bases, first and end, number of the piece


def operation(**options: Any) -> Callable[[Callable[..., None]], Callable[[], Any]]:
    """What compiles an operation when it is first asked for; the object that it gives has an `address`."""

    def decorate(function: Callable[..., None]) -> Callable[[], Any]:
        return functools.cache(lambda: callback(SIGNATURE, **options)(function))

    return decorate


@compiled()
def place(r, at, bases, first, i):  # type: ignore[no-untyped-def]
    """The address of image i in the place in columns `at` and behind."""
    return carray(words(bases), (1 << 16,))[r[at]] + r[at + 1] + (i - first if r[at] == OWN else i) * r[at + 2]


@intrinsic
def call(_: Any, function: Any, row: Any, bases: Any, first: Any, end: Any, piece: Any) -> Any:
    """Call the operation whose code has this address."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [I64] * 5)
        b.call(b.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6), generate


@functools.cache
def walk() -> Any:
    """All phases; `part` is the number of the thread. The arguments are addresses and numbers:

    0 the phases (first piece, end), 1 how many, 2 the pieces, 3 the rows, 4 the bases of the first thread, 5 from one
    thread's to the next, 6 a state that begins as zeros: of each phase how many pieces are taken, and done.
    """

    @callback(SHARED)
    def walk(arguments, part):  # type: ignore[no-untyped-def]
        given = carray(words(arguments), (7,))
        phases, rows, bases = carray(words(given[0]), (given[1], 2)), given[3], given[4] + part * given[5]
        for k in range(given[1]):
            begin, count, taken = phases[k, 0], phases[k, 1] - phases[k, 0], given[6] + 2 * k * LINE
            number = take_part(taken, count, part)
            while number >= 0:
                piece = carray(words(given[2] + (begin + number) * PIECE * 8), (PIECE,))
                for row in range(piece[0], piece[1]):
                    at = rows + row * WIDTH * 8
                    call(carray(words(at), (1,))[0], at, bases, piece[2], piece[3], piece[4])
                take_number(taken + LINE)
                number = take_part(taken, count, part)
            wait_for(taken + LINE, count)

    return walk


@compiled()
def address(x):  # type: ignore[no-untyped-def]
    """Of the array's first entry."""
    return x.ctypes.data
