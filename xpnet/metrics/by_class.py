"""Precision, recall, F1 and IoU: of what a network says is there, and of what is there, how much is right."""

from typing import Any

from xpnet.backend import Array, Backend
from xpnet.base.checks import number
from xpnet.errors import OptionError, ShapeError
from xpnet.losses import Loss
from xpnet.losses.class_loss import class_axis, to_rows, without_axis
from xpnet.metrics.base import ClassMetric, guesses_of, refuse_uncounted, without_ignored

AVERAGES = ("macro", "micro", "binary", None)


class CountsByClass(ClassMetric):
    """The base of metrics that count, for each class c, its hits (c where c is right), its guesses and its elements.

    Elements, ignored_label (None) and axis (None) are as in Accuracy: the guess is the class of the largest output;
    there is none where an output is NaN.
    average: "macro", the mean over the classes; "micro", that of the hits, guesses and elements of all together;
    "binary", of class 1 of two; None, an array of each class. What is divided by nothing is 0.

    With a threshold (None) each output is a question of its own, and a class: its guess is yes where it lies above. One
    output alone has the threshold 0. By its name, with losses such as binary_cross_entropy, a metric has that of the
    loss.  name: what the history calls it.
    """

    larger_is_better = True

    def __init__(
        self,
        average: str | None = "macro",
        threshold: float | None = None,
        ignored_label: int | None = None,
        axis: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(ignored_label, axis)
        kind = type(self).__name__
        if average not in AVERAGES:
            raise OptionError(f'{kind}: average must be "macro", "micro", "binary" or None, not {average!r}')
        self.average, self.threshold = average, None if threshold is None else number(f"{kind}: threshold", threshold)
        self.name = name or self.name

    def value(self, hits: Any, guesses: Any, elements: Any) -> Any:
        """The metric of counts (C,), or of numbers: what a subclass says."""
        raise OptionError(f"{type(self).__name__} does not say what it makes of its counts")

    def check(self, outputs: tuple[int, ...], loss: Loss) -> None:
        refuse_uncounted(self, loss)

    def elements(self, y: Array, t: Array, backend: Backend) -> tuple[Array, Array, int | Array]:
        if self.threshold is None:
            return super().elements(y, t, backend)
        axis = class_axis("metric", self.name, y.shape, self.axis)
        y_rows, shape = to_rows(y, axis, backend), without_axis(y.shape, axis)  # (M, C)
        if tuple(t.shape) != tuple(y.shape) and (tuple(t.shape) != shape or y_rows.shape[1] > 1):
            raise ShapeError(f"metric {self.name}: outputs are {tuple(y.shape)}, and targets {tuple(t.shape)}")
        t = to_rows(t, axis, backend) if t.ndim == y.ndim else t
        t, count = without_ignored(backend.xp.reshape(t, (-1,)), self.ignored_label, backend)
        return y_rows, t, count

    def count(self, y: Array, t: Array, backend: Backend) -> Array:
        """(3, C): hits, guesses and elements, in int64."""
        xp, classes = backend.xp, y.shape[1]
        if self.threshold is None and classes > 1:
            true, guess = backend.one_hot(t, classes), backend.one_hot(guesses_of(y, backend), classes)  # (M, C)
            real = xp.reshape(t >= 0, (-1, 1))  # (M, 1)
        else:  # each column is a question
            t = xp.reshape(t, (-1, classes))
            true, guess, real = xp.astype(t, y.dtype) > 0.5, y > (self.threshold or 0.0), t != -1
        guess = guess if self.ignored_label is None else guess & real
        return xp.stack([xp.sum(xp.astype(each, xp.int64), axis=0) for each in (true & guess, guess, true)])

    def result(self) -> Any:
        if not int(self.samples):
            return float("nan")
        counts = self.total_on_host().astype("float64")
        if self.average == "micro":
            return float(self.value(*counts.sum(axis=1)))
        of_classes = self.value(*counts)  # (C,)
        if self.average is None:
            return of_classes
        if self.average == "macro":
            return float(of_classes.mean())
        if len(of_classes) > 2:
            raise OptionError(
                f'metric {self.name}: average="binary" is for two classes or one output, not {len(of_classes)}'
            )
        return float(of_classes[-1])


def share(part: Any, whole: Any) -> Any:
    """part / whole, 0 where whole is 0; of NumPy's arrays or numbers."""
    return part / (whole + (whole == 0))


class Precision(CountsByClass):
    """Of the elements that were taken for a class, the share that is of it: hits / guesses (Kent et al., 1955).

    Elsewhere: keras.metrics.Precision; sklearn.metrics.precision_score.
    """

    name = "precision"

    def value(self, hits: Any, guesses: Any, elements: Any) -> Any:
        return share(hits, guesses)


class Recall(CountsByClass):
    """Of the elements of a class, the share that was taken for it: hits / elements (Kent et al., 1955).

    Elsewhere: keras.metrics.Recall; sklearn.metrics.recall_score.
    """

    name = "recall"

    def value(self, hits: Any, guesses: Any, elements: Any) -> Any:
        return share(hits, elements)


class F1(CountsByClass):
    """The harmonic mean of precision and recall: 2 hits / (guesses + elements) (van Rijsbergen, 1979).

    Elsewhere: keras.metrics.F1Score; sklearn.metrics.f1_score.
    """

    name = "f1"

    def value(self, hits: Any, guesses: Any, elements: Any) -> Any:
        return share(2 * hits, guesses + elements)


class IoU(CountsByClass):
    """The intersection over the union of what was taken for a class and of what is of it: hits / (guesses + elements -
    hits) (Jaccard, 1901). The mean over the classes is the usual measure of networks that label pixels.

    Elsewhere: torchmetrics.JaccardIndex; keras.metrics.MeanIoU; sklearn.metrics.jaccard_score.
    """

    name = "iou"

    def value(self, hits: Any, guesses: Any, elements: Any) -> Any:
        return share(hits, guesses + elements - hits)
