"""Rows of a table by their numbers."""

from xpnet.backend.reference.arrays import Array, Arrays


class Embedding(Arrays):
    def embedding(self, x: Array, w: Array) -> Array:
        """y = w[x]: x (N, ...) integers from 0 to V - 1, w (V, E), y (N, ..., E)."""
        xp = self.xp
        return xp.reshape(xp.take(w, xp.reshape(x, (-1,)), axis=0), (*x.shape, w.shape[1]))

    def embedding_backward(self, dy: Array, x: Array, vocabulary: int) -> Array:
        """dw (V, E) of `embedding`: row v is the sum of dy where x is v, always in the same order."""
        xp, rows = self.xp, self.xp.reshape(dy, (-1, dy.shape[-1]))  # (M, E)
        numbers = xp.reshape(x, (-1, 1))  # (M, 1)
        picked = numbers == xp.arange(vocabulary, dtype=numbers.dtype, device=self.device)[None, :]  # (M, V)
        picked, finite = xp.astype(picked, dy.dtype).mT, xp.isfinite(rows)  # (V, M)
        dw = xp.matmul(picked, xp.where(finite, rows, 0))
        if not xp.all(
            finite
        ):  # 0 times an infinity is NaN, in the rows of other numbers, too: they are counted instead
            for kind, value in ((rows == xp.inf, xp.inf), (rows == -xp.inf, -xp.inf), (xp.isnan(rows), xp.nan)):
                hits = xp.matmul(picked, xp.astype(kind, dy.dtype)) > 0
                dw = xp.where(hits, dw + value, dw)
        return dw
