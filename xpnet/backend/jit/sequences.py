"""All steps of an LSTM in one compiled call for some samples, forward and back, and what inputs give to all of them.

The product of a step is made of register tiles of ROWS samples and VECTORS vectors: samples are few, so that packing
factors for BLAS, and the interpreter between two steps, would cost as much as the product itself. All is float32. Each
output is one sum in a fixed order, whatever the tile; the division into samples follows from shapes. Addresses and
distances are in bytes.
"""

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.recurrent import shares, states_from
from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.cpu.work import cut_bands
from xpnet.backend.jit import cells
from xpnet.backend.jit.compiled import compiled
from xpnet.backend.jit.kernels import (
    BYTES,
    F32,
    LANES,
    _at,
    _const,
    _load,
    _multiply_add,
    _splat,
    _tile_of_slots,
    _vector,
)

Array = Any
ROWS, VECTORS = {16: (4, 4), 8: (4, 2), 4: (4, 4)}[LANES]  # of a tile
WIDTH = VECTORS * LANES  # numbers in a row of a tile
SHORT, MANY, BAND = 64, 512, 256  # numbers in a short sum; rows that are many, and those of a piece
TOGETHER = 64  # rows whose gradients stay in the cache
VECTOR, STRIP = BYTES * LANES, BYTES * WIDTH


def takes(H: int, *arrays: Array) -> bool:
    """Whether rows of H numbers are whole tiles, and all arrays float32."""
    return H % WIDTH == 0 and all(a.dtype == np.float32 for a in arrays)


@intrinsic(prefer_literal=True)
def add_product(
    _: Any, R: Any, x: Any, x_row: Any, x_step: Any, w: Any, w_step: Any, count: Any, start: Any, start_row: Any,
    out: Any, out_row: Any,
) -> Any:  # fmt: skip
    """out[r] = start[r] + sum over k < count of x[r, k] w[k], for R rows r of WIDTH numbers."""
    rows = R.literal_value

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        x, x_row, x_step, w, w_step, count, start, start_row, out, out_row = arguments[1:]
        kind, total = _vector(LANES), _tile_of_slots(b, rows, [LANES] * VECTORS)
        for r in range(rows):
            at = b.add(start, b.mul(start_row, _const(r)))
            for v, slot in enumerate(total[r]):
                b.store(_load(b, at, _const(VECTOR * v), kind), slot)
        places = [b.add(x, b.mul(x_row, _const(r))) for r in range(rows)]
        with cgutils.for_range(b, count) as k:
            from_x, from_w = b.mul(k.index, x_step), b.add(w, b.mul(k.index, w_step))
            factors = [_load(b, from_w, _const(VECTOR * v), kind) for v in range(VECTORS)]
            for place, row in zip(places, total, strict=True):
                value = _splat(b, _load(b, place, from_x, F32), LANES)
                for factor, slot in zip(factors, row, strict=True):
                    _multiply_add(b, value, factor, slot)
        for r in range(rows):
            at = b.add(out, b.mul(out_row, _const(r)))
            for v, slot in enumerate(total[r]):
                b.store(b.load(slot), _at(b, at, _const(VECTOR * v), kind), align=BYTES)
        return context.get_dummy_value()

    return types.void(R, *[types.intp] * 10), generate


@compiled()
def multiply(x, x_row, x_step, strips, start, start_row, start_strip, out, out_row, rows):  # type: ignore[no-untyped-def]
    """out = start + x w for `rows` rows, of w cut into `strips` (strips, K, WIDTH)."""
    count = strips.shape[1]
    for s in range(len(strips)):
        w, at, to = strips.ctypes.data + s * count * STRIP, start + s * start_strip, out + s * STRIP
        whole = rows - rows % ROWS
        for r in range(0, whole, ROWS):
            add_product(
                ROWS, x + r * x_row, x_row, x_step, w, STRIP, count, at + r * start_row, start_row, to + r * out_row,
                out_row,
            )  # fmt: skip
        for r in range(whole, rows):
            add_product(
                1, x + r * x_row, x_row, x_step, w, STRIP, count, at + r * start_row, start_row, to + r * out_row,
                out_row,
            )  # fmt: skip


def strips(w: Array) -> Array:
    """w (K, J) as (J / WIDTH, K, WIDTH): a strip lies together."""
    return np.ascontiguousarray(w.reshape(len(w), -1, WIDTH).transpose(1, 0, 2))


@compiled(error_model="numpy")
def lstm(z, across, hs, cs, gates, alive, reverse, n0, n1):  # type: ignore[no-untyped-def]
    """Samples n0 ... n1 through all steps; `across` is w^T in strips."""
    (T, N, J), H, zeros = z.shape, hs.shape[2], np.zeros(WIDTH, np.float32)
    for step in range(T):
        t = T - 1 - step if reverse else step
        before, after = (t + 1, t) if reverse else (t, t + 1)
        x, out = hs.ctypes.data + (before * N + n0) * H * BYTES, gates.ctypes.data + (t * N + n0) * J * BYTES
        multiply(x, H * BYTES, BYTES, across, zeros.ctypes.data, 0, 0, out, J * BYTES, n1 - n0)
        cells.lstm_step(
            z[t, n0:n1], gates[t, n0:n1], cs[before, n0:n1], cs[after, n0:n1], hs[before, n0:n1], hs[after, n0:n1],
            alive[t, n0:n1],
        )  # fmt: skip


@compiled(error_model="numpy")
def lstm_backward(dhs, dh, dc, hs, cs, gates, w, dz, dw, alive, reverse, n0, n1):  # type: ignore[no-untyped-def]
    """The same back; w in strips. What these samples give to dw is added to it."""
    (T, N, J), H = gates.shape, hs.shape[2]
    d = dh.ctypes.data + n0 * H * BYTES
    for step in range(T):
        t = step if reverse else T - 1 - step
        before, after = (t + 1, t) if reverse else (t, t + 1)
        if len(dhs) > 0:
            for n in range(n0, n1):
                row, more = dh[n], dhs[t, n]
                for k in range(H):
                    row[k] += more[k]
        cells.lstm_step_backward(
            dh[n0:n1], dc[n0:n1], gates[t, n0:n1], cs[before, n0:n1], cs[after, n0:n1], dz[t, n0:n1], alive[t, n0:n1]
        )
        z, h = dz.ctypes.data + (t * N + n0) * J * BYTES, hs.ctypes.data + (before * N + n0) * H * BYTES
        multiply(z, J * BYTES, BYTES, w, d, H * BYTES, STRIP, d, H * BYTES, n1 - n0)
        for j in range(0, J, ROWS):
            for at in range(0, H * BYTES, STRIP):
                out = dw.ctypes.data + j * H * BYTES + at
                add_product(
                    ROWS, z + j * BYTES, BYTES, J * BYTES, h + at, H * BYTES, n1 - n0, out, H * BYTES, out, H * BYTES
                )


@compiled()
def dense(x, across, b, y, first, end):  # type: ignore[no-untyped-def]
    """Rows first ... end of y = x w^T + b, w^T in strips."""
    (_, K), J = x.shape, y.shape[1]
    given, out = x.ctypes.data + first * K * BYTES, y.ctypes.data + first * J * BYTES
    multiply(given, K * BYTES, BYTES, across, b.ctypes.data, 0, STRIP, out, J * BYTES, end - first)


@compiled()
def dense_gradient(dz, x, dw, first, end):  # type: ignore[no-untyped-def]
    """dw (K, J) += x^T dz, strips first ... end of it."""
    (rows, J), K = dz.shape, x.shape[1]
    whole = K - K % ROWS
    for m in range(0, rows, TOGETHER):
        count, given, gradient = min(TOGETHER, rows - m), x.ctypes.data + m * K * BYTES, dz.ctypes.data + m * J * BYTES
        for at in range(first * STRIP, end * STRIP, STRIP):
            for k in range(0, whole, ROWS):
                out = dw.ctypes.data + k * J * BYTES + at
                add_product(
                    ROWS, given + k * BYTES, BYTES, K * BYTES, gradient + at, J * BYTES, count, out, J * BYTES, out,
                    J * BYTES,
                )  # fmt: skip
            for k in range(whole, K):
                out = dw.ctypes.data + k * J * BYTES + at
                add_product(
                    1, given + k * BYTES, BYTES, K * BYTES, gradient + at, J * BYTES, count, out, J * BYTES, out,
                    J * BYTES,
                )  # fmt: skip


def takes_inputs(x: Array, w: Array) -> bool:
    """Whether many rows of few numbers meet whole tiles: BLAS is slow with short sums."""
    return x.ndim == 2 and x.shape[1] < SHORT and len(x) >= MANY and x.flags.c_contiguous and takes(len(w), x, w)


def inputs(x: Array, w: Array, b: Array | None) -> Array:
    """x w^T + b."""
    y, across = pool.empty((len(x), len(w)), x.dtype), strips(w.T)
    start = np.zeros(len(w), x.dtype) if b is None else np.ascontiguousarray(b, x.dtype)
    run_tiles(lambda first, end: dense(x, across, start, y, first, end), cut_bands(len(x), BAND), blas=False)
    return y


def inputs_gradient(dz: Array, x: Array) -> Array:
    """The weights' gradient dz^T x."""
    dw = np.zeros((x.shape[1], dz.shape[1]), x.dtype)
    count = dz.shape[1] // WIDTH
    bands = cut_bands(count, -(-count // 4))
    run_tiles(lambda first, end: dense_gradient(dz, x, dw, first, end), bands, blas=False)
    return np.ascontiguousarray(dw.T)


def forward(z: Array, w: Array, h: Array, c: Array, alive: Array | None, reverse: bool) -> tuple[Array, Array, Array]:
    """What `CpuRecurrent.lstm` gives."""
    (T, N, _), z = z.shape, np.ascontiguousarray(z)
    hs, cs, gates = states_from(h, T, reverse), states_from(c, T, reverse), pool.empty(z.shape, z.dtype)
    arrays = z, strips(w.T), hs, cs, gates, _alive(alive, T, N), reverse
    run_tiles(lambda n0, n1: lstm(*arrays, n0, n1), shares(T, N, w.size), blas=False)
    return hs, cs, gates


def back(
    dhs: Array | None,
    dh: Array,
    dc: Array,
    hs: Array,
    cs: Array,
    gates: Array,
    w: Array,
    alive: Array | None,
    reverse: bool,
) -> tuple[Array, Array, Array, Array]:
    """What `CpuRecurrent.lstm_backward` gives."""
    T, N, _ = gates.shape
    dz, pieces = pool.empty(gates.shape, gates.dtype), shares(T, N, w.size)
    dh, dc = dh.astype(hs.dtype, order="C"), dc.astype(hs.dtype, order="C")  # a copy in any case
    ds = np.empty((0, 1, 1), np.float32) if dhs is None else np.ascontiguousarray(dhs, np.float32)
    hs, cs, gates, of_w = (*map(np.ascontiguousarray, (hs, cs, gates)), strips(w))
    dw, masks = np.zeros((len(pieces), *w.shape), w.dtype), _alive(alive, T, N)

    def work(piece: int, n0: int, n1: int) -> None:
        lstm_backward(ds, dh, dc, hs, cs, gates, of_w, dz, dw[piece], masks, reverse, n0, n1)

    run_tiles(work, [(piece, *samples) for piece, samples in enumerate(pieces)], blas=False)
    for further in dw[1:]:
        dw[0] += further
    return dz, dw[0], dh, dc


def _alive(alive: Array | None, T: int, N: int) -> Array:
    return np.ones((T, N), np.bool_) if alive is None else np.ascontiguousarray(alive)
