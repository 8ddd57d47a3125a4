"""Shards partition each batch, and a Loader makes each of them by itself."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpnet import data, random
from xpnet.data.batches import Batches
from xpnet.data.shards import CutBatch, Shards, rows_of, samples_of
from xpnet.parallel.tree import owned_leaves

POWERS = st.integers(0, 5).map(lambda exponent: 2**exponent)
X = np.random.default_rng(0).random((23, 1, 4, 4), dtype=np.float32)
T = np.arange(23)


@given(total=POWERS, samples=st.integers(1, 200))
def test_the_rows_of_all_shards_are_those_of_the_batch(total: int, samples: int) -> None:
    rows = [rows_of(shard, total, samples) for shard in range(total)]
    assert [n for each in rows if each for n in range(each.start, each.stop)] == list(range(samples))
    sizes = [each.stop - each.start if each else 0 for each in rows]
    assert sizes == sorted(sizes, reverse=True) and max(sizes) - min(sizes) <= 1
    assert rows.count(None) == max(0, total - samples)  # and these are the last ones


@given(total=POWERS, samples=st.integers(1, 200), workers=st.integers(1, 9), data=st.data())
def test_the_samples_of_a_range_are_counted_as_they_are_cut(total: int, samples: int, workers: int, data: Any) -> None:
    owned = owned_leaves(total, workers, data.draw(st.integers(0, workers - 1)))
    rows = [rows_of(shard, total, samples) for shard in owned]
    assert samples_of(owned, total, samples) == sum(each.stop - each.start for each in rows if each)


@given(total=POWERS, samples=st.integers(1, 40), edges=st.tuples(st.integers(0, 32), st.integers(0, 32)))
def test_a_batch_is_cut_into_views_that_know_their_place(total: int, samples: int, edges: tuple[int, int]) -> None:
    owned = range(min(*edges, total - 1), min(max(edges) + 1, total))
    batch = (np.arange(samples), {"a": np.arange(samples)[:, None] * [1, 2]})
    cut = Shards(total, owned).cut(batch, samples)
    here = [shard for shard in owned if rows_of(shard, total, samples)]
    assert cut.samples == samples and cut.counts == bool(here)
    assert [part.shard for part in cut.parts] == (here or [0])
    for shard, first, (x, t) in cut.parts:
        rows = rows_of(shard, total, samples)
        assert rows and first == rows.start and np.shares_memory(x, batch[0])
        np.testing.assert_array_equal(x, np.arange(rows.start, rows.stop))
        np.testing.assert_array_equal(t["a"], x[:, None] * [1, 2])


def feeds() -> dict[str, Any]:
    def samples(rng: np.random.Generator) -> Iterator[Any]:
        while True:
            number = int(rng.integers(0, 23))
            yield X[number] + rng.random(1, dtype=np.float32)[0], T[number]

    affine = data.augment.Affine(shift=1, rotate=20, scale=0.2)
    return {
        "arrays": Batches(X, T, 6, shuffle=True),
        "arrays without targets": Batches(X, batch_size=7),
        "a loader": data.Loader((X, T), 6, shuffle=True, augment=affine),
        "in order": data.Loader((X, T), 6, shuffle=False, drop_last=True, augment=affine),
        "ahead": data.Loader((X, T), 5, shuffle=True, augment=affine, workers=2, prefetch=3),
        "a stream": data.Loader(data.Stream(samples, samples=20), 6, augment=affine, shuffle=False),
        "a shuffled stream ahead": data.Loader(data.Stream(samples, 20, buffer=5), 6, shuffle=True, prefetch=2),
    }


def read(feed: Any, first: int, shards: Shards) -> list[CutBatch]:
    with random.drawing_from((1, 2), "epoch"):
        batches = feed.shards_from(first, shards)
    return list(batches)


def arrays(batch: Any) -> list[Any]:
    return list(batch) if isinstance(batch, tuple) else [batch]


@pytest.mark.parametrize("name", feeds())
@pytest.mark.parametrize("total", [2, 4, 16])
def test_ranges_of_shards_together_are_all_shards(name: str, total: int) -> None:
    """Whoever makes a shard, it holds the same numbers, augmented or not."""
    feed = feeds()[name]
    whole = read(feed, 0, Shards(total, range(total)))
    assert len(whole) == len(feed)
    for workers in (2, 3):
        shares = [read(feed, 0, Shards(total, owned_leaves(total, workers, worker))) for worker in range(workers)]
        for batch, *cuts in zip(whole, *shares, strict=True):
            assert batch.counts and all(cut.samples == batch.samples for cut in cuts)
            parts = [part for cut in cuts if cut.counts for part in cut.parts]
            assert [part[:2] for part in parts] == [part[:2] for part in batch.parts]
            for one, other in zip(parts, batch.parts, strict=True):
                for a, b in zip(arrays(one.batch), arrays(other.batch), strict=True):
                    assert a.tobytes() == b.tobytes() and a.dtype == b.dtype
            for cut in cuts:
                if not cut.counts:  # something to look at
                    assert [part.shard for part in cut.parts] == [0]
                    assert arrays(cut.parts[0].batch)[0].tobytes() == arrays(batch.parts[0].batch)[0].tobytes()


@pytest.mark.parametrize("name", feeds())
def test_an_epoch_can_begin_in_its_middle(name: str) -> None:
    feed, shards = feeds()[name], Shards(4, range(1, 3))
    whole, rest = read(feed, 0, shards), read(feed, 2, shards)
    for one, other in zip(whole[2:], rest, strict=True):
        assert one[0] == other[0] and one[2] == other[2]
        for a, b in zip(one.parts, other.parts, strict=True):
            assert a[:2] == b[:2]
            assert [each.tobytes() for each in arrays(a.batch)] == [each.tobytes() for each in arrays(b.batch)]


@pytest.mark.parametrize("name", ["arrays", "arrays without targets"])
def test_without_augmentation_shards_are_the_batches(name: str) -> None:
    feed = feeds()[name]
    with random.drawing_from((1, 2), "epoch"):
        batches = list(feed)
    for batch, cut in zip(batches, read(feed, 0, Shards(4, range(4))), strict=True):
        for place, array in enumerate(arrays(batch)):
            joined = np.concatenate([arrays(part.batch)[place] for part in cut.parts])
            np.testing.assert_array_equal(joined, array)


def test_shards_are_augmented_differently() -> None:
    """Two equal samples in two shards."""
    x = np.repeat(X[:1], 8, axis=0)
    loader = data.Loader(x, 8, shuffle=False, augment=data.augment.Affine(shift=1, rotate=20, scale=0.2))
    (cut,) = read(loader, 0, Shards(8, range(8)))
    assert len({part.batch.tobytes() for part in cut.parts}) == 8
