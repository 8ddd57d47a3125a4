"""Where Winograd's rows would not give what a direct convolution gives, to rounding: tests that cost next to nothing.

docs/performance.md has the bound of the error that they keep.
"""

import math
from typing import Any

import numpy as np

from xpnet.backend.cpu.threads import scratch

Array = Any

RATIO = 64.0  # of the largest rows of a kernel: the bound of the error grows with it
ROUNDING = 32  # times the machine precision: as much as a gradient's largest terms may have left where they cancel
CHUNK = 1 << 16  # weights that are looked at in the cache


class Safeguards:
    """What is asked of the kernel, the output and the weights' gradient."""

    def alike(self, rows: Array) -> bool:
        """Whether the rows (3, O, K) of each output's kernel are of one size: the largest weights of any two are within
        `RATIO`, and where one row has a zero the others have, too, so that what must be zero is.
        """
        _, O, K = rows.shape
        step = max(1, CHUNK // (3 * K))
        return all(_alike(rows[:, o : o + step]) for o in range(0, O, step))

    def flush(self, dw: Array) -> bool:
        """Make zero the gradients of weights that are within the rounding of the largest of their kernel, such as what
        must be zero; dw (3, O/part, KW, C, part). False where not everything is finite.
        """
        _, blocks, KW, C, part = dw.shape
        step = max(1, CHUNK // (3 * blocks * KW * part))
        for c in range(0, C, step):
            piece = dw[:, :, :, c : c + step]
            sizes = np.abs(piece, out=scratch(piece.size, dw.dtype).reshape(piece.shape))
            largest, least = np.maximum.reduce(sizes, (0, 2)), np.minimum.reduce(sizes, (0, 2))
            if not math.isfinite(np.maximum.reduce(largest, None)):
                return False
            largest *= ROUNDING * np.finfo(dw.dtype).eps
            if (least <= largest).any():
                piece *= sizes > largest[:, None]
        return True


def _alike(rows: Array) -> bool:
    sizes = np.abs(rows, out=scratch(rows.size, rows.dtype).reshape(rows.shape))
    largest = np.maximum.reduce(sizes, 2)  # (3, O)
    least, most = np.minimum.reduce(largest), np.maximum.reduce(largest)
    if not (least * RATIO >= most).all():  # nor where one is a NaN
        return False
    if np.minimum.reduce(sizes, None) > 0:
        return True
    zeros = (sizes == 0).sum(axis=0)
    return bool(np.all((zeros == 0) | (zeros == 3)))


def is_finite(y: Array) -> bool:
    """Whether all of y (rows, ?, ?, N) is finite, its last three axes lying behind one another. False, too, where the
    sum of their squares is beyond the largest number."""
    if y.flags.c_contiguous:
        y = y.reshape(1, -1)
    return all(math.isfinite(np.dot(row, row)) for row in y.reshape(len(y), -1))  # BLAS adds faster than np.sum
