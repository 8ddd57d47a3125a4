"""Scaled dot-product attention: each query looks at the keys, and takes of their values as much as it finds alike."""

import math
from collections.abc import Sequence

from xpnet.backend.reference.arrays import Array, Arrays


class Attention(Arrays):
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
        """y = p v with p = softmax(q k^T / sqrt(D) + bias) over the keys: returns y and p (Vaswani et al., 2017).

        q (N, H, T, D), k (N, H, S, D), v (N, H, S, V), for each of H heads; y (N, H, T, V), p (N, H, T, S). bias
        (T, S): -inf hides a key from a query. real (N, S): a key where it is zero (or False) is hidden from all.
        causal: query t sees the keys up to the t-th. A query from which all keys are hidden gets zeros. kept
        (N, H, T, S), a mask of dropout: y = (p kept) v.
        """
        xp = self.xp
        scores = xp.matmul(q, k.mT) * (1 / math.sqrt(q.shape[-1]))
        if bias is not None:
            scores = scores + bias
        for seen in self._seen(scores, real, causal):
            scores = xp.where(seen, scores, -xp.inf)
        largest = xp.max(scores, axis=-1, keepdims=True)
        e = xp.exp(scores - xp.where(largest == -xp.inf, 0, largest))
        total = self.sum(e, axis=-1, keepdims=True)
        p = e / xp.where(total == 0, 1, total)
        return xp.matmul(p if kept is None else p * kept, v), p

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
        """(dq, dk, dv) of `attention`; dp (N, 1, T, S): a gradient of (p kept), the same for all heads, to add.

        Through softmax: dscores = p (dp - sum(dp p)), which is zero where a key was hidden.
        """
        xp = self.xp
        dv = xp.matmul((p if kept is None else p * kept).mT, dy)
        dweights = xp.matmul(dy, v.mT)
        if dp is not None:
            dweights = dweights + dp
        if kept is not None:
            dweights = dweights * kept
        dscores = p * (dweights - self.sum(dweights * p, axis=-1, keepdims=True)) * (1 / math.sqrt(q.shape[-1]))
        return xp.matmul(dscores, k), xp.matmul(dscores.mT, q), dv

    def side_by_side(self, heads: Sequence[Array]) -> Array:
        """Arrays (N, H, L, D) as one (N * L, count * H * D): what a product with several projections takes."""
        N, H, L, D = heads[0].shape
        steps = [self.xp.permute_dims(each, (0, 2, 1, 3)) for each in heads]
        return self.xp.reshape(self.xp.stack(steps, axis=2), (N * L, len(heads) * H * D))

    def _seen(self, scores: Array, real: Array | None, causal: bool) -> list[Array]:
        """True where a key is seen: (N, 1, 1, S), (T, S)."""
        xp, (T, S) = self.xp, scores.shape[-2:]
        seen = [] if real is None else [xp.astype(real, xp.bool)[:, None, None, :]]
        if causal:
            queries, keys = (xp.arange(n, device=self.device) for n in (T, S))
            seen.append(keys[None, :] <= queries[:, None])
        return seen
