"""jit/norm_loops.py with an activation behind the normalization: nothing of it is kept, and nothing more is read.

y = z where 0 < z < above, above where z is not below that, else below z, with z = (x - mean) slope + shift. On the way
back z is computed again from x, which is read anyway. Arrays are contiguous.
"""

from typing import Any

import numpy as np

from xpnet.backend.jit.norm_loops import NOTHING, ONE, ROWS, RUN, entrywise, fma, inner_rows, loops, pour, zero

Array = Any


def scale_then(
    x: Array, y: Array, mean: Array | None, slope: Array, shift: Array | None, then: tuple[float, float], *tile: int
) -> None:
    """What the activation makes of (x - mean) slope + shift."""
    vectors, limits = (zero(slope, mean), slope, zero(slope, shift)), [*map(np.float32, then)]
    if x.shape[3] == 1:
        scale_runs(x[..., 0], y[..., 0], *(v[:, 0] for v in vectors), *limits, *tile[:4])
    else:
        (x, y), tile = inner_rows(tile, x, y)
        scale_lanes(x, y, *vectors, *limits, *tile)


def products_then(dy: Array, x: Array, mean: Array, total: Array, product: Array, then: Any, *tile: int) -> None:
    """The sums of dz and of dz (x - mean), dz that of z, of the gradient dy: `then` has slope, shift and limits."""
    vectors, limits = (mean, *then[:2]), [*map(np.float32, then[2:])]
    if x.shape[3] == 1:
        sums = total[:, 0], product[:, 0]
        products_of_runs(dy[..., 0], x[..., 0], *(v[:, 0] for v in vectors), *sums, *limits, *tile[:4])
    else:
        (dy, x), tile = inner_rows(tile, dy, x)
        products_of_lanes(dy, x, *vectors, total, product, *limits, *tile)


def combine_then(
    dy: Array, x: Array, dx: Array, mean: Array, slope: Array, factor: Array, shift: Array, then: Any, *tile: int
) -> None:
    """dx = dz slope + (x - mean) factor + shift, with dz as above."""
    vectors, limits = (mean, slope, factor, shift, then[1]), [*map(np.float32, then[2:])]
    if x.shape[3] == 1:
        combine_runs(dy[..., 0], x[..., 0], dx[..., 0], *(v[:, 0] for v in vectors), *limits, *tile[:4])
    else:
        (dy, x, dx), tile = inner_rows(tile, dy, x, dx)
        combine_lanes(dy, x, dx, *vectors, *limits, *tile)


@entrywise
def activated(z, below, above):  # type: ignore[no-untyped-def]
    y = z * (ONE if z > NOTHING else below) + NOTHING  # which is 0, and not -0, where `below` is 0
    return above if y > above else y


@entrywise
def passed(dy, z, below, above):  # type: ignore[no-untyped-def]
    dz = dy if z > NOTHING else dy * below
    return NOTHING if z >= above else dz


# ---- runs: a cell for each of P; x (A, P, M) -------------------------------------------------------------------------


@entrywise
def scale_runs(x, y, mean, slope, shift, below, above, a0, a1, p0, p1):  # type: ignore[no-untyped-def]
    for a in range(a0, a1):
        for p in range(p0, p1):
            run, out, m, s, b = x[a, p], y[a, p], mean[p], slope[p], shift[p]
            for k in range(run.size):
                out[k] = activated(fma(run[k] - m, s, b), below, above)


@loops
def products_of_runs(dy, x, mean, slope, shift, total, product, below, above, a0, a1, p0, p1):  # type: ignore[no-untyped-def]
    total[p0:p1] = 0
    product[p0:p1] = 0
    for a in range(a0, a1):
        for p in range(p0, p1):
            middle, f, b = mean[p], slope[p], shift[p]
            for k0 in range(0, x.shape[2], RUN):
                d, run, s, t = dy[a, p, k0 : k0 + RUN], x[a, p, k0 : k0 + RUN], NOTHING, NOTHING
                for k in range(run.size):
                    away = run[k] - middle
                    dz = passed(d[k], fma(away, f, b), below, above)
                    s += dz
                    t += dz * away
                total[p] += s
                product[p] += t


@entrywise
def combine_runs(dy, x, dx, mean, slope, factor, shift, start, below, above, a0, a1, p0, p1):  # type: ignore[no-untyped-def]
    for a in range(a0, a1):
        for p in range(p0, p1):
            d, run, out, m, s, f, b, c = dy[a, p], x[a, p], dx[a, p], mean[p], slope[p], factor[p], shift[p], start[p]
            for k in range(run.size):
                away = run[k] - m
                out[k] = fma(passed(d[k], fma(away, s, c), below, above), s, fma(away, f, b))


# ---- lanes: cells side by side; x (A, P, M, L) -----------------------------------------------------------------------


@entrywise
def scale_lanes(x, y, mean, slope, shift, below, above, a0, a1, p0, p1, l0, l1):  # type: ignore[no-untyped-def]
    for a in range(a0, a1):
        for p in range(p0, p1):
            centre, s, b = mean[p, l0:l1], slope[p, l0:l1], shift[p, l0:l1]
            for m in range(x.shape[2]):
                run, out = x[a, p, m, l0:l1], y[a, p, m, l0:l1]
                for k in range(run.size):
                    out[k] = activated(fma(run[k] - centre[k], s[k], b[k]), below, above)


@loops
def products_of_lanes(dy, x, mean, slope, shift, total, product, below, above, a0, a1, p0, p1, l0, l1):  # type: ignore[no-untyped-def]
    sums, weighted = np.zeros(l1 - l0, np.float32), np.zeros(l1 - l0, np.float32)
    M, together = x.shape[2], max(1, ROWS // x.shape[2])
    total[p0:p1, l0:l1] = 0
    product[p0:p1, l0:l1] = 0
    for p in range(p0, p1):
        middle, f, b = mean[p, l0:l1], slope[p, l0:l1], shift[p, l0:l1]
        for a in range(a0, a1, together):
            for m in range(0, M, ROWS):
                for i in range(a, min(a + together, a1)):
                    for j in range(m, min(m + ROWS, M)):
                        d, run = dy[i, p, j, l0:l1], x[i, p, j, l0:l1]
                        for k in range(run.size):
                            away = run[k] - middle[k]
                            dz = passed(d[k], fma(away, f[k], b[k]), below, above)
                            sums[k] += dz
                            weighted[k] += dz * away
                pour(sums, total[p, l0:l1])
                pour(weighted, product[p, l0:l1])


@entrywise
def combine_lanes(dy, x, dx, mean, slope, factor, shift, start, below, above, a0, a1, p0, p1, l0, l1):  # type: ignore[no-untyped-def]
    for a in range(a0, a1):
        for p in range(p0, p1):
            centre, s, f, b, c = mean[p, l0:l1], slope[p, l0:l1], factor[p, l0:l1], shift[p, l0:l1], start[p, l0:l1]
            for m in range(x.shape[2]):
                d, run, out = dy[a, p, m, l0:l1], x[a, p, m, l0:l1], dx[a, p, m, l0:l1]
                for k in range(run.size):
                    away = run[k] - centre[k]
                    dz = passed(d[k], fma(away, s[k], c[k]), below, above)
                    out[k] = fma(dz, s[k], fma(away, f[k], b[k]))
