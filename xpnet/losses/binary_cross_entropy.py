"""The losses of networks whose every output is a question of its own: yes or no."""

from collections.abc import Callable
from typing import Any

from xpnet.backend import Array, Backend
from xpnet.base.checks import fraction
from xpnet.errors import DataError, OptionError
from xpnet.losses.base import declared
from xpnet.losses.of_entries import LossOfEntries


class _BinaryCrossEntropy(LossOfEntries):
    """What both have: targets from 0 to 1."""

    def check(self, outputs: tuple[int, ...], t: Any) -> None:
        super().check(outputs, t)
        if t.min() < 0 or t.max() > 1:
            raise DataError(
                f"loss {self.name}: targets must lie between 0 and 1, they reach from {t.min()} to {t.max()}"
            )


class BinaryCrossEntropyWithLogits(_BinaryCrossEntropy):
    """L = mean(max(y, 0) - y t + log(1 + exp(-|y|)));  dy = (sigmoid(y) - t) / size.

    y are scores before the sigmoid, of any shape; t has the same shape, values from 0 to 1. The form above cannot
    overflow; a score of -inf or inf costs nothing where t is 0 or 1. label_smoothing e (0) draws the targets towards
    one half: t' = (1 - e) t + e / 2. Cox, 1958.

    Elsewhere: torch.nn.BCEWithLogitsLoss; keras.losses.BinaryCrossentropy; the book's SigmoidWithLoss.
    """

    name = "binary_cross_entropy"
    activation = "sigmoid"
    boundary = 0.0

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = fraction("BinaryCrossEntropyWithLogits: label_smoothing", label_smoothing)

    def of_entries(self, y: Array, t: Array, backend: Backend) -> tuple[Array, Callable[[], Array]]:
        xp = backend.xp
        if self.label_smoothing:
            t = t * (1 - self.label_smoothing) + self.label_smoothing / 2
        sure, near = xp.isinf(y), y
        if backend.lazy or bool(xp.any(sure)):
            near = xp.where(sure, 0, y)  # what is right costs nothing
        losses = xp.maximum(near, 0) - near * t + xp.log1p(xp.exp(-xp.abs(y)))
        if near is not y:
            losses = xp.where(sure & (t != xp.astype(y > 0, t.dtype)), xp.inf, losses)
        return losses, lambda: backend.sigmoid(y) - t


class BinaryCrossEntropyOfProbabilities(_BinaryCrossEntropy):
    """L = mean(-t log y - (1 - t) log(1 - y));  dy = (y - t) / (y (1 - y)) / size.

    y are probabilities, of any shape, as a network gives them that ends with layers.Sigmoid; t has the same shape,
    values from 0 to 1. A logarithm is taken to be -100 at least and y (1 - y) 1e-12 at least, as in PyTorch, so that
    both are finite at 0 and 1; BinaryCrossEntropyWithLogits, of scores, loses nothing there and is to be preferred.
    Cox, 1958.

    Elsewhere: torch.nn.BCELoss; keras.losses.BinaryCrossentropy.
    """

    name = "binary_cross_entropy_of_probabilities"
    boundary = 0.5

    def of_entries(self, y: Array, t: Array, backend: Backend) -> tuple[Array, Callable[[], Array]]:
        xp = backend.xp
        log_yes, log_no = (xp.where(p > 0, xp.log(xp.where(p > 0, p, 1)), -100) for p in (y, 1 - y))
        log_yes, log_no = xp.maximum(log_yes, -100), xp.maximum(log_no, -100)
        return -(t * log_yes + (1 - t) * log_no), lambda: (y - t) / xp.maximum(y * (1 - y), 1e-12)

    def check_last(self, layer: type | None) -> None:
        """Scores have no logarithm. Layers of one's own are trusted to give probabilities."""
        if layer and declared(layer, "gives") not in (None, "probabilities"):
            raise OptionError(
                f"the network ends with {layer.__name__}, and the loss {self.name} takes probabilities: end it with"
                " layers.Sigmoid, or use binary_cross_entropy, which takes scores"
            )
