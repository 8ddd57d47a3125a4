"""How often a network is right."""

import math

from xpnet.backend import Array, Backend
from xpnet.base.checks import number
from xpnet.errors import OptionError, ShapeError
from xpnet.losses import Loss, MeanSquaredError
from xpnet.metrics.base import ClassMetric, refuse_uncounted, without_ignored


class Accuracy(ClassMetric):
    """The share of elements whose largest output is at the label. One output: the share where y > 0 equals t > 0.5.
    An element with a NaN among its outputs is never right.

    name: what the history calls it. An element is a sample, or one of a sequence, y (N, T, C), or a pixel, y (N, C, H,
    W); ignored_label (None): the label of those that do not count; axis (None): where the classes are, if elsewhere.

    Elsewhere: keras.metrics.SparseCategoricalAccuracy; sklearn.metrics.accuracy_score.
    """

    larger_is_better = True

    def __init__(self, name: str = "accuracy", ignored_label: int | None = None, axis: int | None = None) -> None:
        super().__init__(ignored_label, axis)
        self.name = name

    def check(self, outputs: tuple[int, ...], loss: Loss) -> None:
        if outputs == (1,) and isinstance(loss, MeanSquaredError):
            raise OptionError(
                f"metric {self.name}: with one output, accuracy is the share of scores on the right side of 0, which"
                f" means nothing with {loss.name}: leave it out, or take the loss binary_cross_entropy"
            )
        refuse_uncounted(self, loss)

    def count(self, y: Array, t: Array, backend: Backend) -> Array:
        if y.shape[1] > 1:
            return backend.count_hits(y, t)
        xp = backend.xp
        hits = ((y[:, 0] > 0) == (xp.astype(t, y.dtype) > 0.5)) & (y[:, 0] == y[:, 0])  # (M,); a NaN is never right
        return xp.sum(xp.astype(hits if self.ignored_label is None else hits & (t != -1), xp.int64))


class BinaryAccuracy(Accuracy):
    """The share of outputs, of all samples, on the right side: y > threshold (0) where t > 0.5. y and t have one shape,
    any.

    Elsewhere: keras.metrics.BinaryAccuracy.
    """

    def __init__(
        self,
        name: str = "accuracy",
        ignored_label: int | None = None,
        axis: int | None = None,
        threshold: float = 0.0,
    ) -> None:
        super().__init__(name, ignored_label, axis)
        self.threshold = number("BinaryAccuracy: threshold", threshold)

    def elements(self, y: Array, t: Array, backend: Backend) -> tuple[Array, Array, int | Array]:
        xp = backend.xp
        if math.prod(y.shape) != math.prod(t.shape):
            raise ShapeError(
                f"metric {self.name}: BinaryAccuracy needs a target for each output, and the outputs have shape"
                f" {tuple(y.shape)}, the targets {tuple(t.shape)}; of class numbers, the metric is Accuracy"
            )
        t, count = without_ignored(xp.reshape(t, (-1,)), self.ignored_label, backend)
        y = xp.reshape(y, (-1, 1))  # each output is a row of one: (M, 1), (M,)
        return (y - self.threshold if self.threshold else y), t, count
