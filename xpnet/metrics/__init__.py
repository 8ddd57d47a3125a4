"""Metrics are counted on the device, batch by batch, and read once, at the end of an epoch."""

from typing import Any

from xpnet.base.lookup import by_name, lookup_name
from xpnet.errors import OptionError
from xpnet.losses import BinaryCrossEntropyWithLogits, Loss
from xpnet.losses.class_loss import ClassLoss
from xpnet.metrics.accuracy import Accuracy, BinaryAccuracy
from xpnet.metrics.base import Metric, labels_of, larger_is_better, one_hot
from xpnet.metrics.confusion_matrix import ConfusionMatrix
from xpnet.metrics.top_k import TopK

__all__ = [
    "METRICS",
    "Accuracy",
    "BinaryAccuracy",
    "ConfusionMatrix",
    "Metric",
    "TopK",
    "get",
    "labels_of",
    "larger_is_better",
    "one_hot",
]

METRICS: dict[str, type[Metric]] = {
    "accuracy": Accuracy,
    "binary_accuracy": BinaryAccuracy,
    "top_k": TopK,
    "confusion_matrix": ConfusionMatrix,
}
_KERAS_NAMES = {"acc": "accuracy", "sparse_categorical_accuracy": "accuracy", "categorical_accuracy": "accuracy"}


def get(metric: str | Metric, loss: Loss | None = None) -> Metric:
    """A metric from its name ("accuracy", "top_5", ...), or as it is; what "accuracy" means depends on the loss, whose
    `ignored_label` and `axis` metrics that are asked for by name have, too.

    The history calls it as it was asked for: "acc" is acc and val_acc.
    """
    if isinstance(metric, Metric):
        return metric
    asked = lookup_name(metric)
    name = _KERAS_NAMES.get(asked, asked)
    of_loss: dict[str, Any] = {}
    if isinstance(loss, ClassLoss):
        of_loss = {"ignored_label": loss.ignored_label, "axis": loss.axis}
    if name == "accuracy":
        return BinaryAccuracy(asked) if isinstance(loss, BinaryCrossEntropyWithLogits) else Accuracy(asked, **of_loss)
    stem, _, number = name.removesuffix("_accuracy").rpartition("_")
    if stem == "top" and number.isdigit():
        return TopK(int(number), **of_loss)
    if name == "top_k":
        return TopK(**of_loss)
    if name == "confusion_matrix":
        raise OptionError("give the confusion matrix its size: metrics.ConfusionMatrix(10)")
    return by_name("metric", metric, METRICS, "or give a Metric", choices=("accuracy", "top_5 (or any k)"))
