"""What fit and evaluate are fed, as batches: arrays, cut up, or an iterable of batches, each checked as it comes.

A batch is (x, t), or (x, t, weights) where samples or classes have weights.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from xpnet import random
from xpnet.base.checks import whole
from xpnet.data.batches import Batches, split
from xpnet.errors import DataError, OptionError, XpnetError
from xpnet.training.inputs import (
    Classes,
    check_array,
    check_backends,
    check_classes,
    check_data,
    check_inputs,
    check_pair,
    check_weights,
    class_weights,
    require_weighted_loss,
)

if TYPE_CHECKING:
    from xpnet.model import Model

BATCH_SIZE = 32  # of arrays in training
EVALUATED = 256  # samples at a time where no gradient is needed


class CheckedBatches:
    """The user's iterable of batches, with every batch checked, and weighted by its classes.

    One that has a length gives all its batches in each epoch. From one that has none, such as a generator, an epoch
    takes `steps` more batches, and begins it again where it ends; if `to_end`, it may be read to its end instead.
    `option` is what the user calls `steps`.

    One that cannot start in the middle of an epoch, as a Loader can, is read again from its beginning by a training
    that goes on from a Backup. What it draws from xpnet.random has to be the same then: after `begin`, each batch is
    drawn from a state of its own, but for the first of an epoch that begins anew, before which nothing else is drawn.
    """

    samples: int | None = None  # in an epoch: not known before
    batch_size: int | None = None

    def __init__(
        self,
        model: Model,
        batches: Iterable[Any],
        steps: int | None,
        option: str,
        classes: Classes | None = None,
        to_end: bool = False,
    ) -> None:
        self.model, self.batches, self.classes = model, batches, classes
        self.sized, self.length = True, _length(batches)
        if self.length is None:
            self.sized, self.length = False, None if steps is None else whole(option, steps)
        elif steps is not None:
            raise OptionError(f"{option} is for iterables without a length; this one has {self.length} batches")
        if self.length is None and not to_end:
            raise OptionError(f"how many batches this {type(batches).__name__} gives is not known: say {option}=...")
        self.key: random.Key | None = None  # of all that the iterable draws
        self.passes = 0  # how many epochs were taken from it before
        self._begun = 0  # how many epochs this process has read, the first of them to their ends
        self._rest: Iterator[Any] | None = None  # what the epochs before have left of an iterable without a length

    def begin(self) -> None:
        """Training begins."""
        if not hasattr(self.batches, "starting_at"):
            self.key = random.get_state()  # none is taken: batches of arrays take none, and train to the same bits

    def get_state(self) -> dict[str, Any]:
        return {"key": self.key, "passes": self.passes}

    def set_state(self, state: dict[str, Any]) -> None:
        if state["key"] is not None:
            seed, taken = map(int, state["key"])
            self.key = (seed, taken)
        self.passes = int(state["passes"])

    def __len__(self) -> int:
        if self.length is None:
            raise TypeError("the number of batches is not known")
        return self.length

    def __iter__(self) -> Iterator[tuple[np.ndarray, ...]]:
        return self.starting_at(0)

    def starting_at(self, first: int) -> Iterator[tuple[np.ndarray, ...]]:
        """The batches of one epoch from number `first` on."""
        check_backends(self.model)
        number, stop = first, None if self.length is None else self.length - first
        for number, batch in enumerate(islice(self._source(first), stop), first + 1):
            yield self._checked(batch, number)
        if number < (self.length or 1):
            raise DataError(
                f"the iterable of batches ended after {number} of {self.length or 'one or more'} in an epoch"
            )
        self.passes += 1

    def _source(self, first: int) -> Iterator[Any]:
        if hasattr(self.batches, "starting_at"):
            source: Iterator[Any] = self.batches.starting_at(first)
            return source
        if self.sized or self.length is None:
            self._read_before()
            source = self._from_beginning(self.passes)
        else:
            source = self._rest = self._rest or self._after_before()
        deque(islice(source, first), maxlen=0)  # at once: perhaps nothing more is asked for in this epoch
        return source

    def _after_before(self) -> Iterator[Any]:
        """An iterable without a length, behind what a run before this one has read."""
        source = self._on_and_on()
        deque(islice(source, self.passes * (self.length or 0)), maxlen=0)
        return source

    def _read_before(self) -> None:
        """Read what a run before this one has read: an iterable may have a generator of its own that goes on."""
        with random.preserved_state():
            for turn in range(self._begun, 0 if isinstance(self.batches, list) else self.passes):
                deque(islice(self._from_beginning(turn), self.length), maxlen=0)
        self._begun = self.passes + 1

    def _on_and_on(self) -> Iterator[Any]:
        """From its beginning again where it ends, unless that gives nothing."""
        for turn in count():
            empty = True
            for batch in self._from_beginning(turn):
                yield batch
                empty = False
            if empty:
                return

    def _from_beginning(self, turn: int) -> Iterator[Any]:
        batches: Iterator[Any] | None = None
        for number in count():
            own = self.key and (number or not self.sized)
            with random.preserved_state(self._own_state(turn, number)) if own else contextlib.nullcontext():
                batches = iter(self.batches) if batches is None else batches
                try:
                    batch = next(batches)
                except StopIteration:
                    return
            yield batch

    def _own_state(self, turn: int, number: int) -> random.Key:
        """The random state that a batch is drawn from."""
        assert self.key is not None
        return int(random.stream(self.key, turn + 1, number).integers(2**63)), 0

    def _checked(self, batch: Any, number: int) -> tuple[np.ndarray, ...]:
        try:
            if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
                raise DataError(
                    f"an iterable of batches must give (x, t) or (x, t, sample_weight), not {type(batch).__name__}"
                    + (f" of {len(batch)}" if isinstance(batch, (tuple, list)) else "")
                    + ("; data.Loader((x, t)) has targets too" if isinstance(batch, np.ndarray) else "")
                )
            x, t = check_pair(self.model, *batch[:2])
            return x, t, *_weights(self.model, x, t, batch[2] if len(batch) == 3 else None, self.classes)
        except XpnetError as error:
            raise type(error)(f"batch {number}: {error}") from error


Feed = Batches | CheckedBatches


def described(train: Feed, held_out: Feed | None) -> dict[str, Any]:
    """What a Backup compares, so that training goes on with the data that it began with: settings that are not None."""
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


def is_batches(x: Any, lists: bool = False) -> bool:
    """Whether x is an iterable of batches: no array, nor what becomes one. If `lists`, lists of tuples are, too."""
    if isinstance(x, list):
        return lists and bool(x) and all(isinstance(item, tuple) for item in x)
    none = (tuple, str, bytes, Mapping)
    return (
        hasattr(x, "__iter__") and not isinstance(x, none) and not hasattr(x, "shape") and not hasattr(x, "__array__")
    )


def for_training(
    model: Model,
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
    classes = check_classes(class_weight)
    held_out: Feed | None = None
    if is_batches(x, lists=t is None):
        _refuse_options_of_arrays("fit", t, batch_size, sample_weight)
        if validation_split or not shuffle:
            raise OptionError(
                "fit: validation_split and shuffle are for arrays; an iterable of batches has an order of its own, and"
                " validation_data may be an iterable too"
            )
        train: Feed = CheckedBatches(model, x, steps_per_epoch, "steps_per_epoch", classes)
    else:
        x, t = check_data(model, x, t)
        _refuse_steps("steps_per_epoch", steps_per_epoch)
        weights = None if sample_weight is None else check_weights(model, sample_weight, len(x))
        if weights is not None and not weights.any():
            raise DataError("all of sample_weight is zero: there would be nothing to learn")
        if validation_data is not None and validation_split:
            raise OptionError("fit: give validation_data or validation_split, not both")
        if validation_split:
            (x, t), (x_val, t_val) = split(x, t, validation_split)
            held_out = _cut(model, x_val, t_val, None if weights is None else weights[len(x) :], batch_size)
            weights = None if weights is None else weights[: len(x)]
        size = BATCH_SIZE if batch_size is None else batch_size
        train = Batches(x, t, size, shuffle, False, *_weights(model, x, t, weights, classes))
    if validation_data is not None:
        held_out = _validation(model, validation_data, validation_steps, batch_size)
    elif validation_steps is not None:
        raise OptionError("validation_steps needs validation_data that are an iterable of batches without a length")
    return train, held_out


def for_evaluation(model: Model, x: Any, t: Any, sample_weight: Any, batch_size: int | None, steps: int | None) -> Feed:
    """The batches to evaluate."""
    if is_batches(x, lists=t is None):
        _refuse_options_of_arrays("evaluate", t, batch_size, sample_weight)
        return CheckedBatches(model, x, steps, "steps", to_end=True)
    _refuse_steps("steps", steps)
    x, t = check_data(model, x, t)
    return Batches(
        x, t, EVALUATED if batch_size is None else batch_size, False, False, *_weights(model, x, t, sample_weight)
    )


def for_prediction(model: Model, x: Any, batch_size: int | None) -> Iterable[np.ndarray]:
    """The batches to predict, without targets."""
    pairs = isinstance(x, list) and all(isinstance(b, tuple) and b and np.ndim(b[0]) > 1 for b in x)  # and no samples
    if not is_batches(x, lists=pairs):
        return Batches(check_inputs(model, x), None, EVALUATED if batch_size is None else batch_size)
    _refuse_options_of_arrays("predict", None, batch_size, None)
    if getattr(x, "shuffle", False):
        raise OptionError(
            "predict: these batches come in another order each time, and nobody could tell which output is whose; make"
            " them with shuffle=False"
        )
    if getattr(x, "drop_last", False):
        raise OptionError("predict: these batches leave out the last samples; make them with drop_last=False")
    check_backends(model)
    return _inputs(model, x)


def _inputs(model: Model, batches: Iterable[Any]) -> Iterator[np.ndarray]:
    """The x of each batch x, (x, t) or (x, t, sample_weight)."""
    number = 0
    for number, batch in enumerate(batches, 1):
        try:
            yield check_array(model, batch[0] if isinstance(batch, (tuple, list)) and batch else batch)
        except XpnetError as error:
            raise type(error)(f"batch {number}: {error}") from error
    if not number:
        raise DataError("the iterable of batches is empty")


def _validation(model: Model, data: Any, steps: int | None, batch_size: int | None) -> Feed:
    if is_batches(data, lists=True):
        return CheckedBatches(model, data, steps, "validation_steps", to_end=not isinstance(data, Iterator))
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise OptionError(
            "fit: validation_data must be a pair (x, t), (x, t, sample_weight), or an iterable of batches of these"
        )
    _refuse_steps("validation_steps", steps)
    return _cut(model, *check_data(model, *data[:2]), data[2] if len(data) == 3 else None, batch_size)


def _cut(model: Model, x: np.ndarray, t: np.ndarray, weights: Any, batch_size: int | None) -> Batches:
    """Arrays to validate with, in batches that may be larger than those of training."""
    return Batches(x, t, max(batch_size or 0, EVALUATED), False, False, *_weights(model, x, t, weights))


def _weights(
    model: Model, x: np.ndarray, t: np.ndarray, weights: Any, classes: Classes | None = None
) -> list[np.ndarray]:
    """Of the samples times those of their classes; [] if there are neither."""
    found = [] if weights is None else [check_weights(model, weights, len(x))]
    if classes is not None:
        found.append(class_weights(model, classes, x, t))
    if found and model.loss is not None:
        require_weighted_loss(model.loss)
    return [found[0] * found[1]] if len(found) == 2 else found


def _length(batches: Any) -> int | None:
    try:
        length = len(batches)
    except TypeError:  # some have a __len__ that does not know
        return None
    if length < 1:
        raise DataError("the iterable of batches is empty: its len() is 0")
    return length


def _refuse_options_of_arrays(verb: str, t: Any, batch_size: int | None, sample_weight: Any) -> None:
    given = [
        name
        for name, value in (("t", t), ("batch_size", batch_size), ("sample_weight", sample_weight))
        if value is not None
    ]
    if given:
        raise OptionError(
            f"{verb}: x is an iterable of batches (x, t) or (x, t, sample_weight), which hold targets and weights and"
            f" have their size; leave {', '.join(given)} out"
        )


def _refuse_steps(option: str, steps: int | None) -> None:
    if steps is not None:
        raise OptionError(f"{option} is for iterables of batches that have no length; arrays are taken whole")
