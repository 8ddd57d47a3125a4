"""The batches of an epoch, of which each worker gets its shards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from xpnet.base.checks import whole
from xpnet.base.console import say
from xpnet.base.nested import first_leaf
from xpnet.core.network import Network
from xpnet.data.batches import Batches
from xpnet.data.shards import CutBatch, Shards
from xpnet.errors import OptionError
from xpnet.parallel import SHARDS, Communicator, get_communicator, usual_shards
from xpnet.parallel.tree import owned_leaves
from xpnet.training.feed import Feed, on_device


def choose_shards(shards: int | None) -> int:
    """What `fit` is asked for, or the usual number: 1, and SHARDS where there are several workers."""
    workers = get_communicator()
    if shards is None:
        began = max(workers.began, workers.size)  # who has died since does not change what comes out
        return 1 if began == 1 else usual_shards(began)
    count = whole("shards", shards)
    if count & (count - 1):
        raise OptionError(f"shards must be a power of two, such as {SHARDS}, not {count}: they are added in pairs")
    if count < workers.size:
        raise OptionError(f"shards={count} are too few for {workers.size} workers: each needs one at least")
    return count


def tell_of_shards(shards: int) -> None:
    """The reader, how several workers share batches."""
    workers = get_communicator()
    if workers.size > 1 and workers.leads:
        say(f"each batch is cut into {shards} shards for {workers.size} workers: shards={shards} has the same bits")


class Sharing:
    """How batches are shared: cut into `count` shards, among the workers of a communicator."""

    def __init__(self, count: int, communicator: Communicator) -> None:
        self.count, self.communicator = count, communicator

    @property
    def shards(self) -> Shards:
        """Those of this worker, as long as no other dies."""
        workers = self.communicator
        return Shards(self.count, owned_leaves(self.count, workers.size, workers.rank))


class SharedBatches:
    """Iterates over what is left of an epoch from batch number `first` on: this worker's shards, on the device.

    The order of the samples is drawn within `draw()`. What cannot be asked for parts, such as a generator, is read
    whole by each worker, and cut.
    """

    def __init__(
        self,
        model: Network,
        feed: Feed,
        sharing: Sharing,
        first: int,
        draw: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self.model, self.feed, self.sharing, self.draw = model, feed, sharing, draw
        self.number = self.next = first  # of the batch that is given next, and of the one that the iterator has next
        self.shards: Shards | None = None  # for which the iterator was begun
        self.batches: Iterator[Any] | None = None
        self.whole: tuple[Any, int] | None = None  # the batch of `number`, and its samples, of a feed that is cut here

    def __iter__(self) -> Iterator[CutBatch]:
        return self

    def __next__(self) -> CutBatch:
        cut = self._read_parts() if self.feed.gives_shards else self._cut_whole()
        self.number += 1
        parts = [part._replace(batch=on_device(self.model, self._in_parts(part.batch))) for part in cut.parts]
        return cut._replace(parts=parts)

    def close(self) -> None:
        """End what reads ahead, now: a training that is interrupted may be kept by who looks at its error."""
        batches, self.batches = self.batches, None
        close = getattr(batches, "close", None)
        if close is not None:
            close()

    def again(self) -> CutBatch:
        """The last batch once more, with the shards that this worker has by now."""
        self.number -= 1
        return next(self)

    def _read_parts(self) -> CutBatch:
        shards = self.sharing.shards
        if self.batches is None or shards != self.shards or self.number != self.next:
            self.shards = shards
            with self.draw():
                self.batches = self.feed.shards_from(self.number, shards)
        cut: CutBatch = next(self.batches)
        self.next = self.number + 1
        return cut

    def _cut_whole(self) -> CutBatch:
        if self.batches is None:
            with self.draw():
                self.batches = self.feed.starting_at(self.number)
        if self.number == self.next:
            batch = next(self.batches)
            self.whole, self.next = (batch, len(first_leaf(batch))), self.number + 1
        assert self.whole is not None
        return self.sharing.shards.cut(*self.whole)

    def _in_parts(self, batch: Any) -> Any:
        """Those of x alone as tuples too, which Batches gives without one."""
        return (batch,) if isinstance(self.feed, Batches) and self.feed.t is None else batch


@contextmanager
def failing_together() -> Iterator[None]:
    """What ends one worker within the block ends all, and is told once."""
    workers = get_communicator()
    try:
        yield
    except BaseException as error:
        told = workers.fail(error)
        if told is error:
            raise
        raise told from None
