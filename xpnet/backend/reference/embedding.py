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
        xp = self.xp
        numbers = xp.reshape(x, (-1, 1))  # (M, 1)
        picked = numbers == xp.arange(vocabulary, dtype=numbers.dtype, device=self.device)[None, :]  # (M, V)
        picked, rows = xp.astype(picked, dy.dtype), xp.reshape(dy, (-1, dy.shape[-1]))

        def add(first: int, end: int) -> Array:
            if end - first > FEW:  # a product may add one after the other
                middle = (first + end) // 2
                return add(first, middle) + add(middle, end)
            return xp.matmul(picked[first:end, :].mT, rows[first:end, :])

        return add(0, rows.shape[0])
