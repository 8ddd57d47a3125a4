"""Normalization within a sample on a CPU: of so many samples or groups at a time that what is passed over several times
stays in the cache, and on all threads.
"""

from typing import Any

import numpy as np

from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.norm_loops import LONG
from xpnet.backend.cpu.normalization import CpuNormalization, put_together
from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.cpu.view import view_of
from xpnet.backend.cpu.work import LEAST, cut_bands
from xpnet.backend.like import converted
from xpnet.backend.reference import Array

BAND = 1 << 16  # entries that are normalized at a time


class CpuGroupNorm(CpuNormalization):
    def group_norm(
        self, x: Array, groups: int, weight: Array | None, bias: Array | None, eps: float, centred: bool = True
    ) -> tuple[Array, Array | None, Array]:
        if are_rows(x, groups):
            return rows_norm(self.norm_loops(x.dtype), x, weight, bias, eps, centred)
        (N, C), view = x.shape[:2], view_of(x, (0, 1))
        mean, square = self.find_moments(view, view.see(x))
        mean, var = put_together(mean.reshape(N, groups, -1), square.reshape(N, groups, -1), view.counts, 2)  # (N, G)
        if not centred:
            mean, var = np.zeros_like(mean), var + mean**2
        rstd = 1 / np.sqrt(var + eps)
        slope = spread(rstd, C) if weight is None else spread(rstd, C) * weight  # (N, C)
        shift = None if bias is None else np.broadcast_to(bias, (N, C))
        mean, rstd = mean.astype(x.dtype), rstd.astype(x.dtype)
        return self.scale_cells(view, view.see(x), spread(mean, C), slope, shift), mean if centred else None, rstd

    def group_norm_backward(
        self, dy: Array, x: Array, groups: int, mean: Array | None, rstd: Array, weight: Array | None
    ) -> tuple[Array, Array | None, Array | None]:
        dy = converted(dy, x.dtype)
        if are_rows(x, groups):
            return rows_norm_backward(self.norm_loops(x.dtype), dy, x, mean, rstd, weight)
        (N, C), view = x.shape[:2], view_of(x, (0, 1))
        seen, inverse, middle = (view.see(dy), view.see(x)), spread(rstd, C), None if mean is None else spread(mean, C)
        sums, products = (cells.sum(axis=-1) for cells in self.sum_products(view, *seen, middle))  # (N, C)
        products *= inverse
        slope, share = inverse if weight is None else inverse * weight, N * groups / x.size
        means = [spread((v * slope).reshape(N, groups, -1).sum(axis=2) * share, C) for v in (sums, products)]
        dx = self.combine_cells(view, *seen, middle, slope, -means[1] * inverse, None if mean is None else -means[0])
        if weight is None:
            return dx, None, None
        return dx, products.sum(axis=0).astype(x.dtype), sums.sum(axis=0).astype(x.dtype)


# ---- rows: layer normalization of vectors, whose sums are products of matrices ---------------------------------------


def are_rows(x: Array, groups: int) -> bool:
    return groups == 1 and x.size == x.shape[0] * x.shape[1] and x.shape[1] <= LONG and x.flags.c_contiguous


def rows_norm(
    loops: Any, x: Array, weight: Array | None, bias: Array | None, eps: float, centred: bool
) -> tuple[Array, Array | None, Array]:
    M, F = x.shape[:2]
    rows, y = x.reshape(M, F), pool.empty(x.shape, x.dtype)
    mean, rstd = np.zeros((M, 1), x.dtype), np.empty((M, 1), x.dtype)
    arrays = rows, y.reshape(M, F), weight, bias, mean, rstd, eps, centred
    bands = cut_bands(M, max(1, BAND // F))
    run_tiles(lambda *band: loops.normalize_rows(*arrays, *band), bands, alone=x.size < LEAST)
    return y, mean if centred else None, rstd


def rows_norm_backward(
    loops: Any, dy: Array, x: Array, mean: Array | None, rstd: Array, weight: Array | None
) -> tuple[Array, Array | None, Array | None]:
    M, F = x.shape[:2]
    dx, bands = pool.empty(x.shape, x.dtype), cut_bands(M, max(1, BAND // F))
    sums, products = np.zeros((2, len(bands), F))
    arrays = *(array.reshape(M, F) for array in (np.ascontiguousarray(dy), x, dx)), weight, mean, rstd
    run_tiles(
        lambda i, *band: loops.normalize_rows_backward(*arrays, sums[i], products[i], *band),
        [(i, *band) for i, band in enumerate(bands)],
        alone=x.size < LEAST,
    )
    if weight is None:
        return dx, None, None
    return dx, products.sum(axis=0).astype(x.dtype), sums.sum(axis=0).astype(x.dtype)


def spread(v: Array, channels: int) -> Array:
    """(N, G) -> (N, C): the same for all channels of a group."""
    return np.repeat(v, channels // v.shape[1], axis=1)
