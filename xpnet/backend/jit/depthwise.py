"""Depthwise convolution, compiled: a channel meets nothing but its own kernel, so that memory is all that it costs.

Forward is that of jit/direct.py. On the way back dx, dw and db come from one walk over the image, in the memory order
(H, W, C, N): what a pixel collects from, times the kernel, is its dx, and times the pixel, its share of dw. Threads
take some channels each, whose few rows stay in the cache while the kernel slides over them, so that every array is read
from memory once; and a channel's sums depend on no other channel.
"""

import functools
import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from xpnet.backend.cpu.layouts import hwcn_to_nchw, nchw_to_hwcn
from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.cpu.work import LEVEL_2, cut_bands, divide_evenly
from xpnet.backend.jit import direct
from xpnet.backend.jit.compiled import compiled
from xpnet.backend.jit.kernels import BYTES, F32, I32, I64, LANES, ROWS, _const, _load, _multiply_add, _splat, _vector
from xpnet.backend.window import Pair, Window

Array = Any

BANDS = 4  # of channels, at least: as many threads find some
forward, input_gradient, weight_gradient = direct.forward, direct.input_gradient, direct.weight_gradient
before_activation = direct.before_activation


def at_once(dy: Array, x: Array, w: Array, y: Array | None, window: Window, groups: int, need_db: bool) -> Any:
    """(dx, dw, db), db None without `need_db`; or None where not everything is finite: then zeros beside the image must
    not be met, or must be.
    """
    rows, places, covering = met_by(x.shape[2:], dy.shape[2:], window)
    if y is None and (covering >= 0 or not need_db):
        dz, db = dy, None
    else:
        dz, db = direct.before_activation(dy, y, need_db)
    dz, x = nchw_to_hwcn(dz), nchw_to_hwcn(x)
    (_, W, C, N), taps = x.shape, np.ascontiguousarray(w.reshape(groups, -1))
    T = taps.shape[1]
    dx, dw = pool.empty(x.shape, x.dtype), np.empty((groups, T + 1), w.dtype)
    most = max(1, (LEVEL_2 >> 2) // (window.kernel[0] * W * N * BYTES))
    bands = cut_bands(C, divide_evenly(C, min(most, max(1, C // BANDS))))
    zeros, kernel = np.zeros((bands[0][1], N), x.dtype), walk(T, covering)
    run_tiles(lambda c0, c1: kernel(dz, x, taps, dx, dw, rows, places, zeros, c0, c1), bands, blas=False)
    if not (math.isfinite(dw.sum()) and math.isfinite(taps.sum())):
        return None
    db = dw[:, T].copy() if db is None and need_db else db
    return hwcn_to_nchw(dx), dw[:, :T].reshape(w.shape), db


@functools.lru_cache(maxsize=1024)
def met_by(size: Pair, out: Pair, window: Window) -> tuple[Array, Array, int]:
    """Which rows and columns of an output of size `out` meet each of an image of `size`, through which tap: tables
    (places, taps), with -1 for none; and the middle tap, if all of the output meets the image through it, or -1."""
    tables, covering = [], []
    for i, o, k, s, d, pads in zip(
        size, out, window.kernel, window.stride, window.dilation, window.padding, strict=True
    ):
        shifted = np.arange(i)[:, None] + pads[0] - d * np.arange(k)
        table = np.where((shifted % s == 0) & (shifted >= 0) & (shifted < o * s), shifted // s, -1)
        tables.append(table.astype(np.int64))
        covering.append(np.count_nonzero(table[:, k // 2] >= 0) == o)
    return tables[0], tables[1], window.kernel[0] * window.kernel[1] // 2 if all(covering) else -1


# ---- kernels ---------------------------------------------------------------------------------------------------------


@intrinsic(prefer_literal=True)
def walk_tile(
    _: Any, taps: Any, covering: Any, pixels: Any, shift: Any, x: Any, w: Any, dx: Any, sums: Any, vectors: Any,
    tail: Any, hidden: Any,
) -> Any:  # fmt: skip
    """Of one pixel and channel: dx[n] = sum_t w[t] z_t[n], and sums[t] (of LANES) += z_t x, where z_t begins `shift`
    bytes behind the address at pixels[t]; sums[taps] += z_covering.

    `tail` is the offset, in bytes, of a last vector whose first `hidden` lanes another one has done already, or -1.
    """
    count, whole = taps.literal_value, covering.literal_value

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        pixels, shift, x, w, dx, sums, vectors, tail, hidden = arguments[2:]
        V, zero = _vector(LANES), ir.Constant(_vector(LANES), [0.0] * LANES)
        inputs = [b.add(_load(b, pixels, _const(8 * t), I64), shift) for t in range(count)]
        weights = [_splat(b, _load(b, w, _const(BYTES * t), F32), LANES) for t in range(count)]
        total = [cgutils.alloca_once(b, V) for _ in range(count + 1)]
        for t, slot in enumerate(total):
            b.store(_load(b, sums, _const(BYTES * LANES * t), V), slot)
        slope = cgutils.alloca_once(b, V)
        numbers = ir.Constant(ir.VectorType(I32, LANES), list(range(LANES)))
        counts = b.icmp_signed(">=", numbers, _splat(b, b.trunc(hidden, I32), LANES))

        def step(at: Any, masked: bool) -> None:
            image = _load(b, x, at, V)
            b.store(zero, slope)
            for t, pixel in enumerate(inputs):
                gradient = _load(b, pixel, at, V)
                _multiply_add(b, weights[t], gradient, slope)
                gradient = b.select(counts, gradient, zero) if masked else gradient
                _multiply_add(b, gradient, image, total[t])
                if t == whole:
                    b.store(b.fadd(b.load(total[count]), gradient), total[count])
            b.store(b.load(slope), b.inttoptr(b.add(dx, at), V.as_pointer()), align=BYTES)

        with cgutils.for_range(b, vectors) as n:
            step(b.mul(n.index, _const(BYTES * LANES)), False)
        with b.if_then(b.icmp_signed(">=", tail, _const(0))):
            step(tail, True)
        for t, slot in enumerate(total):
            place = b.add(sums, _const(BYTES * LANES * t))
            b.store(b.load(slot), b.inttoptr(place, V.as_pointer()), align=BYTES)
        return context.get_dummy_value()

    return types.void(taps, covering, *[types.intp] * 9), generate


@functools.cache
def walk(taps: int, covering: int) -> Any:
    """The channels c0 ... c1 of dx (H, W, C, N) and of dw (C, taps + 1), in whose last column db is, from dz (OH, OW,
    C, N), x (H, W, C, N) and w (C, taps)."""

    @compiled()
    def kernel(dz, x, w, dx, dw, rows, places, zeros, c0, c1):  # type: ignore[no-untyped-def]
        (H, W, C, N), OW = x.shape, dz.shape[1]
        vectors, hidden, KW = N // LANES, -N % LANES, places.shape[1]
        tail = (N - LANES) * BYTES if hidden else -1
        pixels, sums = np.empty(taps, np.int64), np.zeros((c1 - c0, taps + 1, LANES), np.float32)
        total, together = np.zeros((c1 - c0, taps + 1)), max(1, ROWS * LANES // N)
        for i in range(H):
            for j in range(W):
                for t in range(taps):
                    h, v, at = rows[i, t // KW], places[j, t % KW], zeros.ctypes.data
                    if h >= 0 and v >= 0:
                        at = dz.ctypes.data + ((h * OW + v) * C + c0) * N * BYTES
                    pixels[t] = at
                for c in range(c0, c1):
                    at = ((i * W + j) * C + c) * N * BYTES
                    walk_tile(
                        taps, covering, pixels.ctypes.data, (c - c0) * N * BYTES, x.ctypes.data + at,
                        w.ctypes.data + c * taps * BYTES, dx.ctypes.data + at,
                        sums.ctypes.data + (c - c0) * (taps + 1) * LANES * BYTES, vectors, tail, hidden,
                    )  # fmt: skip
                if (i * W + j + 1) % together == 0 or i * W + j + 1 == H * W:
                    for c in range(c1 - c0):
                        for t in range(taps + 1):
                            for lane in range(LANES):
                                total[c, t] += sums[c, t, lane]
                            sums[c, t] = 0
        dw[c0:c1] = total

    return kernel
