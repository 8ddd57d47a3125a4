"""cpu/norm_loops.py with Numba, for float32: a band is read once for each sum, and once for what is made of the sums.

Sums over what lies side by side may be added in another order (`reassoc`), which LLVM makes vectors of: the same one
each time. Cells side by side are summed side by side. Arrays are contiguous; None counts as 0.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from xpnet.backend.jit.compiled import compiled

Array = Any
NOTHING, ONE = np.float32(0), np.float32(1)
BAND = 1 << 20  # entries of what is nothing but rows that are done at a time: of fewer the loops are soon done
ROWS, RUN = 128, 1024  # rows, and entries of a run (as vectors), that are added before they go to a double
COMPILED = True
loops = compiled(error_model="numpy", fastmath={"reassoc", "contract"})
entrywise = compiled(error_model="numpy")  # the same bits with an activation behind, or without


@intrinsic  # type: ignore[untyped-decorator]
def fma(_: Any, x: Any, y: Any, z: Any) -> Any:
    """x y + z of float32, rounded once."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FloatType()
        function = cgutils.get_or_insert_function(b.module, ir.FunctionType(kind, [kind] * 3), "llvm.fma.f32")
        return b.call(function, arguments)

    return types.float32(types.float32, types.float32, types.float32), generate


def moments(x: Array, mean: Array, square: Array, *tile: int) -> None:
    """Mean of each cell, and the sum of squares of what is away from it."""
    if x.shape[3] == 1:
        moments_of_runs(x[..., 0], mean[:, 0], square[:, 0], *tile[:4])
    else:
        (x,), tile = inner_rows(tile, x)
        moments_of_lanes(x, mean, square, *tile)


def scale(x: Array, y: Array, mean: Array | None, slope: Array, shift: Array | None, *tile: int) -> None:
    """y = (x - mean) slope + shift."""
    vectors = zero(slope, mean), slope, zero(slope, shift)
    if x.shape[3] == 1:
        scale_runs(x[..., 0], y[..., 0], *(v[:, 0] for v in vectors), *tile[:4])
    else:
        (x, y), tile = inner_rows(tile, x, y)
        scale_lanes(x, y, *vectors, *tile)


def products(dy: Array, x: Array, mean: Array | None, total: Array, product: Array, *tile: int) -> None:
    """The sums of dy, and of dy (x - mean)."""
    centre = np.zeros(total.shape, x.dtype) if mean is None else mean
    if x.shape[3] == 1:
        products_of_runs(dy[..., 0], x[..., 0], centre[:, 0], total[:, 0], product[:, 0], *tile[:4])
    else:
        (dy, x), tile = inner_rows(tile, dy, x)
        products_of_lanes(dy, x, centre, total, product, *tile)


def combine(
    dy: Array, x: Array, dx: Array, mean: Array | None, slope: Array, factor: Array, shift: Array | None, *tile: int
) -> None:
    """dx = dy slope + (x - mean) factor + shift."""
    vectors = zero(slope, mean), slope, factor, zero(slope, shift)
    if x.shape[3] == 1:
        combine_runs(dy[..., 0], x[..., 0], dx[..., 0], *(v[:, 0] for v in vectors), *tile[:4])
    else:
        (dy, x, dx), tile = inner_rows(tile, dy, x, dx)
        combine_lanes(dy, x, dx, *vectors, *tile)


def normalize_rows(
    x: Array, y: Array, weight: Array | None, bias: Array | None, mean: Array, rstd: Array, eps: float, centred: bool,
    i0: int, i1: int,
) -> None:  # fmt: skip
    """Layer normalization of the rows i0 ... i1 of x (M, F): weight, bias (F,); mean and rstd (M, 1) are filled."""
    weight = np.ones(x.shape[1], x.dtype) if weight is None else weight
    scale_rows(x, y, weight, zero(weight, bias), mean, rstd, np.float32(eps), centred, i0, i1)


def normalize_rows_backward(
    dy: Array, x: Array, dx: Array, weight: Array | None, mean: Array | None, rstd: Array, total: Array,
    product: Array, i0: int, i1: int,
) -> None:  # fmt: skip
    """Its way back; total and product (F,) are filled with the sums of dy, and of dy times what is normalized."""
    weight = np.ones(x.shape[1], x.dtype) if weight is None else weight
    combine_rows(dy, x, dx, weight, zero(rstd, mean), rstd, mean is not None, total, product, i0, i1)


def zero(like: Array, v: Array | None) -> Array:
    return np.zeros_like(like) if v is None else v


def inner_rows(tile: tuple[int, ...], *arrays: Array) -> tuple[list[Array], tuple[int, ...]]:
    """Where A alone are rows, those of the tile as M, over which the inner loops are."""
    a0, a1, *rest = tile
    if arrays[0].shape[1:3] != (1, 1):
        return list(arrays), tile
    return [array[a0:a1].reshape(1, 1, a1 - a0, -1) for array in arrays], (0, 1, *rest)


@loops
def pour(part, total):  # type: ignore[no-untyped-def]
    """total += part, and part = 0."""
    for k in range(part.size):
        total[k] += part[k]
        part[k] = NOTHING


# ---- runs: a cell for each of P; x (A, P, M) -------------------------------------------------------------------------


@loops
def moments_of_runs(x, mean, square, a0, a1, p0, p1):  # type: ignore[no-untyped-def]
    for p in range(p0, p1):
        total = 0.0
        for a in range(a0, a1):
            for k0 in range(0, x.shape[2], RUN):
                run, s = x[a, p, k0 : k0 + RUN], NOTHING
                for k in range(run.size):
                    s += run[k]
                total += float(s)
        mean[p] = total / ((a1 - a0) * x.shape[2])
        middle, total = np.float32(mean[p]), 0.0
        for a in range(a0, a1):
            for k0 in range(0, x.shape[2], RUN):
                run, s = x[a, p, k0 : k0 + RUN], NOTHING
                for k in range(run.size):
                    s += (run[k] - middle) * (run[k] - middle)
                total += float(s)
        square[p] = total


@entrywise
def scale_runs(x, y, mean, slope, shift, a0, a1, p0, p1):  # type: ignore[no-untyped-def]
    for a in range(a0, a1):
        for p in range(p0, p1):
            run, out, m, s, b = x[a, p], y[a, p], mean[p], slope[p], shift[p]
            for k in range(run.size):
                out[k] = fma(run[k] - m, s, b)


@loops
def products_of_runs(dy, x, mean, total, product, a0, a1, p0, p1):  # type: ignore[no-untyped-def]
    total[p0:p1] = 0
    product[p0:p1] = 0
    for a in range(a0, a1):
        for p in range(p0, p1):
            middle = mean[p]
            for k0 in range(0, x.shape[2], RUN):
                d, run, s, t = dy[a, p, k0 : k0 + RUN], x[a, p, k0 : k0 + RUN], NOTHING, NOTHING
                for k in range(run.size):
                    s += d[k]
                    t += d[k] * (run[k] - middle)
                total[p] += s
                product[p] += t


@entrywise
def combine_runs(dy, x, dx, mean, slope, factor, shift, a0, a1, p0, p1):  # type: ignore[no-untyped-def]
    for a in range(a0, a1):
        for p in range(p0, p1):
            d, run, out, m, s, f, b = dy[a, p], x[a, p], dx[a, p], mean[p], slope[p], factor[p], shift[p]
            for k in range(run.size):
                out[k] = fma(d[k], s, fma(run[k] - m, f, b))


# ---- lanes: cells side by side; x (A, P, M, L) -----------------------------------------------------------------------


@loops
def moments_of_lanes(x, mean, square, a0, a1, p0, p1, l0, l1):  # type: ignore[no-untyped-def]
    middle, part, M = np.empty(l1 - l0, np.float32), np.zeros(l1 - l0, np.float32), x.shape[2]
    together = max(1, ROWS // M)
    for p in range(p0, p1):
        total, squares = mean[p, l0:l1], square[p, l0:l1]
        total[:] = 0
        for a in range(a0, a1, together):
            for m in range(0, M, ROWS):
                for i in range(a, min(a + together, a1)):
                    for j in range(m, min(m + ROWS, M)):
                        run = x[i, p, j, l0:l1]
                        for k in range(run.size):
                            part[k] += run[k]
                pour(part, total)
        for k in range(middle.size):
            total[k] /= (a1 - a0) * M
            middle[k] = total[k]
        squares[:] = 0
        for a in range(a0, a1, together):
            for m in range(0, M, ROWS):
                for i in range(a, min(a + together, a1)):
                    for j in range(m, min(m + ROWS, M)):
                        run = x[i, p, j, l0:l1]
                        for k in range(run.size):
                            part[k] += (run[k] - middle[k]) * (run[k] - middle[k])
                pour(part, squares)


@entrywise
def scale_lanes(x, y, mean, slope, shift, a0, a1, p0, p1, l0, l1):  # type: ignore[no-untyped-def]
    for a in range(a0, a1):
        for p in range(p0, p1):
            centre, s, b = mean[p, l0:l1], slope[p, l0:l1], shift[p, l0:l1]
            for m in range(x.shape[2]):
                run, out = x[a, p, m, l0:l1], y[a, p, m, l0:l1]
                for k in range(run.size):
                    out[k] = fma(run[k] - centre[k], s[k], b[k])


@loops
def products_of_lanes(dy, x, mean, total, product, a0, a1, p0, p1, l0, l1):  # type: ignore[no-untyped-def]
    sums, weighted = np.zeros(l1 - l0, np.float32), np.zeros(l1 - l0, np.float32)
    M, together = x.shape[2], max(1, ROWS // x.shape[2])
    total[p0:p1, l0:l1] = 0
    product[p0:p1, l0:l1] = 0
    for p in range(p0, p1):
        middle = mean[p, l0:l1]
        for a in range(a0, a1, together):
            for m in range(0, M, ROWS):
                for i in range(a, min(a + together, a1)):
                    for j in range(m, min(m + ROWS, M)):
                        d, run = dy[i, p, j, l0:l1], x[i, p, j, l0:l1]
                        for k in range(run.size):
                            sums[k] += d[k]
                            weighted[k] += d[k] * (run[k] - middle[k])
                pour(sums, total[p, l0:l1])
                pour(weighted, product[p, l0:l1])


@entrywise
def combine_lanes(dy, x, dx, mean, slope, factor, shift, a0, a1, p0, p1, l0, l1):  # type: ignore[no-untyped-def]
    for a in range(a0, a1):
        for p in range(p0, p1):
            centre, s, f, b = mean[p, l0:l1], slope[p, l0:l1], factor[p, l0:l1], shift[p, l0:l1]
            for m in range(x.shape[2]):
                d, run, out = dy[a, p, m, l0:l1], x[a, p, m, l0:l1], dx[a, p, m, l0:l1]
                for k in range(run.size):
                    out[k] = fma(d[k], s[k], fma(run[k] - centre[k], f[k], b[k]))


# ---- rows: of x (M, F) each has its mean, and each column its weight -------------------------------------------------


@loops
def scale_rows(x, y, weight, bias, mean, rstd, eps, centred, i0, i1):  # type: ignore[no-untyped-def]
    for i in range(i0, i1):
        row, out, s = x[i], y[i], NOTHING
        if centred:
            for k in range(row.size):
                s += row[k]
        middle, t = s / np.float32(row.size), NOTHING
        for k in range(row.size):
            t += (row[k] - middle) * (row[k] - middle)
        inverse = ONE / np.sqrt(t / np.float32(row.size) + eps)
        for k in range(row.size):
            out[k] = (row[k] - middle) * inverse * weight[k] + bias[k]
        mean[i, 0] = middle
        rstd[i, 0] = inverse


@loops
def combine_rows(dy, x, dx, weight, mean, rstd, centred, total, product, i0, i1):  # type: ignore[no-untyped-def]
    total[:] = 0
    product[:] = 0
    sums, products = np.zeros(x.shape[1], np.float32), np.zeros(x.shape[1], np.float32)
    share = ONE / np.float32(x.shape[1])
    for first in range(i0, i1, ROWS):
        for i in range(first, min(first + ROWS, i1)):
            d, row, out, middle, inverse = dy[i], x[i], dx[i], mean[i, 0], rstd[i, 0]
            s, t = NOTHING, NOTHING
            for k in range(row.size):
                normal = (row[k] - middle) * inverse
                s += d[k] * weight[k]
                t += d[k] * weight[k] * normal
            for k in range(row.size):
                sums[k] += d[k]
            for k in range(row.size):
                products[k] += d[k] * ((row[k] - middle) * inverse)
            s = s * share if centred else NOTHING
            t *= share
            for k in range(row.size):
                out[k] = (d[k] * weight[k] - s - (row[k] - middle) * inverse * t) * inverse
        pour(sums, total)
        pour(products, product)
