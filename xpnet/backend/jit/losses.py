"""The loss of scores and class numbers with Numba, for float32: a row is passed over while the cache has it."""

from typing import Any

import numpy as np

from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.jit.compiled import compiled
from xpnet.backend.jit.elementwise import exp
from xpnet.backend.jit.work import ENTRIES, count_units, cut_ranges

Array = Any
LEAST, ONE = np.float32(-np.inf), np.float32(1)


def takes(y: Array, t: Array) -> bool:
    """Whether the kernel is for such scores and class numbers."""
    return bool(y.dtype == np.float32 and y.flags.c_contiguous and t.dtype.kind == "i" and len(t) == len(y) and t.size)


def softmax_cross_entropy(y: Array, t: Array) -> tuple[Array, Array] | None:
    """-log softmax(y)[n, t[n]], and its gradient; None if there is a number that is no class."""
    losses, dy = np.empty(len(y), np.float32), pool.empty(y.shape, np.float32)
    if y.size < ENTRIES:
        return (losses, dy) if rows(y, t, losses, dy) else None
    found: list[bool] = []
    pieces = cut_ranges(len(y), count_units(y.size, ENTRIES))
    run_tiles(lambda a, e: found.append(rows(y[a:e], t[a:e], losses[a:e], dy[a:e])), pieces, blas=False)
    return (losses, dy) if all(found) else None


@compiled(error_model="numpy", fastmath={"reassoc", "contract"})
def rows(y, t, losses, dy):  # type: ignore[no-untyped-def]
    """A row after the other; one that holds a NaN, or infinity, is NaN. Tells whether all numbers are classes."""
    for n in range(len(y)):
        if not 0 <= t[n] < y.shape[1]:
            return False
        scores, shares, top, total = y[n], dy[n], LEAST, 0.0
        for c in range(scores.size):
            top = scores[c] if scores[c] > top or scores[c] != scores[c] else top
        for c in range(scores.size):
            below = scores[c] - top
            shares[c] = exp(below) if below == below else below
        for c in range(scores.size):
            total += np.float64(shares[c])
        losses[n] = np.float32(np.log(total) - np.float64(scores[t[n]] - top))
        share = np.float32(1 / total)
        for c in range(scores.size):
            shares[c] *= share
        shares[t[n]] -= ONE
    return True
