"""Matrix products on all threads, whose bits do not depend on how many there are."""

from typing import Any

import numpy as np

from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.cpu.work import PRODUCT, cut_bands

Array = Any

# A product is divided into pieces of so many rows and multiplications at least, some 200 microseconds.
PRODUCT_ROWS, PRODUCT_WORK = 64, 1 << 23
SMALL = 1200  # entries of a result that OpenBLAS's kernels for small matrices take, if one factor is transposed


def product(a: Array, b: Array) -> Array:
    """a @ b, by bands of rows on all threads; BLAS's own threads would make the bits depend on their number."""
    out = np.empty((a.shape[0], b.shape[1]), a.dtype)
    if out.size:
        product_into(a, b, out)
    return out


def product_into(a: Array, b: Array, out: Array) -> None:
    """out = a @ b, as `product` computes it."""

    def work(i0: int, i1: int) -> None:
        multiply(a[i0:i1], b, out[i0:i1])

    run_tiles(work, cut_bands(len(a), max(PRODUCT_ROWS, PRODUCT_WORK // max(1, b.size))))


def multiply(a: Array, b: Array, out: Array) -> None:
    """out = a @ b in this thread, by as many rows at a time as BLAS is fastest with; out lies row by row."""
    height = rows_together(len(a), b) if a.flags.c_contiguous else len(a)
    np.matmul(a.reshape(-1, height, a.shape[1]), b, out=out.reshape(-1, height, b.shape[1]))


def rows_together(rows: int, b: Array) -> int:
    """16, 8 or 4, if OpenBLAS then takes the product with the matrix `b` without packing it; else all rows.

    It does so up to PRODUCT multiplications and, with a transposed matrix, SMALL entries of the result; then short sums
    do not gain by it.
    """
    (K, N), most = b.shape, PRODUCT // max(1, b.size)
    heights: tuple[int, ...] = ()
    if b.flags.c_contiguous and rows > most:
        heights = 16, 8, 4
    elif b.flags.f_contiguous and K >= 64:
        heights, most = (8, 4), min(most, SMALL // max(1, N))
    return next((height for height in heights if height <= most and rows % height == 0), rows)
