"""The base of losses that every output has for itself."""

import math
from collections.abc import Callable

from xpnet.backend import Array, Backend
from xpnet.errors import OptionError
from xpnet.losses.base import Loss, weigh


class LossOfEntries(Loss):
    """L = mean(l(y, t)) over all entries of y, each of which has a target of its own: y and t have one shape, any.

    A subclass says what l is, and its derivative.
    """

    def of_entries(self, y: Array, t: Array, backend: Backend) -> tuple[Array, Callable[[], Array]]:
        """l of each entry, in the shape of y, and what gives its derivative with respect to y; t is in y's dtype."""
        raise OptionError(f"{type(self).__name__} does not say how it is computed")

    def forward(
        self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Array | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        backend, t, w = self.prepare(y, t, backend, sample_weight)  # t: as y; w: (N, 1, ...)
        losses, derivative = self.of_entries(y, t, backend)
        size = math.prod(y.shape)

        def back() -> Array:
            dy = derivative() / size
            return dy if w is None else dy * w

        return backend.mean(losses if w is None else weigh(losses, w, backend)), back
