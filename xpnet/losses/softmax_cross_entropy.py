"""The loss of a network that chooses one of several classes."""

from collections.abc import Callable

from xpnet.backend import Array, Backend
from xpnet.base.checks import fraction
from xpnet.losses.base import ClassLoss, as_rows


class SoftmaxCrossEntropy(ClassLoss):
    """L = mean_n(-sum_c t[n,c] log softmax(y[n])[c]);  dy = (softmax(y) - t) / N.

    y (N, C) are scores before softmax ("logits"); t holds class numbers (N,) from 0 to C - 1, or one-hot rows (N, C)
    (or any probabilities that sum to one).

    label_smoothing e (0) mixes the targets with the uniform distribution: t' = (1 - e) t + e / C, so that no score need
    grow without bound (Szegedy et al., 2016).
    """

    name = "softmax_cross_entropy"
    activation = "softmax"

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = fraction("SoftmaxCrossEntropy: label_smoothing", label_smoothing)

    def forward(
        self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Array | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        backend, t, w = self.prepare(y, t, backend, sample_weight)  # t: (N,) or (N, C); w: (N, 1)
        N, C = y.shape[:2]
        if self.label_smoothing:
            t = as_rows(t, y, backend) * (1 - self.label_smoothing) + self.label_smoothing / C
        losses, dy = backend.softmax_cross_entropy(y, t)  # (N,), (N, C)
        if w is not None:
            losses, dy = losses * w[:, 0], dy * w
        return backend.xp.mean(losses), lambda: dy / N
