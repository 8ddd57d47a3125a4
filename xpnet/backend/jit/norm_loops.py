"""cpu/norm_loops.py with Numba, for float32: a band is read once for each sum, and once for what is made of the sums.

Sums over what lies side by side may be added in another order (`reassoc`), which LLVM makes vectors of: the same one
each time. Cells side by side are summed side by side. Arrays are contiguous; None counts as 0.
"""

from typing import Any

import numpy as np
from numba import njit

Array = Any
NOTHING = np.float32(0)
compiled = njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract"})


def moments(x: Array, mean: Array, square: Array, *tile: int) -> None:
    """Mean of each cell, and the sum of squares of what is away from it."""
    if x.shape[3] == 1:
        moments_of_runs(x[..., 0], mean[:, 0], square[:, 0], *tile[:4])
    else:
        moments_of_lanes(x, mean, square, *tile)


def scale(x: Array, y: Array, mean: Array | None, slope: Array, shift: Array | None, *tile: int) -> None:
    """y = (x - mean) slope + shift."""
    vectors = _zero(slope, mean), slope, _zero(slope, shift)
    if x.shape[3] == 1:
        scale_runs(x[..., 0], y[..., 0], *(v[:, 0] for v in vectors), *tile[:4])
    else:
        scale_lanes(x, y, *vectors, *tile)


def products(dy: Array, x: Array, mean: Array | None, total: Array, product: Array, *tile: int) -> None:
    """The sums of dy, and of dy (x - mean)."""
    centre = np.zeros(total.shape, x.dtype) if mean is None else mean
    if x.shape[3] == 1:
        products_of_runs(dy[..., 0], x[..., 0], centre[:, 0], total[:, 0], product[:, 0], *tile[:4])
    else:
        products_of_lanes(dy, x, centre, total, product, *tile)


def combine(
    dy: Array, x: Array, dx: Array, mean: Array | None, slope: Array, factor: Array, shift: Array | None, *tile: int
) -> None:
    """dx = dy slope + (x - mean) factor + shift."""
    vectors = _zero(slope, mean), slope, factor, _zero(slope, shift)
    if x.shape[3] == 1:
        combine_runs(dy[..., 0], x[..., 0], dx[..., 0], *(v[:, 0] for v in vectors), *tile[:4])
    else:
        combine_lanes(dy, x, dx, *vectors, *tile)


def _zero(like: Array, v: Array | None) -> Array:
    return np.zeros_like(like) if v is None else v


# ---- runs: a cell for each of P; x (A, P, M) -------------------------------------------------------------------------


@compiled
def moments_of_runs(x, mean, square, a0, a1, p0, p1):  # type: ignore[no-untyped-def]
    for p in range(p0, p1):
        total = 0.0
        for a in range(a0, a1):
            run, s = x[a, p], NOTHING
            for k in range(run.size):
                s += run[k]
            total += float(s)
        mean[p] = total / ((a1 - a0) * x.shape[2])
        middle, total = np.float32(mean[p]), 0.0
        for a in range(a0, a1):
            run, s = x[a, p], NOTHING
            for k in range(run.size):
                s += (run[k] - middle) * (run[k] - middle)
            total += float(s)
        square[p] = total


@compiled
def scale_runs(x, y, mean, slope, shift, a0, a1, p0, p1):  # type: ignore[no-untyped-def]
    for a in range(a0, a1):
        for p in range(p0, p1):
            run, out, m, s, b = x[a, p], y[a, p], mean[p], slope[p], shift[p]
            for k in range(run.size):
                out[k] = (run[k] - m) * s + b


@compiled
def products_of_runs(dy, x, mean, total, product, a0, a1, p0, p1):  # type: ignore[no-untyped-def]
    total[p0:p1] = 0
    product[p0:p1] = 0
    for a in range(a0, a1):
        for p in range(p0, p1):
            d, run, middle, s, t = dy[a, p], x[a, p], mean[p], NOTHING, NOTHING
            for k in range(run.size):
                s += d[k]
                t += d[k] * (run[k] - middle)
            total[p] += s
            product[p] += t


@compiled
def combine_runs(dy, x, dx, mean, slope, factor, shift, a0, a1, p0, p1):  # type: ignore[no-untyped-def]
    for a in range(a0, a1):
        for p in range(p0, p1):
            d, run, out, m, s, f, b = dy[a, p], x[a, p], dx[a, p], mean[p], slope[p], factor[p], shift[p]
            for k in range(run.size):
                out[k] = d[k] * s + (run[k] - m) * f + b


# ---- lanes: cells side by side; x (A, P, M, L) -----------------------------------------------------------------------


@compiled
def moments_of_lanes(x, mean, square, a0, a1, p0, p1, l0, l1):  # type: ignore[no-untyped-def]
    middle, total = np.empty(l1 - l0, np.float32), np.empty(l1 - l0, np.float32)
    count = np.float32((a1 - a0) * x.shape[2])
    for p in range(p0, p1):
        middle[:] = 0
        for a in range(a0, a1):
            for m in range(x.shape[2]):
                run = x[a, p, m, l0:l1]
                for k in range(run.size):
                    middle[k] += run[k]
        for k in range(middle.size):
            middle[k] /= count
        total[:] = 0
        for a in range(a0, a1):
            for m in range(x.shape[2]):
                run = x[a, p, m, l0:l1]
                for k in range(run.size):
                    total[k] += (run[k] - middle[k]) * (run[k] - middle[k])
        mean[p, l0:l1] = middle
        square[p, l0:l1] = total


@compiled
def scale_lanes(x, y, mean, slope, shift, a0, a1, p0, p1, l0, l1):  # type: ignore[no-untyped-def]
    for a in range(a0, a1):
        for p in range(p0, p1):
            centre, s, b = mean[p, l0:l1], slope[p, l0:l1], shift[p, l0:l1]
            for m in range(x.shape[2]):
                run, out = x[a, p, m, l0:l1], y[a, p, m, l0:l1]
                for k in range(run.size):
                    out[k] = (run[k] - centre[k]) * s[k] + b[k]


@compiled
def products_of_lanes(dy, x, mean, total, product, a0, a1, p0, p1, l0, l1):  # type: ignore[no-untyped-def]
    sums, weighted = np.empty(l1 - l0, np.float32), np.empty(l1 - l0, np.float32)
    for p in range(p0, p1):
        sums[:] = 0
        weighted[:] = 0
        middle = mean[p, l0:l1]
        for a in range(a0, a1):
            for m in range(x.shape[2]):
                d, run = dy[a, p, m, l0:l1], x[a, p, m, l0:l1]
                for k in range(run.size):
                    sums[k] += d[k]
                    weighted[k] += d[k] * (run[k] - middle[k])
        total[p, l0:l1] = sums
        product[p, l0:l1] = weighted


@compiled
def combine_lanes(dy, x, dx, mean, slope, factor, shift, a0, a1, p0, p1, l0, l1):  # type: ignore[no-untyped-def]
    for a in range(a0, a1):
        for p in range(p0, p1):
            centre, s, f, b = mean[p, l0:l1], slope[p, l0:l1], factor[p, l0:l1], shift[p, l0:l1]
            for m in range(x.shape[2]):
                d, run, out = dy[a, p, m, l0:l1], x[a, p, m, l0:l1], dx[a, p, m, l0:l1]
                for k in range(run.size):
                    out[k] = d[k] * s[k] + (run[k] - centre[k]) * f[k] + b[k]
