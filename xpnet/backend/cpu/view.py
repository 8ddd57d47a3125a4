"""An array in memory order, as (A, P, M, L): entries that are added up, kept, added up and kept, behind one another."""

import functools
import math
from typing import Any

import numpy as np

from xpnet.backend.cpu.layouts import memory_axes
from xpnet.backend.cpu.work import LEAST, cut_bands, divide_evenly

Array = Any

BAND = 1 << 16  # entries that are done at a time
LANES = 1 << 11  # cells side by side that are done at a time: their sums stay in the cache, too
SHORT = 32  # entries of a channel side by side, up to which each has a cell of its own


def view_of(x: Array, kept: tuple[int, ...]) -> "View":
    """x (N, C, ...) as (A, P, M, L): P and L are of the axes `kept`, in the order in which they lie in memory."""
    return _view(x.shape, x.dtype, memory_axes(x), kept)


class View:
    """How arrays of a shape whose axes lie in this order are seen; made once, and the same for all of them."""

    def __init__(self, shape: tuple[int, ...], dtype: Any, lying: tuple[int, ...], kept: tuple[int, ...]) -> None:
        size, ndim = math.prod(shape), len(shape)
        self.given, self.dtype, self.alone = shape, dtype, size < LEAST
        rest = tuple(axis for axis in range(ndim) if axis not in kept)
        for axes in (lying, tuple(range(ndim)), (*kept, *rest)):
            self.axes = axes
            runs = self._runs(kept)
            if len(runs) <= 4:  # not (N, H, C, W): samples and channels apart, with pixels between and behind them
                break
        self.shape = (1,) * (4 - len(runs)) + tuple(runs)  # (A, P, M, L)
        if self.shape[3] == 1 and self.shape[2] <= SHORT:
            self.shape = self.shape[0], 1, 1, self.shape[1] * self.shape[2]
        if self.shape[:2] == (1, 1) and self.shape[3] > 1:  # rows, which as A may be cut
            self.shape = self.shape[2], 1, 1, self.shape[3]
        self.order = [axis for axis in self.axes if axis in kept]
        self.back = sorted(range(ndim), key=self.axes.__getitem__)
        self.lying = [shape[axis] for axis in self.axes]
        cells = self.shape[1] * self.shape[3]
        self.each = cells // max(
            1, math.prod(shape[axis] for axis in kept)
        )  # cells of one entry of the axes that are kept
        self.counts = size // max(1, cells)  # entries of a cell

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
        return y.reshape(self.lying).transpose(self.back)

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

    def bands(self, of_rows: int) -> tuple[tuple[int, int], ...]:
        """(first, end) of A in each band; where x is nothing but rows, each of at most so many entries, all alike."""
        A, P, M, L = self.shape
        if P == M == 1:
            return cut_bands(A, divide_evenly(A, max(1, of_rows // max(1, min(L, LANES)))))
        return cut_bands(A, max(1, BAND // max(1, P * M * min(L, LANES))))

    @functools.lru_cache(maxsize=256)  # noqa: B019 (views are kept, too)
    def tiles(self, of_rows: int) -> list[tuple[int, ...]]:
        """The number of the band, and first and end in A, P and L."""
        _, P, M, L = self.shape
        together = max(1, BAND // max(1, M * min(L, LANES)))
        return [
            (number, *rows, *places, *lanes)
            for number, rows in enumerate(self.bands(of_rows))
            for places in cut_bands(P, together)
            for lanes in cut_bands(L, LANES)
        ]


_view = functools.lru_cache(maxsize=256)(View)
