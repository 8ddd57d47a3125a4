"""Shards of all that fit can be fed with: the same samples as without, each read by one worker alone."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.small import clusters
from tests.kit.teams import in_team
from tests.training.test_shards import assert_same_training
from xpnet import data, layers, optimizers, random
from xpnet.data.shards import CutBatch
from xpnet.model import Sequential
from xpnet.parallel import Communicator
from xpnet.parallel.tree import owned_leaves
from xpnet.training.feed import for_training
from xpnet.training.iterables import PreparedBatches
from xpnet.training.shares import SharedBatches, Sharing

N, SIZE = 26, 8
X, T = clusters(N)
X, T = X.astype("float64"), np.random.default_rng(1).permutation(T)


class Source:
    """Samples by their numbers, which it remembers."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __len__(self) -> int:
        return N

    def __getitem__(self, indices: Any) -> Any:
        self.asked += list(indices)
        return X[indices], T[indices]


class Sequence:
    """As Keras has it: batches by their numbers."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, number: int) -> Any:
        if not 0 <= number < 4:
            raise IndexError
        return X[number * SIZE : (number + 1) * SIZE], T[number * SIZE : (number + 1) * SIZE]

    def on_epoch_end(self) -> None: ...


def batches() -> Iterator[Any]:
    sequence = Sequence()
    while True:
        yield from (sequence[number] for number in range(4))


def samples(rng: np.random.Generator) -> Iterator[Any]:
    return zip(X, T, strict=True)


def squared(x: Any) -> Any:
    return x * x


Feed = Callable[[], dict[str, Any]]
FEEDS: dict[str, Feed] = {
    "arrays": lambda: {"x": X, "t": T, "batch_size": SIZE},
    "arrays in order": lambda: {"x": X, "t": T, "batch_size": SIZE, "shuffle": False, "validation_split": 0.2},
    "small batches": lambda: {"x": X, "t": T, "batch_size": 3},
    "batches of one": lambda: {"x": X, "t": T, "batch_size": 1, "validation_data": (X[:1], T[:1])},
    "one batch": lambda: {"x": X, "t": T, "batch_size": 99},
    "a loader": lambda: {"x": data.Loader((X, T), SIZE, shuffle=True)},
    "a loader that drops": lambda: {"x": data.Loader((X, T), SIZE, drop_last=True, transform=squared)},
    "a loader with threads": lambda: {"x": data.Loader((X, T), SIZE, shuffle=True, workers=3, prefetch=2)},
    "a loader to validate": lambda: {"x": X, "t": T, "validation_data": data.Loader((X, T), 5, prefetch=2)},
    "a source": lambda: {"x": data.Loader(Source(), SIZE, shuffle=True)},
    "a stream": lambda: {"x": data.Loader(data.Stream(samples, samples=N), SIZE, prefetch=2, transform=squared)},
    "a sequence": lambda: {"x": Sequence(), "validation_data": Sequence()},
    "a generator": lambda: {"x": batches(), "steps_per_epoch": 3, "validation_data": batches(), "validation_steps": 5},
    "a list": lambda: {"x": [(X[:9], T[:9]), (X[9:11], T[9:11]), (X[11:12], T[11:12])]},
    "weights": lambda: {"x": [(X, T, np.linspace(0, 1, N)), (X[:5], T[:5], np.ones(5))], "class_weight": {1: 2.0}},
}


def train(feed: dict[str, Any], shards: int | None, **options: Any) -> Any:
    """Weights and history."""
    model = Sequential([layers.Dense(6, activation="tanh"), layers.Dropout(0.2), layers.Dense(3)])
    model.compile(optimizers.Momentum(0.2), metrics=["accuracy"])
    model.astype("float64")
    history = model.fit(**{"epochs": 3, "verbose": 0, "shards": shards} | feed | options)
    return model.get_weights(), history.history


@pytest.mark.parametrize("name", FEEDS)
@pytest.mark.parametrize("shards", [1, 2, 8])
def test_the_samples_are_those_of_whole_batches(name: str, shards: int) -> None:
    results = []
    for count in (None, shards):
        xpnet.seed(4)
        results.append(train(FEEDS[name](), count))
    assert_same_training(*results)


def as_bits(result: Any) -> Any:
    weights, history = result
    return [weight.tobytes() for weight in weights], repr(history)


@pytest.mark.parametrize("name", FEEDS)
@pytest.mark.parametrize("workers", [2, 3, 7])
def test_any_number_of_workers_comes_to_the_same_bits(name: str, workers: int) -> None:
    expected = as_bits(in_team(1, lambda: train(FEEDS[name](), 8))[0])
    for found in in_team(workers, lambda: train(FEEDS[name](), 8)):
        assert as_bits(found) == expected


def test_processes_make_shards_too() -> None:
    options: list[dict[str, Any]] = [{}, {"workers": 2, "processes": True}]
    loaders = [data.Loader((X, T), SIZE, shuffle=True, transform=squared, **each) for each in options]
    try:
        results = []
        for loader in loaders:
            xpnet.seed(4)
            results.append(as_bits(train({"x": loader}, 4, epochs=2)))
        assert results[0] == results[1]
    finally:
        loaders[1].close()


def test_memory_maps(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    results = []
    for x, shards in ((X, None), (mapped, 4)):
        xpnet.seed(4)
        results.append(train({"x": x, "t": T, "batch_size": SIZE}, shards))
    assert_same_training(*results)


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
@pytest.mark.parametrize("prefetch", [0, 2])
def test_each_sample_is_read_once_in_an_epoch(workers: int, prefetch: int) -> None:
    """By one of the workers; a batch has as many samples at least as there are shards."""
    sources: list[Source] = []

    def work() -> int:
        source = Source()
        sources.append(source)
        loader = data.Loader(source, 13, shuffle=True, prefetch=prefetch)
        source.asked.clear()  # what the Loader has looked at
        return train({"x": loader}, 4, epochs=2)[1]["loss"][0]

    in_team(workers, work)
    asked = Counter(number for source in sources for number in source.asked)
    assert sum(asked.values()) >= 2 * N
    assert asked == dict.fromkeys(range(N), 2)
    assert max(len(source.asked) for source in sources) - min(len(source.asked) for source in sources) <= 20


@pytest.mark.parametrize("threads", [0, 3])
def test_augmentation_is_drawn_for_each_shard_whoever_makes_it(threads: int) -> None:
    images = np.random.default_rng(0).random((N, 1, 9, 9))

    def work() -> Any:
        affine = data.augment.Affine(shift=2, rotate=20, scale=0.2)
        feed = data.Loader((images, T), SIZE, shuffle=True, augment=affine, workers=threads, prefetch=threads)
        model = Sequential([layers.Flatten(), layers.Dense(3)])
        model.compile("sgd")
        return model.fit(feed, epochs=2, verbose=0, shards=4).history, model.get_weights()[0].tobytes()

    (alone,) = in_team(1, work)
    assert in_team(3, work) == [alone] * 3


def test_a_training_reads_only_what_is_left_of_an_epoch(tmp_path: Path) -> None:
    """A batch whose shards somebody else has is not read, and nor are those before a backup."""
    sources: list[Source] = []

    def work(stop: int) -> Any:
        xpnet.seed(4)
        source = Source()
        sources.append(source)
        loader = data.Loader(source, SIZE, shuffle=False)
        source.asked.clear()
        backup = xpnet.callbacks.Backup(tmp_path / "backup", every=1)
        return as_bits(train({"x": loader}, 4, epochs=1, callbacks=[backup, StopsAfter(stop)]))

    with pytest.raises(KeyboardInterrupt):
        work(2)
    whole = work(99)
    assert sources[1].asked == list(range(2 * SIZE, N))
    assert work(99) == whole


class StopsAfter(xpnet.callbacks.Callback):
    places = ("steps",)

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_begin(self, batch: int, logs: Any) -> None:
        if batch == self.steps:
            raise KeyboardInterrupt


class Changing(Communicator):
    """Workers of whom some die."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size


@pytest.mark.parametrize(("before", "after"), [((1, 4), (1, 2)), ((0, 4), (0, 3)), ((3, 4), (0, 1))])
@pytest.mark.parametrize("name", ["arrays", "a loader", "a loader with threads", "a stream", "a generator"])
def test_a_batch_can_be_read_again(name: str, before: tuple[int, int], after: tuple[int, int]) -> None:
    """As whoever is left does when others have died, with other shards or the same; the batches go on from there."""
    model = Sequential([layers.Dense(3)])
    model.compile("sgd")
    model.build((2,))

    def feed() -> Any:
        options: dict[str, Any] = {
            "batch_size": None, "shuffle": True, "sample_weight": None, "class_weight": None, "steps_per_epoch": None,
            "validation_split": 0.0, "validation_steps": None,
        }  # fmt: skip
        given = {"t": None} | FEEDS[name]() | {"validation_data": None, "validation_steps": None}
        x, t = given.pop("x"), given.pop("t")
        made = for_training(model, x, t, **options | given, shards=4)[0]
        if isinstance(made, PreparedBatches):
            made.draw_from((1, 2), "train")
        return made

    def shared(workers: Communicator) -> SharedBatches:
        return SharedBatches(model, feed(), Sharing(8, workers), 0, lambda: random.drawing_from((1, 2), "order"))

    def bits(cut: CutBatch) -> Any:
        parts = [(part.shard, part.first, [array.tobytes() for array in part.batch]) for part in cut.parts]
        return cut.samples, cut.counts, parts

    whole = [bits(cut) for cut in shared(Changing(0, 1))]
    workers = Changing(*before)
    batches = shared(workers)
    found = [(next(batches), owned_leaves(8, before[1], before[0])) for _ in range(2)]
    workers.rank, workers.size = after
    found += [(cut, owned_leaves(8, after[1], after[0])) for cut in (batches.again(), *batches)]
    for (samples, counts, parts), (cut, owned) in zip([whole[0], whole[1], *whole[1:]], found, strict=True):
        expected = [part for part in parts if part[0] in owned]
        assert bits(cut) == (samples, counts and bool(expected), expected or parts[:1])
