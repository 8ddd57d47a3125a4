"""The way back through the activation that a convolution has built in."""

from typing import Any

import numpy as np

from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.sums import add_runs
from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.cpu.work import share_rows

Array = Any


def before_activation(dy: Array, y: Array | None) -> tuple[Array, Array]:
    """dz = dy where y > 0 (dy itself without y), and its sums over the last axis; (OH, ?, ?), band by band of rows."""
    dz = dy if y is None else pool.empty(dy.shape, dy.dtype)
    sums = np.empty(dy.shape[:2], dy.dtype)

    def work(i0: int, i1: int) -> None:
        if y is not None:
            np.multiply(dy[i0:i1], y[i0:i1] > 0, out=dz[i0:i1])
        sums[i0:i1] = add_runs(dz[i0:i1])

    run_tiles(work, share_rows(len(dy), dy.size))
    return dz, sums
