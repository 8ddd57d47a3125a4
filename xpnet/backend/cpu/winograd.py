"""Convolution with kernels of three rows, as Winograd's F(2, 3) over the rows: two rows of the output at a time, from
four products instead of six (Winograd, 1980; Lavin and Gray, 2016).

The memory order is (H, W, C, N): rows first, then columns, the batch innermost, behind arrays of shape (N, C, H, W).
For the output rows i and i + 1 the input rows i ... i + 3 are combined into four (`B`), each of which meets a
combination of the kernel's rows (`G`); the four products are combined into the two output rows (`A`). In this order

* a row is one run of memory, so that a combination of rows is a product with a matrix of 4 x 4, at the cost of a copy;
* along the row, the KW*C inputs of an output pixel lie behind one another: the matrix (KW*C, N) of each output column
  is a view that begins C*N further on. Nothing is gathered: there are no columns at all.

The factors are 1, -1 and 1/2: rounding is nearly that of a direct convolution, and sums of small integers are exact.
The gradient with respect to x is the same walk with the flipped kernel; that with respect to w reads the three matrices
backwards. The division into tiles depends on shapes alone, and partial sums are added in the order of the tiles.

What a row contributes is taken away again where the definition has no such row. Of a NaN that leaves a NaN, and of a
row much larger than the others its rounding: what is not finite, and kernels whose rows differ much in size, are
computed the direct way (cpu/safeguards.py). docs/performance.md has the bound of the error, and the measurements.
"""

import functools
import math
from typing import Any

import numpy as np

from xpnet.backend.cpu import columns
from xpnet.backend.cpu.activation import before_activation
from xpnet.backend.cpu.algorithm import Algorithm
from xpnet.backend.cpu.layouts import hwcn_to_nchw, nchw_to_hwcn
from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.safeguards import Safeguards, is_finite
from xpnet.backend.cpu.sums import add_first
from xpnet.backend.cpu.threads import run_tiles, scratch
from xpnet.backend.cpu.work import LEVEL_2, WORTH, cut_bands, divide_channels, divide_evenly
from xpnet.backend.window import Pair, Window

Array = Any
Tile = tuple[int, int, int, int]  # first and end pair of output rows, first and end column


# What is made of the input rows i ... i + 3; of the kernel's three; what the two output rows are made of.
B = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], np.float32)
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], np.float32)
A = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], np.float32)

TILE_BYTES = 2 * LEVEL_2  # of what a tile combines and multiplies; more than that falls out of the level-2 cache


class Winograd(Safeguards):
    """The walk over the tiles. Its steps beside the products, in NumPy here, may be overridden."""

    def directly(self, x: Array) -> Algorithm:
        """What computes the convolutions that are not for the rows."""
        return columns

    # ---- the steps -------------------------------------------------------------------------------------------------

    def combine_inputs(self, x: Array, tile: Tile, pad: tuple[int, int], out: Array) -> None:
        """out (pairs, 4, columns + KW - 1, C, N): what B makes of the tile's rows of x (H, W, C, N), zero outside."""
        (p0, _, j0, _), W, (top, left) = tile, x.shape[1], pad
        width = out.shape[2]
        c0, c1 = min(max(0, left - j0), width), max(0, min(width, W + left - j0))
        if c0 > 0:
            out[:, :, :c0] = 0
        if c1 < width:
            out[:, :, max(c0, c1) :] = 0
        if c0 < c1:
            combine(B, x, 2 * p0 - top, j0 - left + c0, out[:, :, c0:c1])

    def combine_gradients(self, dz: Array, tile: Tile, turn: bool, out: Array, space: Array) -> None:
        """out (pairs, 4, columns, O, N), or with `turn` (..., N, O): what A backwards makes of dz (OH, OW, O, N)."""
        p0, p1, j0, j1 = tile
        if not turn:
            return combine(A.T, dz, 2 * p0, j0, out)
        rows = dz[2 * p0 : 2 * p1, j0:j1]
        turned = space[: rows.size].reshape(*rows.shape[:2], *out.shape[3:])
        np.copyto(turned, rows.swapaxes(2, 3))
        return combine(A.T, turned, 0, 0, out)

    def finish(self, M: Array, b: Array | None, relu: bool, y: Array) -> bool:
        """The output rows y (rows, columns, O, N), two for a pair, from the products M (pairs, 4, columns, O, N).

        Returns whether they are finite, in front of the activation.
        """
        if b is not None:
            M[:, 1] += b[:, None]  # both rows contain it once
        matrix, M, full = A.astype(M.dtype, copy=False), M.reshape(*M.shape[:2], -1), len(y) // 2
        np.matmul(matrix, M[:full], out=y[: 2 * full].reshape(full, 2, M.shape[2]))
        if full < len(M):  # of an odd number of rows, the last pair gives one
            np.matmul(matrix[:1], M[full], out=y[2 * full :].reshape(1, -1))
        finite = is_finite(y)
        if relu:
            np.maximum(y, np.zeros(y.shape[2:], y.dtype), out=y)  # four times as fast as with the number 0
        return finite

    def before_activation_of(self, dy: Array, y: Array | None) -> tuple[Array, Array]:
        """`before_activation` of dy and y (OH, OW, O, N)."""
        OH, OW, O, N = dy.shape
        flat = None if y is None else y.reshape(OH, OW * O, N)
        dz, sums = before_activation(dy.reshape(OH, OW * O, N), flat)
        return dz.reshape(dy.shape), add_first(sums.reshape(-1, O)).astype(dy.dtype, copy=False)

    # ---- the walk --------------------------------------------------------------------------------------------------

    def forward(self, x: Array, w: Array, b: Array | None, window: Window, groups: int, relu: bool) -> Array:
        pad = window.padding[0][0], window.padding[1][0]
        y = self._correlate(nchw_to_hwcn(x), w, b, pad, window.output_size(x.shape[2:]), relu)
        return self.directly(x).forward(x, w, b, window, groups, relu) if y is None else hwcn_to_nchw(y)

    def input_gradient(
        self, dz: Array, w: Array, b: Array | None, window: Window, size: Pair, groups: int, relu: bool
    ) -> Array:
        # The flipped kernel over dz, inputs and outputs exchanged.
        flipped = w.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
        pad = 2 - window.padding[0][0], w.shape[3] - 1 - window.padding[1][0]
        dx = self._correlate(nchw_to_hwcn(dz), flipped, b, pad, size, relu)
        if dx is None:
            return self.directly(dz).input_gradient(dz, w, b, window, size, groups, relu)
        return hwcn_to_nchw(dx)

    def before_activation(self, dy: Array, y: Array | None, need_db: bool) -> tuple[Array, Array | None]:
        dy = nchw_to_hwcn(dy)
        if y is None and not need_db:
            return hwcn_to_nchw(dy), None
        dz, db = self.before_activation_of(dy, None if y is None else nchw_to_hwcn(y))
        return hwcn_to_nchw(dz), db if need_db else None

    def _correlate(
        self, x: Array, w: Array, b: Array | None, pad: tuple[int, int], size: tuple[int, int], relu: bool
    ) -> Array | None:
        """out[i, j, o] = act(b[o] + sum over c, m, n of w[o, c, m, n] x[i + m - top, j + n - left, c]).

        x (H, W, C, N), w (O, C, 3, KW), result (OH, OW, O, N); None where it must be computed the direct way.
        """
        (O, C, _, KW), N, (OH, OW) = w.shape, x.shape[3], size
        part, rows = divide_channels(O, KW * C * N), np.ascontiguousarray(w.transpose(2, 0, 3, 1))  # (3, O, KW, C)
        if not self.alike(rows.reshape(3, O, -1)):
            return None
        kernels = np.matmul(G.astype(w.dtype, copy=False), rows.reshape(3, -1))
        kernels = kernels.reshape(4, 1, O // part, part, KW * C)
        out, beyond = pool.empty((OH, OW, O, N), x.dtype), list[bool]()

        def work(p0: int, p1: int, j0: int, j1: int) -> None:
            if beyond:
                return
            pairs, width = p1 - p0, j1 - j0
            inputs, M = spaces(x.dtype, (pairs, 4, width + KW - 1, C, N), (pairs, 4, width, O, N))
            self.combine_inputs(x, (p0, p1, j0, j1), pad, inputs)
            products = M.reshape(pairs, 4, width, O // part, part, N)
            np.matmul(kernels, windows(inputs, width), out=products)
            if not self.finish(M, b, relu, out[2 * p0 : 2 * p1, j0:j1]):
                beyond.append(True)

        column_bytes = 4 * N * (C + O) * x.itemsize
        run_tiles(work, tiles_of((-(-OH // 2), OW), KW, TILE_BYTES // column_bytes, OH * OW * KW * C * O * N))
        return None if beyond else out

    def weight_gradient(self, dz: Array, x: Array, w: Array, window: Window, groups: int) -> Array:
        """As (KW*C, N) @ (N, O), which BLAS does faster."""
        direct = functools.partial(self.directly(x).weight_gradient, dz, x, w, window, groups)
        dz, x = nchw_to_hwcn(dz), nchw_to_hwcn(x)
        (O, C, _, KW), (OH, OW, _, N) = w.shape, dz.shape
        K, pad = KW * C, (window.padding[0][0], window.padding[1][0])
        turn, part = K >= TURNED, divide_channels(O, K * N)
        column_bytes = 4 * dz.itemsize * (N * (C + 2 * O) + K * O)
        tiles = tiles_of((-(-OH // 2), OW), KW, TILE_BYTES // column_bytes, OH * OW * K * O * N)
        shares = cut_bands(len(tiles), -(-len(tiles) // SUMS))
        partial = np.empty((len(shares), 4, O // part, K, part), dz.dtype)

        def add(tile: Tile, total: Array, first: bool) -> None:
            pairs, width = tile[1] - tile[0], tile[3] - tile[2]
            gradients = (pairs, 4, width, N, O) if turn else (pairs, 4, width, O, N)
            inputs, D, P, space = spaces(
                dz.dtype, (pairs, 4, width + KW - 1, C, N), gradients, (pairs, 4, width, O // part, K, part),
                (2 * pairs * width * N * O,),
            )  # fmt: skip
            self.combine_inputs(x, tile, pad, inputs)
            self.combine_gradients(dz, tile, turn, D, space)
            right = D if turn else D.swapaxes(3, 4)
            right = right.reshape(*right.shape[:4], O // part, part).swapaxes(3, 4)  # (..., O/part, N, part)
            np.matmul(windows(inputs, width), right, out=P)
            if first:
                P.sum(axis=(0, 2), out=total)
            else:
                total += P.sum(axis=(0, 2))

        def work(index: int, a: int, e: int) -> None:
            for t in range(a, e):
                add(tiles[t], partial[index], t == a)

        run_tiles(work, [(index, *share) for index, share in enumerate(shares)])
        sums = partial.sum(axis=0).reshape(4, -1)
        dw = np.matmul(G.T.astype(dz.dtype, copy=False), sums).reshape(3, O // part, KW, C, part)
        if not self.flush(dw):
            return direct()
        return np.ascontiguousarray(dw.transpose(1, 4, 3, 0, 2)).reshape(w.shape)


SUMS = 8  # partial sums of the weights' gradient at most: each takes the memory of four thirds of the weights
TURNED = 64  # inputs of an output channel from which on a copy of dz with the channels behind the images pays


def combine(matrix: Array, rows: Array, first: int, column: int, out: Array) -> None:
    """out[p] = matrix @ rows[first + 2p, ...] of the columns from `column` on: rows (H, W, ?, ?), contiguous, and out
    (pairs, 4, columns, ?, ?); rows outside are zero."""
    k, H, pairs, L = matrix.shape[1], len(rows), len(out), math.prod(out.shape[2:])
    (row, place, *_), item, out = rows.strides, rows.itemsize, out.reshape(pairs, 4, L)
    matrix = matrix.astype(rows.dtype, copy=False)
    a = min(max(0, (1 - first) // 2), pairs)  # the pairs a ... e lie inside
    e = min(max(a, (H - k - first) // 2 + 1), pairs)
    if a < e:
        begin, strides = (first + 2 * a) * row + column * place, (2 * row, row, item)
        np.matmul(matrix, np.ndarray((e - a, k, L), rows.dtype, rows, begin, strides), out=out[a:e])
    for p in (*range(a), *range(e, pairs)):
        r = first + 2 * p
        lo, hi = min(max(0, -r), k), max(0, min(k, H - r))
        if lo < hi:
            there = np.ndarray((hi - lo, L), rows.dtype, rows, (r + lo) * row + column * place, (row, item))
            np.matmul(matrix[:, lo:hi], there, out=out[p])
        else:
            out[p] = 0


def windows(inputs: Array, columns: int) -> Array:
    """(pairs, 4, columns, 1, KW*C, N): of each column the KW*C inputs, which lie behind one another; a view."""
    (pairs, _, width, C, N), s = inputs.shape, inputs.strides
    return np.ndarray(
        (pairs, 4, columns, 1, (width - columns + 1) * C, N), inputs.dtype, inputs, 0, (*s[:3], 0, s[3], s[4])
    )


def spaces(dtype: Any, *shapes: tuple[int, ...]) -> list[Array]:
    """Uninitialised arrays of these shapes in this thread's scratch space, each at the beginning of a cache line."""
    item = np.dtype(dtype).itemsize
    starts = [0]
    for shape in shapes:
        starts.append(starts[-1] + -(-math.prod(shape) // 16) * 16)
    space = scratch(starts[-1], dtype)
    return [np.ndarray(shape, dtype, space, start * item) for shape, start in zip(shapes, starts, strict=False)]


@functools.lru_cache(maxsize=4096)
def tiles_of(size: tuple[int, int], KW: int, fitting: int, multiplications: int) -> tuple[Tile, ...]:
    """Tiles of at most so many columns of a pair of rows as are `fitting` in the cache, and at least 8 of them where
    the work is worth it; the same for any number of threads."""
    (pairs, OW), few = size, min(multiplications // WORTH, 8)
    width = divide_evenly(OW, max(1, fitting - KW + 1))
    height = divide_evenly(pairs, max(1, fitting // (width + KW - 1)))
    height = min(height, -(-pairs // max(1, few)))
    rows, columns = cut_bands(pairs, height), cut_bands(OW, width)
    tiles = [(*r, *c) for r in rows for c in columns]
    p0, p1, j0, j1 = tiles[-1]
    if len(tiles) % 2 and 2 < len(tiles) < 16 and j1 - j0 > 1:  # two threads would not share them evenly
        half = (j0 + j1) // 2
        tiles[-1:] = [(p0, p1, j0, half), (p0, p1, half, j1)]
    return tuple(tiles)
