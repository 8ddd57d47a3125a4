"""Rows of a table by their numbers."""

from xpnet.backend.reference.arrays import Array, Arrays
from xpnet.backend.reference.sums import FEW


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
        summed = xp.where(finite, rows, 0)

        def add(first: int, end: int) -> Array:
            if end - first > FEW:  # a product may add one after the other
                middle = (first + end) // 2
                return add(first, middle) + add(middle, end)
            return xp.matmul(picked[:, first:end], summed[first:end, :])

        dw = add(0, rows.shape[0])
        if not xp.all(
            finite
        ):  # 0 times an infinity is NaN, in the rows of other numbers, too: they are counted instead
            for kind, value in ((rows == xp.inf, xp.inf), (rows == -xp.inf, -xp.inf), (xp.isnan(rows), xp.nan)):
                hits = xp.matmul(picked, xp.astype(kind, dy.dtype)) > 0
                dw = xp.where(hits, dw + value, dw)
        return dw
