"""What normalization does with a band of x (A, P, M, L): sums over A and M, and products with a number of each cell.

Each function takes a tile: first and end in A, P and L. What is of cells is (P, L); sums come in float64.
"""

from typing import Any

import numpy as np

from xpnet.backend.cpu.sums import add_cells, add_rows, length_of_runs, weigh_rows
from xpnet.backend.cpu.threads import scratch

Array = Any

BAND = 1 << 19  # entries of what is nothing but rows that are done at a time: more fall out of the cache
LONG = 1 << 12  # entries of a row up to which rows are normalized by products of matrices
COMPILED = False
LEAST_RUN = 64  # entries behind one another that are worth a product of their own
RUN = 512  # entries behind one another from which on NumPy's loop over them is worth a number of each cell


def moments(
    x: Array, mean: Array, square: Array, a0: int, a1: int, p0: int, p1: int, l0: int, l1: int
) -> None:  # fmt: skip
    """Mean of each cell, and the sum of squares of what is away from it."""
    part = x[a0:a1, p0:p1, :, l0:l1]
    middle = mean[p0:p1, l0:l1]
    np.divide(add_cells(part), part.shape[0] * part.shape[2], out=middle)
    off = scratch(part.size, x.dtype).reshape(part.shape)
    np.subtract(part, _beside(middle.astype(x.dtype), part), out=off)
    square[p0:p1, l0:l1] = _add_products(off, off, off)


def scale(
    x: Array, y: Array, mean: Array | None, slope: Array, shift: Array | None,
    a0: int, a1: int, p0: int, p1: int, l0: int, l1: int,
) -> None:  # fmt: skip
    """y = (x - mean) slope + shift."""
    part, out = x[a0:a1, p0:p1, :, l0:l1], y[a0:a1, p0:p1, :, l0:l1]
    if mean is not None:
        part = np.subtract(part, _beside(mean[p0:p1, l0:l1], part), out=out)
    np.multiply(part, _beside(slope[p0:p1, l0:l1], part), out=out)
    if shift is not None:
        out += _beside(shift[p0:p1, l0:l1], part)


def scale_then(
    x: Array, y: Array, mean: Array | None, slope: Array, shift: Array | None, then: tuple[float, float],
    a0: int, a1: int, p0: int, p1: int, l0: int, l1: int,
) -> None:  # fmt: skip
    """`scale`, and what the activation of `batch_norm_then` makes of it."""
    scale(x, y, mean, slope, shift, a0, a1, p0, p1, l0, l1)
    out, (below, above) = y[a0:a1, p0:p1, :, l0:l1], then
    if above != np.inf:
        np.clip(out, 0, above, out=out)
        return
    lower = np.zeros(out.shape[2:], out.dtype)  # an array: twice as fast as the number 0
    if below:
        lower = np.multiply(out, out.dtype.type(below), out=scratch(out.size, out.dtype).reshape(out.shape))
    np.maximum(out, lower, out=out)


def products(
    dy: Array, x: Array, mean: Array | None, total: Array, product: Array,
    a0: int, a1: int, p0: int, p1: int, l0: int, l1: int,
) -> None:  # fmt: skip
    """The sums of dy, and of dy (x - mean)."""
    d, part = dy[a0:a1, p0:p1, :, l0:l1], x[a0:a1, p0:p1, :, l0:l1]
    total[p0:p1, l0:l1] = add_cells(d)
    off = scratch(part.size, x.dtype).reshape(part.shape)
    if mean is not None:
        part = np.subtract(part, _beside(mean[p0:p1, l0:l1], part), out=off)
    product[p0:p1, l0:l1] = _add_products(d, part, off)


def combine(
    dy: Array, x: Array, dx: Array, mean: Array | None, slope: Array, factor: Array, shift: Array | None,
    a0: int, a1: int, p0: int, p1: int, l0: int, l1: int,
) -> None:  # fmt: skip
    """dx = dy slope + (x - mean) factor + shift."""
    part, out = x[a0:a1, p0:p1, :, l0:l1], dx[a0:a1, p0:p1, :, l0:l1]
    if mean is not None:
        part = np.subtract(part, _beside(mean[p0:p1, l0:l1], part), out=out)
    np.multiply(part, _beside(factor[p0:p1, l0:l1], part), out=out)
    if shift is not None:
        out += _beside(shift[p0:p1, l0:l1], part)
    product = scratch(part.size, x.dtype).reshape(part.shape)
    out += np.multiply(dy[a0:a1, p0:p1, :, l0:l1], _beside(slope[p0:p1, l0:l1], part), out=product)


def normalize_rows(
    x: Array, y: Array, weight: Array | None, bias: Array | None, mean: Array, rstd: Array, eps: float, centred: bool,
    i0: int, i1: int,
) -> None:  # fmt: skip
    """Layer normalization of the rows i0 ... i1 of x (M, F): weight, bias (F,); mean and rstd (M, 1) are filled."""
    part, normal, inverse = x[i0:i1], y[i0:i1], rstd[i0:i1]
    share = np.full((x.shape[1], 1), 1 / x.shape[1], x.dtype)
    if centred:
        middle = weigh_rows(part, share, out=mean[i0:i1])
        part = np.subtract(part, middle, out=normal)
    weigh_rows(np.square(part, out=scratch(part.size, x.dtype).reshape(part.shape)), share, out=inverse)
    inverse += eps
    np.sqrt(inverse, out=inverse)
    np.reciprocal(inverse, out=inverse)
    np.multiply(part, inverse, out=normal)
    if weight is not None:
        normal *= weight
    if bias is not None:
        normal += bias


def normalize_rows_backward(
    dy: Array, x: Array, dx: Array, weight: Array | None, mean: Array | None, rstd: Array, total: Array,
    product: Array, i0: int, i1: int,
) -> None:  # fmt: skip
    """Its way back; total and product (F,) are filled with the sums of dy, and of dy times what is normalized."""
    d, inverse, F = dy[i0:i1], rstd[i0:i1], x.shape[1]
    share = np.full((F, 1), 1 / F, x.dtype) if weight is None else weight[:, None] / x.dtype.type(F)
    normal, weighted = scratch(2 * d.size, x.dtype).reshape(2, *d.shape)
    part = x[i0:i1] if mean is None else np.subtract(x[i0:i1], mean[i0:i1], out=normal)
    np.multiply(d, np.multiply(part, inverse, out=normal), out=weighted)
    if weight is not None:
        product[:], total[:] = add_rows(weighted), add_rows(d)
    out = np.multiply(d, 1 if weight is None else weight, out=dx[i0:i1])
    normal *= weigh_rows(weighted, share)
    out -= normal
    if mean is not None:
        out -= weigh_rows(d, share)
    out *= inverse


def _add_products(a: Array, b: Array, space: Array) -> Array:
    """(a, p, m, l) twice -> (p, l): the sums of their products over a and m, by BLAS's where entries lie in runs."""
    length = length_of_runs(a.shape[2]) if a.shape[3] == 1 and a.dtype == np.float32 else 0
    if length < LEAST_RUN:
        return add_cells(np.multiply(a, b, out=space))
    shape = (*a.shape[:2], a.shape[2] // length, length)
    sums = np.matmul(a[..., 0].reshape(shape)[..., None, :], b[..., 0].reshape(shape)[..., None])
    return np.add.reduce(sums[..., 0], axis=(0, 2), dtype=np.float64)


def _beside(v: Array, part: Array) -> Array:
    """(p, l) to go with (a, p, m, l): repeated for each of m where that makes of short runs a long one."""
    a, _, m, l = part.shape
    if m == 1 or (l == 1 and m >= RUN) or l >= RUN or a == 1 < l:
        return v[:, None]
    return np.repeat(v[:, None], m, axis=1)
