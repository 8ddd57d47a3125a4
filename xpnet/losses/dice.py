"""The loss of a network that cuts a picture up: how far what it marks and what is there overlap."""

from collections.abc import Callable
from typing import Any

from xpnet.backend import Array, Backend, get_backend
from xpnet.base.checks import positive
from xpnet.losses.base import beside
from xpnet.losses.class_loss import ClassLoss, as_one_hot


class Dice(ClassLoss):
    """L = 1 - mean_{n,c}(D[n,c]), D = (2 sum_k(p t) + s) / (sum_k(p**2) + sum_k(t**2) + s), p = softmax(y) over the
    classes c, k over the pixels of sample n.

    dp = (2 D p - 2 t) / (sum_k(p**2) + sum_k(t**2) + s) / (N C);  dy = p (dp - sum_c(p dp)).

    y (N, C, H, W) are scores, t class numbers (N, H, W) or rows in the shape of y; what else they may be, ignored_label
    (None) and axis (None) are as in SoftmaxCrossEntropy. A class of a few pixels counts as much as one of many. smooth:
    s (1), which makes D 1 where a class neither is nor is found: of many classes that a sample lacks, all are right
    where nothing is marked, so that it is a loss for few classes that most samples have. Sample weights, of samples as
    a whole, are (N,). Milletari, Navab and Ahmadi, 2016.

    Elsewhere: keras.losses.Dice (of probabilities).
    """

    name = "dice"
    activation = "softmax"

    def __init__(self, smooth: float = 1.0, ignored_label: int | None = None, axis: int | None = None) -> None:
        super().__init__(ignored_label, axis)
        self.smooth = positive("Dice: smooth", smooth)

    def forward(
        self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Array | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        shape, backend = y.shape, backend or get_backend()
        N = shape[0]
        w = None if sample_weight is None else beside(sample_weight, y, (N,), backend)
        backend, y, t, counts = self.prepare_rows(y, t, backend, None)  # y (M, C), t (M,) or (M, C), counts (M, 1)
        xp, C = backend.xp, y.shape[1]
        p, t = backend.softmax(y), as_one_hot(t, y, backend)
        if counts is not None:  # not 0 for an element that is not ignored
            p, t = xp.where(counts > 0, p, 0), xp.where(counts > 0, t, 0)
        p, t = xp.reshape(p, (N, -1, C)), xp.reshape(t, (N, -1, C))  # (N, K, C), K: pixels of a sample
        squares, others = (backend.sum(v * v, axis=1, keepdims=True) for v in (p, t))
        sizes = squares + others + self.smooth  # (N, 1, C)
        overlap = (2 * backend.sum(p * t, axis=1, keepdims=True) + self.smooth) / sizes  # D
        share = 1 / (N * C) if w is None else xp.reshape(w, (N, 1, 1)) / (N * C)

        def back() -> Array:
            dp = (2 * overlap * p - 2 * t) * (share / sizes)
            dy = p * (dp - backend.sum(p * dp, axis=2, keepdims=True))
            return self.from_rows(xp.reshape(dy, (-1, C)), shape, backend)

        return backend.sum((1 - overlap) * share), back

    def weight_of(self, t: Array, backend: Backend) -> int:
        """The number of samples."""
        return int(t.shape[0])

    def shape_of_elements(self, outputs: tuple[int, ...], t: Any) -> tuple[int, ...]:
        return tuple(t.shape[:1])
