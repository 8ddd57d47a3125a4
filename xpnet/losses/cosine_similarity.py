"""The loss of a network whose output is a direction, such as an embedding."""

import math
from collections.abc import Callable
from typing import Any

from xpnet.backend import Array, Backend
from xpnet.losses.base import Loss, beside


class CosineSimilarity(Loss):
    """L = mean(1 - cos), cos = sum(y t) / (|y| |t|);  dy = (cos y / |y| - t / |t|) / |y| / N.

    y and t have one shape, (N, features) or with more axes in between; the vectors lie on the last one, and N is their
    number. How long they are is nothing to the loss, which reaches from 0, for one direction, to 2; a vector of zeros
    has none: its cos and its gradient are 0. The gradient takes |y| to be 1e-8 at least. (Keras's is -cos, less by 1.)

    Elsewhere: torch.nn.CosineEmbeddingLoss (of a target of 1); keras.losses.CosineSimilarity.
    """

    name = "cosine_similarity"

    def forward(
        self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Array | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        backend, t, _ = self.prepare(y, t, backend, None)  # t: as y
        xp, vectors = backend.xp, self.weight_of(t, backend)
        w = None if sample_weight is None else beside(sample_weight, y, y.shape[:-1], backend)[..., None]  # (N, 1, ...)
        (a, length), (b, _) = directions(y, backend), directions(t, backend)
        cos = backend.sum(a * b, axis=-1, keepdims=True)  # (N, ..., 1)
        far = 1 - cos if w is None else (1 - cos) * w

        def back() -> Array:
            dy = xp.where(length > 0, (cos * a - b) / xp.maximum(length, 1e-8), 0) / vectors
            return dy if w is None else dy * w

        return backend.sum(far) / vectors, back

    def weight_of(self, t: Any, backend: Backend) -> int:
        """The number of vectors."""
        return math.prod(t.shape[:-1])

    def shape_of_elements(self, outputs: Any, t: Any) -> tuple[int, ...]:
        return tuple(t.shape[:-1])


def directions(x: Array, backend: Backend) -> tuple[Array, Array]:
    """Vectors (N, ..., F) of length 1, or of zeros where they were, and their lengths (N, ..., 1), which may be any."""
    xp = backend.xp
    largest = xp.max(xp.abs(x), axis=-1, keepdims=True)
    x = x / xp.where(largest > 0, largest, 1)  # so that no square overflows, or becomes 0
    length = xp.sqrt(backend.sum(x * x, axis=-1, keepdims=True))
    return x / xp.where(length > 0, length, 1), length * largest
