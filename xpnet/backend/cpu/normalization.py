"""Batch, instance and group normalization on a CPU: two passes over memory each way, in whatever order x lies.

Mean and variance are sums over some axes, for each entry of the others: of a channel, or of a sample and a channel.
`View` sees x as (A, P, M, L) without a copy, so that the sums are over A and M, and gives a *cell* (p, l) to each of
them. Groups, and channels whose few entries lie in several cells, are put together from these, in float64. The first
pass makes the sums, band by band that stay in the cache; the second is a product and a sum with a number of each cell.
"""

from typing import Any

import numpy as np

from xpnet.backend.cpu import norm_loops
from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.cpu.view import View, view_of
from xpnet.backend.like import converted
from xpnet.backend.reference import Array, Backend


class CpuNormalization(Backend):
    def norm_loops(self, dtype: Any) -> Any:
        """The loops over a band: a module like cpu/norm_loops.py."""
        return norm_loops

    def batch_norm(self, x: Array, gamma: Array | None, beta: Array | None, eps: float) -> tuple[Array, Array, Array]:
        view = view_of(x, (1,))
        mean, square = self.find_moments(view, view.see(x))
        mean, var = put_together(mean, square, view.counts, 1)
        slope = 1 / np.sqrt(var + eps) if gamma is None else gamma / np.sqrt(var + eps)
        mean, var = mean.astype(x.dtype), var.astype(x.dtype)
        return self.scale_cells(view, view.see(x), mean, slope, beta), mean, var

    def batch_norm_backward(
        self, dy: Array, x: Array, mean: Array, var: Array, gamma: Array | None, eps: float
    ) -> tuple[Array, Array, Array]:
        view, inverse = view_of(x, (1,)), 1 / np.sqrt(var + eps)
        seen = view.see(converted(dy, x.dtype)), view.see(x)
        sums, products = self.sum_products(view, *seen, mean)
        dbeta, dgamma = sums.sum(axis=1), products.sum(axis=1) * inverse
        slope, share = inverse if gamma is None else gamma * inverse, mean.size / x.size
        dx = self.combine_cells(view, *seen, mean, slope, -slope * inverse * dgamma * share, -slope * dbeta * share)
        return dx, dgamma.astype(x.dtype), dbeta.astype(x.dtype)

    def scale_channels(self, x: Array, slope: Array, shift: Array | None) -> Array:
        view = view_of(x, (1,))
        return self.scale_cells(view, view.see(x), None, slope, shift)

    def sum_channels(self, dy: Array, x: Array, mean: Array) -> tuple[Array, Array]:
        view = view_of(x, (1,))
        sums, products = self.sum_products(view, view.see(converted(dy, x.dtype)), view.see(x), mean)
        return sums.sum(axis=1).astype(x.dtype), products.sum(axis=1).astype(x.dtype)

    # ---- the passes: `x`, `dy` seen by the view, the rest of a channel (C,), or of a sample and a channel (N, C) ----

    def moving_average(self, average: Array, value: Array, rate: float, weight: float) -> None:
        if rate == 1 or np.isinf(average).any():
            return super().moving_average(average, value, rate, weight)
        added = weight * value
        added -= rate * average
        average += added
        return None

    def find_moments(self, view: View, x: Array) -> tuple[Array, Array]:
        """Of each cell the mean, and the sum of squares of what is away from it: (C, cells) or (N, C, cells)."""
        loops, (A, P, M, L) = self.norm_loops(x.dtype), x.shape
        bands = view.bands(loops.BAND)
        means, squares = np.empty((2, len(bands), P, L))
        run_tiles(
            lambda i, *tile: loops.moments(x, means[i], squares[i], *tile), view.tiles(loops.BAND), alone=view.alone
        )
        if len(bands) == 1:
            return view.of_cells(means[0]), view.of_cells(squares[0])
        counts = np.array([M * (end - first) for first, end in bands], float)[:, None, None]
        mean = (means * counts).sum(axis=0) / (A * M)
        return view.of_cells(mean), view.of_cells((squares + counts * (means - mean) ** 2).sum(axis=0))

    def scale_cells(self, view: View, x: Array, mean: Array | None, slope: Array, shift: Array | None) -> Array:
        """(x - mean) slope + shift."""
        loops, y = self.norm_loops(x.dtype), pool.empty(x.shape, x.dtype)
        vectors = [None if v is None else view.to_cells(v) for v in (mean, slope, shift)]
        run_tiles(
            lambda _, *tile: loops.scale(x, y, *vectors, *tile), view.tiles(loops.BAND), blas=False, alone=view.alone
        )
        return view.as_given(y)

    def sum_products(self, view: View, dy: Array, x: Array, mean: Array | None) -> tuple[Array, Array]:
        """Of each cell the sums of dy and of dy (x - mean): (C, cells) or (N, C, cells)."""
        loops = self.norm_loops(x.dtype)
        sums, products = np.empty((2, len(view.bands(loops.BAND)), x.shape[1], x.shape[3]))
        centre = None if mean is None else view.to_cells(mean)
        run_tiles(
            lambda i, *tile: loops.products(dy, x, centre, sums[i], products[i], *tile),
            view.tiles(loops.BAND),
            alone=view.alone,
        )
        return view.of_cells(sums.sum(axis=0)), view.of_cells(products.sum(axis=0))

    def combine_cells(
        self, view: View, dy: Array, x: Array, mean: Array | None, slope: Array, factor: Array, shift: Array | None
    ) -> Array:
        """dy slope + (x - mean) factor + shift."""
        loops, dx = self.norm_loops(x.dtype), pool.empty(x.shape, x.dtype)
        vectors = [None if v is None else view.to_cells(v) for v in (mean, slope, factor, shift)]
        run_tiles(
            lambda _, *tile: loops.combine(dy, x, dx, *vectors, *tile),
            view.tiles(loops.BAND),
            blas=False,
            alone=view.alone,
        )
        return view.as_given(dx)


def put_together(mean: Array, square: Array, count: int, axis: int) -> tuple[Array, Array]:
    """Mean and variance of cells of `count` entries together, from each cell's mean and sum of squares away from it."""
    middle = mean.mean(axis=axis, keepdims=True)
    var = (square / count + (mean - middle) ** 2).mean(axis=axis)
    return middle.squeeze(axis), var
