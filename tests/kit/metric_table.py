"""One table of every metric: its definition, in NumPy and in scikit-learn's words, and what it is counted on."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tests.kit.strategies import normal
from xpnet.metrics import (
    AUC,
    F1,
    R2,
    AbsoluteError,
    Accuracy,
    BinaryAccuracy,
    ConfusionMatrix,
    IoU,
    Metric,
    Perplexity,
    Precision,
    Recall,
    RootSquaredError,
    SquaredError,
    TopK,
)

Data = tuple[np.ndarray, np.ndarray]
CLASSES = 4


# ---- outputs and targets, y and t ------------------------------------------------------------------------------------


def classes(N: int, seed: int) -> Data:
    return normal((N, CLASSES), seed, "float32"), np.random.default_rng(seed).integers(0, CLASSES, N)


def two_classes(N: int, seed: int) -> Data:
    y, t = normal((N, 2), seed, "float32"), np.random.default_rng(seed).integers(0, 2, N)
    t[:2] = 0, 1
    return y.round(1), t  # with ties


def yes_or_no(N: int, seed: int) -> Data:
    y, t = two_classes(N, seed)
    return y[:, :1], t[:, None]


def questions(N: int, seed: int) -> Data:
    return normal((N, 3), seed, "float32"), np.random.default_rng(seed).integers(0, 2, (N, 3))


def numbers(N: int, seed: int) -> Data:
    return normal((N, 3), seed, "float32"), 100 + normal((N, 3), seed + 1, "float32")


# ---- definitions -----------------------------------------------------------------------------------------------------


def counts(guess: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, ...]:
    """Hits, guesses and elements of each class, of class numbers or of rows of booleans."""
    if guess.ndim == 1:
        guess, true = (np.eye(CLASSES, dtype=bool)[each] for each in (guess, true))
    return (guess & true).sum(0), guess.sum(0), true.sum(0)


def share(part: Any, whole: Any) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=np.asarray(whole) != 0)


def precision(hits: Any, guesses: Any, elements: Any) -> np.ndarray:
    return share(hits, guesses)


def recall(hits: Any, guesses: Any, elements: Any) -> np.ndarray:
    return share(hits, elements)


def f1(hits: Any, guesses: Any, elements: Any) -> np.ndarray:
    return share(2.0 * hits, guesses + elements)


def iou(hits: Any, guesses: Any, elements: Any) -> np.ndarray:
    return share(hits, guesses + elements - hits)


def perplexity(y: np.ndarray, t: np.ndarray) -> float:
    y = y.astype("float64")
    shifted = y - y.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(np.exp(-log_p[np.arange(len(y)), t].mean()))


def confusion(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    matrix = np.zeros((CLASSES, CLASSES), int)
    np.add.at(matrix, (t, y.argmax(axis=1)), 1)
    return matrix


def area(y: np.ndarray, t: np.ndarray) -> float:
    scores, yes = (y[:, 1] - y[:, 0] if y.shape[1] == 2 else y[:, 0]), t.reshape(-1) == 1
    pairs = scores[yes][:, None] - scores[~yes][None, :]
    return float(((pairs > 0) + 0.5 * (pairs == 0)).mean()) if pairs.size else float("nan")


def r2(y: np.ndarray, t: np.ndarray) -> float:
    y, t = y.astype("float64"), t.astype("float64")
    return float((1 - ((t - y) ** 2).sum(0) / ((t - t.mean(0)) ** 2).sum(0)).mean())


# ---- the table -------------------------------------------------------------------------------------------------------


class MetricCase(NamedTuple):
    """A metric, its definition, what it is counted on, and whether scikit-learn computes it; `least` samples."""

    metric: Metric
    define: Callable[[np.ndarray, np.ndarray], Any]
    data: Callable[[int, int], Data]
    sklearn: Callable[[Any, np.ndarray, np.ndarray], Any] | None = None  # of sklearn.metrics, y and t

    def __repr__(self) -> str:
        return f"{self.metric!r}-{self.data.__name__}"


SKLEARN = {Precision: "precision_score", Recall: "recall_score", F1: "f1_score", IoU: "jaccard_score"}
ARGUMENTS: dict[str, Any] = {"labels": range(CLASSES), "zero_division": 0}


def of_classes(kind: Any, average: str | None) -> MetricCase:
    formula = {Precision: precision, Recall: recall, F1: f1, IoU: iou}[kind]
    name = SKLEARN[kind]

    def define(y: np.ndarray, t: np.ndarray) -> Any:
        own = counts(y.argmax(axis=1), t)
        if average == "micro":
            return float(formula(*(each.sum() for each in own)))
        return formula(*own).mean() if average == "macro" else formula(*own)

    return MetricCase(
        kind(average), define, classes,
        lambda m, y, t: getattr(m, name)(t, y.argmax(axis=1), average=average, **ARGUMENTS),
    )  # fmt: skip


CASES = [
    MetricCase(Accuracy(), lambda y, t: (y.argmax(axis=1) == t).mean(), classes),
    MetricCase(BinaryAccuracy(), lambda y, t: ((y > 0) == (t == 1)).mean(), questions),
    MetricCase(BinaryAccuracy(threshold=0.3), lambda y, t: ((y > 0.3) == (t == 1)).mean(), questions),
    MetricCase(
        TopK(2), lambda y, t: np.mean([(row >= row[i]).sum() <= 2 for row, i in zip(y, t, strict=True)]), classes
    ),
    MetricCase(ConfusionMatrix(CLASSES), confusion, classes),
    *(of_classes(kind, average) for kind in (Precision, Recall, F1, IoU) for average in ("macro", "micro", None)),
    MetricCase(
        F1("binary"), lambda y, t: float(f1(*(c[1] for c in counts(y.argmax(axis=1), t)))), two_classes,
        lambda m, y, t: m.f1_score(t, y.argmax(axis=1), zero_division=0),
    ),
    MetricCase(
        Precision("binary"), lambda y, t: float(precision(*(c[0] for c in counts(y > 0, t == 1)))), yes_or_no,
        lambda m, y, t: m.precision_score(t[:, 0], y[:, 0] > 0, zero_division=0),
    ),
    MetricCase(
        Recall(threshold=0.2), lambda y, t: recall(*counts(y > np.float32(0.2), t == 1)).mean(), questions,
        lambda m, y, t: m.recall_score(t, y > np.float32(0.2), average="macro", zero_division=0),
    ),
    MetricCase(AUC(), area, two_classes, lambda m, y, t: m.roc_auc_score(t, y[:, 1] - y[:, 0])),
    MetricCase(AUC(), area, yes_or_no, lambda m, y, t: m.roc_auc_score(t[:, 0], y[:, 0])),
    MetricCase(Perplexity(), perplexity, classes),
    MetricCase(
        AbsoluteError(), lambda y, t: np.abs(t.astype("float64") - y).mean(), numbers,
        lambda m, y, t: m.mean_absolute_error(t, y),
    ),
    MetricCase(
        SquaredError(), lambda y, t: ((t.astype("float64") - y) ** 2).mean(), numbers,
        lambda m, y, t: m.mean_squared_error(t, y),
    ),
    MetricCase(
        RootSquaredError(), lambda y, t: np.sqrt(((t.astype("float64") - y) ** 2).mean()), numbers,
        lambda m, y, t: np.sqrt(m.mean_squared_error(t, y)),
    ),
    MetricCase(R2(), r2, numbers, lambda m, y, t: m.r2_score(t, y)),
]  # fmt: skip
