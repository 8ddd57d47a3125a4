"""Direct convolution in register tiles, compiled: no columns are copied, and nothing is packed but the weights.

The memory order is (H, W, C, N), in which a vector register holds one pixel and channel of consecutive images.
kernels.py holds the kernels, plan.py the tables of which input pixels an output pixel meets, and this file divides the
work into tiles for the threads.
"""

import functools
import math
from typing import Any

import numpy as np

from xpnet.backend.cpu import columns
from xpnet.backend.cpu.layouts import hwcn_to_nchw, nchw_to_hwcn
from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.cpu.work import LEVEL_1
from xpnet.backend.jit import activation, kernels
from xpnet.backend.jit.plan import plan
from xpnet.backend.jit.work import count_units, cut_ranges
from xpnet.backend.window import Pair, Window

Array = Any

NONE = ((0, 0), (0, 0))
MULTIPLICATIONS = 1 << 22  # that a unit of work has at least
CHUNK = (
    700 * LEVEL_1 >> 15
)  # pixels times images that the weights' gradient keeps in the level-1 cache, two thirds of it


def forward(x: Array, w: Array, b: Array | None, window: Window, groups: int, relu: bool) -> Array:
    tables = plan(x.shape[2:], window).meets[groups == 1]
    bias = np.zeros(len(w), w.dtype) if b is None else np.ascontiguousarray(b, w.dtype)
    y, finite = correlate(nchw_to_hwcn(x), w.reshape(groups, -1, *w.shape[1:]), bias, tables, relu)
    if not finite and window.padding != NONE:  # weights that are not finite meet zeros of the padding, too
        return columns.forward(x, w, b, window, groups, relu)
    return y


def input_gradient(dz: Array, w: Array, b: Array | None, window: Window, size: Pair, groups: int, relu: bool) -> Array:
    """The same walk over dz: each input pixel collects from the output pixels that met it.

    With the kernel flipped, what one collects from lies side by side in dz and in the kernel.
    """
    tables = plan(size, window).met_by[groups == 1]
    flipped = w.reshape(groups, -1, *w.shape[1:]).transpose(0, 2, 1, 3, 4)[..., ::-1, ::-1]
    bias = np.zeros(groups * w.shape[1], w.dtype) if b is None else np.ascontiguousarray(b, w.dtype)
    return correlate(nchw_to_hwcn(dz), flipped, bias, tables, relu)[0]


def before_activation(dy: Array, y: Array | None, need_db: bool) -> tuple[Array, Array | None]:
    dy = nchw_to_hwcn(dy)
    if y is None and not need_db:
        return hwcn_to_nchw(dy), None
    dz, db = activation.before_activation(dy, None if y is None else nchw_to_hwcn(y))
    return hwcn_to_nchw(dz), db if need_db else None


def correlate(x: Array, w: Array, b: Array, tables: tuple[np.ndarray, np.ndarray], relu: bool) -> tuple[Array, bool]:
    """out[i, j, o, n] = act(b[o] + w[o] . what (i, j) meets of image n): x (H,W,C,N), w (G,O/G,C/G,KH,KW); and whether
    all weights are finite."""
    (G, OG, CG, KH, KW), N = w.shape, x.shape[3]
    R = kernels.channels_of_a_tile(OG)
    starts = np.array([min(o, OG - R) for o in range(0, OG, R)], np.int64)
    packed = np.empty((G, len(starts), KH, KW, CG, R), w.dtype)
    finite = kernels.pack(w, starts, R, packed)
    out = pool.empty((len(tables[0]), len(tables[1]), G * OG, N), x.dtype)

    def work(i0: int, i1: int, part: kernels.Part) -> None:
        convolve = kernels.convolution(R, part.vectors, part.last, relu)
        convolve(x, packed, b, out, *tables, starts, i0, i1, part.first, part.offset)

    parts = kernels.parts(N)
    count = count_units(out.size * KH * KW * CG, MULTIPLICATIONS)
    bands = cut_ranges(len(out), -(-count // len(parts)))
    run_tiles(work, [(i0, i1, part) for part in parts for i0, i1 in bands], blas=False)
    return hwcn_to_nchw(out), bool(finite)


def weight_gradient(dz: Array, x: Array, w: Array, window: Window, groups: int) -> Array:
    by_columns = functools.partial(columns.weight_gradient, dz, x, w, window, groups)
    dz, x = nchw_to_hwcn(dz), nchw_to_hwcn(x)
    (O, CG, KH, KW), G, N = w.shape, groups, dz.shape[3]
    (SH, SW), (DH, DW), ((top, _), (left, right)) = window.stride, window.dilation, window.padding
    T, wide = kernels.WEIGHTS[1], (KW, CG)
    if CG < T and G == 1 and DW == 1:
        # Too few channels for a tile: the pixels of a window's row, side by side in memory, become channels of one.
        x = x if not (left or right) else np.pad(x, ((0, 0), (left, right), (0, 0), (0, 0)))
        wide, left = (1, KW * CG), 0
    R = kernels.WEIGHTS[0]
    add = kernels.weight_gradient(R, T, O // G % R, wide[1] % T)
    bands = cut_ranges(len(dz), count_units(dz.size * KH * KW * CG, MULTIPLICATIONS))
    partial = pool.empty((len(bands), G, KH, *wide, O // G), w.dtype)
    partial[...] = 0
    geometry = SH, SW, DH, DW, top, left
    chunk = max(1, CHUNK // N)
    run_tiles(
        lambda index, i0, i1: add(dz, x, partial[index], geometry, i0, i1, chunk),
        [(index, *band) for index, band in enumerate(bands)],
        blas=False,
    )
    dw = partial.sum(axis=0).reshape(G, KH, KW, CG, O // G).transpose(0, 4, 3, 1, 2)
    if window.padding != NONE and not math.isfinite(dw.sum()):  # what is not finite meets zeros of the padding, too
        return by_columns()
    return np.ascontiguousarray(dw).reshape(w.shape)
