"""Batch, instance and group normalization on a CPU: two passes over memory each way, in whatever order x lies.

Mean and variance are sums over some axes, for each entry of the others: of a channel, or of a sample and a channel.
`View` sees x as (A, P, M, L) without a copy, so that the sums are over A and M, and gives a *cell* (p, l) to each of
them. Groups, and channels whose few entries lie in several cells, are put together from these, in float64. The first
pass makes the sums, band by band that stay in the cache; the second is a product and a sum with a number of each cell.
"""

from typing import Any

import numpy as np

from xpnet.backend.cpu import norm_loops
from xpnet.backend.cpu.elementwise import pass_on
from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.cpu.view import View, view_of
from xpnet.backend.like import converted
from xpnet.backend.reference import Array, Backend

Then = tuple[float, float]  # below and above, of `batch_norm_then`
NEAR = 8  # standard deviations


class CpuNormalization(Backend):
    def norm_loops(self, dtype: Any) -> Any:
        """The loops over a band: a module like cpu/norm_loops.py."""
        return norm_loops

    def loops_then(self, dtype: Any) -> Any:
        """Those with an activation behind them: the way forward, and, if it has them, the passes back."""
        return norm_loops

    def batch_norm(self, x: Array, gamma: Array | None, beta: Array | None, eps: float) -> tuple[Array, Array, Array]:
        return self._batch_norm(x, gamma, beta, eps, None)

    def batch_norm_then(
        self, x: Array, gamma: Array | None, beta: Array | None, eps: float, below: float, above: float
    ) -> tuple[Array, Array, Array]:
        return self._batch_norm(x, gamma, beta, eps, (below, above))

    def _batch_norm(
        self, x: Array, gamma: Array | None, beta: Array | None, eps: float, then: Then | None
    ) -> tuple[Array, Array, Array]:
        view = view_of(x, (1,))
        mean, square = self.find_moments(view, view.see(x))
        mean, var = (each.astype(x.dtype) for each in put_together(mean, square, view.counts, 1))
        slope = slope_of(var, gamma, eps)  # of what is handed out, so that the way back has the same one
        if self._folds(mean, var, eps):
            shift = (0 if beta is None else beta) - mean * slope
            return self.scale_cells(view, view.see(x), None, slope, shift, then), mean, var
        return self.scale_cells(view, view.see(x), mean, slope, beta, then), mean, var

    def _folds(self, mean: Array, var: Array, eps: float) -> bool:
        """Whether the mean is taken from what the pass makes, and not from x first: that is a pass more in NumPy, and
        rounding is at most NEAR times as large without, where no channel's mean is further away from 0 than that.
        """
        return not self.norm_loops(mean.dtype).COMPILED and bool(np.all(mean * mean <= NEAR**2 * (var + eps)))

    def batch_norm_backward(
        self, dy: Array, x: Array, mean: Array, var: Array, gamma: Array | None, eps: float
    ) -> tuple[Array, Array, Array]:
        return self._batch_norm_backward(dy, x, mean, var, gamma, eps, None)

    def batch_norm_then_backward(
        self,
        dy: Array,
        x: Array,
        y: Array,
        mean: Array,
        var: Array,
        gamma: Array | None,
        beta: Array | None,
        eps: float,
        below: float,
        above: float,
    ) -> tuple[Array, Array, Array]:
        if hasattr(self.loops_then(x.dtype), "combine_then"):
            return self._batch_norm_backward(dy, x, mean, var, gamma, eps, (beta, below, above))
        if x.dtype != np.float32:
            return super().batch_norm_then_backward(dy, x, y, mean, var, gamma, beta, eps, below, above)
        dz = pass_on(converted(dy, x.dtype), y, below, above)
        return self._batch_norm_backward(dz, x, mean, var, gamma, eps, None)

    def _batch_norm_backward(
        self, dy: Array, x: Array, mean: Array, var: Array, gamma: Array | None, eps: float, then: Any
    ) -> tuple[Array, Array, Array]:
        """then: (beta, below, above) of what stands behind it, whose gradient is taken on the way."""
        view, inverse, slope = view_of(x, (1,)), slope_of(var, None, eps), slope_of(var, gamma, eps)
        seen = view.see(converted(dy, x.dtype)), view.see(x)
        given = then and (*map(view.to_cells, (slope, np.zeros_like(slope) if then[0] is None else then[0])), *then[1:])
        folds = self._folds(mean, var, eps)
        sums, products = self.sum_products(view, *seen, None if folds else mean, given)
        if folds and not np.all(np.isfinite(sums + products)):  # infinity less infinity is no number
            folds, (sums, products) = False, self.sum_products(view, *seen, mean, given)
        if folds:
            products -= mean[:, None] * sums
        dbeta, dgamma = sums.sum(axis=1), products.sum(axis=1) * inverse
        share = mean.size / x.size
        shift, factor = -slope * dbeta * share, -slope * inverse * dgamma * share
        if folds:
            shift -= mean * factor
        dx = self.combine_cells(view, *seen, None if folds else mean, slope, factor, shift, given)
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

    def scale_cells(
        self, view: View, x: Array, mean: Array | None, slope: Array, shift: Array | None, then: Then | None = None
    ) -> Array:
        """(x - mean) slope + shift, and `then` the activation that `batch_norm_then` says."""
        loops, y = self.norm_loops(x.dtype), pool.empty(x.shape, x.dtype)
        vectors = [None if v is None else view.to_cells(v) for v in (mean, slope, shift)]
        scale, last = (loops.scale, ()) if then is None else (self.loops_then(x.dtype).scale_then, (then,))
        run_tiles(
            lambda _, *tile: scale(x, y, *vectors, *last, *tile), view.tiles(loops.BAND), blas=False, alone=view.alone
        )
        return view.as_given(y)

    def sum_products(
        self, view: View, dy: Array, x: Array, mean: Array | None, then: Any = None
    ) -> tuple[Array, Array]:
        """Of each cell the sums of dy and of dy (x - mean): (C, cells) or (N, C, cells). `then`: slope and shift of the
        cells, below and above, of which dy is the gradient behind the activation.
        """
        loops = self.norm_loops(x.dtype)
        sums, products = np.empty((2, len(view.bands(loops.BAND)), x.shape[1], x.shape[3]))
        centre = None if mean is None else view.to_cells(mean)
        add, last = (loops.products, ()) if then is None else (self.loops_then(x.dtype).products_then, (then,))
        run_tiles(
            lambda i, *tile: add(dy, x, centre, sums[i], products[i], *last, *tile),
            view.tiles(loops.BAND),
            alone=view.alone,
        )
        return view.of_cells(sums.sum(axis=0)), view.of_cells(products.sum(axis=0))

    def combine_cells(
        self, view: View, dy: Array, x: Array, mean: Array | None, slope: Array, factor: Array, shift: Array | None,
        then: Any = None,
    ) -> Array:  # fmt: skip
        """dy slope + (x - mean) factor + shift; `then` as in `sum_products`."""
        loops, dx = self.norm_loops(x.dtype), pool.empty(x.shape, x.dtype)
        vectors = [None if v is None else view.to_cells(v) for v in (mean, slope, factor, shift)]
        combine, last = (loops.combine, ()) if then is None else (self.loops_then(x.dtype).combine_then, (then,))
        run_tiles(
            lambda _, *tile: combine(dy, x, dx, *vectors, *last, *tile),
            view.tiles(loops.BAND),
            blas=False,
            alone=view.alone,
        )
        return view.as_given(dx)


def slope_of(var: Array, gamma: Array | None, eps: float) -> Array:
    """gamma / sqrt(var + eps), in float64."""
    return (1 if gamma is None else gamma) / np.sqrt(var.astype(np.float64) + eps)


def put_together(mean: Array, square: Array, count: int, axis: int) -> tuple[Array, Array]:
    """Mean and variance of cells of `count` entries together, from each cell's mean and sum of squares away from it."""
    middle = mean.mean(axis=axis, keepdims=True)
    var = (square / count + (mean - middle) ** 2).mean(axis=axis)
    return middle.squeeze(axis), var
