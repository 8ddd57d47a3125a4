"""Recurrent layers' steps on a CPU: a product and a function of cells.py for each, into arrays that are there.

Samples do not meet in a step, so a thread takes some of them through all steps. The formulas stand in
backend/reference/recurrent.py.
"""

from typing import Any

import numpy as np

from xpnet.backend.cpu import cells
from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.products import multiply, product
from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.cpu.work import WORTH, cut_bands, divide_evenly
from xpnet.backend.reference import Array, Backend
from xpnet.backend.reference.recurrent import steps

SAMPLES = 32  # that a thread takes through the steps at a time, where there are as many


class CpuRecurrent(Backend):
    def cells(self, dtype: Any) -> Any:
        """The module with what is elementwise in a step, for arrays of this data type."""
        return cells

    def simple_rnn(
        self, z: Array, w: Array, h: Array, nonlinearity: str, alive: Array | None = None, reverse: bool = False
    ) -> Array:
        (T, N, _), across = z.shape, _across(w)
        step, relu, hs = self.cells(z.dtype).simple_rnn_step, nonlinearity == "relu", states_from(h, T, reverse)

        def work(*n: int) -> None:
            here = slice(*n)
            for t, before, after in steps(T, reverse):
                multiply(hs[before, here], across, hs[after, here])
                step(z[t, here], hs[before, here], hs[after, here], relu, _at(alive, t, here))

        run_tiles(work, shares(T, N, w.size))
        return hs

    def simple_rnn_backward(
        self,
        dhs: Array | None,
        dh: Array,
        hs: Array,
        w: Array,
        nonlinearity: str,
        alive: Array | None = None,
        reverse: bool = False,
    ) -> tuple[Array, Array, Array]:
        (T, N), relu = (len(hs) - 1, hs.shape[1]), nonlinearity == "relu"
        step, dz = self.cells(hs.dtype).simple_rnn_step_backward, pool.empty((T, *dh.shape), hs.dtype)
        dh = dh.astype(hs.dtype, order="C")  # a copy in any case

        def work(*n: int) -> None:
            here = slice(*n)
            d = dh[here]
            for t, _, after in reversed(steps(T, reverse)):
                _add(d, dhs, t, here)
                step(d, hs[after, here], dz[t, here], relu, _at(alive, t, here))
                _through(dz[t, here], w, d, alive is None)

        run_tiles(work, shares(T, N, w.size))
        return dz, _of_weight(dz, hs, reverse), dh

    def lstm(
        self, z: Array, w: Array, h: Array, c: Array, alive: Array | None = None, reverse: bool = False
    ) -> tuple[Array, Array, Array]:
        (T, N, _), across = z.shape, _across(w)
        step, gates = self.cells(z.dtype).lstm_step, pool.empty(z.shape, z.dtype)
        hs, cs = states_from(h, T, reverse), states_from(c, T, reverse)

        def work(*n: int) -> None:
            here = slice(*n)
            for t, before, after in steps(T, reverse):
                a, old, new = gates[t, here], hs[before, here], hs[after, here]
                multiply(old, across, a)
                step(z[t, here], a, cs[before, here], cs[after, here], old, new, _at(alive, t, here))

        run_tiles(work, shares(T, N, w.size))
        return hs, cs, gates

    def lstm_backward(
        self,
        dhs: Array | None,
        dh: Array,
        dc: Array,
        hs: Array,
        cs: Array,
        gates: Array,
        w: Array,
        alive: Array | None = None,
        reverse: bool = False,
    ) -> tuple[Array, Array, Array, Array]:
        T, N, _ = gates.shape
        step, dz = self.cells(gates.dtype).lstm_step_backward, pool.empty(gates.shape, gates.dtype)
        dh, dc = dh.astype(hs.dtype, order="C"), dc.astype(hs.dtype, order="C")  # a copy in any case

        def work(*n: int) -> None:
            here = slice(*n)
            d = dh[here]
            for t, before, after in reversed(steps(T, reverse)):
                _add(d, dhs, t, here)
                states = cs[before, here], cs[after, here]
                step(d, dc[here], gates[t, here], *states, dz[t, here], _at(alive, t, here))
                _through(dz[t, here], w, d, alive is None)

        run_tiles(work, shares(T, N, w.size))
        return dz, _of_weight(dz, hs, reverse), dh, dc

    def gru(
        self,
        z: Array,
        w: Array,
        b: Array | None,
        h: Array,
        alive: Array | None = None,
        reverse: bool = False,
    ) -> tuple[Array, Array]:
        (T, N, _), H, across = z.shape, h.shape[1], _across(w)
        step, hs, gates = self.cells(z.dtype).gru_step, states_from(h, T, reverse), pool.empty((T, N, 4 * H), z.dtype)

        def work(*n: int) -> None:
            here = slice(*n)
            m = np.empty((n[1] - n[0], 3 * H), z.dtype)
            for t, before, after in steps(T, reverse):
                multiply(hs[before, here], across, m)
                if b is not None:
                    m += b
                step(z[t, here], m, hs[before, here], hs[after, here], gates[t, here], _at(alive, t, here))

        run_tiles(work, shares(T, N, w.size))
        return hs, gates

    def gru_backward(
        self,
        dhs: Array | None,
        dh: Array,
        hs: Array,
        gates: Array,
        w: Array,
        alive: Array | None = None,
        reverse: bool = False,
    ) -> tuple[Array, Array, Array, Array]:
        (T, N, _), step = gates.shape, self.cells(gates.dtype).gru_step_backward
        dh = dh.astype(hs.dtype, order="C")  # a copy in any case
        dz, dm = (pool.empty((T, N, len(w)), gates.dtype) for _ in "zm")

        def work(*n: int) -> None:
            here = slice(*n)
            d, through = dh[here], np.empty_like(dh[here])
            for t, before, _ in reversed(steps(T, reverse)):
                _add(d, dhs, t, here)
                step(d, hs[before, here], gates[t, here], dz[t, here], dm[t, here], _at(alive, t, here))
                multiply(dm[t, here], w, through)
                d += through

        run_tiles(work, shares(T, N, w.size))
        return dz, _of_weight(dm, hs, reverse), self.sum(dm, (0, 1)), dh


def shares(T: int, N: int, work: int) -> tuple[tuple[int, int], ...]:
    """Which samples go through the steps together, of which each costs so many multiplications."""
    return cut_bands(N, N if T * N * work < WORTH else divide_evenly(N, SAMPLES))


def _across(w: Array) -> Array:
    """w^T with its rows in memory, which a product of few samples is sooner done with than it packs w."""
    return np.ascontiguousarray(w.T)


def states_from(first: Array, T: int, reverse: bool) -> Array:
    """Room for the states (T + 1, N, H), with the first in its place."""
    states = pool.empty((T + 1, *first.shape), first.dtype)
    states[T if reverse else 0] = first
    return states


def _at(alive: Array | None, t: int, here: slice) -> Array | None:
    return None if alive is None else alive[t, here]


def _add(d: Array, dhs: Array | None, t: int, here: slice) -> None:
    if dhs is not None:
        d += dhs[t, here]


def _through(dz: Array, w: Array, d: Array, alone: bool) -> None:
    """d is what comes through the product; unless `alone`, samples that have ended have something there already."""
    if alone:
        multiply(dz, w, d)
    else:
        through = np.empty_like(d)
        multiply(dz, w, through)
        d += through


def _of_weight(dm: Array, hs: Array, reverse: bool) -> Array:
    """dw of m = h_{t-1} w^T over all steps."""
    before = hs[1:] if reverse else hs[:-1]
    rows, states = (a.reshape(-1, a.shape[2]) for a in (dm, before))  # (T*N, ...)
    return np.ascontiguousarray(product(states.T, rows).T)  # fewer bands than rows^T states, which each pack a factor
