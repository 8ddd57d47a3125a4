"""What a training draws on its batches: in iterables and sources of one's own, interrupted, and in threads."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.helpers import in_threads
from tests.kit.small import Written
from tests.training.test_draws import EPOCHS, STEPS, Noted, T, Watching, X, assert_equal
from xpnet import optimizers, random
from xpnet.backend import get_backend
from xpnet.callbacks import Backup, Callback
from xpnet.core.layer import Layer
from xpnet.data import Batches, Loader
from xpnet.layers import Dense, Dropout
from xpnet.model import Sequential


class Noisy:
    """Batches of one's own, with noise from xpnet.random."""

    def __len__(self) -> int:
        return STEPS

    def __iter__(self) -> Iterator[Any]:
        order = random.generator().permutation(24)
        for i in range(STEPS):
            part = order[i * 8 : i * 8 + 8]
            yield X[part] + random.generator().normal(0, 0.1, (8, 2)).astype("float32"), T[part]


class NoisySource:
    def __len__(self) -> int:
        return 24

    def __getitem__(self, indices: np.ndarray) -> Any:
        return X[indices] + random.generator().normal(0, 0.1, (len(indices), 2)).astype("float32"), T[indices]


def jittered(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return x + random.generator().normal(0, 0.1, x.shape).astype("float32") + rng.random(dtype="float32")


def trained(batches: Any, *added: Layer, validation: Any = None, callbacks: Any = ()) -> list[np.ndarray]:
    xpnet.seed(6)
    model = Sequential([Dense(4), *added, Dense(3)])
    model.compile(optimizers.Momentum(0.1))
    model.fit(batches, epochs=3, verbose=0, validation_data=validation, callbacks=list(callbacks))
    return model.get_weights()


def test_what_an_iterable_draws_is_new_in_each_batch() -> None:
    noises: list[float] = []

    class Noting(Noisy):
        def __iter__(self) -> Iterator[Any]:
            for x, t in super().__iter__():
                noises.append(float(random.generator().random()))
                yield x, t

    trained(Noting(), validation=Noting())
    assert len(set(noises)) == len(noises) == 2 * 3 * STEPS


def test_what_a_source_draws_itself_is_new_in_each_batch() -> None:
    class Noise(NoisySource):
        def __getitem__(self, indices: np.ndarray) -> Any:
            return random.generator().random((len(indices), 2), dtype=np.float32)

    def more(x: np.ndarray) -> np.ndarray:
        return np.concatenate([x, random.generator().random((len(x), 2), dtype=np.float32)], axis=1)

    loader = Loader(Noise(), 8, transform=more)
    values = np.concatenate([x for _ in range(2) for x in loader]).ravel()
    assert len(np.unique(values)) > 0.99 * values.size == 0.99 * 4 * 2 * 24


def test_what_an_iterable_draws_does_not_depend_on_what_else_is_drawn() -> None:
    plain = trained(Noisy())
    assert_equal(trained(Noisy(), Noted(), validation=Noisy()), plain)
    assert_equal(trained(Noisy(), callbacks=[Watching(random.next_key)]), plain)


@pytest.mark.parametrize("options", [{"prefetch": 1}, {"workers": 3}, {"prefetch": 7, "workers": 2}])
def test_what_a_source_draws_itself_does_not_depend_on_who_reads_it(options: dict[str, Any]) -> None:
    plain = trained(Loader(NoisySource(), 8, augment=jittered, prefetch=0))
    assert_equal(trained(Loader(NoisySource(), 8, augment=jittered, **options)), plain)


@pytest.mark.slow
def test_nor_on_the_process() -> None:
    plain = trained(Loader(NoisySource(), 8, augment=jittered, prefetch=0))
    loader = Loader(NoisySource(), 8, augment=jittered, workers=2, processes=True)
    assert_equal(trained(loader), plain)
    loader.close()


def test_batches_take_their_order_when_an_iteration_begins() -> None:
    expected = next(iter(Batches(X, T, 8, shuffle=True)))[0]
    xpnet.seed(0)
    begun = iter(Batches(X, T, 8, shuffle=True))
    xpnet.seed(9)
    np.testing.assert_array_equal(next(begun)[0], expected)


# ---- interruptions and threads ---------------------------------------------------------------------------------------


class Dice(Callback):
    """Draws from the state outside, and keeps the sum."""

    def __init__(self) -> None:
        self.sum = 0.0

    def on_train_batch_end(self, batch: int, logs: Any) -> None:
        self.sum += random.generator().random() + random.stream(self.model.layers[1].next_key()).random()

    def get_state(self) -> dict[str, Any]:
        return {"sum": self.sum}

    def set_state(self, state: dict[str, Any]) -> None:
        self.sum = state["sum"]


class Stop(Callback):
    places = ("after",)
    rank = 150

    def __init__(self, after: int | None) -> None:
        self.after = after

    def on_train_batch_end(self, batch: int, logs: Any) -> None:
        if self.after is not None:
            self.after -= 1
            if not self.after:
                raise KeyboardInterrupt


@pytest.mark.parametrize("make", ["made anew", "chain"])
@pytest.mark.parametrize("batches", [Noisy, lambda: Loader(NoisySource(), 8, augment=jittered)])
def test_an_interrupted_training_draws_the_same(tmp_path: Path, batches: Callable[[], Any], make: str) -> None:
    """The network is built by its first step."""

    def training(name: str, after: int | None = None, elsewhere: bool = False) -> Any:
        xpnet.seed(6)
        if elsewhere:
            random.set_state((1, 2))  # as in a process that chose no seed
        model: Any = Sequential([Dense(4), Dropout(0.5), Dense(3)])
        if make == "made anew":
            parts: dict[str, Layer] = {"dense": Dense(4), "drop": Dropout(0.3), "out": Dense(3)}
            model = Written(lambda m, x: m.out(Dropout(0.2)(m.drop(Dropout(0.4)(m.dense(x))))), **parts)
            model.layers = [parts["dense"], parts["drop"]]
        model.compile(optimizers.Adam(0.02))
        dice = Dice()
        followers = [dice, Backup(tmp_path / name, every=1), Stop(after)]
        try:
            model.fit(batches(), epochs=2, verbose=0, validation_data=Noisy(), callbacks=followers)
        except KeyboardInterrupt:
            return None
        return [*model.get_weights(), np.array([*model.history.history["val_loss"], dice.sum])]

    whole = training("whole")
    for after in range(1, EPOCHS * STEPS + 1):
        assert training(f"cut {after}", after) is None
        assert_equal(training(f"cut {after}", elsewhere=True), whole)


def test_threads_that_train_at_once_get_the_bits_of_one_alone() -> None:
    backend = get_backend()

    def training(number: int) -> list[np.ndarray]:
        with random.preserved_state():
            xpnet.seed(number)
            model = Sequential([Dense(4), Dropout(0.5), Dense(3)])
            model.compile(optimizers.SGD(0.1))
            model.fit(Noisy(), epochs=3, verbose=0)
            assert random.chosen_seed() == number and model.backend is backend
            return model.get_weights()

    state = random.get_state()
    alone = [training(number) for number in range(8)]
    found: list[Any] = [None] * 8

    def work(number: int) -> None:
        found[number] = training(number)

    in_threads(work, 8)
    assert random.get_state() == state
    for one, other in zip(alone, found, strict=True):
        assert_equal(one, other)


def test_a_training_takes_one_key_and_a_network_one_number() -> None:
    model = Sequential([Dense(3), Dropout(0.5)])
    model.compile()
    assert random.get_state() == (0, 0, {})
    model.fit(X, T, verbose=0)
    assert random.get_state() == (0, 0, {"['root']": 1, "['training']": 1})
