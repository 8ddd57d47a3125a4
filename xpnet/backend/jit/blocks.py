"""Convolution with kernels of 3 x 3, as Winograd's F(2 x 2, 3 x 3): 2 x 2 pixels of the output at a time, from 16
products instead of 36 (Lavin and Gray, 2016).

It is cpu/winograd.py's F(2, 3) along rows and along columns: 4 x 4 pixels of the input are combined into 16 (B d B^T),
each of which meets a combination of the kernel (G w G^T), and the 16 products are combined into 2 x 2 pixels. The
factors are 1, -1, 1/2 and 1/4, so that sums of small integers are exact, and what is equal stays equal. The gradient
with respect to x is the same walk with the flipped kernel, that with respect to w reads the three backwards.

registers.py holds the kernels; this file divides the work into rows of blocks for the threads, by shapes alone.
"""

from typing import Any

import numpy as np

from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.safeguards import ROUNDING
from xpnet.backend.cpu.threads import run_tiles, scratch
from xpnet.backend.jit import kernels, registers
from xpnet.backend.jit.work import count_units, cut_ranges

Array = Any

# Of the largest weights at the places of a kernel. Of a pixel that an output is made of, the sizes of all products that
# it is in add up to 16 times the largest weight at most, where along rows alone it is 4: so it is a quarter of
# safeguards.RATIO, and the bound of the error is as good.
RATIO = 16.0
MULTIPLICATIONS = 1 << 21  # that a unit of work has at least
IMAGES = 64
SUMS = 8  # partial sums of the weights' gradient at most


def pack(w: Array) -> tuple[Array, Array] | None:
    """G w G^T of w (O, C, 3, 3), as (tiles, 16, C, R), and the tiles' first channels; None if it is not alike."""
    O, C = w.shape[:2]
    R = min((size for size in registers.CHANNELS if size <= O), key=lambda size: -(-O // size) * size, default=O)
    starts = np.array([min(o, O - R) for o in range(0, O, R)])
    packed = np.empty((len(starts), 16, C, R), w.dtype)
    return (packed, starts) if registers.pack(w, starts, np.float32(RATIO), packed) else None


def correlate(
    x: Array, packed: Array, starts: Array, b: Array | None, pad: tuple[int, int], size: tuple[int, int], relu: bool
) -> Array | None:
    """`Winograd._correlate` with what `pack` gives; None where something is not finite in front of the activation."""
    (_, _, C, R), N, (OH, OW) = packed.shape, x.shape[3], size
    O = int(starts[-1]) + R
    bias = np.zeros(O, x.dtype) if b is None else np.ascontiguousarray(b, x.dtype)
    out, beyond = pool.empty((OH, OW, O, N), x.dtype), list[bool]()
    least, L = np.float32(0 if relu else -np.inf), kernels.LANES
    correlation = registers.correlation(R, L)

    def work(p0: int, p1: int, first: int, count: int) -> None:
        space = scratch(16 * C * L + O * N + registers.MARGIN, x.dtype)
        if not (beyond or correlation(x, packed, bias, out, space, starts, *pad, p0, p1, first, count, least)):
            beyond.append(True)

    count = count_units(out.size * 4 * C, MULTIPLICATIONS)
    bands = cut_ranges(-(-OH // 2), count)
    parts = cut_ranges(-(-N // L), -(-count // len(bands)))
    run_tiles(work, [(p0, p1, a * L, e - a) for a, e in parts for p0, p1 in bands], blas=False)
    return None if beyond else out


def weight_gradient(dz: Array, x: Array, pad: tuple[int, int]) -> Array | None:
    """dw (O, C, 3, 3) of dz (OH, OW, O, N), of at least LANES channels, and x (H, W, C, N); None: it is not finite."""
    (OH, _, O, N), C, L = dz.shape, x.shape[2], kernels.LANES
    starts = np.array([min(o, O - L) for o in range(0, O, L)])  # the last vector reaches back
    R, V = registers.ONE if len(starts) % 2 else registers.TWO
    add = registers.gradient(R, V, C % R)
    count = -(-N // IMAGES)
    bounds = np.array([i * N // count // L * L for i in range(count)] + [N])
    bands = cut_ranges(-(-OH // 2), min(SUMS, count_units(dz.size * 4 * C, MULTIPLICATIONS)))
    partial = pool.empty((len(bands), 16, C, len(starts) * L), dz.dtype)
    most = -(-int(np.diff(bounds).max()) // L) * L

    def work(index: int, p0: int, p1: int) -> None:
        space = scratch((16 * C + 20 * len(starts) * L) * most + registers.MARGIN, dz.dtype)
        partial[index] = 0
        add(x, dz, partial[index], space, starts, bounds, *pad, p0, p1)

    run_tiles(work, [(index, *band) for index, band in enumerate(bands)], blas=False)
    dw = np.empty((O, C, 3, 3), dz.dtype)
    return dw if registers.unpack(partial, starts, np.float32(ROUNDING * np.finfo(np.float32).eps), dw) else None
