"""K-fold cross-validation: how well a kind of model does, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from xpnet import random
from xpnet.base.checks import whole
from xpnet.base.host import as_host
from xpnet.base.nested import first_leaf, leaves, mapped
from xpnet.callbacks import Callback, History
from xpnet.data.batches import split
from xpnet.data.folds import KFold
from xpnet.errors import DataError, OptionError, ShapeError
from xpnet.model import Model
from xpnet.training.prepare import is_batches


@dataclass(frozen=True, eq=False)  # arrays cannot be compared
class CrossValidation:
    """What `cross_validate` found: for each fold, the loss and the metrics on the samples held out."""

    scores: dict[str, np.ndarray]  # by name, (folds,); of a metric that is no number (folds, ...)
    histories: list[History] = field(repr=False)  # of each fold's training

    @property
    def mean(self) -> dict[str, float]:
        """Over the folds, of each score that is a number; a confusion matrix is none."""
        return {name: float(values.mean()) for name, values in self.scores.items() if values.ndim == 1}

    @property
    def std(self) -> dict[str, float]:
        """The standard deviation over the folds, of the sample: divided by folds - 1."""
        return {name: float(values.std(ddof=1)) for name, values in self.scores.items() if values.ndim == 1}

    def __str__(self) -> str:
        std = self.std
        numbers = ", ".join(f"{name} {mean:.4f} ± {std[name]:.4f}" for name, mean in self.mean.items())
        return f"{numbers} ({len(self.histories)} folds)"


def cross_validate(
    make_model: Callable[[], Model],
    x: Any,
    t: Any,
    folds: int | KFold = 5,
    *,
    batch_size: int = 32,
    epochs: int = 1,
    transform: Callable[[], Any] | None = None,
    callbacks: Callable[[], Callback | Iterable[Callback]] | None = None,
    sample_weight: Any = None,
    validation_split: float = 0.0,
    verbose: int = 0,
    **fit: Any,
) -> CrossValidation:
    """Train a fresh model on all folds but one, evaluate it on that one, and do so for each fold.

    make_model() returns a new, compiled model. x and t are as in `fit`, also of several inputs or outputs. `folds` is
    their number (stratified if t are class numbers, (N,) integers, of which each fold can have one), or a data.KFold.
    transform() returns what is fitted to the training part of each fold alone and applied to both, such as
    data.Standardize. callbacks() returns new callbacks for each fold. sample_weight: (N,), in training and in the
    scores. validation_split: the last share of each training part is not trained on, nor is the transform fitted to it;
    callbacks see its val_loss. Further arguments go to `model.fit`.

    One key of xpnet.random is taken, whatever happens in the folds, and the folds' weights, batches and dropout masks
    follow from it.

    Raises OptionError if make_model, transform or callbacks are not functions that make something new, DataError if
    there are fewer samples than folds.
    """
    _check_functions(make_model, transform, callbacks)
    if "validation_data" in fit:
        raise OptionError("cross_validate holds samples out itself; validation_split takes some of those for training")
    samples = _check_samples(x, t, sample_weight)
    chosen = _check_folds(folds, samples.t)
    results: list[dict[str, float]] = []
    histories: list[History] = []
    seen: list[Model] = []  # kept, so that no two have the same id
    key = random.next_key("cross_validation")
    with random.drawing_from(key, "parts"):
        parts = list(chosen.split(first_leaf(samples.x), samples.t if chosen.stratified else None))
    for number, (train, held_out) in enumerate(parts):
        with random.drawing_from(key, "fold", number):
            model = make_model()
            if not isinstance(model, Model) or any(model is other for other in seen):
                raise OptionError("make_model must return a new Model each time it is called")
            seen.append(model)
            last = train[:0]  # of the training part, to validate with
            if validation_split:
                (train, _), (last, _) = split(train, train, validation_split)
            transformed = transform().fit(_taken(samples.x, train)).transform if transform is not None else _as_it_is
            x_train, t_train, w_train = samples.part(train, transformed)
            fold_callbacks = callbacks() if callbacks is not None else None
            histories.append(
                model.fit(
                    x_train, t_train, batch_size, epochs, verbose, fold_callbacks, sample_weight=w_train,
                    validation_data=samples.part(last, transformed) if len(last) else None, **fit,
                )
            )  # fmt: skip
            x_scored, t_scored, w_scored = samples.part(held_out, transformed)
            results.append(model.evaluate(x_scored, t_scored, return_dict=True, sample_weight=w_scored))
    return CrossValidation({name: np.array([r[name] for r in results]) for name in results[0]}, histories)


# ---- what is given, checked ------------------------------------------------------------------------------------------


class _Samples(NamedTuple):
    """x and t, each an array or several in a tuple or a dict, and a weight for each sample or None."""

    x: Any
    t: Any
    weights: np.ndarray | None

    def part(self, of: np.ndarray, transformed: Callable[[Any], Any]) -> tuple[Any, Any, Any]:
        return transformed(_taken(self.x, of)), _taken(self.t, of), None if self.weights is None else self.weights[of]


def _taken(value: Any, of: np.ndarray) -> Any:
    return mapped(lambda each: each[of], value)


def _as_it_is(x: Any) -> Any:
    return x


def _check_functions(make_model: Any, transform: Any, callbacks: Any) -> None:
    for name, function in (("make_model", make_model), ("transform", transform), ("callbacks", callbacks)):
        if (function is not None or name == "make_model") and (
            not callable(function) or isinstance(function, (Model, Callback)) or _fitting(function)
        ):
            raise OptionError(f"{name} must be a function that returns something new for each fold, not {function!r}")


def _check_samples(x: Any, t: Any, sample_weight: Any) -> _Samples:
    if is_batches(x):
        raise OptionError("cross_validate needs arrays x and t, of which it can take any part, not batches")
    x, t = mapped(np.asarray, x), mapped(np.asarray, t)
    first, *others = leaves((x, t))
    for other in others:
        if first.ndim == 0 or other.shape[:1] != first.shape[:1]:
            raise DataError(f"x has shape {first.shape} and t {other.shape}; expected one target for each sample")
    weights = None if sample_weight is None else as_host(sample_weight)
    if weights is not None and weights.shape != first.shape[:1]:
        raise ShapeError(f"sample_weight has shape {weights.shape}; expected one for each of the {len(first)} samples")
    return _Samples(x, t, weights)


def _check_folds(folds: Any, t: Any) -> KFold:
    if isinstance(folds, KFold):
        return folds
    if hasattr(folds, "split"):
        raise OptionError(f"folds must be their number, or an xpnet.data.KFold, not {folds!r}")
    return KFold(whole("folds", folds, 2), stratified=_strata(t, folds))


def _strata(t: Any, folds: int) -> bool:
    if not isinstance(t, np.ndarray) or t.ndim != 1 or t.dtype.kind not in "iub" or len(t) == 0:
        return False
    return int(np.unique(t, return_counts=True)[1].min()) >= folds


def _fitting(function: Any) -> bool:
    """Whether it is a transform itself, such as data.Standardize(), and not what makes one."""
    return hasattr(function, "fit") and not isinstance(function, type)
