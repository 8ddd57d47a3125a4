"""Convolution on the CPU: tiles of columns that stay in the cache, and one matrix product per row of a tile.

The memory order is (H, C, W, N): rows first, the batch innermost, behind arrays of shape (N, C, H, W). In this order

* columns are needed over the kernel's *width* only, KW times the input instead of KH*KW times: the KH rows of them that
  an output row needs lie behind one another, so the matrix of output row i is a view that starts i rows further on;
* every copy is one long run of pixels times images, and a product writes straight into its row of the output;
* the gradient with respect to x is the same walk over dy with the flipped kernel: no col2im, nothing is scattered.

A tile is some output rows times some output columns of all images, or one column of some. The division into tiles
depends on shapes and on the processor's caches alone, and partial sums are added in the order of the tiles, so that the
result does not depend on the number of threads. docs/performance.md has the measurements behind the sizes.
"""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from xpnet.backend.cpu import activation
from xpnet.backend.cpu.layouts import hcwn_to_nchw, nchw_to_hcwn
from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.sums import add_first
from xpnet.backend.cpu.threads import run_tiles, scratch
from xpnet.backend.cpu.work import CHANNELS, LEVEL_2, PRODUCT, WORTH, cut_bands, divide_channels, divide_evenly
from xpnet.backend.reference import Backend
from xpnet.backend.window import Window

Array = Any

TRANSPOSED = 64  # inputs of an output channel from which on a copy of dz with the channels behind the pixels pays
LEAST_PIXELS, MANY_PIXELS = 64, 400  # of a row of a tile: as few as are worth a call; if not even they fit, so many
PASSES = 16  # over an entry of the output, bias and activation, as multiplications
WIDE = {8: np.dtype(np.uint64), 16: np.dtype(np.complex128)}  # types of as many bytes
FEW_BYTES = 1 << 26  # at a time, in what is seldom done
TILE_BYTES = LEVEL_2  # of columns; as much as fits beside the operands in a level-2 cache
Tile = tuple[int, int, int, int, int, int]  # first and end row, first and end column of the output, first and end image


class Walk:
    """One sliding window over images in the order hcwn, tile by tile.

    `x` is (H, C, W, N), the output (OH, O, OW, N), with O of `outputs`; `pad` rows and columns of zeros lie before the
    image, and as many as needed behind it.
    """

    def __init__(
        self, x: Array, size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int],
        dilation: tuple[int, int], groups: int, outputs: int,
    ) -> None:  # fmt: skip
        self.x, self.size, self.kernel, self.stride = x, size, kernel, stride
        self.pad, self.dilation, self.groups, self.outputs = pad, dilation, groups, outputs
        self.C = x.shape[1] // groups  # channels that one output channel sees
        self.inputs = self.C * kernel[0] * kernel[1]  # of one output
        H, _, W, N = x.shape
        self.grouped = x.reshape(H, groups, self.C, W, N).transpose(1, 0, 2, 3, 4)  # (G, H, C/G, W, N), a view
        self.units = size[0] * size[1] * x.shape[3] * outputs * (self.inputs + PASSES) // WORTH
        self.shared = dilation[0] == 1  # consecutive rows of columns are one matrix
        self.is_columns = (kernel, stride, pad, size) == ((1, 1), (1, 1), (0, 0), (H, W))  # x: nothing is gathered

    def tiles(self) -> tuple[Tile, ...]:
        """The same for any number of threads; the first is the largest."""
        pixels = PRODUCT // (min(self.outputs // self.groups, CHANNELS) * max(self.inputs, 1))
        pixels = pixels if pixels >= LEAST_PIXELS else MANY_PIXELS
        pixel_bytes, parts = self.C * self.kernel[1] * self.x.itemsize, max(1, min(self.units, 8))
        return cut_tiles(
            *self.size, self.x.shape[3], pixels, pixel_bytes, TILE_BYTES, self.kernel[0], self.stride[0], parts
        )

    def bands(self, tiles: Sequence[Tile]) -> tuple[tuple[int, int], ...]:
        """The groups of which columns are made at once: as many as stay in the cache, of the first, largest tile."""
        if self.groups == 1 or not tiles:
            return ((0, self.groups),)
        i0, i1, j0, j1, n0, n1 = tiles[0]
        rows = (i1 - i0 - 1) * self.stride[0] + self.kernel[0] if self.shared else (i1 - i0) * self.kernel[0]
        each = rows * self.C * self.kernel[1] * (j1 - j0) * (n1 - n0) * self.x.itemsize
        return cut_bands(self.groups, divide_evenly(self.groups, max(1, TILE_BYTES // max(each, 1))))

    def matrices(self, tile: Tile, g0: int, g1: int) -> Array:
        """The columns of each output row of the tile, of some groups: (groups, rows, KH*C*KW, P), a view of this
        thread's scratch space, or of x."""
        i0, i1, j0, j1, n0, n1 = tile
        if self.is_columns:
            return self.grouped.reshape(*self.grouped.shape[:3], -1)[g0:g1, i0:i1, :, columns_of(tile, self.x.shape[3])]
        (KH, KW), (SH, _), (DH, _) = self.kernel, self.stride, self.dilation
        C, N, G, rows, width = self.C, n1 - n0, g1 - g0, i1 - i0, j1 - j0
        x = self.grouped[g0:g1, ..., n0:n1]
        if self.shared:
            count = (rows - 1) * SH + KH
            flat = scratch(G * count * C * KW * width * N, self.x.dtype)
            cols = flat.reshape(G, count, C, KW, width, N)
            self.fill(cols, x, i0 * SH - self.pad[0], 1, j0)
            # The matrix of one row begins SH rows of columns after that of the row before, and overlaps it.
            strides = cols.strides[0], SH * cols.strides[1], cols.strides[3], cols.itemsize
            return np.ndarray((G, rows, KH * C * KW, width * N), flat.dtype, flat, strides=strides)
        cols = scratch(G * rows * KH * C * KW * width * N, self.x.dtype).reshape(G, rows, KH, C, KW, width, N)
        for m in range(KH):
            self.fill(cols[:, :, m], x, i0 * SH - self.pad[0] + m * DH, SH, j0)
        return cols.reshape(G, rows, KH * C * KW, width * N)

    def fill(self, cols: Array, x: Array, first: int, step: int, j0: int) -> None:
        """cols[:, r, c, n, j] = x[:, first + r*step, c, (j0+j)*SW + n*DW - left], zero outside the image."""
        if self.stride[1] > 1:  # pixels that are a stride apart, of few images each: runs that are too short
            cols, x = as_one_number(cols), as_one_number(x)
        H, W = x.shape[1:4:2]
        count, _, KW, width, _ = cols.shape[1:]
        r0, r1 = inside(first, step, count, H)
        cols[:, :r0] = 0
        cols[:, r1:] = 0
        for n in range(KW):
            left, SW = j0 * self.stride[1] + n * self.dilation[1] - self.pad[1], self.stride[1]
            a, b = inside(left, SW, width, W)
            if a > 0:
                cols[:, r0:r1, :, n, :a] = 0
            if b < width:
                cols[:, r0:r1, :, n, b:] = 0
            if r0 < r1 and a < b:
                rows = slice(first + r0 * step, first + (r1 - 1) * step + 1, step)
                cols[:, r0:r1, :, n, a:b] = x[:, rows, :, left + a * SW : left + (b - 1) * SW + 1 : SW]


def as_one_number(a: Array) -> Array:
    """The innermost axis as a single entry, if it is two or four float32 (or two float64): numbers are copied faster
    than axes of few entries. For copies only: the entries mean nothing."""
    wide = WIDE.get(a.shape[-1] * a.itemsize)
    return a.view(wide) if wide and a.shape[-1] > 1 and a.strides[-1] == a.itemsize else a


@functools.lru_cache(maxsize=4096)
def cut_tiles(
    OH: int, OW: int, N: int, pixels: int, pixel_bytes: int, tile_bytes: int, KH: int, SH: int, parts: int
) -> tuple[Tile, ...]:
    """Of at most so many pixels times images in a row, and bytes of columns; at least so many parts of the height."""
    width, images = divide_evenly(OW, max(1, pixels // max(1, N))), divide_evenly(N, pixels)
    row_bytes = pixel_bytes * width * images
    height = divide_evenly(OH, max(1, (tile_bytes // max(row_bytes, 1) - KH) // SH))
    height = min(height, -(-OH // parts))  # so that there is something to share
    return tuple(
        (i, min(i + height, OH), j, min(j + width, OW), n, min(n + images, N))
        for i in range(0, OH, height)
        for j in range(0, OW, width)
        for n in range(0, N, images)
    )


def columns_of(tile: Tile, N: int) -> slice:
    """Where the tile lies in an output row of OW*N pixels and images; it has all N images, or one column."""
    _, _, j0, j1, n0, n1 = tile
    return slice(j0 * N + n0, (j1 - 1) * N + n1)


def widest(tiles: Sequence[Tile], N: int) -> int:
    """The most pixels times images that a row of one of the tiles has: those of the first."""
    columns = columns_of(tiles[0], N) if tiles else slice(0, 0)
    return columns.stop - columns.start


@functools.lru_cache(maxsize=4096)
def inside(first: int, step: int, count: int, length: int) -> tuple[int, int]:
    """The range of r in 0 ... count for which 0 <= first + r*step < length."""
    a = min(max(0, -(first // step)), count)  # -(first // step) is ceil(-first / step)
    return a, max(a, min(count, -((first - length) // step)))


def correlate(walk: Walk, w: Array, b: Array | None, relu: bool, out: Array) -> None:
    """out[i, o, j, n] = act(b[o] + w[o] . columns): w (G, O/G, KH*C*KW), out (OH, O, OW, N), which may have gaps."""
    G, OG, _ = w.shape
    (OH, OW), N = walk.size, walk.x.shape[3]
    rows = out.reshape(OH, G * OG, OW * N) if out.flags.c_contiguous else None
    bias = None if b is None else b.reshape(1, -1, 1)
    tiles = walk.tiles()
    B = divide_channels(OG, w.shape[2] * widest(tiles, N))
    kernels, bands = w.reshape(G, OG // B, 1, B, w.shape[2]), walk.bands(tiles)

    def work(i0: int, i1: int, j0: int, j1: int, n0: int, n1: int) -> None:
        tile = i0, i1, j0, j1, n0, n1
        if rows is None:  # a product does not write into rows with gaps
            y = np.empty((i1 - i0, G * OG, (j1 - j0) * (n1 - n0)), out.dtype)
        else:
            y = rows[i0:i1, :, columns_of(tile, N)]  # (rows, O, P)
        blocks = y.reshape(len(y), G, OG // B, B, -1).transpose(1, 2, 0, 3, 4)  # (G, O/G/B, rows, B, P), a view
        for g0, g1 in bands:
            columns = walk.matrices(tile, g0, g1)
            np.matmul(kernels[g0:g1], columns[:, None], out=blocks[g0:g1])
        if bias is not None:
            y += bias
        if relu:
            np.maximum(y, 0, out=y)
        if rows is None:
            out[i0:i1, :, j0:j1, n0:n1] = y.reshape(i1 - i0, G * OG, j1 - j0, n1 - n0)

    run_tiles(work, tiles, alone=walk.units < 2)


def forward(x: Array, w: Array, b: Array | None, window: Window, groups: int, relu: bool) -> Array:
    O, C, KH, KW = w.shape
    (top, _), (left, _) = window.padding
    OH, OW = window.output_size(x.shape[2:])
    walk = Walk(nchw_to_hcwn(x), (OH, OW), window.kernel, window.stride, (top, left), window.dilation, groups, O)
    kernels = w.reshape(groups, O // groups, C, KH, KW).transpose(0, 1, 3, 2, 4).reshape(groups, O // groups, -1)
    out = pool.empty((OH, O, OW, len(x)), w.dtype)
    correlate(walk, kernels, b, relu, out)
    return hcwn_to_nchw(out)


def before_activation(dy: Array, y: Array | None, need_db: bool) -> tuple[Array, Array | None]:
    dy = nchw_to_hcwn(dy)
    if y is None and not need_db:
        return hcwn_to_nchw(dy), None
    OH, O = dy.shape[:2]
    y = None if y is None else nchw_to_hcwn(y).reshape(OH, O, -1)
    dz, sums = activation.before_activation(dy.reshape(OH, O, -1), y)
    return hcwn_to_nchw(dz.reshape(dy.shape)), add_first(sums).astype(dy.dtype, copy=False) if need_db else None


def weight_gradient(dz: Array, x: Array, w: Array, window: Window, groups: int) -> Array:
    """dw: the columns of x times dz, summed over output rows; as (K, P) @ (P, O), which BLAS does faster."""
    O, C, KH, KW = w.shape
    OG, K = O // groups, KH * C * KW
    (top, _), (left, _) = window.padding
    dz = nchw_to_hcwn(dz)
    size = dz.shape[0:3:2]
    walk = Walk(nchw_to_hcwn(x), size, window.kernel, window.stride, (top, left), window.dilation, groups, O)
    N, tiles = dz.shape[3], walk.tiles()
    pixels = dz.reshape(*dz.shape[:2], -1)  # (OH, O, OW*N)
    B = divide_channels(OG, K * widest(tiles, N))
    partial, bands = np.empty((len(tiles), groups, OG // B, K, B), w.dtype), walk.bands(tiles)

    def work(index: int, tile: Tile) -> None:
        part = pixels[tile[0] : tile[1], :, columns_of(tile, N)].transpose(0, 2, 1)  # (rows, P, O)
        if K >= TRANSPOSED:
            part = np.ascontiguousarray(part)
        blocks = part.reshape(*part.shape[:2], groups, OG // B, B).transpose(2, 3, 0, 1, 4)  # (G, O/G/B, rows, P, B)
        for g0, g1 in bands:
            columns = walk.matrices(tile, g0, g1)
            np.matmul(columns[:, None], blocks[g0:g1]).sum(axis=2, out=partial[index, g0:g1])

    run_tiles(work, list(enumerate(tiles)), alone=walk.units < 2)
    dw = add_first(partial).astype(w.dtype, copy=False).reshape(groups, OG // B, KH, C, KW, B)
    return np.ascontiguousarray(dw.transpose(0, 1, 5, 3, 2, 4)).reshape(w.shape)


def input_gradient(
    dz: Array, w: Array, b: Array | None, window: Window, size: tuple[int, int], groups: int, relu: bool
) -> Array:
    """dx: dz correlated with the flipped kernel, inputs and outputs exchanged.

    With a stride, the rows of dx that are a stride apart meet the same rows of the kernel, and no others do: they are a
    correlation of their own, with no stride and with a smaller kernel. So are the columns.
    """
    if not math.isfinite(w.sum()) and not np.isfinite(w).all():  # which the zeros around dz must not meet
        return by_definition(dz, w, b, window, size, groups, relu)
    O, C, KH, KW = w.shape
    dz, (SH, SW) = nchw_to_hcwn(dz), window.stride
    flipped = w.reshape(groups, O // groups, C, KH, KW)[:, :, :, ::-1, ::-1].transpose(0, 2, 3, 1, 4)
    out = pool.empty((size[0], groups * C, size[1], dz.shape[3]), w.dtype)
    axes = zip(size, window.kernel, window.stride, window.dilation, window.padding, strict=True)
    rows, columns = (apart(length, k, s, d, pads[0]) for length, k, s, d, pads in axes)
    if len(rows) < SH or len(columns) < SW:  # what no pixel of the kernel meets
        out[...] = 0 if b is None else b.reshape(-1, 1, 1)
        if relu:
            np.maximum(out, 0, out=out)
    for (i, m, dh, top), (j, n, dw, left) in itertools.product(rows, columns):
        part, kernels = out[i::SH, :, j::SW], np.ascontiguousarray(flipped[:, :, m, :, n])  # (G, C/G, KH, O/G, KW)
        walk = Walk(dz, part.shape[0:3:2], kernels.shape[2:5:2], (1, 1), (top, left), (dh, dw), groups, groups * C)
        correlate(walk, kernels.reshape(groups, C, -1), b, relu, part)
    return hcwn_to_nchw(out)


def by_definition(
    dz: Array, w: Array, b: Array | None, window: Window, size: tuple[int, int], groups: int, relu: bool
) -> Array:
    """`input_gradient` as the reference does it, some images at a time."""
    reference, images = Backend(), max(1, FEW_BYTES // max(1, dz[0].size * w[0].size * dz.itemsize))
    parts = [
        reference.conv2d_transposed(dz[n : n + images], w, b, window, size, groups, "relu" if relu else None)
        for n in range(0, len(dz), images)
    ]
    return np.concatenate(parts)


@functools.lru_cache(maxsize=4096)
def apart(length: int, kernel: int, stride: int, dilation: int, pad: int) -> list[tuple[int, slice, int, int]]:
    """For each set of the rows (or columns) of dx that meets some of the kernel's: its first, those of the flipped
    kernel, and of the correlation that makes them from dz the dilation and the padding."""
    found = []
    for first in range(min(stride, length)):
        # Row first + t * stride of dx is met by tap m from row t + (first + pad - m * dilation) / stride of dz.
        taps = [m for m in range(kernel) if (first + pad - m * dilation) % stride == 0]
        if taps:
            step = stride // math.gcd(stride, dilation)  # from one of the taps to the next
            closer = step * dilation // stride
            shift = (first + pad - taps[-1] * dilation) // stride
            found.append((first, slice(kernel - 1 - taps[-1], kernel - taps[0], step), closer, -shift))
    return found
