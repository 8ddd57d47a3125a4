"""Weights of classes: those of the samples follow from them."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from xpnet.base.checks import at_least_zero
from xpnet.base.nested import as_several
from xpnet.data.sources import labels_of
from xpnet.errors import OptionError, ShapeError
from xpnet.files.trainable import TrainableNetwork
from xpnet.losses.class_loss import ClassLoss, class_axis
from xpnet.training.prepare import require_compiled, require_weighted_loss
from xpnet.training.refusals import no_targets

Classes = Mapping[int, float]
Balanced = Literal["balanced"]
BALANCED: Balanced = "balanced"
MOST_CLASSES = 1 << 20  # what is larger is no class number, but what a network is to give


def read_class_weight(class_weight: Any) -> Classes | Balanced | None:
    """Weights of at least 0 by class number, or that they follow from how many samples each class has."""
    if class_weight is None:
        return None
    if isinstance(class_weight, str) and class_weight == BALANCED:
        return BALANCED
    if not isinstance(class_weight, Mapping) or not class_weight:
        raise OptionError(
            "class_weight must map class numbers to weights, as in {0: 1.0, 1: 5.0}, or be 'balanced', not"
            f" {class_weight!r}"
        )
    for label, weight in class_weight.items():
        if isinstance(label, bool) or not isinstance(label, (int, np.integer)) or label < 0:
            raise OptionError(f"class_weight: {label!r} is no class number; they are 0, 1, 2, ...")
        at_least_zero(f"class_weight: the weight of class {label}", weight)
    return {int(label): float(weight) for label, weight in class_weight.items()}


def balanced(labels: np.ndarray) -> Classes:
    """w[c] = n / (classes * count[c]) of class numbers, for n of them and the classes that occur, as scikit-learn has
    it: each class weighs as much as the others, and the mean over the samples is 1.
    """
    present, counts = np.unique(labels, return_counts=True)
    weights = labels.size / (len(present) * counts)
    return {int(label): float(weight) for label, weight in zip(present, weights, strict=True)}


def balanced_batches(batches: Any) -> Classes:
    """The same, for the samples that an iterable of batches is made of."""
    labels = labels_of(batches)
    if labels is None:
        raise OptionError(
            "class_weight='balanced' counts the classes beforehand, and these batches do not tell them: a Loader of"
            " arrays does, of an ImageFolder, or of a source with `labels`, (N,) integers; else give {class: weight}"
        )
    return balanced(labels)


def weigh_classes(
    model: TrainableNetwork, classes: Classes | Balanced | None, x: Any, t: Any = None, *weights: Any
) -> tuple[Any, ...]:
    """(x, t) or (x, t, weights) with those of the labels' classes, in the labels' shape: alone, or times the weights
    that were there.
    """
    if classes is None:
        return x, t, *weights
    if t is None:  # a train_step of the user's own may need none
        raise OptionError("class_weight needs targets, and there are none")
    _, loss = require_compiled(model)
    require_weighted_loss(loss)
    if t is None:  # which a step of the user's own may do without
        raise no_targets()
    if loss.takes_several:
        raise OptionError(
            "class_weight is for a network of one output: which one has the classes is not said; give sample_weight, by"
            " the output's name or place"
        )
    outputs = model.output_shape(*[each.shape[1:] for each in as_several(x)])
    if isinstance(loss, ClassLoss):
        labels, count = _labels_of(loss, outputs, t)
    else:
        labels = _named_labels(t)
        count = max(outputs[0] if len(outputs) == 1 else 0, 2, int(labels.max()) + 1)  # one output: classes 0 and 1
    if classes == BALANCED:
        classes = balanced(_counted(loss, labels, t))
    if max(classes) >= count:
        raise OptionError(f"class_weight: there is no class {max(classes)}; the classes are 0 to {count - 1}")
    table = np.ones(count, model.dtype)  # 1 for a class that has none
    table[list(classes)] = list(classes.values())
    own: np.ndarray = table[labels]
    return x, t, _times(weights[0], own) if weights else own


def _labels_of(loss: ClassLoss, outputs: tuple[int, ...], t: np.ndarray) -> tuple[np.ndarray, int]:
    """Class numbers (N,), (N, T), ... of targets that the loss takes, and how many classes there are; for an ignored
    element, to which the loss gives no weight, any class number.
    """
    axis = class_axis("loss", loss.name, (0, *outputs), loss.axis)
    labels: np.ndarray = t.argmax(axis=axis) if t.ndim == len(outputs) + 1 else t
    if loss.ignored_label is not None:
        labels = np.where(labels == loss.ignored_label, 0, labels)
    return labels, outputs[axis - 1]


def _counted(loss: Any, labels: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The labels that are not ignored."""
    ignored = getattr(loss, "ignored_label", None)
    if ignored is None or t.shape != labels.shape:
        return labels
    if (t == ignored).all():
        raise OptionError("class_weight='balanced': all labels are ignored, so that there are no classes to count")
    counted: np.ndarray = labels[t != ignored]
    return counted


def _times(w: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Weights of samples (N,), or of more axes of the labels, times those of the labels' classes."""
    if w.shape != own.shape[: w.ndim]:
        raise ShapeError(f"sample_weight has shape {w.shape}; needed is ({len(own)},), or more axes of {own.shape}")
    product: np.ndarray = w.reshape(w.shape + (1,) * (own.ndim - w.ndim)) * own
    return product


def _named_labels(t: np.ndarray) -> np.ndarray:
    """Class numbers (N,) from class numbers (N,) or (N, 1), or from one-hot rows (N, C), of losses of any targets."""
    if t.ndim == 2 and t.shape[1] > 1 and (abs(t.sum(axis=1) - 1) < 1e-3).all():
        labels: np.ndarray = np.argmax(t, axis=1)
        return labels
    one_each = t.shape[1:] in ((), (1,))
    if one_each and np.isfinite(t).all() and (t >= 0).all() and (t == np.floor(t)).all():
        if t.max() >= MOST_CLASSES:
            raise OptionError(
                f"class_weight needs targets that are class numbers, and these reach to {t.max():g}: give"
                " sample_weight instead"
            )
        labels = t.reshape(-1).astype(np.int64)  # (N,)
        return labels
    raise OptionError(
        "class_weight needs targets that name one class for each sample: class numbers (N,) or (N, 1), or one-hot rows;"
        f" these have shape {t.shape}. Give sample_weight instead"
    )
