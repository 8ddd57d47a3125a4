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
FEW, FEW_OF = 32, 2000  # gradients that are computed one by one: so many, or one of so many
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

    def unlike(self, dw: Array) -> Array | None:
        """Which kernels (O/part, C, part) have a gradient within the rounding of their largest, of dw (3, O/part, KW,
        C, part). None where not everything is finite.
        """
        _, blocks, KW, C, part = dw.shape
        step, found = max(1, CHUNK // (3 * blocks * KW * part)), np.empty((blocks, C, part), bool)
        for c in range(0, C, step):
            piece = dw[:, :, :, c : c + step]
            sizes = np.abs(piece, out=scratch(piece.size, dw.dtype).reshape(piece.shape))
            largest, least = np.maximum.reduce(sizes, (0, 2)), np.minimum.reduce(sizes, (0, 2))
            if not math.isfinite(np.maximum.reduce(largest, None)):
                return None
            largest *= ROUNDING * np.finfo(dw.dtype).eps
            np.less_equal(least, largest, out=found[:, c : c + step])
        return found


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


def mend(dw: Array, kernels: Array, dz: Array, x: Array, pad: tuple[int, int]) -> bool:
    """Compute anew each of the small gradients, but for those that are zero, of what `unlike` found.

    dw (3, O/part, KW, C, part), dz (OH, OW, O, N), x (H, W, C, N). False where that is too much.
    """
    block, c, o = np.nonzero(kernels)
    sizes = np.abs(dw[:, block, :, c, o])  # (kernels, 3, KW)
    small = sizes <= sizes.max(axis=(1, 2), keepdims=True) * (ROUNDING * np.finfo(dw.dtype).eps)
    places = np.argwhere(small & (sizes > 0))
    if len(places) > max(FEW, dw.size // FEW_OF):
        return False
    for kernel, m, n in places.tolist():
        at = m, block[kernel], n, c[kernel], o[kernel]
        outputs = dz[:, :, at[1] * dw.shape[4] + at[4]]
        dw[at] = weight_alone(outputs, x[:, :, at[3]], m - pad[0], n - pad[1])
    return True


def weight_alone(dz: Array, x: Array, down: int, right: int) -> Any:
    """The sum of dz[i, j] x[i + down, j + right] over all pixels and images: dz (OH, OW, N), x (H, W, N)."""
    (OH, OW, _), (H, W, _) = dz.shape, x.shape
    i0, i1, j0, j1 = max(0, -down), min(OH, H - down), max(0, -right), min(OW, W - right)
    if i0 >= i1 or j0 >= j1:
        return 0
    return (dz[i0:i1, j0:j1] * x[i0 + down : i1 + down, j0 + right : j1 + right]).sum()
