"""Matrix products of float32 in register tiles: those of dense layers, which are too small for BLAS to be at its best.

A part of the work is some rows of the result times some blocks of its columns. A block of the right factor is packed
once, whatever its order in memory, so that it stays in the cache while all rows meet it; nothing else is copied. Each
entry is one sum in a fixed order: the bits do not depend on the parts.
"""

import functools
from typing import Any

import numpy as np
from numba import carray

from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.jit.compiled import callback, compiled
from xpnet.backend.jit.kernels import BYTES, LANES
from xpnet.backend.jit.program import run
from xpnet.backend.jit.tiles import words
from xpnet.backend.jit.together import SIGNATURE, run_parts
from xpnet.backend.jit.training.tiles import ROWS, WIDE, outer_tile
from xpnet.backend.jit.work import UNITS

Array = Any

BLOCK = WIDE * LANES  # columns of a block
DEEP = 256  # terms of a sum that a packed block has
LEAST, MOST = 1 << 20, 1 << 28  # multiplications for which this is faster than BLAS
TALL, NARROW = 48, 48  # rows and columns from which on it is
ALL = 512  # rows that are worth turning a transposed factor for
PART = 1 << 20  # multiplications that are worth a part of their own
TOGETHER = 16  # rows of a transposed matrix that are packed at once
PARTS = 4  # that two threads share; of more, each packs the same blocks
NUMBERS = 16


def takes(a: Array, b: Array, out: Array | None) -> bool:
    """Whether the kernel is for this product a (R, K) @ b (K, C)."""
    (R, K), C = a.shape, b.shape[1]
    return (
        LEAST <= R * K * C <= MOST
        and (TALL if b.flags.c_contiguous else ALL) <= R
        and C >= NARROW
        and a.dtype == b.dtype == np.float32
        and (out is None or (out.dtype == np.float32 and out.flags.c_contiguous))
    )


def product(a: Array, b: Array, out: Array | None = None, bias: Array | None = None, relu: bool = False) -> Array:
    """act(a @ b + bias), as cpu/products.py has it."""
    (R, K), C = a.shape, b.shape[1]
    if out is None:
        out = pool.empty((R, C), np.float32)
    columns = max(1, min(-(-C // BLOCK), UNITS, R * K * C // PART))  # parts of the columns, and of the rows
    rows = max(1, min(PARTS // columns, R // TALL))
    numbers = np.empty(NUMBERS, np.int64)
    tell(numbers, a, b, out, out if bias is None else bias, bias is not None, relu, rows, columns)
    run_parts(part().address, numbers.ctypes.data, rows * columns)
    return out


@compiled()
def tell(numbers, a, b, out, bias, biased, relu, rows, columns):  # type: ignore[no-untyped-def]
    """Write down what `part` reads."""
    numbers[0], numbers[1], numbers[2] = a.ctypes.data, a.strides[0], a.strides[1]
    numbers[3], numbers[4], numbers[5] = b.ctypes.data, b.strides[0], b.strides[1]
    numbers[6], numbers[7], numbers[8], numbers[9] = out.ctypes.data, out.shape[0], a.shape[1], out.shape[1]
    numbers[10], numbers[11] = bias.ctypes.data if biased else 0, relu
    numbers[12], numbers[13] = rows, columns


@compiled()
def pack(b, b_row, b_column, K, C, packed):  # type: ignore[no-untyped-def]
    """K rows of C numbers, one behind the other in rows of BLOCK."""
    for k in range(K) if b_column == BYTES else range(0):
        row, place = run(b + k * b_row, C), packed[k * BLOCK : k * BLOCK + C]
        for c in range(C):
            place[c] = row[c]
    if b_column != BYTES:  # of a transposed matrix, some rows of all columns at a time, which stay in the cache
        step = b_row // BYTES
        for k0 in range(0, K, TOGETHER):
            rows = min(TOGETHER, K - k0)
            for c in range(C):
                column = run(b + c * b_column + k0 * b_row, (rows - 1) * step + 1)
                for k in range(rows):
                    packed[(k0 + k) * BLOCK + c] = column[k * step]


@functools.cache
def part() -> Any:
    """Some rows and some blocks of the result."""

    @callback(SIGNATURE)
    def some(arguments, part):  # type: ignore[no-untyped-def]
        g = carray(words(arguments), (NUMBERS,))
        a, a_row, a_step, out, R, K, C, bias = g[0], g[1], g[2], g[6], g[7], g[8], g[9], g[10]
        row, column = part // g[13], part % g[13]
        first, end, blocks = row * R // g[12], (row + 1) * R // g[12], (C + BLOCK - 1) // BLOCK
        packed = np.empty(DEEP * BLOCK, np.float32)
        for block in range(column * blocks // g[13], (column + 1) * blocks // g[13]):
            c0 = block * BLOCK
            width = min(BLOCK, C - c0)
            for k0 in range(0, K, DEEP):
                deep = min(DEEP, K - k0)
                pack(g[3] + k0 * g[4] + c0 * g[5], g[4], g[5], deep, width, packed)
                relu = g[11] if k0 + DEEP >= K else 0
                i, kind = first, 0
                while i < end:
                    while ROWS[kind] > end - i:
                        kind += 1
                    c = 0
                    while c < width:
                        which = 0 if width - c >= BLOCK else 1 if width - c >= LANES else 2
                        at = out + (i * C + c0 + c) * BYTES
                        start = at if k0 else bias + (c0 + c) * BYTES if bias else 0
                        outer_tile(
                            3 * kind + which, a + i * a_row + k0 * a_step, a_row, a_step,
                            packed.ctypes.data + c * BYTES, BLOCK * BYTES, deep, at, C * BYTES, width - c, start,
                            C * BYTES if k0 else 0, relu, 0, 0, 0,
                        )  # fmt: skip
                        c += BLOCK if which == 0 else LANES
                    i += ROWS[kind]

    return some
