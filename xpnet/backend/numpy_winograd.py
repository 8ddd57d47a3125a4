"""Convolution with kernels of three rows, as Winograd's F(2, 3) over the rows: two rows of the output at a time, from
four products instead of six (Winograd, 1980; Lavin and Gray, 2016).

The memory order is (H, W, C, N): rows first, then columns, the batch innermost, behind arrays of shape (N, C, H, W).
For the output rows i and i + 1 the input rows i ... i + 3 are combined into four (`B`), each of which meets a combination
of the kernel's rows (`G`); the four products are combined into the two output rows (`A`). In this order

* a row is one run of memory, so that a combination of rows is a product with a matrix of 4 x 4, at the cost of a copy;
* along the row, the KW*C inputs of an output pixel lie behind one another: the matrix (KW*C, N) of each output column is
  a view that begins C*N further on. Nothing is gathered: there are no columns at all.

The factors are 1, -1 and 1/2: rounding is that of a direct convolution, and sums of small integers are exact. The
gradient with respect to x is the same walk with the flipped kernel; that with respect to w reads the three matrices
backwards. The division into tiles depends on shapes alone, and partial sums are added in the order of the tiles.
docs/performance.md has the measurements.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from xpnet.backend.leases import pool
from xpnet.backend.numpy_conv2d import TRANSPOSED, WORTH, bands, before_activation, block, even
from xpnet.backend.threads import run_tiles, scratch
from xpnet.backend.window import Window

Array = Any
Tile = tuple[int, int, int, int]  # first and end pair of output rows, first and end column

# Rows: what is made of rows x[i] ... x[i+3]; of the kernel's rows; what the output rows are made of.
B = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], np.float32)
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], np.float32)
A = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], np.float32)

LEAST_IMAGES = 24  # the products are N columns wide: fewer are too narrow
TILE_BYTES = 1 << 21  # of what a tile combines and multiplies; more than that falls out of the level-2 cache


def fits(x: Array, w: Array, window: Window, groups: int) -> bool:
    """Whether this file takes the convolution."""
    plain = window.stride == (1, 1) and window.dilation == (1, 1) and groups == 1
    return plain and w.shape[2] == 3 and x.shape[0] >= LEAST_IMAGES and x.dtype == w.dtype and x.size > 0


def pixels_first(x: Array) -> Array:
    """(N, C, H, W) -> (H, W, C, N), contiguous: a view where the memory order is already so."""
    return np.ascontiguousarray(x.transpose(2, 3, 1, 0))


def images_first(x: Array) -> Array:
    """(H, W, C, N) -> a view of shape (N, C, H, W)."""
    return x.transpose(3, 2, 0, 1)


def combine(matrix: Array, rows: Array, first: int, out: Array) -> None:
    """out[p] = matrix @ rows[first + 2p, first + 2p + 1, ...]: rows (H, L), out (pairs, 4, L); rows outside are zero."""
    k, (H, L), pairs = matrix.shape[1], rows.shape, len(out)
    matrix = matrix.astype(rows.dtype, copy=False)
    a = min(max(0, (1 - first) // 2), pairs)  # the pairs a ... e lie inside
    e = min(max(a, (H - k - first) // 2 + 1), pairs)
    if a < e:
        step, item = rows.strides
        inside = as_strided(rows[first + 2 * a :], (e - a, k, L), (2 * step, step, item), writeable=False)
        np.matmul(matrix, inside, out=out[a:e])
    for p in (*range(a), *range(e, pairs)):
        r0 = first + 2 * p
        lo, hi = min(max(0, -r0), k), max(0, min(k, H - r0))
        if lo < hi:
            np.matmul(matrix[:, lo:hi], rows[r0 + lo : r0 + hi], out=out[p])
        else:
            out[p] = 0


def combined_windows(x: Array, tile: Tile, pad: tuple[int, int], KW: int, space: Array) -> Array:
    """What the tile's products need of x (H, W, C, N): (pairs, 4, columns, KW*C, N), a view of `space`."""
    (p0, p1, j0, j1), (H, W, C, N) = tile, x.shape
    first, width = j0 - pad[1], j1 - j0 + KW - 1  # columns of the input
    c0, c1 = min(max(0, -first), width), max(0, min(width, W - first))
    T = space.reshape(p1 - p0, 4, width, C, N)
    T[:, :, :c0] = 0
    T[:, :, max(c0, c1) :] = 0
    if c0 < c1:
        out = T[:, :, c0:c1].reshape(p1 - p0, 4, -1)
        combine(B, x[:, first + c0 : first + c1].reshape(H, -1), 2 * p0 - pad[0], out)
    strides = (*T.strides[:3], T.strides[3], T.itemsize)
    return np.ndarray((p1 - p0, 4, j1 - j0, KW * C, N), T.dtype, T, strides=strides)


def finish(M: Array, b: Array | None, relu: bool, y: Array) -> None:
    """The output rows from the products M (pairs, 4, columns, O, N): y (rows, columns, O, N), two rows a pair."""
    if b is not None:
        M[:, 1] += b[:, None]  # both rows contain it once
    matrix, M = A.astype(M.dtype, copy=False), M.reshape(*M.shape[:2], -1)
    full = len(y) // 2  # of an odd number of rows, the last pair gives one
    np.matmul(matrix, M[:full], out=y[: 2 * full].reshape(full, 2, -1))
    if full < len(M):
        np.matmul(matrix[:1], M[full], out=y[2 * full :].reshape(1, -1))
    if relu:
        np.maximum(y, 0, out=y)


Finish = Callable[[Array, Array | None, bool, Array], None]


def tiles_of(pairs: int, OW: int, KW: int, column_bytes: int, multiplications: int) -> list[Tile]:
    """As large as the cache allows, and at least 8 where the work is worth it; the same for any number of threads."""
    width = even(OW, max(1, TILE_BYTES // column_bytes - KW + 1))
    height = even(pairs, max(1, TILE_BYTES // (column_bytes * (width + KW - 1))))
    height = min(height, -(-pairs // max(1, min(multiplications // WORTH, 8))))
    return [(*rows, *columns) for rows in bands(pairs, height) for columns in bands(OW, width)]


def correlate(
    x: Array, w: Array, b: Array | None, pad: tuple[int, int], size: tuple[int, int], relu: bool,
    finish: Finish = finish,
) -> Array:  # fmt: skip
    """out[i, j, o] = act(b[o] + sum over c, m, n of w[o, c, m, n] x[i + m - top, j + n - left, c]).

    x (H, W, C, N), w (O, C, 3, KW), result (OH, OW, O, N).
    """
    (O, C, _, KW), N, (OH, OW) = w.shape, x.shape[3], size
    U = np.matmul(w.transpose(0, 3, 1, 2), G.T.astype(w.dtype, copy=False))  # (O, KW, C, 4)
    U = np.ascontiguousarray(U.transpose(3, 0, 1, 2))  # (4, O, KW, C)
    part = block(O, KW * C * N)
    U = U.reshape(4, 1, O // part, part, KW * C)
    out = pool.empty((OH, OW, O, N), x.dtype)

    def work(p0: int, p1: int, j0: int, j1: int) -> None:
        pairs, columns = p1 - p0, j1 - j0
        inputs = pairs * 4 * (columns + KW - 1) * C * N
        space = scratch(inputs + pairs * 4 * columns * O * N, x.dtype)
        windows = combined_windows(x, (p0, p1, j0, j1), pad, KW, space[:inputs])
        M = space[inputs:].reshape(pairs, 4, columns, O // part, part, N)
        np.matmul(U, windows[:, :, :, None], out=M)
        finish(M.reshape(pairs, 4, columns, O, N), b, relu, out[2 * p0 : min(2 * p1, OH), j0:j1])

    pairs, each = -(-OH // 2), 4 * N * (C + O) * x.itemsize
    run_tiles(work, tiles_of(pairs, OW, KW, each, 4 * pairs * OW * KW * C * O * N))
    return out


def forward(x: Array, w: Array, b: Array | None, window: Window, relu: bool, finish: Finish = finish) -> Array:
    pad = window.padding[0][0], window.padding[1][0]
    return images_first(correlate(pixels_first(x), w, b, pad, window.output_size(x.shape[2:]), relu, finish))


def backward(
    dy: Array, x: Array, w: Array, y: Array, window: Window, relu: bool, need_dx: bool, finish: Finish = finish
) -> tuple[Array | None, Array, Array]:
    dy = pixels_first(dy)
    OH, OW, O, N = dy.shape
    dz, sums = before_activation(dy.reshape(OH, -1, N), pixels_first(y).reshape(OH, -1, N) if relu else None)
    dz = dz.reshape(OH, OW, O, N)
    dw = weight_gradient(dz, pixels_first(x), w, window)
    dx = input_gradient(dz, w, x.shape[2:], window, finish) if need_dx else None
    return dx, dw, sums.reshape(-1, O).sum(axis=0)


def input_gradient(dz: Array, w: Array, size: tuple[int, int], window: Window, finish: Finish = finish) -> Array:
    """dx (N, C, H, W) from dz (OH, OW, O, N): the flipped kernel, inputs and outputs exchanged."""
    KH, KW = window.kernel
    pad = KH - 1 - window.padding[0][0], KW - 1 - window.padding[1][0]
    return images_first(correlate(dz, w.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1], None, pad, size, False, finish))


def weight_gradient(dz: Array, x: Array, w: Array, window: Window) -> Array:
    """dw (O, C, 3, KW), from dz (OH, OW, O, N) and x (H, W, C, N); as (KW*C, N) @ (N, O), which BLAS does faster."""
    (O, C, _, KW), (OH, OW, _, N) = w.shape, dz.shape
    pad = window.padding[0][0], window.padding[1][0]
    transposed = KW * C >= TRANSPOSED  # a copy of dz with the channels behind the images
    part = block(O, KW * C * N)
    rows, pairs = dz.reshape(OH, OW, -1), -(-OH // 2)
    each = 4 * dz.itemsize * (N * (C + 2 * O) + KW * C * O)
    tiles = tiles_of(pairs, OW, KW, each, 4 * pairs * OW * KW * C * O * N)
    partial = np.empty((len(tiles), 4, O // part, KW * C, part), dz.dtype)

    def work(index: int, tile: Tile) -> None:
        p0, p1, j0, j1 = tile
        pairs, columns = p1 - p0, j1 - j0
        inputs, outputs = pairs * 4 * (columns + KW - 1) * C * N, pairs * 4 * columns * O * N
        products = pairs * 4 * columns * KW * C * O
        ends = np.cumsum([inputs, outputs, products, outputs // 2])
        space = scratch(int(ends[-1]), dz.dtype)
        windows = combined_windows(x, tile, pad, KW, space[:inputs])
        gradients = rows[2 * p0 : min(2 * p1, OH), j0:j1]  # (rows, columns, O*N)
        D = space[inputs : ends[1]].reshape(pairs, 4, columns, O, N)
        if transposed:
            turned = space[ends[2] :][: gradients.size].reshape(len(gradients), columns, N, O)
            np.copyto(turned, gradients.reshape(len(gradients), columns, O, N).swapaxes(2, 3))
            gradients = turned
        combine(A.T, gradients.reshape(len(gradients), -1), 0, D.reshape(pairs, 4, -1))
        D = D.reshape(pairs, 4, columns, N, O) if transposed else D.swapaxes(3, 4)
        D = D.reshape(pairs, 4, columns, N, O // part, part).transpose(0, 1, 2, 4, 3, 5)  # (..., O/part, N, part)
        P = space[ends[1] : ends[2]].reshape(pairs, 4, columns, O // part, KW * C, part)
        np.matmul(windows[:, :, :, None], D, out=P)
        P.sum(axis=(0, 2), out=partial[index])

    run_tiles(work, list(enumerate(tiles)))
    sums = partial.sum(axis=0).reshape(4, -1)
    dw = np.matmul(G.T.astype(dz.dtype, copy=False), sums).reshape(3, O // part, KW, C, part)
    return np.ascontiguousarray(dw.transpose(1, 4, 3, 0, 2)).reshape(w.shape)
