"""Metrics are counted on the device, batch by batch, and read once, at the end of an epoch."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xpnet.base.configured import is_function, parameters_of, require_callable
from xpnet.base.hints import explained
from xpnet.base.lookup import by_name, lookup_name
from xpnet.base.nested import keys_of
from xpnet.errors import OptionError
from xpnet.losses import Joint, Loss
from xpnet.losses.class_loss import ClassLoss
from xpnet.metrics.accuracy import Accuracy, BinaryAccuracy
from xpnet.metrics.auc import AUC
from xpnet.metrics.base import Metric, labels_of, larger_is_better, one_hot
from xpnet.metrics.by_class import F1, IoU, Precision, Recall
from xpnet.metrics.confusion_matrix import ConfusionMatrix
from xpnet.metrics.of_function import OfFunction as _OfFunction
from xpnet.metrics.of_numbers import R2, AbsoluteError, RootSquaredError, SquaredError
from xpnet.metrics.of_output import OfOutput
from xpnet.metrics.perplexity import Perplexity
from xpnet.metrics.top_k import TopK

__all__ = [
    "AUC",
    "F1",
    "METRICS",
    "R2",
    "AbsoluteError",
    "Accuracy",
    "BinaryAccuracy",
    "ConfusionMatrix",
    "IoU",
    "Metric",
    "OfOutput",
    "Perplexity",
    "Precision",
    "Recall",
    "RootSquaredError",
    "SquaredError",
    "TopK",
    "get",
    "get_several",
    "labels_of",
    "larger_is_better",
    "one_hot",
]

METRICS: dict[str, type[Metric]] = {
    "accuracy": Accuracy,
    "binary_accuracy": BinaryAccuracy,
    "top_k": TopK,
    "confusion_matrix": ConfusionMatrix,
    "precision": Precision,
    "recall": Recall,
    "f1": F1,
    "iou": IoU,
    "auc": AUC,
    "perplexity": Perplexity,
    "mean_absolute_error": AbsoluteError,
    "mean_squared_error": SquaredError,
    "root_mean_squared_error": RootSquaredError,
    "r2": R2,
}
_OTHER_NAMES = {
    "acc": "accuracy",
    "sparse_categorical_accuracy": "accuracy",
    "categorical_accuracy": "accuracy",
    "f1_score": "f1",
    "jaccard": "iou",
    "mean_iou": "iou",
    "roc_auc": "auc",
    "mae": "mean_absolute_error",
    "mse": "mean_squared_error",
    "rmse": "root_mean_squared_error",
    "r2_score": "r2",
}
_CHOICES = ("accuracy", "top_5 (or any k)", *(name for name in METRICS if name not in ("accuracy", "top_k")))


def get(metric: str | Metric | Callable[[Any, Any], Any], loss: Loss | None = None) -> Metric:
    """A metric from its name ("accuracy", "top_5", ...), from a function of y and t, or as it is; what "accuracy" means
    depends on the loss, whose `ignored_label` and `axis` metrics that are asked for by name have, too.

    The history calls it as it was asked for: "acc" is acc and val_acc.
    """
    if isinstance(metric, Metric):
        require_callable(metric, "count", "self, y, t, backend", "update")
        return metric
    if is_function(metric):
        return _OfFunction(metric)
    asked = lookup_name(metric)
    name = _OTHER_NAMES.get(asked, asked)
    boundary = None if loss is None else loss.boundary
    of_loss: dict[str, Any] = {}
    if isinstance(loss, ClassLoss):
        of_loss = {"ignored_label": loss.ignored_label, "axis": loss.axis}
    if name == "accuracy" and boundary is not None:
        return BinaryAccuracy(asked, threshold=boundary)
    stem, _, number = name.removesuffix("_accuracy").rpartition("_")
    if stem == "top" and number.isdigit():
        return TopK(int(number), **of_loss)
    if name == "top_k":
        return TopK(**of_loss)
    if name == "binary_accuracy":
        return BinaryAccuracy()
    if name == "confusion_matrix":
        raise OptionError("give the confusion matrix its size: metrics.ConfusionMatrix(10)")
    kind: Any = METRICS.get(name)
    if kind is None:
        return by_name("metric", metric, METRICS, "or give a Metric", choices=_CHOICES)
    own = (of_loss | {"threshold": boundary}).items()
    made: Metric = kind(name=asked, **{option: value for option, value in own if option in parameters_of(kind)})
    return made


def get_several(metrics: Any, loss: Loss) -> list[Metric]:
    """Metrics from one, a list of them, or none; for a joint loss, by the name or the place of an output."""
    if metrics is None:
        return []
    if isinstance(metrics, (str, Metric, type)) or callable(metrics):
        metrics = [metrics]
    if not isinstance(loss, Joint) or all(isinstance(each, Metric) for each in metrics):
        if isinstance(metrics, dict):
            raise OptionError("compile: a dict of metrics is for a network of several outputs, with a dict of losses")
        return [get(metric, loss) for metric in metrics]
    own = {key: each for key, each, _ in loss.parts()}
    if isinstance(metrics, dict) != (loss.names is not None) or set(keys_of(metrics)) - own.keys():
        raise OptionError(
            f"compile: metrics must say which output they are for, as the losses do: {_example(loss)}; they are"
            f" {metrics!r}"
        )
    chosen = list[Metric]()
    for key in keys_of(metrics):
        chosen += [OfOutput(key, metric) for metric in get_several(metrics[key], own[key])]
    return chosen


def _example(loss: Joint) -> str:
    return "[[], ...], a list for each" if loss.names is None else f'{{"{loss.names[0]}": ["accuracy"]}}'


if not TYPE_CHECKING:
    __getattr__, __dir__ = explained(__name__)
