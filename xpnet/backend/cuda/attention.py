"""Attention on a GPU: the products of cuBLAS, one for all heads, and between them one kernel each way."""

import math

import numpy as np

from xpnet.backend.cuda import products
from xpnet.backend.cuda.arrays import CupyArrays
from xpnet.backend.cuda.launch import by_block
from xpnet.backend.reference import Array


class CupyAttention(CupyArrays):
    tf32 = False

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
        cp, (N, H, T, D), S = self._cp, q.shape, k.shape[2]
        queries, keys, values = (_matrices(cp.ascontiguousarray(each)) for each in (q, k, v))
        p, y = self.empty((N, H, T, S), q.dtype), self.empty((N, H, T, v.shape[3]), q.dtype)
        products.product(queries, keys.transpose(0, 2, 1), _matrices(p), tf32=self.tf32)
        bias = None if bias is None else cp.ascontiguousarray(bias)
        real = None if real is None else cp.ascontiguousarray(real, dtype=np.int64)
        kept = None if kept is None else cp.ascontiguousarray(kept)
        used = p if kept is None else self.empty(p.shape, p.dtype)
        by_block(
            "attention_softmax", p.dtype, (N * H * T,), min(256, S), p, None if kept is None else used, kept, bias,
            real, H, T, S, int(causal), 1 / math.sqrt(D), size=p.size,
        )  # fmt: skip
        products.product(_matrices(used), values, _matrices(y), tf32=self.tf32)
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
        cp, (_, H, T, D), S = self._cp, q.shape, k.shape[2]
        dout, queries, keys, values = (_matrices(cp.ascontiguousarray(each)) for each in (dy, q, k, v))
        p, dscores = cp.ascontiguousarray(p), self.empty(p.shape, p.dtype)
        products.product(dout, values.transpose(0, 2, 1), _matrices(dscores), tf32=self.tf32)
        kept = None if kept is None else cp.ascontiguousarray(kept)
        dp = None if dp is None else cp.ascontiguousarray(dp)
        used = p if kept is None else self.empty(p.shape, p.dtype)
        by_block(
            "attention_softmax_backward", p.dtype, (p.size // S,), min(256, S), dscores, p,
            None if kept is None else used, kept, dp, H, T, S, 1 / math.sqrt(D), size=p.size,
        )  # fmt: skip
        dq, dk, dv = (self.empty(each.shape, each.dtype) for each in (q, k, v))
        columns = _matrices(dscores).transpose(0, 2, 1)
        products.product(_matrices(dscores), keys, _matrices(dq), tf32=self.tf32)
        products.product(columns, queries, _matrices(dk), tf32=self.tf32)
        products.product(_matrices(used).transpose(0, 2, 1), dout, _matrices(dv), tf32=self.tf32)
        return dq, dk, dv


def _matrices(x: Array) -> Array:
    """(N, H, T, D) -> (N*H, T, D), of an array whose heads lie behind one another."""
    return x.reshape(-1, *x.shape[2:])
