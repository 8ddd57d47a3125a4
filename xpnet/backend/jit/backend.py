"""The CPU backend with kernels compiled by Numba: direct convolution in register tiles, pooling and Adam in one pass.

Arrays keep the shape (N, C, H, W); convolution and pooling return them in the memory order (H, W, C, N), in which a
vector register holds one pixel and channel of consecutive images. What the kernels do not take (other data types than
float32, batches smaller than a vector register) is NumpyBackend's. jit/kernels.py holds the kernels, this file their
plans: tables of which input pixels an output pixel meets, and tiles for the threads. The division into tiles depends on
shapes alone, so that the result does not depend on the number of threads.
"""

import functools
import importlib.metadata

import numpy as np

from xpnet.backend.cpu import threads, winograd
from xpnet.backend.cpu.backend import NumpyBackend
from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.cpu.winograd import images_first, pixels_first
from xpnet.backend.jit import kernels as jit
from xpnet.backend.jit.shared import ENTRIES, before_activation, ranges, units
from xpnet.backend.jit.winograd import JitWinograd
from xpnet.backend.reference import AdamStep, Array
from xpnet.backend.window import Window

MULTIPLICATIONS = 1 << 22  # that a unit of a convolution has at least
BY_ROWS = 48  # images from which on cpu/winograd.py is faster than a direct convolution
CHUNK = 700  # pixels times images that the weights' gradient keeps in the level-1 cache

# For each place of the output: pairs of an input row (or column) and the kernel's, in the order of the input.
Places = list[list[tuple[int, int]]]


class JitBackend(NumpyBackend):
    """Called "numpy" too: it is what that name means where Numba is installed."""

    jit = f"Numba {importlib.metadata.version('numba')}, vectors of {jit.LANES}"

    winograd = JitWinograd()

    def __init__(self) -> None:
        super().__init__()
        threads.spin = jit.spin

    # ---- convolution -----------------------------------------------------------------------------------------------

    def conv2d(
        self, x: Array, w: Array, b: Array | None, window: Window, groups: int = 1, activation: str | None = None
    ) -> Array:
        if not _fits(x, w) or _by_rows(x, w, window, groups):
            return super().conv2d(x, w, b, window, groups, activation)
        tables = plan(x.shape[2:], window).meets[groups == 1]
        bias = np.zeros(len(w), w.dtype) if b is None else np.ascontiguousarray(b)
        kernels = w.reshape(groups, -1, *w.shape[1:])
        return _correlate(pixels_first(x), kernels, bias, tables, activation == "relu")

    def conv2d_backward(
        self,
        dy: Array,
        x: Array,
        w: Array,
        y: Array,
        window: Window,
        groups: int = 1,
        activation: str | None = None,
        need_dx: bool = True,
    ) -> tuple[Array | None, Array, Array]:
        if not _fits(x, w) or _by_rows(x, w, window, groups):
            return super().conv2d_backward(dy, x, w, y, window, groups, activation, need_dx)
        dz, db = before_activation(pixels_first(dy), pixels_first(y) if activation == "relu" else None)
        dw, dx = _weight_gradient(dz, pixels_first(x), w, window, groups), None
        if need_dx:
            # The adjoint is the same walk over dz: each input pixel collects from the output pixels that met it. With
            # the kernel flipped, what one collects from lies side by side in dz and in the kernel.
            tables = plan(x.shape[2:], window).met_by[groups == 1]
            kernels = w.reshape(groups, -1, *w.shape[1:]).transpose(0, 2, 1, 3, 4)[..., ::-1, ::-1]
            dx = _correlate(dz, kernels, np.zeros(x.shape[1], w.dtype), tables, False)
        return dx, dw, db

    # ---- pooling ---------------------------------------------------------------------------------------------------

    def max_pool2d(self, x: Array, window: Window) -> Array:
        where = plan(x.shape[2:], window)
        if not _fits(x) or not where.never_empty:
            return super().max_pool2d(x, window)
        (OH, OW), (N, C) = where.output_size, x.shape[:2]
        y = pool.empty((OH, OW, C * N), x.dtype)
        pixels, tables = _flat_pixels(x), where.inputs
        bands = ranges(OH, units(x.size, ENTRIES))
        run_tiles(lambda i0, i1: jit.max_pool(pixels, y, *tables, i0, i1), bands, blas=False)
        return images_first(y.reshape(OH, OW, C, N))

    def max_pool2d_backward(self, dy: Array, x: Array, y: Array, window: Window) -> Array:
        if not _fits(x):
            return super().max_pool2d_backward(dy, x, y, window)
        (N, C, H, W), where = x.shape, plan(x.shape[2:], window)
        dx = pool.empty((H, W, C * N), x.dtype)
        if where.overlaps or not where.covers:
            dx[...] = 0
        arrays = _flat_pixels(dy), _flat_pixels(x), _flat_pixels(y), dx
        kernel, tables = jit.max_pool_backward(where.overlaps), where.inputs
        count, OH = units(x.size, ENTRIES), len(tables[0])
        if where.overlaps:  # rows of the output share rows of the input, but never a channel
            pieces = [(0, OH, q0, q1) for q0, q1 in ranges(C * N, count)]
        else:
            pieces = [(i0, i1, 0, C * N) for i0, i1 in ranges(OH, count)]
        run_tiles(lambda *piece: kernel(*arrays, *tables, *piece), pieces, blas=False)
        return images_first(dx.reshape(H, W, C, N))

    # ---- update steps ----------------------------------------------------------------------------------------------

    def adam(self, p: Array, g: Array, m: Array, v: Array, how: AdamStep) -> None:
        arrays = [p, g, m, v]
        if not all(a.dtype == np.float32 and a.flags.c_contiguous for a in arrays):
            return super().adam(p, g, m, v, how)
        step, lr, beta1, beta2, eps, weight_decay, decoupled = how
        # p -= lr (m / a) / (sqrt(v) / c + eps), with a = 1 - beta1**step and c = sqrt(1 - beta2**step), times c / c
        c = (1 - beta2**step) ** 0.5
        shrink, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
        options = [np.float32(o) for o in (lr * c / (1 - beta1**step), beta1, beta2, eps * c, decay, shrink)]
        flat = [a.reshape(-1) for a in arrays]
        pieces = ranges(p.size, units(p.size, ENTRIES))
        return run_tiles(lambda a, e: jit.adam(*(array[a:e] for array in flat), *options), pieces, blas=False)


def _by_rows(x: Array, w: Array, window: Window, groups: int) -> bool:
    """Whether it is taken as NumpyBackend takes it, by rows; direct convolution is as good with few images."""
    return x.shape[0] >= BY_ROWS and winograd.fits(x, w, window, groups)


def _fits(x: Array, w: Array | None = None) -> bool:
    """Whether the kernels take it."""
    return bool(x.dtype == np.float32 and (w is None or w.dtype == x.dtype) and x.shape[0] >= jit.LANES and x.size > 0)


def _flat_pixels(x: Array) -> Array:
    """(N, C, H, W) -> (H, W, C*N)."""
    x = pixels_first(x)
    return x.reshape(*x.shape[:2], -1)


# ---- which pixels meet ---------------------------------------------------------------------------------------------


class Plan:
    """What a window meets on images of one size, in the tables that the kernels read."""

    def __init__(self, size: tuple[int, int], window: Window) -> None:
        steps = zip(
            size, window.output_size(size), window.kernel, window.stride, window.dilation, window.padding, strict=True
        )
        axes = [_axis(*step) for step in steps]
        inverse = [_inverse(*axis) for axis in zip(axes, size, window.kernel, strict=True)]
        met = [[i for pairs in axis for i, _ in pairs] for axis in axes]  # rows and columns of the input
        self.output_size = len(axes[0]), len(axes[1])
        self.overlaps = any(len(set(indices)) < len(indices) for indices in met)
        self.covers = [len(set(indices)) for indices in met] == list(size)  # every pixel of the input is met
        self.never_empty = all(pairs for axis in axes for pairs in axis)  # no window lies in the padding
        self.inputs = _inputs(axes[0]), _inputs(axes[1])
        # Channels of one of several groups are no whole pixel: then columns side by side are no run of them.
        self.meets = {merge: (_table(axes[0], False), _table(axes[1], merge)) for merge in (False, True)}
        self.met_by = {merge: (_table(inverse[0], False), _table(inverse[1], merge)) for merge in (False, True)}


plan = functools.lru_cache(maxsize=1024)(Plan)


def _axis(size: int, count: int, kernel: int, stride: int, dilation: int, padding: tuple[int, int]) -> Places:
    """For each row (or column) of the output: the input's that its window meets, and the kernel's there."""
    places = [[(o * stride + k * dilation - padding[0], k) for k in range(kernel)] for o in range(count)]
    return [[(i, k) for i, k in pairs if 0 <= i < size] for pairs in places]


def _inverse(places: Places, size: int, kernel: int) -> Places:
    """For each row (or column) of the input: the output's that meet it, and the *flipped* kernel's there."""
    inverse: Places = [[] for _ in range(size)]
    for o, pairs in enumerate(places):
        for i, k in pairs:
            inverse[i].append((o, kernel - 1 - k))
    return inverse


def _table(places: Places, merge: bool) -> np.ndarray:
    """(places, longest, 3) of (first in the input, first in the kernel, length), closed by a length of 0.

    `merge` makes one run of pairs that lie side by side in both.
    """
    lists: list[list[list[int]]] = []
    for pairs in places:
        runs: list[list[int]] = []
        for i, k in pairs:
            if merge and runs and (i, k) == (runs[-1][0] + runs[-1][2], runs[-1][1] + runs[-1][2]):
                runs[-1][2] += 1
            else:
                runs.append([i, k, 1])
        lists.append(runs)
    table = np.zeros((len(lists), max(map(len, lists)) + 1, 3), np.int64)
    for row, runs in zip(table, lists, strict=True):
        for place, run in zip(row, runs, strict=False):
            place[:] = run
    return table


def _inputs(places: Places) -> np.ndarray:
    """(places, longest) of the input's rows or columns alone, closed by -1."""
    table = np.full((len(places), max(map(len, places)) + 1), -1, np.int64)
    for row, pairs in zip(table, places, strict=True):
        row[: len(pairs)] = [i for i, _ in pairs]
    return table


# ---- convolution, by tiles -----------------------------------------------------------------------------------------


def _correlate(x: Array, w: Array, b: Array, tables: tuple[np.ndarray, np.ndarray], relu: bool) -> Array:
    """out[i, j, o, n] = act(b[o] + w[o] . what (i, j) meets of image n): x (H,W,C,N), w (G,O/G,C/G,KH,KW)."""
    (G, OG, CG, KH, KW), N = w.shape, x.shape[3]
    R = jit.channels_of_a_tile(OG)
    starts = np.array([min(o, OG - R) for o in range(0, OG, R)], np.int64)
    packed = np.empty((G, len(starts), KH, KW, CG, R), w.dtype)
    jit.pack(w, starts, R, packed)
    out = pool.empty((len(tables[0]), len(tables[1]), G * OG, N), x.dtype)

    def work(i0: int, i1: int, part: jit.Part) -> None:
        kernel = jit.convolution(R, part.vectors, part.last, relu)
        kernel(x, packed, b, out, *tables, starts, i0, i1, part.first, part.offset)

    parts = jit.parts(N)
    count = units(out.size * KH * KW * CG, MULTIPLICATIONS)
    bands = ranges(len(out), -(-count // len(parts)))
    run_tiles(work, [(i0, i1, part) for part in parts for i0, i1 in bands], blas=False)
    return images_first(out)


def _weight_gradient(dz: Array, x: Array, w: Array, window: Window, groups: int) -> Array:
    """dw (O, C/G, KH, KW), from dz (OH, OW, O, N) and x (H, W, C, N)."""
    (O, CG, KH, KW), G, N = w.shape, groups, dz.shape[3]
    (SH, SW), (DH, DW), ((top, _), (left, right)) = window.stride, window.dilation, window.padding
    T, wide = jit.WEIGHTS[1], (KW, CG)
    if CG < T and G == 1 and DW == 1:
        # Too few channels for a tile: the pixels of a window's row, side by side in memory, become channels of one.
        x = x if not (left or right) else np.pad(x, ((0, 0), (left, right), (0, 0), (0, 0)))
        wide, left = (1, KW * CG), 0
    R = jit.WEIGHTS[0]
    kernel = jit.weight_gradient(R, T, O // G % R, wide[1] % T)
    bands = ranges(len(dz), units(dz.size * KH * KW * CG, MULTIPLICATIONS))
    partial = pool.empty((len(bands), G, KH, *wide, O // G), w.dtype)
    partial[...] = 0
    geometry = SH, SW, DH, DW, top, left
    chunk = max(1, CHUNK // N)
    run_tiles(
        lambda index, i0, i1: kernel(dz, x, partial[index], geometry, i0, i1, chunk),
        [(index, *band) for index, band in enumerate(bands)],
        blas=False,
    )
    dw = partial.sum(axis=0).reshape(G, KH, KW, CG, O // G).transpose(0, 4, 3, 1, 2)
    return np.ascontiguousarray(dw).reshape(w.shape)
