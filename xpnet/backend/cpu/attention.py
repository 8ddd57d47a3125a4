"""Attention on a CPU: the scores of some samples and heads at a time, so that they stay in the cache from the product
that makes them to the one that uses them.

Heads may be strided views, such as a projection leaves them: BLAS takes them as they are. Outputs are views
(N, H, T, D) of arrays in the order (N, T, H, D), which a projection behind them takes without a copy.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.cpu.work import cut_bands
from xpnet.backend.reference import Array, Backend

TILE = 1 << 21  # multiplications of a tile, at least: some 100 microseconds


class CpuAttention(Backend):
    def attention(
        self,
        q: Array,
        k: Array,
        v: Array,
        bias: Array | None = None,
        real: Array | None = None,
        causal: bool = False,
        kept: Array | None = None,
    ) -> tuple[Array, Array]:
        (N, H, T, D), S = q.shape, k.shape[2]
        p, y = pool.empty((N, H, T, S), q.dtype), _by_steps(N, T, H, v.shape[3], q.dtype)
        scale = q.dtype.type(1 / math.sqrt(D))
        hidden = None if real is None else (real == 0)[:, None, None, :]  # (N, 1, 1, S)
        if causal:
            bias = _ahead(T, S, q.dtype.char) if bias is None else bias + _ahead(T, S, q.dtype.char)

        def work(n: slice, h: slice) -> None:
            weights = p[n, h]
            np.matmul(q[n, h] * scale, k[n, h].mT, out=weights)
            self.weigh_scores(weights, bias, None if hidden is None else hidden[n])
            np.matmul(weights if kept is None else weights * kept[n, h], v[n, h], out=y[n, h])

        run_tiles(work, _tiles(N, H, T * S * (D + v.shape[3])))
        return y, p

    def attention_backward(
        self,
        dy: Array,
        q: Array,
        k: Array,
        v: Array,
        p: Array,
        kept: Array | None = None,
        dp: Array | None = None,
    ) -> tuple[Array, Array, Array]:
        (N, H, T, D), (S, V) = q.shape, v.shape[2:]
        if (T, D) == (S, V):
            dq, dk, dv = pool.empty((N, T, 3, H, D), q.dtype).transpose(2, 0, 3, 1, 4)
        else:
            dq, dk, dv = (_by_steps(N, length, H, size, q.dtype) for length, size in ((T, D), (S, D), (S, V)))
        scale = q.dtype.type(1 / math.sqrt(D))

        def work(n: slice, h: slice) -> None:
            weights, dout = p[n, h], dy[n, h]
            np.matmul((weights if kept is None else weights * kept[n, h]).mT, dout, out=dv[n, h])
            dscores = np.matmul(dout, v[n, h].mT)
            if dp is not None:
                dscores += dp[n]
            if kept is not None:
                dscores *= kept[n, h]
            self.unweigh_scores(dscores, weights, scale)
            np.matmul(dscores, k[n, h], out=dq[n, h])
            np.matmul(dscores.mT, q[n, h], out=dk[n, h])

        run_tiles(work, _tiles(N, H, 2 * T * S * (D + V)))
        return dq, dk, dv

    def side_by_side(self, heads: Sequence[Array]) -> Array:
        """Without a copy of those that lie so, as `attention_backward` leaves them."""
        (N, H, L, D), count, first, size = heads[0].shape, len(heads), heads[0], heads[0].itemsize
        row, shift = count * H * D * size, H * D * size  # bytes
        lies = first.shape, first.dtype, (L * row, D * size, row, size)
        for i, each in enumerate(heads):
            beside = each.base is first.base and each.ctypes.data == first.ctypes.data + i * shift
            if first.base is None or not beside or (each.shape, each.dtype, each.strides) != lies:
                return super().side_by_side(heads)
        return np.lib.stride_tricks.as_strided(first, (N * L, count * H * D), (row, size))

    def weigh_scores(self, scores: Array, bias: Array | None, hidden: Array | None) -> None:
        """The softmax over the keys, in the place of the scores (N, H, T, S) + bias (T, S)."""
        if bias is not None:
            scores += bias
        if hidden is not None:
            np.copyto(scores, -np.inf, where=hidden)
        largest = scores.max(axis=-1, keepdims=True)
        scores -= np.maximum(largest, np.finfo(scores.dtype).min, out=largest)  # finite where all keys are hidden
        np.exp(scores, out=scores)
        total = self.sum(scores, -1, keepdims=True)
        total[total == 0] = 1
        scores /= total

    def unweigh_scores(self, dscores: Array, weights: Array, scale: Any) -> None:
        """Its way back, in the place of the gradient of the weights."""
        dscores -= self.sum(dscores * weights, -1, keepdims=True)
        dscores *= weights
        dscores *= scale


def _by_steps(samples: int, length: int, heads: int, size: int, dtype: Any) -> Array:
    """An array (N, H, T, D) that lies in memory as (N, T, H, D)."""
    return pool.empty((samples, length, heads, size), dtype).transpose(0, 2, 1, 3)


@functools.lru_cache(maxsize=256)
def _ahead(T: int, S: int, dtype: str) -> Array:
    """(T, S): 0 where a query sees a key, -inf where the key is ahead of it."""
    return np.where(np.arange(S) <= np.arange(T)[:, None], 0, -np.inf).astype(dtype)


@functools.lru_cache(maxsize=4096)
def _tiles(samples: int, heads: int, multiplications: int) -> tuple[tuple[slice, slice], ...]:
    """Samples and heads that are computed together: all heads of some samples or, of long sequences, some of one.

    Of a head it takes so many multiplications.
    """
    together = max(1, TILE // multiplications)  # heads
    if together >= heads:
        return tuple((slice(*band), slice(0, heads)) for band in cut_bands(samples, together // heads))
    return tuple((slice(n, n + 1), slice(*band)) for n in range(samples) for band in cut_bands(heads, together))
