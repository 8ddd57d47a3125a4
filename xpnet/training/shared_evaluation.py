"""Validation by several workers, each on its shards; the results do not depend on how many there are."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from xpnet.backend import Array
from xpnet.base.nested import as_several, first_leaf
from xpnet.base.quiet import quiet
from xpnet.files.trainable import TrainableNetwork
from xpnet.parallel.tree import Node, TreeSum
from xpnet.regularizers import penalties
from xpnet.training.feed import Feed
from xpnet.training.iterables import PreparedBatches
from xpnet.training.ledger import Ledger, Reader
from xpnet.training.means import Means
from xpnet.training.prepare import require_compiled
from xpnet.training.shares import SharedBatches, Sharing


def can_share(model: TrainableNetwork) -> bool:
    """Whether shards may be evaluated apart: not where states go from batch to batch, nor with a metric that is no sum.
    Then each worker evaluates all.
    """
    return all(metric.is_sum for metric in model.metrics) and not any(True for _ in model.named_states())


def evaluate_shared(
    model: TrainableNetwork, feed: Feed, sharing: Sharing, draw: Callable[[], AbstractContextManager[None]]
) -> dict[str, float]:
    """The mean loss and the metrics over all samples, in inference mode, on each worker; `draw()` is around it all."""
    _, loss = require_compiled(model)
    passes = feed.get_state() if isinstance(feed, PreparedBatches) else {}

    def attempt() -> tuple[Sequence[Array], Tally]:
        if isinstance(feed, PreparedBatches):
            feed.set_state(passes)
        with draw():
            return _add_up(model, feed, sharing)

    with quiet():
        (total,), like = sharing.communicator.together(attempt)
        results = Tally(model)
        results.read(Reader(like.ledger, total), like.names)
        means = results.means.read()
        means["loss"] = loss.mean_of(means) + sum(float(value) for value in penalties(model.parameters()))
        return means | {metric.name: metric.result() for metric in results.metrics}


def _add_up(model: TrainableNetwork, feed: Any, sharing: Sharing) -> tuple[Sequence[Array], Tally]:
    """The sum over all shards, and a tally that is arranged like it."""
    tallies: dict[tuple[int, bool], Tally] = {}
    for batch in SharedBatches(model, feed, sharing, 0):
        for part in batch.parts:
            with model.backend.memory_advice(first_leaf(part.batch).shape[0]):
                tallies.setdefault((part.shard, batch.counts), Tally(model)).count(*part.batch)
    tree = TreeSum(sharing.count)
    for (shard, counts), tally in sorted(tallies.items()):
        written = tally.write()
        if counts:
            tree.add(Node(shard, 1), [written])
    return sharing.communicator.complete(tree, [written]), tally


class Tally:
    """What is summed up over the batches' shards of one number."""

    def __init__(self, model: TrainableNetwork) -> None:
        self.model, self.means = model, Means(model.backend)
        self.metrics = copy.deepcopy(model.metrics)  # training may be in the middle of counting
        for metric in self.metrics:
            metric.reset()
        self.ledger = Ledger(model.backend, 0, 0)

    @property
    def names(self) -> list[str]:
        """Of the losses."""
        return list(self.means.totals)

    def count(self, x: Any, t: Any, *weights: Any) -> None:
        model, backend = self.model, self.model.backend
        _, loss = require_compiled(model)
        y = model(*as_several(x))
        values, _ = loss.forward_parts(y, t, backend, *weights)
        self.means.add(values, loss.weight_of(t, backend))
        for metric in self.metrics:
            metric.update(y, t, backend)

    def write(self) -> Array:
        for name in self.names:
            self.ledger.add(self.means.totals[name])
            self.ledger.add(self.means.weights[name])
        for metric in self.metrics:
            for value in metric.counted():
                self.ledger.add(value)
        return self.ledger.written()

    def read(self, reader: Reader, names: list[str]) -> None:
        """Go on from a sum of what tallies wrote."""
        for name in names:
            self.means.totals[name], self.means.weights[name] = reader.take(), reader.take()
        for metric in self.metrics:
            metric.add(reader.take(), reader.take(), self.model.backend)
