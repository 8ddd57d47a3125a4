"""Iterables of batches, such as loaders and generators: each batch is prepared as it comes."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import count, islice
from typing import Any

import numpy as np

from xpnet import random
from xpnet.base.checks import whole
from xpnet.core.network import Network
from xpnet.data.shards import CutBatch, Shards
from xpnet.errors import DataError, OptionError, XpnetError
from xpnet.files.trainable import TrainableNetwork
from xpnet.training.class_weights import Classes, weigh_classes
from xpnet.training.prepare import (
    prepare_batch,
    prepare_batch_of_samples,
    prepare_own_batch,
    require_one_backend,
)

END = object()  # in the place of a batch, where there are no more


class PreparedBatches:
    """The user's iterable of batches, with every batch prepared, and weighted by its classes.

    One that has a length gives all its batches in each epoch. From one that has none, such as a generator, an epoch
    takes `steps` more batches, and begins it again where it ends; if `to_end`, it may be read to its end instead.
    `option` is what the user calls `steps`. If `own`, batches are for a train_step of the user's own.

    After `draw_from` each batch is drawn from a random state of its own, which follows from the number of the pass
    through the iterable and that of the batch. One that cannot start in the middle of an epoch, as a Loader can, is
    read again from its beginning by a training that goes on from a Backup. One that can should draw what its order
    follows from when it is asked for the batches from there on, or for the first of them.
    """

    samples: int | None = None  # in an epoch: not known before
    batch_size: int | None = None

    def __init__(
        self,
        model: TrainableNetwork,
        batches: Iterable[Any],
        steps: int | None,
        option: str,
        classes: Classes | None = None,
        to_end: bool = False,
        own: bool = False,
    ) -> None:
        self.model, self.batches, self.classes, self.own = model, batches, classes, own
        self.sized, self.length = True, _length(batches)
        if self.length is None:
            self.sized, self.length = False, None if steps is None else whole(option, steps)
        elif steps is not None:
            raise OptionError(f"{option} is for iterables without a length; this one has {self.length} batches")
        if self.length is None and not to_end:
            raise OptionError(f"how many batches this {type(batches).__name__} gives is not known: say {option}=...")
        self._drawn_from: tuple[random.Key, str] | None = None
        self.epochs = 0  # how many were taken from it before
        self._epochs_read = 0  # how many of them this process has read, and the one that it is in
        self._endless: Iterator[Any] | None = None  # an iterable without a length, as far as it is still to be read

    def draw_from(self, key: random.Key, what: str) -> None:
        """What the iterable draws from now on follows from the key of a training and from what the batches are for."""
        self._drawn_from = key, what

    def get_state(self) -> dict[str, Any]:
        return {"passes": self.epochs}

    def set_state(self, state: dict[str, Any]) -> None:
        self.epochs = int(state["passes"])

    def __len__(self) -> int:
        if self.length is None:
            raise TypeError("the number of batches is not known")
        return self.length

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self.starting_at(0)

    def starting_at(self, first: int) -> Iterator[Any]:
        """The batches of one epoch from number `first` on."""
        return self._give(first, None)

    @property
    def gives_shards(self) -> bool:
        """Whether the iterable can be asked for parts of its batches, so that nobody reads what others train on."""
        return hasattr(self.batches, "shards_from")

    def shards_from(self, first: int, shards: Shards) -> Iterator[CutBatch]:
        """The same, of each batch these shards alone."""
        return self._give(first, shards)

    def _give(self, first: int, shards: Shards | None) -> Iterator[Any]:
        require_one_backend(self.model)
        number, stop = first, None if self.length is None else self.length - first
        for number, batch in enumerate(islice(self._read_from(first, shards), stop), first + 1):
            if shards is None:
                yield self._prepared(batch, number)
                continue
            parts = [part._replace(batch=self._prepared(part.batch, number)) for part in batch.parts]
            yield batch._replace(parts=parts)
        if number < (self.length or 1):
            raise DataError(
                f"the iterable of batches ended after {number} of {self.length or 'one or more'} in an epoch"
            )
        self.epochs += 1

    def _read_from(self, first: int, shards: Shards | None) -> Iterator[Any]:
        """The batches of this epoch as the user gives them, from number `first` on."""
        if shards is not None or hasattr(self.batches, "starting_at"):
            return self._one_pass(self.epochs, first, shards)
        batches: Iterator[Any]
        if self.sized or self.length is None:
            self._read_epochs_before()
            batches = self._one_pass(self.epochs)
        else:
            batches = self._endless = self._endless or self._endless_from_here()
        return _skip(batches, first)

    def _read_epochs_before(self) -> None:
        """Read what a process before this one has read: an iterable may have a generator of its own that goes on."""
        for number in range(self._epochs_read, 0 if isinstance(self.batches, list) else self.epochs):
            deque(islice(self._one_pass(number), self.length), maxlen=0)
        self._epochs_read = self.epochs + 1

    def _endless_from_here(self) -> Iterator[Any]:
        """An iterable without a length, again and again, behind what a process before this one has read."""
        batches = one_after_another(self._one_pass(number) for number in count())
        return _skip(batches, self.epochs * (self.length or 0))

    def _one_pass(self, number: int, first: int = 0, shards: Shards | None = None) -> Iterator[Any]:
        """The iterable from batch number `first` on, which only one that can start there may be asked for."""
        with self._drawing(number):
            start = getattr(self.batches, "starting_at" if shards is None else "shards_from", None)
            more = () if shards is None else (shards,)
            batches: Iterator[Any] = start(first, *more) if start else iter(self.batches)
            batch = next(batches, END)  # many an iterator draws what it needs when its first batch is asked for
        for batch_number in count(first + 1):
            if batch is END:
                return
            yield batch
            with self._drawing(number, batch_number):
                batch = next(batches, END)

    def _drawing(self, *place: int) -> AbstractContextManager[None]:
        """Within the block a batch is drawn, from the state of its place: the numbers of the pass and of the batch."""
        if self._drawn_from is None:
            return contextlib.nullcontext()
        return random.drawing_from(*self._drawn_from, *place)

    def _prepared(self, batch: Any, number: int) -> tuple[Any, ...]:
        with _naming_batch(number):
            if self.own:
                parts = prepare_own_batch(self.model, *(batch if isinstance(batch, (tuple, list)) else [batch]))
                return parts if self.classes is None else weigh_classes(self.model, self.classes, *parts)
            if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
                raise DataError(
                    f"an iterable of batches must give (x, t) or (x, t, sample_weight), not {type(batch).__name__}"
                    + (f" of {len(batch)}" if isinstance(batch, (tuple, list)) else "")
                    + ("; data.Loader((x, t)) has targets too" if isinstance(batch, np.ndarray) else "")
                )
            return weigh_classes(self.model, self.classes, *prepare_batch(self.model, *batch))


def prepared_samples(model: Network, batches: Iterable[Any]) -> Iterator[Any]:
    """The x of each batch x, (x, t) or (x, t, sample_weight), to the end of the iterable."""
    number = 0
    for number, batch in enumerate(batches, 1):
        with _naming_batch(number):
            x = prepare_batch_of_samples(model, batch[0] if isinstance(batch, (tuple, list)) and batch else batch)
        yield x
    if not number:
        raise DataError("the iterable of batches is empty")


def one_after_another(iterables: Iterable[Iterable[Any]]) -> Iterator[Any]:
    """All items of the first iterable, then all of the second, and so on; ends with one that is empty."""
    for items in iterables:
        empty = True
        for item in items:
            empty = False
            yield item
        if empty:
            return


def _skip(batches: Iterator[Any], number: int) -> Iterator[Any]:
    """Without the first ones, which are read now: perhaps nothing more is asked for in this epoch."""
    deque(islice(batches, number), maxlen=0)
    return batches


@contextlib.contextmanager
def _naming_batch(number: int) -> Iterator[None]:
    """What is raised within the block says which batch it comes from."""
    try:
        yield
    except XpnetError as error:
        raise type(error)(f"batch {number}: {error}") from error


def _length(batches: Any) -> int | None:
    try:
        length = len(batches)
    except TypeError:  # some have a __len__ that does not know
        return None
    if length < 1:
        raise DataError("the iterable of batches is empty: its len() is 0")
    return length
