"""Matrix products on all threads, whose bits do not depend on how many there are."""

import functools
from typing import Any

import numpy as np

from xpnet.backend.cpu.blas import local
from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.threads import blas_held, run_tiles
from xpnet.backend.cpu.work import PRODUCT, cut_bands

Array = Any

# A product is divided into pieces of so many rows and multiplications at least, some 200 microseconds.
PRODUCT_ROWS, PRODUCT_WORK = 64, 1 << 23
SMALL = 1200  # entries of a result that OpenBLAS's kernels for small matrices take, if one factor is transposed


def product(a: Array, b: Array, out: Array | None = None, bias: Array | None = None, relu: bool = False) -> Array:
    """a @ b, by bands of rows on all threads; BLAS's own threads would make the bits depend on their number.

    out: where it goes, if it has its place already; it lies row by row.  bias, of the columns, and ReLU come behind it,
    while a band is in the cache.
    """
    if out is None:
        out = pool.empty((a.shape[0], b.shape[1]), a.dtype)
    if not local.held:
        with blas_held():
            return product(a, b, out, bias, relu)
    rows, size = len(a), b.size
    if rows <= PRODUCT_ROWS or rows * size <= PRODUCT_WORK:
        if out.size:
            _finish(a, b, out, bias, relu)
    else:
        bands = cut_bands(rows, max(PRODUCT_ROWS, PRODUCT_WORK // size))
        run_tiles(lambda i0, i1: _finish(a[i0:i1], b, out[i0:i1], bias, relu), bands)
    return out


def _finish(a: Array, b: Array, out: Array, bias: Array | None, relu: bool) -> None:
    """out = a @ b + bias, in this thread."""
    multiply(a, b, out)
    if bias is not None:
        out += bias
    if relu:
        np.maximum(out, 0, out=out)


def multiply(a: Array, b: Array, out: Array) -> None:
    """out = a @ b in this thread, by as many rows at a time as BLAS is fastest with; out lies row by row."""
    (rows, K), of_a, of_b = a.shape, a.flags, b.flags
    height = rows_at_once(rows, b.shape, of_a.c_contiguous, of_a.f_contiguous, of_b.c_contiguous, of_b.f_contiguous)
    if height == rows:
        np.matmul(a, b, out)
    elif of_a.c_contiguous:
        np.matmul(a.reshape(-1, height, K), b, out.reshape(-1, height, b.shape[1]))
    else:
        np.matmul(a.T.reshape(K, -1, height).transpose(1, 2, 0), b, out.reshape(-1, height, b.shape[1]))


def rows_together(rows: int, b: Array) -> int:
    """`rows_at_once` of a matrix of so many rows that lies row by row."""
    return rows_at_once(rows, b.shape, True, False, b.flags.c_contiguous, b.flags.f_contiguous)


@functools.lru_cache(maxsize=4096)
def rows_at_once(
    rows: int, shape: tuple[int, int], a_by_rows: bool, a_by_columns: bool, b_by_rows: bool, b_by_columns: bool
) -> int:
    """32, 16, 8 or 4, if OpenBLAS then takes the product with a matrix of this shape without packing it; else all rows.

    It does so up to PRODUCT multiplications and, with a transposed matrix, SMALL entries of the result; then short sums
    do not gain by it, nor does a transposed factor in front of the matrix by fewer than 8 rows.
    """
    (K, N), heights = shape, tuple[int, ...]()
    most = PRODUCT // max(1, K * N)
    if a_by_rows and b_by_rows and rows > most:
        heights = 16, 8, 4
    elif a_by_rows and b_by_columns and K >= 64:
        heights, most = (8, 4), min(most, SMALL // max(1, N))
    elif a_by_columns and b_by_rows and rows > most:
        heights = 32, 16, 8
    return next((height for height in heights if height <= most and rows % height == 0), rows)
