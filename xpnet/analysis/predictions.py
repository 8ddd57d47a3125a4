"""What a model predicts: probabilities, its mistakes, and which classes it takes for which."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from xpnet import training
from xpnet.analysis.images import labels_for
from xpnet.base.quiet import quietly
from xpnet.core.network import Network
from xpnet.errors import DataError, ShapeError
from xpnet.layers import Softmax


def probabilities(model: Network, x: Any) -> np.ndarray:
    """The probability of each class for each sample, (N, classes): the softmax of what the model predicts.

    Raises ShapeError if the model has no vector of classes as its output.
    """
    own = getattr(model, "predict", None)  # a model's class may have written it anew; other networks have none
    return as_probabilities(model, training.predict(model, x, None, 0) if own is None else own(x))


@quietly
def as_probabilities(model: Network, y: np.ndarray) -> np.ndarray:
    """p[n,c] = exp(y[n,c]) / sum_k exp(y[n,k]) for outputs y (N, classes); y itself if the model ends with a Softmax.

    Raises ShapeError if y is no vector of classes for each sample.
    """
    if not isinstance(y, np.ndarray):
        raise ShapeError(f"probabilities need one output (N, classes); {model.label} gives several")
    if y.ndim != 2 or y.shape[1] < 2:
        raise ShapeError(f"probabilities need outputs (N, classes) of two classes or more; the model gives {y.shape}")
    if model.last() is Softmax:
        return y
    e = np.exp(y - y.max(axis=1, keepdims=True))
    shares: np.ndarray = e / e.sum(axis=1, keepdims=True)
    return shares


class Mistakes(NamedTuple):
    """Samples that a model gets wrong: their indices (n,), true classes, predicted ones and the probabilities of those,
    the surest first."""

    indices: np.ndarray
    labels: np.ndarray
    guesses: np.ndarray
    probabilities: np.ndarray


def misclassified(model: Network, x: Any, t: Any) -> Mistakes:
    """The samples whose most probable class is not theirs, the surest mistakes first.

    t: labels (N,) or one-hot rows (N, classes). Raises ShapeError if the model has no vector of classes as its output,
    DataError for labels that do not match.
    """
    chances = probabilities(model, x)  # (N, classes)
    labels = labels_for(t, len(chances))
    guesses, sureness = chances.argmax(axis=1), chances.max(axis=1)
    wrong = np.flatnonzero((guesses != labels) | np.isnan(sureness))  # of NaN there is no guess
    wrong = wrong[np.argsort(-sureness[wrong], kind="stable")]
    return Mistakes(wrong, labels[wrong], guesses[wrong], sureness[wrong])


def confusion_matrix(model: Network, x: Any, t: Any) -> np.ndarray:
    """(classes, classes), int64: [i, j] is how many samples of class i the model takes for class j.

    t: labels (N,) or one-hot rows (N, classes). The same as metrics.ConfusionMatrix counts in training. Raises
    ShapeError if the model has no vector of classes as its output, DataError for labels that do not match.
    """
    guesses = probabilities(model, x)
    labels, classes = labels_for(t, len(guesses)), guesses.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(f"labels reach from {labels.min()} to {labels.max()}, but the model has {classes} classes")
    real = ~np.isnan(guesses).any(axis=1)  # what is NaN is taken for no class
    places = (labels.astype(np.int64) * classes + guesses.argmax(axis=1))[real]
    return np.bincount(places, minlength=classes**2).reshape(classes, classes)  # (true, predicted)
