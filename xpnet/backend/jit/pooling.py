"""Max pooling, compiled: each window in one pass, for arrays in the order (H, W, C, N)."""

import functools
from typing import Any

import numpy as np

from xpnet.backend.jit.compiled import compiled


@compiled()
def max_pool(x, y, rows, columns, i0, i1):  # type: ignore[no-untyped-def]
    """Rows i0 ... i1 of the largest pixel of each window; x (H, W, C*N), y (OH, OW, C*N); a NaN wins.

    `rows` and `columns` list, for each row and column of y, the input's that the window meets, closed by -1.
    """
    CN = x.shape[2]
    for i in range(i0, i1):
        for j in range(y.shape[1]):
            first = True
            for h in rows[i]:
                for w in columns[j]:
                    if h < 0 or w < 0:
                        break
                    for q in range(CN):
                        value = x[h, w, q]
                        y[i, j, q] = value if first or value > y[i, j, q] or value != value else y[i, j, q]
                    first = False


@functools.cache
def max_pool_backward(add: bool) -> Any:
    """dx = dy, or dx += dy, at the first of the largest pixels of each window; arrays as in `max_pool`.

    For rows i0 ... i1 of dy, and of the channels and images q0 ... q1.
    """

    @compiled()
    def kernel(dy, x, y, dx, rows, columns, i0, i1, q0, q1):  # type: ignore[no-untyped-def]
        left, nothing = np.empty(q1 - q0, np.float32), np.float32(0)  # what is still to be given away of one output
        for i in range(i0, i1):
            for j in range(dy.shape[1]):
                left[:] = dy[i, j, q0:q1]
                best = y[i, j, q0:q1]
                for h in rows[i]:
                    for w in columns[j]:
                        if h < 0 or w < 0:
                            break
                        pixel, gradient = x[h, w, q0:q1], dx[h, w, q0:q1]
                        for q in range(q1 - q0):
                            share = left[q] if pixel[q] == best[q] else nothing
                            gradient[q] = gradient[q] + share if add else share
                            left[q] = nothing if pixel[q] == best[q] else left[q]

    return kernel
