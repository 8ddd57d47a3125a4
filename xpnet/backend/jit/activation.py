"""cpu/activation.py with Numba: the way back through a convolution's activation, in one pass."""

from typing import Any

import numpy as np

from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.jit import kernels
from xpnet.backend.jit.work import ENTRIES, count_units, cut_ranges

Array = Any


def before_activation(dy: Array, y: Array | None) -> tuple[Array, Array]:
    """dz = dy where y > 0 (dy itself without y), and db, its sum over pixels and images: dy, y (OH, OW, O, N)."""
    OH, OW, O, N = dy.shape
    dz = dy if y is None else pool.empty(dy.shape, dy.dtype)
    bands = cut_ranges(OH * OW, count_units(dy.size, ENTRIES))
    sums = np.empty((len(bands), O * N))
    flat = [array.reshape(OH * OW, O * N) for array in (dy, dy if y is None else y, dz)]
    kernel = kernels.before_activation(y is not None)
    pieces = [(sums[index], *band) for index, band in enumerate(bands)]
    run_tiles(lambda *piece: kernel(*flat, *piece), pieces, blas=False)
    sums = sums.astype(dy.dtype)
    return dz, sums.sum(axis=0).reshape(O, N).sum(axis=1)
