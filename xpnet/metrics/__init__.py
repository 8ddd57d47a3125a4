"""Metrics are counted on the device, batch by batch, and read once, at the end of an epoch."""

import math
from collections.abc import Iterable
from typing import Any

from xpnet.backend import Array, Backend, get_backend
from xpnet.base.checks import whole
from xpnet.base.configured import Configured
from xpnet.base.lookup import by_name, lookup_name
from xpnet.errors import OptionError, ShapeError
from xpnet.losses import BinaryCrossEntropyWithLogits, Loss, MeanSquaredError


class Metric(Configured):
    """The base: a subclass says what one batch adds to the total; the result is the total per sample."""

    name = "metric"
    larger_is_better: bool | None = None  # None: the name tells, as the function below says
    total: Array | None = None
    samples = 0

    def check(self, outputs: tuple[int, ...], loss: Loss) -> None:
        """Refuse what could not mean anything: outputs of this shape (no batch), or the targets of the loss."""

    def count(self, y: Array, t: Array, backend: Backend) -> Array:
        """What a batch of outputs `y` and labels `t` adds: a number or an array on the device."""
        raise OptionError(f"{type(self).__name__} does not say what it counts")

    def reset(self) -> None:
        self.total, self.samples = None, 0

    def update(self, y: Array, t: Array, backend: Backend | None = None) -> None:
        """Count a batch of outputs and labels, which are on `backend` (by default the current one)."""
        added = self.count(y, t, backend or get_backend())
        self.total = added if self.total is None else self.total + added
        self.samples += y.shape[0]

    def result(self) -> Any:
        """The value so far; waits for the device."""
        return float(self.total) / self.samples if self.samples else float("nan")  # type: ignore[arg-type]

    def get_state(self, backend: Backend | None = None) -> dict[str, Any]:
        """What has been counted so far, as NumPy has it; `backend` is where the outputs are, as in `update`."""
        total = None if self.total is None else (backend or get_backend()).to_numpy(self.total)
        return {"total": total, "samples": self.samples}

    def set_state(self, state: dict[str, Any], backend: Backend | None = None) -> None:
        """Go on counting from what `get_state` gave."""
        total = state["total"]
        self.total, self.samples = (
            None if total is None else (backend or get_backend()).asarray(total),
            state["samples"],
        )


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
            hits = (y > 0) == (xp.astype(xp.reshape(t, y.shape), y.dtype) > 0.5)
            return xp.sum(xp.astype(hits, xp.int64))
        return backend.count_hits(y, labels_of(t, backend))


class BinaryAccuracy(Accuracy):
    """The share of outputs, of all samples, on the right side: y > 0 where t > 0.5. y and t have one shape, any."""

    def count(self, y: Array, t: Array, backend: Backend) -> Array:
        xp = backend.xp
        hits = (y > 0) == (xp.astype(xp.reshape(t, y.shape), y.dtype) > 0.5)
        return xp.sum(xp.astype(hits, y.dtype)) / math.prod(y.shape[1:])


class TopK(Metric):
    """The share of samples whose label is among the k largest outputs (k = 5). Ties count as misses."""

    larger_is_better = True

    def __init__(self, k: int = 5) -> None:
        self.k = whole("TopK: k", k)
        self.name = f"top_{k}_accuracy"

    def count(self, y: Array, t: Array, backend: Backend) -> Array:
        xp = backend.xp
        chosen = one_hot(labels_of(t, backend), y.shape[1], backend)  # (N, C) of bool
        own = xp.sum(xp.where(chosen, y, 0), axis=1, keepdims=True)
        better = xp.sum(xp.astype((y >= own) & ~chosen, xp.int64), axis=1)
        return xp.sum(xp.astype(better < self.k, xp.int64))


class ConfusionMatrix(Metric):
    """result()[i, j]: how many samples of class i were taken for class j; integers, (classes, classes), NumPy."""

    name = "confusion_matrix"

    def __init__(self, classes: int) -> None:
        self.classes = whole("ConfusionMatrix: classes", classes, 2)
        self._backend: Backend | None = None

    def count(self, y: Array, t: Array, backend: Backend) -> Array:
        if y.shape[1] != self.classes:
            raise ShapeError(
                f"ConfusionMatrix was made for {self.classes} classes, the network has {y.shape[1]} outputs"
            )
        xp, self._backend = backend.xp, backend
        true = xp.astype(one_hot(labels_of(t, backend), self.classes, backend), xp.float32)  # (N, C)
        guess = xp.astype(one_hot(xp.argmax(y, axis=1), self.classes, backend), xp.float32)
        return xp.astype(xp.matmul(true.mT, guess), xp.int64)  # exact: a batch has fewer than 2**24 samples

    def result(self) -> Any:
        if self.total is None or self._backend is None:
            raise OptionError(
                "ConfusionMatrix has counted nothing yet: call update, or evaluate with it among the metrics"
            )
        return self._backend.to_numpy(self.total)

    def set_state(self, state: dict[str, Any], backend: Backend | None = None) -> None:
        super().set_state(state, backend)
        self._backend = backend or get_backend()


def labels_of(t: Array, backend: Backend) -> Array:
    """Class numbers (N,) from class numbers or one-hot rows (N, C)."""
    return backend.xp.argmax(t, axis=1) if t.ndim == 2 else t


def one_hot(labels: Array, classes: int, backend: Backend) -> Array:
    """(N,) -> (N, C) of bool."""
    numbers = backend.xp.arange(classes, dtype=labels.dtype, device=backend.device)
    return numbers[None, :] == labels[:, None]


def larger_is_better(name: str, metrics: Iterable[Metric] = ()) -> bool:
    """Of the value that the history calls so: as its metric says; if none does, accuracies grow and all else falls."""
    said = [m.larger_is_better for m in metrics if m.name == name.removeprefix("val_")]
    return "acc" in name if not said or said[0] is None else said[0]


METRICS: dict[str, type[Metric]] = {
    "accuracy": Accuracy,
    "binary_accuracy": BinaryAccuracy,
    "top_k": TopK,
    "confusion_matrix": ConfusionMatrix,
}
_KERAS_NAMES = {"acc": "accuracy", "sparse_categorical_accuracy": "accuracy", "categorical_accuracy": "accuracy"}


def get(metric: str | Metric, loss: Loss | None = None) -> Metric:
    """A metric from its name ("accuracy", "top_5", ...), or as it is; what "accuracy" means depends on the loss.

    The history calls it as it was asked for: "acc" is acc and val_acc.
    """
    if isinstance(metric, Metric):
        return metric
    asked = lookup_name(metric)
    name = _KERAS_NAMES.get(asked, asked)
    if name == "accuracy":
        return BinaryAccuracy(asked) if isinstance(loss, BinaryCrossEntropyWithLogits) else Accuracy(asked)
    stem, _, number = name.removesuffix("_accuracy").rpartition("_")
    if stem == "top" and number.isdigit():
        return TopK(int(number))
    if name == "confusion_matrix":
        raise OptionError("give the confusion matrix its size: metrics.ConfusionMatrix(10)")
    return by_name("metric", metric, METRICS, "or give a Metric", _KERAS_NAMES, ("accuracy", "top_5 (or any k)"))
