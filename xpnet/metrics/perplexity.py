"""Among how many words, as it were, a language model chooses."""

import math

from xpnet.backend import Array, Backend
from xpnet.errors import OptionError
from xpnet.losses import Loss
from xpnet.losses.class_loss import ClassLoss
from xpnet.metrics.base import ClassMetric, refuse_uncounted


class Perplexity(ClassMetric):
    """exp(mean_n(-log softmax(y[n])[t[n]])) over all elements that count, of all batches together.

    y are scores, or log-probabilities, which are their own logarithm of softmax. Elements, ignored_label (None) and
    axis (None) are as in Accuracy; of rows as targets the largest entry counts. name: what the history calls it.
    Jelinek et al., 1977.
    """

    name = "perplexity"
    larger_is_better = False

    def __init__(self, ignored_label: int | None = None, axis: int | None = None, name: str = "perplexity") -> None:
        super().__init__(ignored_label, axis)
        self.name = name

    def check(self, outputs: tuple[int, ...], loss: Loss) -> None:
        if not isinstance(loss, ClassLoss):
            raise OptionError(f"metric {self.name} is for networks that choose a class, not for the loss {loss.name}")
        refuse_uncounted(self, loss)

    def count(self, y: Array, t: Array, backend: Backend) -> Array:
        xp, real = backend.xp, t >= 0
        losses, _ = backend.softmax_cross_entropy(y, xp.where(real, t, 0))  # (M,)
        return xp.sum(xp.where(real, losses, 0), dtype=xp.float64)

    def result(self) -> float:
        mean = super().result()
        return math.exp(mean) if not mean > 700 else math.inf  # NaN stays NaN
