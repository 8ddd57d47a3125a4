"""How a batch is cut into shards, and which of them are at hand."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from xpnet.base.nested import mapped


class Part(NamedTuple):
    """One shard of a batch, as far as there is one."""

    shard: int  # its number, from 0
    first: int  # the number, in the batch, of its first sample
    batch: Any  # (x, t), ..., as a feed gives whole batches


class CutBatch(NamedTuple):
    """The shards of one batch that are at hand."""

    samples: int  # of the whole batch
    parts: list[Part]
    counts: bool = True  # False: all its own shards are empty, and this is the first one of the batch, to look at


class Shards(NamedTuple):
    """Of `total` shards of each batch, those of the numbers `owned`.

    Shard i of N samples has N // total of them, and one more if i < N % total; they are contiguous. So of a batch of
    fewer samples the last shards are empty.
    """

    total: int
    owned: range

    def rows(self, samples: int) -> tuple[list[tuple[int, slice]], bool]:
        """(shard, its rows) of those at hand that are not empty; if all are, the first shard, and False."""
        found = [(shard, rows) for shard in self.owned if (rows := rows_of(shard, self.total, samples)) is not None]
        return (found, True) if found else ([(0, slice(0, -(-samples // self.total)))], False)

    def cut(self, batch: Any, samples: int) -> CutBatch:
        """A whole batch of arrays; the parts are views."""
        rows, counts = self.rows(samples)

        def part_of(chosen: slice) -> Any:
            return mapped(lambda each: each[chosen], batch)

        return CutBatch(samples, [Part(shard, chosen.start, part_of(chosen)) for shard, chosen in rows], counts)


def rows_of(shard: int, total: int, samples: int) -> slice | None:
    """Those of a shard; None if it is empty."""
    size, more = divmod(samples, total)
    first = shard * size + min(shard, more)
    last = first + size + (shard < more)
    return slice(first, last) if last > first else None


def samples_of(owned: range, total: int, samples: int) -> int:
    """How many of a batch's samples are in these shards."""
    size, more = divmod(samples, total)
    return len(owned) * size + max(0, min(owned.stop, more) - owned.start)


def cut_each(batches: Iterable[range], data: Any, order: Any, shards: Shards) -> Iterator[CutBatch]:
    """Of each of these batches of arrays, the parts that are at hand; `order` (N,) says which sample is where."""
    for batch in batches:
        rows, counts = shards.rows(len(batch))
        parts = []
        for shard, chosen in rows:
            places = slice(batch.start + chosen.start, batch.start + chosen.stop)
            part = mapped(operator.itemgetter(places if order is None else order[places]), data)
            parts.append(Part(shard, chosen.start, part))
        yield CutBatch(len(batch), parts, counts)


def grouped(jobs: Iterator[tuple[int, bool, list[tuple[int, int]]]], made: Iterator[Any]) -> Iterator[CutBatch]:
    """For each of `jobs`, (samples, counts, [(shard, first)]) of a batch, as many of `made` as it has parts."""
    for samples, counts, places in jobs:
        yield CutBatch(samples, [Part(shard, first, next(made)) for shard, first in places], counts)
