"""Batch, instance and group normalization on a CPU: two passes over memory each way, in whatever order x lies.

Mean and variance are sums over some axes, for each entry of the others: of a channel, or of a sample and a channel.
`View` sees x as (A, P, M, L) without a copy, so that the sums are over A and M, and gives a *cell* (p, l) to each of
them. Groups, and channels whose few entries lie in several cells, are put together from these, in float64. The first
pass makes the sums, band by band that stay in the cache; the second is a product and a sum with a number of each cell.
"""

import math
from typing import Any

import numpy as np

from xpnet.backend.cpu import norm_loops
from xpnet.backend.cpu.layouts import memory_axes
from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.cpu.work import LEAST, cut_bands
from xpnet.backend.reference import Array, Backend

BAND = 1 << 16  # entries that are done at a time
LANES = 1 << 11  # cells side by side that are done at a time: their sums stay in the cache, too
SHORT = 32  # entries of a channel side by side, up to which each has a cell of its own


class CpuNormalization(Backend):
    def norm_loops(self, dtype: Any) -> Any:
        """The loops over a band: a module like cpu/norm_loops.py."""
        return norm_loops

    def batch_norm(self, x: Array, gamma: Array | None, beta: Array | None, eps: float) -> tuple[Array, Array, Array]:
        view = View(x, (1,))
        mean, square = self.find_moments(view, view.see(x))
        mean, var = put_together(mean, square, view.counts, 1)
        slope = 1 / np.sqrt(var + eps) if gamma is None else gamma / np.sqrt(var + eps)
        mean, var = mean.astype(x.dtype), var.astype(x.dtype)
        return self.scale_cells(view, view.see(x), mean, slope, beta), mean, var

    def batch_norm_backward(
        self, dy: Array, x: Array, mean: Array, var: Array, gamma: Array | None, eps: float
    ) -> tuple[Array, Array, Array]:
        view, inverse = View(x, (1,)), 1 / np.sqrt(var + eps)
        seen = view.see(dy), view.see(x)
        sums, products = self.sum_products(view, *seen, mean)
        dbeta, dgamma = sums.sum(axis=1), products.sum(axis=1) * inverse
        slope, share = inverse if gamma is None else gamma * inverse, mean.size / x.size
        dx = self.combine_cells(view, *seen, mean, slope, -slope * inverse * dgamma * share, -slope * dbeta * share)
        return dx, dgamma.astype(x.dtype), dbeta.astype(x.dtype)

    def scale_channels(self, x: Array, slope: Array, shift: Array | None) -> Array:
        view = View(x, (1,))
        return self.scale_cells(view, view.see(x), None, slope, shift)

    def sum_channels(self, dy: Array, x: Array, mean: Array) -> tuple[Array, Array]:
        view = View(x, (1,))
        sums, products = self.sum_products(view, view.see(dy), view.see(x), mean)
        return sums.sum(axis=1).astype(x.dtype), products.sum(axis=1).astype(x.dtype)

    # ---- the passes: `x`, `dy` seen by the view, the rest of a channel (C,), or of a sample and a channel (N, C) ----

    def moving_average(self, average: Array, value: Array, rate: float, weight: float) -> None:
        if rate == 1 or np.isinf(average).any():
            return super().moving_average(average, value, rate, weight)
        added = weight * value
        added -= rate * average
        average += added
        return None

    def find_moments(self, view: "View", x: Array) -> tuple[Array, Array]:
        """Of each cell the mean, and the sum of squares of what is away from it: (C, cells) or (N, C, cells)."""
        loops, (A, P, M, L) = self.norm_loops(x.dtype), x.shape
        bands = view.bands()
        means, squares = np.empty((2, len(bands), P, L))
        run_tiles(lambda i, *tile: loops.moments(x, means[i], squares[i], *tile), view.tiles(bands), alone=view.alone)
        if len(bands) == 1:
            return view.of_cells(means[0]), view.of_cells(squares[0])
        counts = np.array([M * (end - first) for first, end in bands], float)[:, None, None]
        mean = (means * counts).sum(axis=0) / (A * M)
        return view.of_cells(mean), view.of_cells((squares + counts * (means - mean) ** 2).sum(axis=0))

    def scale_cells(self, view: "View", x: Array, mean: Array | None, slope: Array, shift: Array | None) -> Array:
        """(x - mean) slope + shift."""
        loops, y = self.norm_loops(x.dtype), pool.empty(x.shape, x.dtype)
        vectors = [None if v is None else view.to_cells(v) for v in (mean, slope, shift)]
        run_tiles(lambda _, *tile: loops.scale(x, y, *vectors, *tile), view.tiles(), blas=False, alone=view.alone)
        return view.as_given(y)

    def sum_products(self, view: "View", dy: Array, x: Array, mean: Array | None) -> tuple[Array, Array]:
        """Of each cell the sums of dy and of dy (x - mean): (C, cells) or (N, C, cells)."""
        loops, bands = self.norm_loops(x.dtype), view.bands()
        sums, products = np.empty((2, len(bands), x.shape[1], x.shape[3]))
        centre = None if mean is None else view.to_cells(mean)
        run_tiles(
            lambda i, *tile: loops.products(dy, x, centre, sums[i], products[i], *tile),
            view.tiles(bands),
            alone=view.alone,
        )
        return view.of_cells(sums.sum(axis=0)), view.of_cells(products.sum(axis=0))

    def combine_cells(
        self, view: "View", dy: Array, x: Array, mean: Array | None, slope: Array, factor: Array, shift: Array | None
    ) -> Array:
        """dy slope + (x - mean) factor + shift."""
        loops, dx = self.norm_loops(x.dtype), pool.empty(x.shape, x.dtype)
        vectors = [None if v is None else view.to_cells(v) for v in (mean, slope, factor, shift)]
        run_tiles(
            lambda _, *tile: loops.combine(dy, x, dx, *vectors, *tile), view.tiles(), blas=False, alone=view.alone
        )
        return view.as_given(dx)


class View:
    """x (N, C, ...) as (A, P, M, L): P and L are of the axes `kept`, in the order in which they lie in memory."""

    def __init__(self, x: Array, kept: tuple[int, ...]) -> None:
        self.given, self.dtype, self.alone = x.shape, x.dtype, x.size < LEAST
        self.axes = memory_axes(x)
        runs = self._runs(kept)
        if len(runs) > 4:  # such as (N, H, C, W): samples and channels apart, with pixels between and behind them
            self.axes = tuple(range(x.ndim))
            runs = self._runs(kept)
        self.shape = (1,) * (4 - len(runs)) + tuple(runs)  # (A, P, M, L)
        if self.shape[3] == 1 and self.shape[2] <= SHORT:
            self.shape = self.shape[0], 1, 1, self.shape[1] * self.shape[2]
        self.order = [axis for axis in self.axes if axis in kept]
        self.kept = tuple(x.shape[axis] for axis in kept)
        cells = self.shape[1] * self.shape[3]
        self.each = cells // max(1, math.prod(self.kept))  # cells of one entry of the axes that are kept
        self.counts = x.size // max(1, cells)  # entries of a cell

    def _runs(self, kept: tuple[int, ...]) -> list[int]:
        """How many entries lie in axes that are kept, not kept, and so on, the last number being of kept ones."""
        runs, last = [1], True
        for axis in reversed(self.axes):
            if self.given[axis] == 1:
                continue
            if (axis in kept) is not last:
                runs.insert(0, 1)
                last = not last
            runs[0] *= self.given[axis]
        return runs

    def see(self, x: Array) -> Array:
        """A view, where x lies in the order of the view, without gaps."""
        return np.ascontiguousarray(x.transpose(self.axes)).reshape(self.shape)

    def as_given(self, y: Array) -> Array:
        """(A, P, M, L) as an array of the shape that was given."""
        lying = y.reshape([self.given[axis] for axis in self.axes])
        return lying.transpose(sorted(range(lying.ndim), key=self.axes.__getitem__))

    def of_cells(self, cells: Array) -> Array:
        """(P, L) as (C, cells) or (N, C, cells)."""
        lying = cells.reshape(*(self.given[axis] for axis in self.order), self.each)
        return lying.swapaxes(0, 1) if self.order == [1, 0] else lying

    def to_cells(self, v: Array) -> Array:
        """(C,) or (N, C), for all cells that are of it: (P, L)."""
        lying = np.asarray(v, self.dtype)
        lying = lying.T if self.order == [1, 0] else lying
        lying = np.repeat(lying.reshape(-1), self.each) if self.each > 1 else lying
        return np.ascontiguousarray(lying).reshape(self.shape[1], self.shape[3])

    def bands(self) -> tuple[tuple[int, int], ...]:
        """(first, end) of A in each band."""
        A, P, M, L = self.shape
        return cut_bands(A, max(1, BAND // max(1, P * M * min(L, LANES))))

    def tiles(self, bands: tuple[tuple[int, int], ...] | None = None) -> list[tuple[int, ...]]:
        """The number of the band, and first and end in A, P and L."""
        _, P, M, L = self.shape
        together = max(1, BAND // max(1, M * min(L, LANES)))
        return [
            (number, *rows, *places, *lanes)
            for number, rows in enumerate(bands or self.bands())
            for places in cut_bands(P, together)
            for lanes in cut_bands(L, LANES)
        ]


def put_together(mean: Array, square: Array, count: int, axis: int) -> tuple[Array, Array]:
    """Mean and variance of cells of `count` entries together, from each cell's mean and sum of squares away from it."""
    middle = mean.mean(axis=axis, keepdims=True)
    var = (square / count + (mean - middle) ** 2).mean(axis=axis)
    return middle.squeeze(axis), var
