"""What fit, evaluate and predict are fed: arrays, cut into batches, or an iterable of batches.

A batch is (x, t), or (x, t, weights) where samples or classes have weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from xpnet.core.network import Network
from xpnet.data.batches import Batches, split
from xpnet.errors import DataError, OptionError
from xpnet.files.trainable import TrainableNetwork
from xpnet.training.class_weights import read_class_weight, weigh_classes
from xpnet.training.iterables import PreparedBatches, prepared_samples
from xpnet.training.prepare import is_batches, prepare, prepare_samples, require_one_backend
from xpnet.training.refusals import refuse_options_of_arrays, refuse_steps, refuse_unordered

BATCH_SIZE = 32  # of arrays in training
EVALUATED = 256  # samples at a time where no gradient is needed

Feed = Batches | PreparedBatches


def for_training(
    model: TrainableNetwork,
    x: Any,
    t: Any,
    *,
    batch_size: int | None,
    shuffle: bool,
    sample_weight: Any,
    class_weight: Any,
    steps_per_epoch: int | None,
    validation_split: float,
    validation_data: Any,
    validation_steps: int | None,
) -> tuple[Feed, Feed | None]:
    """The batches to train on, and those to validate with."""
    classes = read_class_weight(class_weight)
    held_out: Feed | None = None
    if is_batches(x, lists=t is None):
        refuse_options_of_arrays("fit", t=t, batch_size=batch_size, sample_weight=sample_weight)
        if validation_split or not shuffle:
            raise OptionError(
                "fit: validation_split and shuffle are for arrays; an iterable of batches has an order of its own, and"
                " validation_data may be an iterable too"
            )
        train: Feed = PreparedBatches(model, x, steps_per_epoch, "steps_per_epoch", classes)
    else:
        x, t, *weights = prepare(model, x, t, sample_weight)
        refuse_steps("steps_per_epoch", steps_per_epoch)
        if validation_data is not None and validation_split:
            raise OptionError("fit: give validation_data or validation_split, not both")
        if weights and not weights[0].any():
            raise DataError("all of sample_weight is zero: there would be nothing to learn")
        if validation_split:
            (x, t), last = split(x, t, validation_split)
            held_out = _to_validate(*last, *(each[len(x) :] for each in weights), batch_size=batch_size)
            weights = [each[: len(x)] for each in weights]
        size = BATCH_SIZE if batch_size is None else batch_size
        train = _cut(weigh_classes(model, classes, x, t, *weights), size, shuffle)
    if validation_data is not None:
        held_out = _validation(model, validation_data, validation_steps, batch_size)
    elif validation_steps is not None:
        raise OptionError("validation_steps needs validation_data that are an iterable of batches without a length")
    return train, held_out


def for_evaluation(
    model: TrainableNetwork, x: Any, t: Any, sample_weight: Any, batch_size: int | None, steps: int | None
) -> Feed:
    """The batches to evaluate."""
    if is_batches(x, lists=t is None):
        refuse_options_of_arrays("evaluate", t=t, batch_size=batch_size, sample_weight=sample_weight)
        return PreparedBatches(model, x, steps, "steps", to_end=True)
    refuse_steps("steps", steps)
    return _cut(prepare(model, x, t, sample_weight), EVALUATED if batch_size is None else batch_size)


def for_prediction(model: Network, x: Any, batch_size: int | None) -> Iterable[np.ndarray]:
    """The batches to predict, without targets."""
    pairs = isinstance(x, list) and all(isinstance(b, tuple) and b and np.ndim(b[0]) > 1 for b in x)  # and no samples
    if not is_batches(x, lists=pairs):
        return Batches(prepare_samples(model, x), None, EVALUATED if batch_size is None else batch_size)
    refuse_options_of_arrays("predict", batch_size=batch_size)
    refuse_unordered(x)
    require_one_backend(model)
    return prepared_samples(model, x)


def describe_data(train: Feed, held_out: Feed | None) -> dict[str, Any]:
    """What a Backup compares, so that training goes on with the data that it began with: those that are not None."""
    if isinstance(train, Batches):
        own: dict[str, Any] = {"batch_size": train.batch_size, "shuffle": train.shuffle, "x": train.x, "t": train.t}
        later: dict[str, Any] = {"sample_weight": train.sample_weight}
    else:
        own = {"x": train.batches, "t": None}
        later = {"steps_per_epoch": None if train.sized else train.length, "class_weight": train.classes}
    if isinstance(held_out, Batches):
        arrays = held_out.x, held_out.t, held_out.sample_weight
        own["validation_data"] = tuple(array for array in arrays if array is not None)
    else:
        own["validation_data"] = None if held_out is None else held_out.batches
    return own | {name: value for name, value in later.items() if value is not None}


def _validation(model: TrainableNetwork, data: Any, steps: int | None, batch_size: int | None) -> Feed:
    if is_batches(data, lists=True):
        return PreparedBatches(model, data, steps, "validation_steps", to_end=not isinstance(data, Iterator))
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise OptionError(
            "fit: validation_data must be a pair (x, t), (x, t, sample_weight), or an iterable of batches of these"
        )
    refuse_steps("validation_steps", steps)
    return _to_validate(*prepare(model, *data), batch_size=batch_size)


def _to_validate(*arrays: np.ndarray, batch_size: int | None) -> Batches:
    """In batches that may be larger than those of training."""
    return _cut(arrays, max(batch_size or 0, EVALUATED))


def _cut(arrays: Iterable[np.ndarray], batch_size: int, shuffle: bool = False) -> Batches:
    """Batches of (x, t) or (x, t, weights)."""
    x, t, *weights = arrays
    return Batches(x, t, batch_size, shuffle, False, *weights)
