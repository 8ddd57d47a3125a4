"""cpu/winograd.py with Numba: kernels of 3 x 3 in blocks of 2 x 2 pixels (jit/blocks.py), and of others the rows, where
what is around the products is one pass each, and one call that holds no lock."""

import functools
from typing import Any

import numpy as np

from xpnet.backend.cpu.algorithm import Algorithm
from xpnet.backend.cpu.choice import takes_blocks
from xpnet.backend.cpu.layouts import nchw_to_hwcn
from xpnet.backend.cpu.safeguards import RATIO, ROUNDING
from xpnet.backend.cpu.winograd import Tile, Winograd
from xpnet.backend.jit import blocks, direct
from xpnet.backend.jit.activation import before_activation
from xpnet.backend.jit.compiled import compiled
from xpnet.backend.jit.kernels import LANES
from xpnet.backend.window import Window

Array = Any


class JitWinograd(Winograd):
    """For float32; other types are NumPy's."""

    def directly(self, x: Array) -> Algorithm:
        return direct if x.dtype == np.float32 and len(x) >= LANES else super().directly(x)

    def _correlate(
        self, x: Array, w: Array, b: Array | None, pad: tuple[int, int], size: tuple[int, int], relu: bool
    ) -> Array | None:
        if x.dtype == w.dtype == np.float32 and takes_blocks(w.shape) and x.shape[3] >= LANES:
            packed = blocks.pack(w)
            if packed is not None:
                return blocks.correlate(x, *packed, b, pad, size, relu)
        return super()._correlate(x, w, b, pad, size, relu)

    def weight_gradient(self, dz: Array, x: Array, w: Array, window: Window, groups: int) -> Array:
        if any(array.dtype != np.float32 for array in (dz, x, w)) or w.shape[3] != 3 or len(x) < LANES:
            return super().weight_gradient(dz, x, w, window, groups)
        if not takes_blocks(w.shape) or len(w) < LANES:
            return direct.weight_gradient(dz, x, w, window, groups)
        pad = window.padding[0][0], window.padding[1][0]
        dw = blocks.weight_gradient(nchw_to_hwcn(dz), nchw_to_hwcn(x), pad)
        return self.directly(x).weight_gradient(dz, x, w, window, groups) if dw is None else dw

    def combine_inputs(self, x: Array, tile: Tile, pad: tuple[int, int], out: Array) -> None:
        if x.dtype == np.float32:
            combine_inputs(x, tile[0], tile[2], *pad, out)
        else:
            super().combine_inputs(x, tile, pad, out)

    def combine_gradients(self, dz: Array, tile: Tile, turn: bool, out: Array, space: Array) -> None:
        if dz.dtype != np.float32:
            return super().combine_gradients(dz, tile, turn, out, space)
        p0, p1, j0, j1 = tile
        rows = dz[2 * p0 : 2 * p1, j0:j1]
        if turn:
            turned = space[: rows.size].reshape(*rows.shape[:2], *out.shape[3:])
            np.copyto(turned, rows.swapaxes(2, 3))
            rows = turned
        combine_gradients(rows.reshape(*rows.shape[:2], -1), out.reshape(*out.shape[:3], -1))
        return None

    def finish(self, M: Array, b: Array | None, relu: bool, y: Array) -> bool:
        if M.dtype == np.float32:
            return bool(finish(relu, b is not None)(M, M[0, 0, 0, :, 0] if b is None else b, y))
        return super().finish(M, b, relu, y)

    def alike(self, rows: Array) -> bool:
        return bool(alike(rows, np.float32(RATIO))) if rows.dtype == np.float32 else super().alike(rows)

    def flush(self, dw: Array) -> bool:
        if dw.dtype != np.float32:
            return super().flush(dw)
        return bool(flush(dw.reshape(*dw.shape[:3], -1), np.float32(ROUNDING * np.finfo(np.float32).eps)))

    def before_activation_of(self, dy: Array, y: Array | None) -> tuple[Array, Array]:
        return before_activation(dy, y) if dy.dtype == np.float32 else super().before_activation_of(dy, y)


@compiled()
def combine_inputs(x, p0, j0, top, left, out):  # type: ignore[no-untyped-def]
    """`Winograd.combine_inputs`: x (H, W, C, N), out (pairs, 4, columns, C, N)."""
    H, W, C, N = x.shape
    rows, nothing = x.reshape(H, W, C * N), np.zeros(C * N, np.float32)
    out = out.reshape(out.shape[0], 4, out.shape[2], C * N)
    for p in range(out.shape[0]):
        r = 2 * (p0 + p) - top
        for j in range(out.shape[2]):
            w = j0 + j - left
            inside = 0 <= w < W
            x0 = rows[r, w] if inside and 0 <= r < H else nothing
            x1 = rows[r + 1, w] if inside and 0 <= r + 1 < H else nothing
            x2 = rows[r + 2, w] if inside and 0 <= r + 2 < H else nothing
            x3 = rows[r + 3, w] if inside and 0 <= r + 3 < H else nothing
            y0, y1, y2, y3 = out[p, 0, j], out[p, 1, j], out[p, 2, j], out[p, 3, j]
            for q in range(C * N):
                y0[q] = x0[q] - x2[q]
                y1[q] = x1[q] + x2[q]
                y2[q] = x2[q] - x1[q]
                y3[q] = x1[q] - x3[q]


@compiled()
def combine_gradients(dz, out):  # type: ignore[no-untyped-def]
    """`Winograd.combine_gradients`: dz (rows, columns, N*O), out (pairs, 4, columns, N*O)."""
    nothing = np.zeros(dz.shape[2], np.float32)
    for p in range(out.shape[0]):
        for j in range(out.shape[2]):
            z0, z1 = dz[2 * p, j], dz[2 * p + 1, j] if 2 * p + 1 < dz.shape[0] else nothing
            y0, y1, y2, y3 = out[p, 0, j], out[p, 1, j], out[p, 2, j], out[p, 3, j]
            for q in range(dz.shape[2]):
                y0[q] = z0[q]
                y1[q] = z0[q] + z1[q]
                y2[q] = z0[q] - z1[q]
                y3[q] = -z1[q]


@compiled(fastmath={"reassoc"})
def add(total, value):  # type: ignore[no-untyped-def]
    return total + value  # in any order, as vectors do


@compiled()
def alike(rows, ratio):  # type: ignore[no-untyped-def]
    """`Safeguards.alike`: rows (3, O, K)."""
    zero = np.float32(0)
    for o in range(rows.shape[1]):
        w0, w1, w2 = rows[0, o], rows[1, o], rows[2, o]
        a0, a1, a2, holes = zero, zero, zero, 0
        for k in range(rows.shape[2]):
            b0, b1, b2 = abs(w0[k]), abs(w1[k]), abs(w2[k])
            a0, a1, a2 = b0 if b0 > a0 else a0, b1 if b1 > a1 else a1, b2 if b2 > a2 else a2
            holes += ((b0 == zero) != (b1 == zero)) | ((b1 == zero) != (b2 == zero))
        if holes or not min(a0, a1, a2) * ratio >= max(a0, a1, a2):
            return False
    return True


@compiled()
def flush(dw, rounding):  # type: ignore[no-untyped-def]
    """`Safeguards.flush`: dw (3, O/part, KW, C*part)."""
    _, blocks, KW, L = dw.shape
    largest, least, total, zero = np.empty(L, np.float32), np.empty(L, np.float32), np.float32(0), np.float32(0)
    for block in range(blocks):
        largest[:], least[:], some = zero, np.float32(np.inf), 0
        for m in range(3):
            for n in range(KW):
                row = dw[m, block, n]
                for q in range(L):
                    size, total = abs(row[q]), add(total, row[q])
                    largest[q] = largest[q] if largest[q] >= size else size
                    least[q] = least[q] if least[q] <= size else size
        for q in range(L):
            largest[q] *= rounding
            some += least[q] <= largest[q]
        if some:
            for m in range(3):
                for n in range(KW):
                    row = dw[m, block, n]
                    for q in range(L):
                        row[q] = row[q] if abs(row[q]) > largest[q] else zero
    return total - total == zero


@functools.cache
def finish(relu: bool, biased: bool) -> Any:
    """`Winograd.finish`: M (pairs, 4, columns, O, N), b (O), y (rows, columns, O, N); b is not read unless `biased`."""

    @compiled()
    def kernel(M, b, y):  # type: ignore[no-untyped-def]
        rows, columns, O, N = y.shape
        zero, beyond = np.float32(0), np.empty(N, np.float32)  # of an odd number of rows, the last pair gives one
        total = zero
        for p in range(M.shape[0]):
            for j in range(columns):
                for o in range(O):
                    m0, m1, m2, m3 = M[p, 0, j, o], M[p, 1, j, o], M[p, 2, j, o], M[p, 3, j, o]
                    bias = b[o] if biased else zero
                    upper = y[2 * p, j, o]
                    lower = y[2 * p + 1, j, o] if 2 * p + 1 < rows else beyond
                    for n in range(N):
                        both = m1[n] + bias
                        v0, v1 = m0[n] + both + m2[n], both - m2[n] - m3[n]
                        upper[n] = zero if relu and v0 < zero else v0  # a NaN stays
                        lower[n] = zero if relu and v1 < zero else v1
                        total = add(total, v0 + v1)
        return total - total == zero

    return kernel
