"""What the compiled convolutions share: how work is divided, and the gradient before the activation."""

from typing import Any

import numpy as np

from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.jit import kernels as jit

Array = Any

# Work is divided into units of some 100 microseconds, so that threads find more to do than it costs to ask for it, and
# into 12 of them at most, which two, three or four threads share evenly.
UNITS = 12
ENTRIES = 1 << 16  # of an array, that a unit of elementwise work has at least


def units(work: int, least: int) -> int:
    return min(UNITS, max(1, work // least))


def ranges(length: int, count: int) -> list[tuple[int, int]]:
    """0 ... length in `count` parts of about the same size, fewer where there are not as many."""
    count = max(1, min(count, length))
    return [(i * length // count, (i + 1) * length // count) for i in range(count)]


def before_activation(dy: Array, y: Array | None) -> tuple[Array, Array]:
    """dz = dy where y > 0 (dy itself without y), and db, its sum over pixels and images: dy, y (OH, OW, O, N)."""
    OH, OW, O, N = dy.shape
    dz = dy if y is None else pool.empty(dy.shape, dy.dtype)
    bands = ranges(OH * OW, units(dy.size, ENTRIES))
    sums = np.empty((len(bands), O * N), dy.dtype)
    flat = [array.reshape(OH * OW, O * N) for array in (dy, dy if y is None else y, dz)]
    kernel = jit.before_activation(y is not None)
    pieces = [(sums[index], *band) for index, band in enumerate(bands)]
    run_tiles(lambda *piece: kernel(*flat, *piece), pieces, blas=False)
    return dz, sums.sum(axis=0).reshape(O, N).sum(axis=1)
