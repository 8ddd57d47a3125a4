"""The softmax of attention with Numba, for float32: a row of scores is passed over while the cache has it.

Sums over a row may be added in another order (`reassoc`), which LLVM makes vectors of: the same one each time.
"""

from typing import Any

import numpy as np

from xpnet.backend.cpu.attention import CpuAttention
from xpnet.backend.jit.compiled import compiled
from xpnet.backend.jit.elementwise import exp
from xpnet.backend.jit.norm_loops import RUN

Array = Any
NOTHING, ONE = np.float32(0), np.float32(1)
LANES, LOWEST = 16, np.finfo(np.float32).min
loops = compiled(error_model="numpy", fastmath={"reassoc", "contract"})


class JitAttention(CpuAttention):
    def weigh_scores(self, scores: Array, bias: Array | None, hidden: Array | None) -> None:
        if scores.dtype != np.float32 or hidden is not None or (bias is not None and bias.dtype != np.float32):
            return super().weigh_scores(scores, bias, hidden)
        softmax(scores, NO_BIAS if bias is None else bias)
        return None

    def unweigh_scores(self, dscores: Array, weights: Array, scale: Any) -> None:
        if dscores.dtype != np.float32 or weights.dtype != np.float32:
            return super().unweigh_scores(dscores, weights, scale)
        softmax_back(dscores, weights, scale)
        return None


NO_BIAS = np.zeros((0, 0), np.float32)


@loops
def largest_of(row, lanes):  # type: ignore[no-untyped-def]
    """Of its numbers, and the least finite one where there is none above it."""
    lanes[:] = LOWEST
    whole = row.size - row.size % LANES
    for k0 in range(0, whole, LANES):
        for k in range(LANES):
            lanes[k] = row[k0 + k] if row[k0 + k] > lanes[k] else lanes[k]
    largest = LOWEST
    for k in range(LANES):
        largest = lanes[k] if lanes[k] > largest else largest
    for k in range(whole, row.size):
        largest = row[k] if row[k] > largest else largest
    return largest


@loops
def softmax(scores, bias):  # type: ignore[no-untyped-def]
    """Of each row, in its place: (N, H, T, S), and what is added before, (T, S) or none; -inf hides a key."""
    N, H, T, S = scores.shape
    lanes = np.empty(LANES, np.float32)
    for n in range(N):
        for h in range(H):
            for t in range(T):
                row, total = scores[n, h, t], 0.0
                if bias.size:
                    for k in range(S):
                        row[k] += bias[t, k]
                largest = largest_of(row, lanes)
                for k0 in range(0, S, RUN):
                    run, s = row[k0 : k0 + RUN], NOTHING
                    for k in range(run.size):
                        x = run[k] - largest
                        e = exp(x) if x == x else x  # a NaN stays one
                        run[k] = e
                        s += e
                    total += float(s)
                inverse = np.float32(1 / total) if total != 0 else ONE
                for k in range(S):
                    row[k] *= inverse


@loops
def softmax_back(dscores, weights, scale):  # type: ignore[no-untyped-def]
    """dscores = weights (dscores - sum(dscores weights)) scale, in its place."""
    N, H, T, S = dscores.shape
    for n in range(N):
        for h in range(H):
            for t in range(T):
                d, p, total = dscores[n, h, t], weights[n, h, t], 0.0
                for k0 in range(0, S, RUN):
                    dout, run, s = d[k0 : k0 + RUN], p[k0 : k0 + RUN], NOTHING
                    for k in range(run.size):
                        s += dout[k] * run[k]
                    total += float(s)
                mean = np.float32(total)
                for k in range(S):
                    d[k] = (d[k] - mean) * p[k] * scale
