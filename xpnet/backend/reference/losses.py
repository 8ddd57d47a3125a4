"""Sigmoid, softmax, their loss, one-hot rows, and how many answers are right."""

from xpnet.backend.reference.arrays import Array, Arrays


class Losses(Arrays):
    def sigmoid(self, x: Array) -> Array:
        """1 / (1 + exp(-x)), in the form that cannot overflow."""
        e = self.xp.exp(-self.xp.abs(x))
        return self.xp.where(x >= 0, 1 / (1 + e), e / (1 + e))

    def softmax(self, x: Array, axis: int = -1) -> Array:
        """exp(x) / sum(exp(x)) along `axis`, shifted so that it cannot overflow."""
        e = self.xp.exp(x - self.xp.max(x, axis=axis, keepdims=True))
        return e / self.sum(e, axis=axis, keepdims=True)

    def softmax_cross_entropy(self, y: Array, t: Array) -> tuple[Array, Array]:
        """Losses -sum_c t[n,c] log softmax(y)[n,c] of shape (N,), and dy = softmax(y) - t of shape (N, C).

        `t` holds class numbers (N,) or probabilities (N, C) that sum to one. A score of -inf, of what cannot be, has
        the probability 0, and costs nothing where t is 0.
        """
        xp = self.xp
        t = xp.astype(self.one_hot(t, y.shape[1]), y.dtype) if t.ndim == 1 else t  # (N, C)
        shifted = y - xp.max(y, axis=1, keepdims=True)
        log_sum = xp.log(self.sum(xp.exp(shifted), axis=1, keepdims=True))
        finite = xp.where(t == 0, 0, shifted)  # 0 times -inf counts as 0
        return self.sum(t * (log_sum - finite), axis=1), xp.exp(shifted - log_sum) - t

    def one_hot(self, labels: Array, classes: int) -> Array:
        """Class numbers (N,) -> (N, C) of bool, True in the column of the class."""
        if self.xp.isdtype(labels.dtype, "integral"):  # which may be too small to count the classes
            labels = self.xp.astype(labels, self.xp.int64, copy=False)
        return self.xp.arange(classes, dtype=labels.dtype, device=self.device)[None, :] == labels[:, None]

    def are_classes(self, t: Array, classes: int) -> bool:
        """Whether all t (N,), int32 or int64, are from 0 to classes - 1."""
        return int(self.xp.min(t)) >= 0 and int(self.xp.max(t)) < classes

    def count_hits(self, y: Array, t: Array) -> Array:
        """How many rows of y (N, C) have their largest entry, the first of equal ones, at the label t (N,). A row that
        holds a NaN is none of them.
        """
        largest = self.xp.max(y, axis=1)  # a NaN is the largest
        hits = (self.xp.argmax(y, axis=1) == t) & (largest == largest)
        return self.xp.sum(self.xp.astype(hits, self.xp.int64))
