"""The loss of a network that gives numbers."""

import math
from collections.abc import Callable

from xpnet.backend import Array, Backend
from xpnet.losses.base import Loss


class MeanSquaredError(Loss):
    """L = mean((y - t)**2);  dy = 2 (y - t) / size. y and t have one shape, any.

    Elsewhere: torch.nn.MSELoss; keras.losses.MeanSquaredError; the book's mean_squared_error.
    """

    name = "mean_squared_error"

    def forward(
        self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Array | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        backend, t, w = self.prepare(y, t, backend, sample_weight)  # t: as y; w: (N, 1, ...)
        difference, size = y - t, math.prod(y.shape)
        weighted = difference if w is None else difference * w
        return backend.mean(weighted * difference), lambda: weighted * (2 / size)
