"""How often the right class is among those that a network thinks most likely."""

from xpnet.backend import Array, Backend
from xpnet.base.checks import whole
from xpnet.losses import Loss
from xpnet.metrics.base import ClassMetric, refuse_uncounted


class TopK(ClassMetric):
    """The share of elements whose label is among the k largest outputs (k = 5). Ties count as misses, and
    so does an element with a NaN among its outputs.

    Elements, ignored_label (None) and axis (None) are as in Accuracy. Russakovsky et al., 2015.

    Elsewhere: keras.metrics.SparseTopKCategoricalAccuracy; sklearn.metrics.top_k_accuracy_score.
    """

    larger_is_better = True

    def __init__(self, k: int = 5, ignored_label: int | None = None, axis: int | None = None) -> None:
        super().__init__(ignored_label, axis)
        self.k = whole("TopK: k", k)
        self.name = f"top_{k}_accuracy"

    def check(self, outputs: tuple[int, ...], loss: Loss) -> None:
        refuse_uncounted(self, loss)

    def count(self, y: Array, t: Array, backend: Backend) -> Array:
        xp = backend.xp
        chosen = backend.one_hot(t, y.shape[1])  # (M, C) of bool
        own = xp.sum(xp.where(chosen, y, 0), axis=1, keepdims=True)
        better = xp.sum(xp.astype((y >= own) & ~chosen, xp.int64), axis=1)
        real = xp.all(y == y, axis=1)  # (M,): no NaN
        return xp.sum(xp.astype((better < self.k) & (t >= 0) & real, xp.int64))
