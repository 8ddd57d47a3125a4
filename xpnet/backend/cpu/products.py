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

    def work(i0: int, i1: int) -> None:
        height = rows_together(i1 - i0, b)
        left, result = (array[i0:i1].reshape(-1, height, array.shape[1]) for array in (a, out))
        np.matmul(left, b, out=result)

    if out.size:
        run_tiles(work, cut_bands(len(a), max(PRODUCT_ROWS, PRODUCT_WORK // max(1, b.size))))
    return out


def rows_together(rows: int, b: Array) -> int:
    """8 or 4, if OpenBLAS then takes the product with a transposed matrix `b` without packing it; else all rows.

    It does so up to PRODUCT multiplications and SMALL entries of the result; short sums do not gain by it.
    """
    K, N = b.shape
    if K < 64 or not b.flags.f_contiguous:
        return rows
    fits = (h for h in (8, 4) if rows % h == 0 and h * b.size <= PRODUCT and h * N <= SMALL)
    return next(fits, rows)
