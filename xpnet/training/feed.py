"""What fit, evaluate and predict are fed: arrays, cut into batches, or an iterable of batches.

A batch is (x, t), or (x, t, weights) where samples or classes have weights; x may be a tuple, of several inputs, and t
and weights tuples or dicts, of several outputs. To a train_step of the user's own it is whatever was given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from xpnet.base.nested import arranged_like, first_leaf, leaves, mapped
from xpnet.core.network import Network
from xpnet.data.batches import Batches, split
from xpnet.data.items import ItemBatches, gives_batches, has_items, is_source, needs_loader
from xpnet.errors import DataError, OptionError
from xpnet.files.trainable import TrainableNetwork
from xpnet.training.class_weights import BALANCED, balanced_batches, read_class_weight, weigh_classes
from xpnet.training.held_out import warn_of_classes
from xpnet.training.iterables import PreparedBatches, prepared_samples
from xpnet.training.prepare import is_batches, prepare, prepare_own_batch, prepare_samples, require_one_backend
from xpnet.training.refusals import (
    refuse_options_of_arrays,
    refuse_path,
    refuse_shuffled,
    refuse_source,
    refuse_steps,
    refuse_unordered,
)

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
    shards: int = 1,
) -> tuple[Feed, Feed | None]:
    """The batches to train on, and those to validate with."""
    classes = read_class_weight(class_weight)
    given = x
    x, batch_size = batches_of_items(x, t, batch_size, BATCH_SIZE, shuffle)
    shuffle = shuffle or x is not given  # it is done as it was asked for
    held_out: Feed | None = None
    if is_batches(x, lists=t is None):
        refuse_options_of_arrays("fit", t=t, batch_size=batch_size, sample_weight=sample_weight)
        if validation_split or not shuffle:
            raise OptionError(
                "fit: validation_split and shuffle are for arrays; an iterable of batches has an order of its own, and"
                " validation_data may be an iterable too"
            )
        refuse_shuffled(model, getattr(x, "shuffle", False))
        classes = balanced_batches(x) if classes == BALANCED else classes
        model.keep_preparation(x)
        train: Feed = PreparedBatches(model, x, steps_per_epoch, "steps_per_epoch", classes, own=model.has_own_step)
    else:
        parts = (prepare_own_batch if model.has_own_step else prepare)(model, x, t, sample_weight)
        refuse_steps("steps_per_epoch", steps_per_epoch)
        if validation_data is not None and validation_split:
            raise OptionError("fit: give validation_data or validation_split, not both")
        if sample_weight is not None and not any(each.any() for each in leaves(parts[2:])):
            raise DataError("all of sample_weight is zero: there would be nothing to learn")
        if validation_split:
            if t is None:
                raise OptionError("fit: validation_split needs targets, as evaluate does, and there are none")
            parts, last = _split(parts, validation_split)
            held_out = _to_validate(model, prepare(model, *last) if model.has_own_step else last, batch_size, shards)
        refuse_shuffled(model, shuffle)
        size = BATCH_SIZE if batch_size is None else batch_size
        train = _cut(parts if classes is None else weigh_classes(model, classes, *parts), size, shuffle)
    if validation_data is not None:
        held_out = _validation(model, validation_data, validation_steps, batch_size, shards)
    elif validation_steps is not None:
        raise OptionError("validation_steps needs validation_data that are an iterable of batches without a length")
    if held_out is not None and not model.has_own_step:
        warn_of_classes(model.loss, train, held_out, is_split=bool(validation_split))
    return train, held_out


def for_evaluation(
    model: TrainableNetwork, x: Any, t: Any, sample_weight: Any, batch_size: int | None, steps: int | None
) -> Feed:
    """The batches to evaluate."""
    x, batch_size = batches_of_items(x, t, batch_size, EVALUATED)
    if is_batches(x, lists=t is None):
        refuse_options_of_arrays("evaluate", t=t, batch_size=batch_size, sample_weight=sample_weight)
        return PreparedBatches(model, x, steps, "steps", to_end=True)
    refuse_steps("steps", steps)
    return _cut(prepare(model, x, t, sample_weight), EVALUATED if batch_size is None else batch_size)


def for_prediction(model: Network, x: Any, batch_size: int | None) -> Iterable[Any]:
    """The batches to predict, without targets."""
    x, batch_size = batches_of_items(x, None, batch_size, EVALUATED)
    pairs = isinstance(x, list) and all(  # and no samples
        isinstance(b, tuple) and leaves(b) and np.ndim(first_leaf(b)) > 1 for b in x
    )
    if not is_batches(x, lists=pairs):
        return Batches(prepare_samples(model, x), None, EVALUATED if batch_size is None else batch_size)
    refuse_options_of_arrays("predict", batch_size=batch_size)
    refuse_unordered(x)
    require_one_backend(model)
    return prepared_samples(model, x)


def batches_of_items(
    x: Any, t: Any, batch_size: int | None, otherwise: int, shuffle: bool = False
) -> tuple[Any, int | None]:
    """The batches of a Keras Sequence, or those that a Loader makes of a torch Dataset, or of another object with
    samples, which takes batch_size; all else as it is.
    """
    refuse_path(x)
    if t is not None or not has_items(x) or needs_loader(x):
        return x, batch_size
    if not is_source(x) and gives_batches(x):
        return ItemBatches(x), batch_size
    from xpnet.data.loader import Loader

    return Loader(x, otherwise if batch_size is None else batch_size, shuffle), None


def in_parts(feed: Feed, batches: Iterator[Any]) -> Iterator[tuple[Any, ...]]:
    """Batches of a feed as tuples, those of x alone too, which Batches gives without one."""
    return ((x,) for x in batches) if isinstance(feed, Batches) and feed.t is None else batches


def on_device(model: Network, batch: Any) -> Any:
    """The batch on the model's backend, in the structure that it has."""
    if _is_flat(batch):
        return model.backend.batch(batch, model.dtype)
    return arranged_like(batch, model.backend.batch(leaves(batch), model.dtype))


def staged(model: Network, batches: Iterable[Any]) -> Iterator[Any]:
    """Each batch on the device, perhaps copied while the device computes."""
    if not model.backend.lazy:
        for batch in batches:
            yield on_device(model, batch)
        return
    waiting: deque[Any] = deque()  # a backend may ask for one batch more than it has given

    def arrays() -> Iterator[Iterable[np.ndarray]]:
        for batch in batches:
            waiting.append(batch)
            yield batch if _is_flat(batch) else leaves(batch)

    for parts in model.backend.staged(arrays(), model.dtype):
        batch = waiting.popleft()
        yield parts if _is_flat(batch) else arranged_like(batch, parts)


def _is_flat(batch: Any) -> bool:
    """Whether its parts are arrays, as they most often are, and none of them a tuple or a dict."""
    if not isinstance(batch, tuple):
        return False
    for part in batch:  # noqa: SIM110 (it is asked in each step, and this is one call)
        if not isinstance(part, np.ndarray):
            return False
    return True


def describe_data(train: Feed, held_out: Feed | None) -> dict[str, Any]:
    """What a Backup compares, so that training goes on with the data that it began with: those that are not None."""
    if isinstance(train, Batches):
        own: dict[str, Any] = {"batch_size": train.batch_size, "shuffle": train.shuffle, "x": train.x, "t": train.t}
        later: dict[str, Any] = {"sample_weight": train.sample_weight}
    else:
        own = {"x": train.batches, "t": None}
        later = {"steps_per_epoch": None if train.sized else train.length, "class_weight": train.classes}
    if isinstance(held_out, Batches):
        own["validation_data"] = held_out.parts
    else:
        own["validation_data"] = None if held_out is None else held_out.batches
    return own | {name: value for name, value in later.items() if value is not None}


def _validation(model: TrainableNetwork, data: Any, steps: int | None, batch_size: int | None, shards: int) -> Feed:
    data, batch_size = batches_of_items(data, None, batch_size, EVALUATED)
    if is_batches(data, lists=True):
        return PreparedBatches(model, data, steps, "validation_steps", to_end=not isinstance(data, Iterator))
    refuse_source("validation_data", data)
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise OptionError(
            "fit: validation_data must be a pair (x, t), (x, t, sample_weight), or an iterable of batches of these"
        )
    refuse_steps("validation_steps", steps)
    return _to_validate(model, prepare(model, *data), batch_size, shards)


def _to_validate(model: TrainableNetwork, parts: tuple[Any, ...], batch_size: int | None, shards: int) -> Batches:
    """In batches, or shards, that may be larger than those of training, unless states go from row to row."""
    carries = any(True for _ in model.named_states())
    return _cut(parts, batch_size or BATCH_SIZE if carries else shards * max(batch_size or 0, EVALUATED))


def _cut(parts: tuple[Any, ...], batch_size: int, shuffle: bool = False) -> Batches:
    """Batches of (x, t) or (x, t, weights); of a step of the user's own perhaps of x alone."""
    x, t, *weights = parts if len(parts) > 1 else (*parts, None)
    return Batches(x, t, batch_size, shuffle, False, *weights)


def _split(parts: tuple[Any, ...], fraction: float) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """All parts up to the last `fraction` of the samples, and these."""
    numbers = np.arange(len(first_leaf(parts)))
    (first, _), _ = split(numbers, numbers, fraction)
    return mapped(lambda each: each[: len(first)], parts), mapped(lambda each: each[len(first) :], parts)
