"""The CPU backend with kernels compiled by Numba: direct convolution in register tiles, pooling and Adam in one pass.

Arrays keep the shape (N, C, H, W); convolution and pooling return them in the memory order (H, W, C, N). What the
kernels do not take (other data types than float32, batches smaller than a vector register) is NumpyBackend's. The
division into tiles depends on shapes alone, so that the result does not depend on the number of threads.
"""

import importlib.metadata
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from xpnet.backend.cpu import choice, threads
from xpnet.backend.cpu.activation import pick
from xpnet.backend.cpu.algorithm import Algorithm
from xpnet.backend.cpu.backend import NumpyBackend
from xpnet.backend.cpu.choice import why_not_compiled
from xpnet.backend.cpu.layouts import hwcn_to_nchw, nchw_to_hwcn
from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.products import product
from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.cpu.updates import fold_bias
from xpnet.backend.cpu.work import LEAST
from xpnet.backend.jit import (
    cells,
    depthwise,
    direct,
    elementwise,
    inference,
    kernels,
    losses,
    norm_loops,
    norm_then,
    pooling,
    products,
    sequences,
    together,
    updates,
)
from xpnet.backend.jit.attention import JitAttention
from xpnet.backend.jit.plan import plan
from xpnet.backend.jit.training.run import let_go
from xpnet.backend.jit.training.run import plan as training_plan
from xpnet.backend.jit.winograd import JitWinograd
from xpnet.backend.jit.work import ENTRIES, UNITS, count_units, cut_ranges
from xpnet.backend.reference import AdamStep, Array, TrainingPlan
from xpnet.backend.window import Window

PART = 1 << 14  # numbers to update that are worth a part of their own


class JitBackend(JitAttention, NumpyBackend):
    """Called "numpy" too: it is what that name means where Numba is installed."""

    lanes = kernels.LANES
    jit = f"Numba {importlib.metadata.version('numba')}, vectors of {lanes}"
    algorithms: ClassVar[dict[str, Algorithm]] = {
        **NumpyBackend.algorithms,
        choice.WINOGRAD: JitWinograd(),
        choice.DIRECT: direct,
        choice.DEPTHWISE: depthwise,
    }

    def __init__(self) -> None:
        super().__init__()
        threads.wait_with(kernels.spin, together.wait_awake)

    # ---- plans -----------------------------------------------------------------------------------------------------

    def plan(self, graph: Any) -> Callable[[Array], Array] | None:
        """One compiled call, if the kernel has all the operations."""
        return inference.plan(graph) or super().plan(graph)

    def plan_training(self, graph: Any) -> TrainingPlan | None:
        """Two compiled calls, one forward and one back."""
        return training_plan(graph) or super().plan_training(graph)

    def free_memory(self) -> None:
        super().free_memory()
        let_go()

    # ---- pooling ---------------------------------------------------------------------------------------------------

    def max_pool2d(self, x: Array, window: Window) -> Array:
        where = plan(x.shape[2:], window)
        if why_not_compiled(x.shape, (x.dtype,), self.lanes) or not where.never_empty:
            return super().max_pool2d(x, window)
        (OH, OW), (N, C) = where.output_size, x.shape[:2]
        y = pool.empty((OH, OW, C * N), x.dtype)
        pixels, tables = _flat_hwcn(x), where.inputs
        bands = cut_ranges(OH, count_units(x.size, ENTRIES))
        run_tiles(lambda i0, i1: pooling.max_pool(pixels, y, *tables, i0, i1), bands, blas=False)
        return hwcn_to_nchw(y.reshape(OH, OW, C, N))

    def max_pool2d_backward(self, dy: Array, x: Array, y: Array, window: Window, relu: bool = False) -> Array:
        if dy.shape != y.shape or why_not_compiled(x.shape, (x.dtype, dy.dtype), self.lanes):
            return super().max_pool2d_backward(dy, x, y, window, relu)
        (N, C, H, W), where = x.shape, plan(x.shape[2:], window)
        dx = pool.empty((H, W, C * N), x.dtype)
        if where.overlaps or not where.covers:
            dx[...] = 0
        gradient, largest = _flat_hwcn(dy), _flat_hwcn(y)
        arrays = pick(gradient, largest > 0) if relu else gradient, _flat_hwcn(x), largest, dx
        kernel, tables = pooling.max_pool_backward(where.overlaps), where.inputs
        count, OH = count_units(x.size, ENTRIES), len(tables[0])
        if where.overlaps:  # rows of the output share rows of the input, but never a channel
            pieces = [(0, OH, q0, q1) for q0, q1 in cut_ranges(C * N, count)]
        else:
            pieces = [(i0, i1, 0, C * N) for i0, i1 in cut_ranges(OH, count)]
        run_tiles(lambda *piece: kernel(*arrays, *tables, *piece), pieces, blas=False)
        return hwcn_to_nchw(dx.reshape(H, W, C, N))

    # ---- normalization ---------------------------------------------------------------------------------------------

    def norm_loops(self, dtype: Any) -> Any:
        return norm_loops if dtype == np.float32 else super().norm_loops(dtype)

    def loops_then(self, dtype: Any) -> Any:
        return norm_then if dtype == np.float32 else super().loops_then(dtype)

    # ---- activations -----------------------------------------------------------------------------------------------

    def activation(self, x: Array, name: str, *constants: float) -> tuple[Array, Callable[[Array], Array]]:
        if name in elementwise.LOOPS and x.dtype == np.float32:
            return elementwise.activation(x, name, *constants)
        return super().activation(x, name, *constants)

    def add_relu(self, x: Array, y: Array) -> Array:
        if not x.dtype == y.dtype == np.float32 or x.shape != y.shape:
            return super().add_relu(x, y)
        return elementwise.add_relu(x, y)

    def activate_backward(self, dy: Array, y: Array, activation: str | None) -> Array:
        alike = dy.shape == y.shape and dy.dtype == y.dtype == np.float32
        if activation == "relu" and alike and y.size > LEAST:
            return elementwise.relu_backward(dy, y)
        return super().activate_backward(dy, y, activation)

    # ---- dense layers ----------------------------------------------------------------------------------------------

    def dense(self, x: Array, w: Array, b: Array | None, activation: str | None = None) -> Array:
        if activation is None and sequences.takes_inputs(x, w):
            return sequences.inputs(x, w, b)
        return super().dense(x, w, b, activation)

    def dense_backward(
        self,
        dy: Array,
        x: Array,
        w: Array,
        y: Array,
        activation: str | None = None,
        need_dx: bool = True,
        out: Array | None = None,
        need_dw: bool = True,
        need_db: bool = True,
    ) -> tuple[Array | None, Array | None, Array | None]:
        fits = activation is None and out is None and dy.dtype == np.float32 and dy.flags.c_contiguous
        if not fits or dy.shape != y.shape or not sequences.takes_inputs(x, w):
            return super().dense_backward(dy, x, w, y, activation, need_dx, out, need_dw, need_db)
        dx, dw = product(dy, w) if need_dx else None, sequences.inputs_gradient(dy, x) if need_dw else None
        return dx, dw, self.sum(dy, 0) if need_db else None

    # ---- recurrent layers ------------------------------------------------------------------------------------------

    def cells(self, dtype: Any) -> Any:
        return cells if dtype == np.float32 else super().cells(dtype)

    def lstm(
        self, z: Array, w: Array, h: Array, c: Array, alive: Array | None = None, reverse: bool = False
    ) -> tuple[Array, Array, Array]:
        if not sequences.takes(h.shape[1], z, w, h, c):
            return super().lstm(z, w, h, c, alive, reverse)
        return sequences.forward(z, w, h, c, alive, reverse)

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
        if not sequences.takes(hs.shape[2], hs, cs, gates, w):
            return super().lstm_backward(dhs, dh, dc, hs, cs, gates, w, alive, reverse)
        return sequences.back(dhs, dh, dc, hs, cs, gates, w, alive, reverse)

    # ---- dense ------------------------------------------------------------------------------------------------------

    @staticmethod
    def product(a: Array, b: Array, out: Array | None = None, bias: Array | None = None, relu: bool = False) -> Array:
        return (products.product if products.takes(a, b, out) else product)(a, b, out, bias, relu)

    # ---- losses ----------------------------------------------------------------------------------------------------

    def softmax_cross_entropy(self, y: Array, t: Array) -> tuple[Array, Array]:
        found = losses.softmax_cross_entropy(y, t) if t.ndim == 1 and losses.takes(y, t) else None
        return super().softmax_cross_entropy(y, t) if found is None else found

    # ---- update steps ----------------------------------------------------------------------------------------------

    def adam(self, p: Array, g: Array, m: Array, v: Array, how: AdamStep) -> None:
        arrays = p, g, m, v
        if not all(a.dtype == np.float32 and a.flags.c_contiguous for a in arrays):
            return super().adam(p, g, m, v, how)
        _, lr, beta1, beta2, _, weight_decay, decoupled = how
        rate, least = fold_bias(how)
        shrink, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
        options = [rate, beta1, 1 - beta1, beta2, 1 - beta2, least, decay, shrink]
        parts = max(1, min(UNITS, p.size // PART))
        return updates.adam_in_parts(tuple([a.reshape(-1) for a in arrays]), options, parts)

    def forget(self, x: Array, least: float) -> None:
        if x.dtype != np.float32 or not x.flags.c_contiguous:
            return super().forget(x, least)
        flat, limit = x.reshape(-1), np.float32(least)
        pieces = cut_ranges(x.size, count_units(x.size, ENTRIES))
        return run_tiles(lambda a, e: updates.forget(flat[a:e], limit), pieces, blas=False)


def _flat_hwcn(x: Array) -> Array:
    """(N, C, H, W) -> (H, W, C*N)."""
    x = nchw_to_hwcn(x)
    return x.reshape(*x.shape[:2], -1)
