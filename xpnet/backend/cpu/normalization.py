"""Batch normalization on a CPU: a tile at a time, so that one pass over memory does for several over the cache.

An array, in whatever order it lies in memory, is seen as (A, C, B): what is outside of the channels, the channels, and
what is inside of them. The formulas stand in backend/reference/normalization.py.
"""

import math

import numpy as np

from xpnet.backend.cpu.layouts import empty_in_axes, memory_axes
from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.cpu.work import LEAST, cut_bands, divide_evenly
from xpnet.backend.reference import Array, Backend

TILE, RUN = 1 << 16, 1 << 13  # entries of a tile, and of a row of it, for which vectors stay in the cache

Tile = tuple[int, slice, slice]  # the number of the rows, the rows, and the channels


class CpuNormalization(Backend):
    def batch_norm(self, x: Array, gamma: Array | None, beta: Array | None, eps: float) -> tuple[Array, Array, Array]:
        y = empty_in_axes(x, memory_axes(x))
        (rows, out), share, alone = by_channel(x, y), x.shape[1] / x.size, x.size < LEAST
        parts, tiles = cut(rows)
        sums = np.empty((parts, x.shape[1]), x.dtype)

        def add(part: int, a: slice, c: slice) -> None:
            sums[part, c] = total(rows[a, c])

        run_tiles(add, tiles, alone=alone)
        mean = sums.sum(axis=0) * share
        means = along(rows, mean)

        def add_squares(part: int, a: slice, c: slice) -> None:
            off = np.subtract(rows[a, c], means[c], out=out[a, c])
            sums[part, c] = np.vecdot(off, off).sum(axis=0)

        run_tiles(add_squares, tiles, alone=alone)
        var = sums.sum(axis=0) * share
        slopes = along(rows, inverse_deviation(var, eps) if gamma is None else gamma * inverse_deviation(var, eps))
        betas = None if beta is None else along(rows, beta)

        def work(part: int, a: slice, c: slice) -> None:
            normal = out[a, c]
            normal *= slopes[c]
            if betas is not None:
                normal += betas[c]

        run_tiles(work, tiles, blas=False, alone=alone)
        return y, mean, var

    def batch_norm_backward(
        self, dy: Array, x: Array, mean: Array, var: Array, gamma: Array | None, eps: float
    ) -> tuple[Array, Array, Array]:
        dx = empty_in_axes(x, memory_axes(x))
        (rows, out, dout), share, alone = by_channel(x, dx, dy), x.shape[1] / x.size, x.size < LEAST
        parts, tiles = cut(rows)
        sums, means = np.empty((2, parts, x.shape[1]), x.dtype), along(rows, mean)

        def add(part: int, a: slice, c: slice) -> None:
            off = np.subtract(rows[a, c], means[c], out=out[a, c])
            sums[0, part, c] = total(dout[a, c])
            sums[1, part, c] = np.vecdot(dout[a, c], off).sum(axis=0)

        run_tiles(add, tiles, alone=alone)
        inverse = inverse_deviation(var, eps)
        dbeta, dgamma = sums.sum(axis=1)
        dgamma *= inverse
        slopes = along(rows, inverse if gamma is None else gamma * inverse)
        shares, shifts = along(rows, inverse * dgamma * share), along(rows, dbeta * share)

        def work(part: int, a: slice, c: slice) -> None:
            off = out[a, c]
            off *= shares[c]
            off += shifts[c]
            np.subtract(dout[a, c], off, out=off)
            off *= slopes[c]

        run_tiles(work, tiles, blas=False, alone=alone)
        return dx, dgamma, dbeta


def by_channel(x: Array, *others: Array) -> list[Array]:
    """Arrays (N, C, ...) as (A, C, B), in the memory order of the first: views where they lie so."""
    axes = memory_axes(x)
    place, shape = axes.index(1), [x.shape[axis] for axis in axes]
    whole = math.prod(shape[:place]), shape[place], math.prod(shape[place + 1 :])
    return [np.ascontiguousarray(each.transpose(axes)).reshape(whole) for each in (x, *others)]


def cut(rows: Array) -> tuple[int, list[Tile]]:
    """Into how many parts rows (A, C, B) are cut, and the tiles, which are cut along the channels, too."""
    A, C, B = rows.shape
    channels = cut_bands(C, divide_evenly(C, max(1, RUN // max(1, B))))
    bands = cut_bands(A, max(1, TILE // max(1, channels[0][1] * B)))
    return len(bands), [(i, slice(*a), slice(*c)) for i, a in enumerate(bands) for c in channels]


def along(rows: Array, v: Array) -> Array:
    """Of numbers of the channels (C,) those of the entries of rows (A, C, B): (C, B), so that loops are long."""
    return np.repeat(v[:, None], rows.shape[2], axis=1)


def total(rows: Array) -> Array:
    """(A, C, B) -> (C,); BLAS adds faster than np.sum."""
    B = rows.shape[2]
    return (np.matmul(rows, np.ones(B, rows.dtype)) if B > 1 else rows[:, :, 0]).sum(axis=0)


def inverse_deviation(var: Array, eps: float) -> Array:
    return 1 / np.sqrt(var + var.dtype.type(eps))
