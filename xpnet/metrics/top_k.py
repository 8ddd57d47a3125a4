"""How often the right class is among those that a network thinks most likely."""

from xpnet.backend import Array, Backend
from xpnet.base.checks import whole
from xpnet.metrics.base import Metric, labels_of


class TopK(Metric):
    """The share of samples whose label is among the k largest outputs (k = 5). Ties count as misses."""

    larger_is_better = True

    def __init__(self, k: int = 5) -> None:
        self.k = whole("TopK: k", k)
        self.name = f"top_{k}_accuracy"

    def count(self, y: Array, t: Array, backend: Backend) -> Array:
        xp = backend.xp
        chosen = backend.one_hot(labels_of(t, backend), y.shape[1])  # (N, C) of bool
        own = xp.sum(xp.where(chosen, y, 0), axis=1, keepdims=True)
        better = xp.sum(xp.astype((y >= own) & ~chosen, xp.int64), axis=1)
        return xp.sum(xp.astype(better < self.k, xp.int64))
