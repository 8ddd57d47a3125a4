"""How often a network is right."""

import math

from xpnet.backend import Array, Backend
from xpnet.errors import OptionError
from xpnet.losses import Loss, MeanSquaredError
from xpnet.metrics.base import Metric, labels_of


class Accuracy(Metric):
    """The share of samples whose largest output is at the label. One output: the share where y > 0 equals t > 0.5.

    name: what the history calls it.
    """

    larger_is_better = True

    def __init__(self, name: str = "accuracy") -> None:
        self.name = name

    def check(self, outputs: tuple[int, ...], loss: Loss) -> None:
        if outputs == (1,) and isinstance(loss, MeanSquaredError):
            raise OptionError(
                f"metric {self.name}: with one output, accuracy is the share of scores on the right side of 0, which"
                f" means nothing with {loss.name}: leave it out, or take the loss binary_cross_entropy"
            )

    def count(self, y: Array, t: Array, backend: Backend) -> Array:
        xp = backend.xp
        if y.ndim == 2 and y.shape[1] == 1:
            return xp.sum(xp.astype(same_side(y, t, backend), xp.int64))
        return backend.count_hits(y, labels_of(t, backend))


class BinaryAccuracy(Accuracy):
    """The share of outputs, of all samples, on the right side: y > 0 where t > 0.5. y and t have one shape, any."""

    def count(self, y: Array, t: Array, backend: Backend) -> Array:
        xp, hits = backend.xp, same_side(y, t, backend)
        return xp.sum(xp.astype(hits, y.dtype)) / math.prod(y.shape[1:])


def same_side(y: Array, t: Array, backend: Backend) -> Array:
    """Where y > 0 is as t > 0.5, in the shape of y; t may have another shape of as many entries."""
    xp = backend.xp
    return (y > 0) == (xp.astype(xp.reshape(t, y.shape), y.dtype) > 0.5)
