"""Rows of a table by their numbers."""

from xpnet.backend.reference.arrays import Array, Arrays


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
        return xp.matmul(xp.astype(picked, dy.dtype).mT, xp.reshape(dy, (-1, dy.shape[-1])))
