"""Recurrent layers' steps on a GPU: each is a product and a launch, into arrays that are there.

The kernels stand in kernels/recurrent.cu, the formulas in backend/reference/recurrent.py.
"""

import functools
from typing import Any

import numpy as np

from xpnet.backend.cuda.launch import by_value, elementwise, four_axes, strides
from xpnet.backend.cuda.products import product
from xpnet.backend.cuda.sums import CupySums
from xpnet.backend.reference import Array
from xpnet.backend.reference.recurrent import steps

STEPS = np.dtype([(name, np.int64) for name in ("t", "before", "after", "N", "H")])


class CupyRecurrent(CupySums):
    tf32: bool

    def simple_rnn(
        self, z: Array, w: Array, h: Array, nonlinearity: str, alive: Array | None = None, reverse: bool = False
    ) -> Array:
        z, across, alive = self._rows(z), self._rows(w).T, self._rows(alive)
        hs, relu = self._states(h, len(z), reverse), int(nonlinearity == "relu")
        for t, before, after in steps(len(z), reverse):
            product(hs[before], across, hs[after], False, self.tf32)
            elementwise("simple_rnn_step", z.dtype, h.size, z, hs, alive, _place(t, before, after, h.shape), relu)
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
        (hs, w, alive), dh, later = map(self._rows, (hs, w, alive)), self._own(dh), _strided(dhs, dh)
        dz, relu = self.empty((len(hs) - 1, *dh.shape), dh.dtype), int(nonlinearity == "relu")
        for t, before, after in reversed(steps(len(dz), reverse)):
            place = _place(t, before, after, dh.shape)
            elementwise("simple_rnn_step_backward", dh.dtype, dh.size, dh, *later, hs, dz, alive, place, relu)
            product(dz[t], w, dh, True, self.tf32)
        return dz, self._of_weight(dz, hs, reverse), dh

    def lstm(
        self, z: Array, w: Array, h: Array, c: Array, alive: Array | None = None, reverse: bool = False
    ) -> tuple[Array, Array, Array]:
        z, across, alive = self._rows(z), self._rows(w).T, self._rows(alive)
        hs, cs = (self._states(first, len(z), reverse) for first in (h, c))
        gates = self.empty(z.shape, z.dtype)
        for t, before, after in steps(len(z), reverse):
            product(hs[before], across, gates[t], False, self.tf32)
            elementwise("lstm_step", z.dtype, h.size, z, gates, hs, cs, alive, _place(t, before, after, h.shape))
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
        hs, cs, gates, w, alive = map(self._rows, (hs, cs, gates, w, alive))
        dh, dc, dz = self._own(dh), self._own(dc), self.empty(gates.shape, gates.dtype)
        later = _strided(dhs, dh)
        for t, before, after in reversed(steps(len(dz), reverse)):
            place = _place(t, before, after, dh.shape)
            elementwise("lstm_step_backward", dh.dtype, dh.size, dh, dc, *later, gates, cs, dz, alive, place)
            product(dz[t], w, dh, True, self.tf32)
        return dz, self._of_weight(dz, hs, reverse), dh, dc

    def gru(
        self,
        z: Array,
        w: Array,
        b: Array | None,
        h: Array,
        alive: Array | None = None,
        reverse: bool = False,
    ) -> tuple[Array, Array]:
        (T, N, _), H = z.shape, h.shape[1]
        z, across, b, alive = self._rows(z), self._rows(w).T, self._rows(b), self._rows(alive)
        hs, m, gates = self._states(h, T, reverse), self.empty((N, 3 * H), z.dtype), self.empty((T, N, 4 * H), z.dtype)
        for t, before, after in steps(T, reverse):
            product(hs[before], across, m, False, self.tf32)
            elementwise("gru_step", z.dtype, h.size, z, m, b, gates, hs, alive, _place(t, before, after, h.shape))
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
        hs, gates, w, alive = map(self._rows, (hs, gates, w, alive))
        dh, later = self._own(dh), _strided(dhs, dh)
        dz, dm = (self.empty((*gates.shape[:2], len(w)), gates.dtype) for _ in "zm")
        for t, before, after in reversed(steps(len(dz), reverse)):
            place = _place(t, before, after, dh.shape)
            elementwise("gru_step_backward", dh.dtype, dh.size, dh, *later, hs, gates, dz, dm, alive, place)
            product(dm[t], w, dh, True, self.tf32)
        return dz, self._of_weight(dm, hs, reverse), self.sum(dm, (0, 1)), dh

    def _rows(self, x: Array | None) -> Any:
        """In the order of its shape: x itself where it is so."""
        return None if x is None else self._cp.ascontiguousarray(x)

    def _own(self, x: Array) -> Array:
        """A copy, which may be written into."""
        return self._cp.array(x, order="C")

    def _states(self, first: Array, T: int, reverse: bool) -> Array:
        """Room for the states (T + 1, N, H), with the first in its place."""
        states = self.empty((T + 1, *first.shape), first.dtype)
        states[T if reverse else 0] = first
        return states

    def _of_weight(self, dm: Array, hs: Array, reverse: bool) -> Array:
        """dw of m = h_{t-1} w^T over all steps."""
        rows, states = (a.reshape(-1, a.shape[2]) for a in (dm, hs[1:] if reverse else hs[:-1]))  # (T*N, ...)
        dw = self.empty((rows.shape[1], states.shape[1]), dm.dtype)
        product(rows.T, states, dw, False, self.tf32)
        return dw


def _strided(dhs: Array | None, dh: Array) -> tuple[Array | None, Any]:
    """dhs (T, N, H) as the kernels read it, in any order of memory; without it they look at no strides."""
    return dhs, strides(four_axes(dh if dhs is None else dhs))


@functools.lru_cache(maxsize=4096)
def _place(t: int, before: int, after: int, shape: tuple[int, int]) -> Any:
    return by_value(np.array((t, before, after, *shape), STEPS))
