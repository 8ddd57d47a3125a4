"""The walk along a list of phases, by one thread or by several at once.

A phase is some pieces of work that do not need each other; when all of them are done, the next begins. Who is free takes
the next piece, so that nobody waits for a thread that has not come. A piece is some rows of the table, one after the
other, for some images or for some columns of a product: which they are follows from shapes alone.
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
from xpnet.backend.jit.training.tiles import let_others, look, take_number

WIDTH = 24  # numbers in a row
PIECE = 5  # in a piece: first row, end, first image or block, end, number of the piece
PATIENCE = 20_000  # looks at what another thread has not finished, some 10 microseconds
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


@compiled()
def walk(phases, pieces, rows, bases, state):  # type: ignore[no-untyped-def]
    """All phases (first piece, end). `state` begins as zeros: of each phase how many pieces are taken, and done."""
    for k in range(len(phases)):
        begin, count = phases[k, 0], phases[k, 1] - phases[k, 0]
        taken = state.ctypes.data + 2 * k * LINE
        number = take_number(taken)
        while number < count:
            piece = pieces[begin + number]
            for row in range(piece[0], piece[1]):
                call(rows[row, 0], rows.ctypes.data + row * WIDTH * 8, bases, piece[2], piece[3], piece[4])
            take_number(taken + LINE)
            number = take_number(taken)
        looks = 0
        while look(taken + LINE) < count:
            looks += 1
            if looks > PATIENCE:  # the other one may be waiting for this core
                let_others()


@compiled()
def address(x):  # type: ignore[no-untyped-def]
    """Of the array's first entry."""
    return x.ctypes.data
