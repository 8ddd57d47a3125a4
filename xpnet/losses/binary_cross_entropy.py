"""The loss of a network whose every output is a question of its own: yes or no."""

import math
from collections.abc import Callable
from typing import Any

from xpnet.backend import Array, Backend
from xpnet.base.checks import fraction
from xpnet.errors import DataError
from xpnet.losses.base import Loss


class BinaryCrossEntropyWithLogits(Loss):
    """L = mean(max(y, 0) - y t + log(1 + exp(-|y|)));  dy = (sigmoid(y) - t) / size.

    y are scores before the sigmoid, of any shape; t has the same shape, values from 0 to 1. The form above cannot
    overflow. label_smoothing e (0) draws the targets towards one half: t' = (1 - e) t + e / 2.
    """

    name = "binary_cross_entropy"
    activation = "sigmoid"

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = fraction("BinaryCrossEntropyWithLogits: label_smoothing", label_smoothing)

    def forward(
        self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Array | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        backend, t, w = self.prepare(y, t, backend, sample_weight)  # t: as y; w: (N, 1, ...)
        xp, size = backend.xp, math.prod(y.shape)
        if self.label_smoothing:
            t = t * (1 - self.label_smoothing) + self.label_smoothing / 2
        losses = xp.maximum(y, 0) - y * t + xp.log1p(xp.exp(-xp.abs(y)))

        def back() -> Array:
            dy = (backend.sigmoid(y) - t) / size
            return dy if w is None else dy * w

        return xp.mean(losses if w is None else losses * w), back

    def check(self, outputs: tuple[int, ...], t: Any) -> None:
        super().check(outputs, t)
        if t.min() < 0 or t.max() > 1:
            raise DataError(
                f"loss {self.name}: targets must lie between 0 and 1, they reach from {t.min()} to {t.max()}"
            )
