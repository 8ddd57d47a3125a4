"""One table of every loss: what its formula says for each sample, in NumPy, and the outputs and targets it takes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tests.kit.strategies import normal
from xpnet.losses import (
    BinaryCrossEntropyOfProbabilities,
    BinaryCrossEntropyWithLogits,
    CosineSimilarity,
    Dice,
    Focal,
    Hinge,
    Huber,
    KLDivergence,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    MultiClassHinge,
    NegativeLogLikelihood,
    RubbishCrossEntropy,
    SmoothL1,
    SoftmaxCrossEntropy,
)

Make = Callable[[int, int, int], np.ndarray]  # of (N, C) and a seed
BY_CLASS = np.array([0.5, 2.0, 0.0, 1.5, 3.0, 0.25])  # weights of classes


# ---- outputs and targets ---------------------------------------------------------------------------------------------


def numbers(N: int, C: int, seed: int) -> np.ndarray:
    return normal((N, C), seed)


def softmax(y: np.ndarray) -> np.ndarray:
    e = np.exp(y - y.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def probabilities(N: int, C: int, seed: int) -> np.ndarray:
    return softmax(normal((N, C), seed))


def log_probabilities(N: int, C: int, seed: int) -> np.ndarray:
    return np.log(probabilities(N, C, seed))


def class_numbers(N: int, C: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, C, N)


def one_hot(N: int, C: int, seed: int) -> np.ndarray:
    return np.eye(C)[class_numbers(N, C, seed)]


def signs(N: int, C: int, seed: int) -> np.ndarray:
    return np.where(normal((N, C), seed) > 0, 1.0, -1.0)


# ---- the loss of each sample -----------------------------------------------------------------------------------------


def rows(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.eye(y.shape[1])[t] if t.ndim == 1 else t


def cross_entropy(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    return -(rows(y, t) * np.log(softmax(y))).sum(axis=1)


def smoothed(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    """With e = 0.1: (1 - e) times the cross-entropy with the targets, e times that with the uniform distribution."""
    return 0.9 * cross_entropy(y, t) + 0.1 * cross_entropy(y, np.full(y.shape, 1 / y.shape[1]))


def of_classes(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    return cross_entropy(y, rows(y, t) * BY_CLASS[: y.shape[1]])


def smoothed_of_classes(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    uniform = np.full(y.shape, 1 / y.shape[1])
    return 0.9 * of_classes(y, t) + 0.1 * cross_entropy(y, uniform * BY_CLASS[: y.shape[1]])


def weights_of(t: np.ndarray) -> float:
    return float(BY_CLASS[t].sum()) or 1.0 if t.ndim == 1 else len(t)


def binary_cross_entropy(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    return of_probabilities(1 / (1 + np.exp(-y)), t)


def of_probabilities(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(axis=1)


def smoothed_binary_cross_entropy(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    """With e = 0.2."""
    return 0.8 * binary_cross_entropy(y, t) + 0.2 * binary_cross_entropy(y, np.full(y.shape, 0.5))


def log_likelihood(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    return -(rows(y, t) * y).sum(axis=1)


def likelihood_of_classes(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    return log_likelihood(y, rows(y, t) * BY_CLASS[: y.shape[1]])


def divergence(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(t > 0, t * (np.log(t) - y), 0).sum(axis=1)


def divergence_of_logarithms(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    return divergence(y, np.exp(t))


def focal(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    p = softmax(y)
    return -(rows(y, t) * (1 - p) ** 2 * np.log(p)).sum(axis=1)


def focal_of_classes(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    """With gamma = 0.5."""
    p = softmax(y)
    return -(BY_CLASS[: y.shape[1]] * rows(y, t) * (1 - p) ** 0.5 * np.log(p)).sum(axis=1)


def beside_rubbish(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Equation 9 of LeCun et al., 1998, of penalties -y: with j = 0.5."""
    return (rows(y, t) * -y).sum(axis=1) + np.log(np.exp(-0.5) + np.exp(y).sum(axis=1))


def dice(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Of samples that have one pixel each."""
    p, t = softmax(y), rows(y, t)
    return 1 - ((2 * p * t + 1) / (p**2 + t**2 + 1)).mean(axis=1)


def hinge(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.maximum(0, 1 - np.where(t > 0, 1, -1) * y).mean(axis=1)


def squared_hinge(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    return (np.maximum(0, 1 - np.where(t > 0, 1, -1) * y) ** 2).mean(axis=1)


def shortfalls(y: np.ndarray, t: np.ndarray, margin: float = 1.0) -> np.ndarray:
    """(N, C): by how much each class is too close to that of the target."""
    label = t if t.ndim == 1 else t.argmax(axis=1)
    short = np.maximum(0, margin - y[np.arange(len(y)), label][:, None] + y)
    short[np.arange(len(y)), label] = 0
    return short


def multi_class_hinge(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    return shortfalls(y, t).mean(axis=1)


def squares_of_classes(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    """With a margin of 0.5."""
    return BY_CLASS[t] * (shortfalls(y, t, 0.5) ** 2).mean(axis=1)


def closest(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    return shortfalls(y, t).max(axis=1)


def squared_error(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    return ((y - t) ** 2).mean(axis=1)


def absolute_error(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.abs(y - t).mean(axis=1)


def huber(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    """With delta = 0.7."""
    d = np.abs(y - t)
    return np.where(d <= 0.7, d**2 / 2, 0.7 * (d - 0.35)).mean(axis=1)


def smooth_l1(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    """With beta = 0.5."""
    d = np.abs(y - t)
    return np.where(d <= 0.5, d**2, d - 0.25).mean(axis=1)


def cosine(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    return 1 - (y * t).sum(axis=1) / (np.linalg.norm(y, axis=1) * np.linalg.norm(t, axis=1))


# ---- the table -------------------------------------------------------------------------------------------------------


class LossCase(NamedTuple):
    """A loss; `own`: its formula for each sample, (N,); the outputs and targets that it is tried with."""

    make: Callable[[int], Loss]  # for so many classes
    own: Callable[[np.ndarray, np.ndarray], np.ndarray]
    targets: Make
    outputs: Make = numbers
    divisor: Callable[[np.ndarray], float] = len  # of the sum over the samples

    def define(self, y: np.ndarray, t: np.ndarray, w: Any = 1.0) -> float:
        """L, with weights of samples."""
        return float((w * self.own(y, t)).sum() / self.divisor(t))

    def slope(self, y: np.ndarray, t: np.ndarray, w: Any = 1.0, eps: float = 1e-6) -> np.ndarray:
        """dL/dy, numerically."""
        numerical = np.empty_like(y)
        for index in np.ndindex(y.shape):
            step = np.zeros_like(y)
            step[index] = eps
            numerical[index] = (self.define(y + step, t, w) - self.define(y - step, t, w)) / (2 * eps)
        return numerical

    def __repr__(self) -> str:
        return f"{self.make(3)!r}-{self.targets.__name__}"


def by_class(kind: Any, **options: Any) -> Callable[[int], Loss]:
    return lambda classes: kind(class_weights=BY_CLASS[:classes], **options)


def plain(loss: Loss) -> Callable[[int], Loss]:
    return lambda classes: loss


CASES = [
    LossCase(plain(SoftmaxCrossEntropy()), cross_entropy, class_numbers),
    LossCase(plain(SoftmaxCrossEntropy()), cross_entropy, one_hot),
    LossCase(plain(SoftmaxCrossEntropy()), cross_entropy, probabilities),
    LossCase(plain(SoftmaxCrossEntropy(label_smoothing=0.1)), smoothed, class_numbers),
    LossCase(plain(SoftmaxCrossEntropy(label_smoothing=0.1)), smoothed, probabilities),
    LossCase(by_class(SoftmaxCrossEntropy), of_classes, class_numbers, divisor=weights_of),
    LossCase(by_class(SoftmaxCrossEntropy), of_classes, probabilities),
    LossCase(
        by_class(SoftmaxCrossEntropy, label_smoothing=0.1), smoothed_of_classes, class_numbers, numbers, weights_of
    ),
    LossCase(plain(NegativeLogLikelihood()), log_likelihood, class_numbers),
    LossCase(plain(NegativeLogLikelihood()), log_likelihood, probabilities),
    LossCase(by_class(NegativeLogLikelihood), likelihood_of_classes, class_numbers, divisor=weights_of),
    LossCase(by_class(NegativeLogLikelihood), likelihood_of_classes, one_hot),
    LossCase(plain(KLDivergence()), divergence, probabilities, log_probabilities),
    LossCase(plain(KLDivergence()), divergence, one_hot, log_probabilities),
    LossCase(plain(KLDivergence(log_targets=True)), divergence_of_logarithms, log_probabilities, log_probabilities),
    LossCase(plain(Focal()), focal, class_numbers),
    LossCase(plain(Focal()), focal, probabilities),
    LossCase(lambda classes: Focal(0.5, BY_CLASS[:classes]), focal_of_classes, class_numbers),
    LossCase(plain(Focal(0.0)), cross_entropy, class_numbers),
    LossCase(plain(RubbishCrossEntropy(0.5)), beside_rubbish, class_numbers),
    LossCase(plain(RubbishCrossEntropy(0.5)), beside_rubbish, probabilities),
    LossCase(plain(Dice()), dice, class_numbers),
    LossCase(plain(Dice()), dice, probabilities),
    LossCase(plain(MultiClassHinge()), multi_class_hinge, class_numbers),
    LossCase(plain(MultiClassHinge()), multi_class_hinge, one_hot),
    LossCase(by_class(MultiClassHinge, margin=0.5, p=2), squares_of_classes, class_numbers),
    LossCase(plain(MultiClassHinge(largest=True)), closest, class_numbers),
    LossCase(plain(BinaryCrossEntropyWithLogits()), binary_cross_entropy, one_hot),
    LossCase(plain(BinaryCrossEntropyWithLogits()), binary_cross_entropy, probabilities),
    LossCase(plain(BinaryCrossEntropyWithLogits(label_smoothing=0.2)), smoothed_binary_cross_entropy, one_hot),
    LossCase(plain(BinaryCrossEntropyOfProbabilities()), of_probabilities, one_hot, probabilities),
    LossCase(plain(BinaryCrossEntropyOfProbabilities()), of_probabilities, probabilities, probabilities),
    LossCase(plain(Hinge()), hinge, signs),
    LossCase(plain(Hinge()), hinge, one_hot),
    LossCase(plain(Hinge(squared=True)), squared_hinge, signs),
    LossCase(plain(MeanSquaredError()), squared_error, numbers),
    LossCase(plain(MeanAbsoluteError()), absolute_error, numbers),
    LossCase(plain(Huber(0.7)), huber, numbers),
    LossCase(plain(SmoothL1(0.5)), smooth_l1, numbers),
    LossCase(plain(CosineSimilarity()), cosine, numbers),
]
