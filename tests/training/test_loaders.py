"""fit and evaluate from iterables of batches: the same numbers as from arrays, and clear words for what cannot be."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests.kit.small import clusters, network
from xpnet import optimizers, random
from xpnet.backend import Backend
from xpnet.callbacks import Callback, EarlyStopping, History
from xpnet.data import Batches
from xpnet.errors import DataError, DTypeError, OptionError, ShapeError, XpnetError
from xpnet.model import Sequential

X, T = clusters(30)


class Loader:
    """What the contract asks for: a length and an iteration, which takes one key; and a start in the middle."""

    def __init__(self, batch_size: int = 10) -> None:
        self.batches = Batches(X, T, batch_size, shuffle=True)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)


class Unsized:
    """Can be iterated over again, but has no length, as some of PyTorch's loaders."""

    def __init__(self, batches: int = 3) -> None:
        self.batches, self.begun = batches, 0

    def __len__(self) -> int:
        raise TypeError("no length")

    def __iter__(self) -> Iterator[Any]:
        self.begun += 1
        return (([X[i : i + 1], T[i : i + 1]]) for i in range(self.batches))


def endless() -> Iterator[Any]:
    while True:
        yield from Batches(X, T, 10)


class Seen(Callback):
    def __init__(self) -> None:
        self.samples: list[int] = []
        self.known: list[Any] = []

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self.known.append(self.params["samples"])

    def on_train_batch_end(self, batch: int, logs: Any) -> None:
        self.samples.append(logs["size"])


def twins(dropout: float = 0.3) -> tuple[Sequential, Sequential]:
    one, other = (network(optimizers.Momentum(0.1), dropout=dropout) for _ in range(2))
    one.build((2,))
    other.build((2,))
    other.set_weights(one.get_weights())
    return one, other


@pytest.mark.parametrize("accumulate", [1, 2])
def test_training_from_batches_is_training_from_arrays_to_the_bit(backend: Backend, accumulate: int) -> None:
    one, other = twins()
    random.seed(5)
    from_arrays = one.fit(X, T, batch_size=10, epochs=3, validation_data=(X, T), accumulate=accumulate)
    random.seed(5)
    loader = Loader()
    from_batches = other.fit(loader, epochs=3, validation_data=Batches(X, T, 256), accumulate=accumulate)
    assert from_arrays.history == from_batches.history
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert from_batches.samples_per_second > 0
    assert one.evaluate(X, T) == other.evaluate([(X, T)])


def test_a_network_is_built_by_its_first_batch_and_callbacks_know_what_is_known() -> None:
    model, seen = network(), Seen()
    history = model.fit(Loader(), epochs=2, callbacks=[seen, EarlyStopping("loss", patience=5)])
    assert seen.samples == [10] * 6
    assert seen.known == [None, 30]
    assert seen.params["steps"] == 3 and seen.params["batch_size"] is None
    assert isinstance(history, History) and len(history.history["loss"]) == 2


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_generators_go_on_where_the_last_epoch_stopped(verbose: int, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = twins(dropout=0.0)  # each step of an epoch has masks of its own
    one.fit(np.concatenate([X, X])[:40], np.concatenate([T, T])[:40], batch_size=10, shuffle=False)
    generator = endless()
    history = other.fit(generator, steps_per_epoch=2, epochs=2, verbose=verbose).history
    assert len(history["loss"]) == 2
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(next(generator)[0], X[10:20])  # nothing was taken that was not used
    assert ("epoch 2/2" in "".join(capsys.readouterr())) == (verbose > 0)


def test_an_iterable_without_a_length_begins_again_where_it_ends() -> None:
    unsized, seen = Unsized(3), Seen()
    network().fit(unsized, steps_per_epoch=2, epochs=3, callbacks=seen)
    assert len(seen.samples) == 6 and unsized.begun == 2
    network().fit(X, T, validation_data=Unsized())  # read to its end
    assert network().fit(X, T, validation_data=Unsized(), validation_steps=2, epochs=2).history["val_loss"]
    model = network()
    assert model.evaluate(Unsized(3)) == pytest.approx(model.evaluate(X[:3], T[:3]), rel=1e-6)
    assert model.evaluate(endless(), steps=3) == pytest.approx(model.evaluate(X, T), rel=1e-6)
    assert model.evaluate((batch for batch in Batches(X, T, 7)), verbose=1) == pytest.approx(
        model.evaluate(X, T), rel=1e-6
    )


def test_validation_from_a_generator_goes_on_too() -> None:
    model = network(optimizers.SGD(1e-30))
    history = model.fit(X, T, epochs=2, validation_data=endless(), validation_steps=2).history
    first, second = (
        model.evaluate(X[:20], T[:20])[0],
        model.evaluate(X[[*range(20, 30), *range(10)]], T[[*range(20, 30), *range(10)]])[0],
    )
    assert history["val_loss"] == pytest.approx([first, second], rel=1e-5)


def test_a_list_of_pairs_is_an_iterable_and_lists_of_numbers_are_data() -> None:
    model = network()
    batches = [(X[:10], T[:10]), (X[10:], T[10:])]
    assert len(model.fit(batches, epochs=2, validation_data=batches).history["val_loss"]) == 2
    pairs = [tuple(map(float, row)) for row in X]  # a list of tuples that are samples
    assert model.evaluate(pairs, T.tolist()) == model.evaluate(X, T)
    assert model.predict(pairs).shape == (30, 3)


def test_torch_tensors_are_taken() -> None:
    torch = pytest.importorskip("torch", reason='PyTorch is not installed: pip install "xpnet[oracle]"')
    data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(T))
    model = network()
    model.fit(torch.utils.data.DataLoader(data, batch_size=8), epochs=2)
    assert model.history and model.history.params["samples"] == 30


def test_a_loader_is_asked_to_start_in_the_middle() -> None:
    from xpnet.training.iterables import PreparedBatches as Feed

    class Starting(Loader):
        def starting_at(self, first: int) -> Iterator[Any]:
            started.append(first)
            return iter(list(Batches(X, T, 10))[first:])

    started: list[int] = []
    model = network()
    for batches in (Starting(), Batches(X, T, 10), Unsized(3)):
        steps = 3 if isinstance(batches, Unsized) else None
        feed = Feed(model, batches, steps, "steps")
        whole, rest = list(feed), list(feed.starting_at(1))
        assert len(feed) == len(whole) == len(rest) + 1
        for a, b in zip(whole[1:], rest, strict=True):
            np.testing.assert_array_equal(a[0], b[0])
    assert started == [0, 1]


# ---- what cannot be --------------------------------------------------------------------------------------------------


def fit(x: Any, t: Any = None, **options: Any) -> Callable[[], Any]:
    return lambda: network().fit(x, t, **options)


WRONG: list[tuple[Callable[[], Any], type[XpnetError], str]] = [
    (fit(endless()), OptionError, "how many batches this generator gives is not known: say steps_per_epoch="),
    (fit(Unsized()), OptionError, "say steps_per_epoch="),
    (fit(Loader(), steps_per_epoch=2), OptionError, "steps_per_epoch is for .*; this one has 3 batches"),
    (fit(endless(), steps_per_epoch=0), OptionError, "steps_per_epoch must be an integer of at least 1"),
    (fit(X, T, steps_per_epoch=2), OptionError, "steps_per_epoch is for iterables of batches .* arrays"),
    (fit(Loader(), T), OptionError, "fit: x is an iterable of batches .* leave t out"),
    (fit(Loader(), batch_size=8), OptionError, "leave batch_size out"),
    (fit(Loader(), batch_size=8, sample_weight=np.ones(30)), OptionError, "leave batch_size, sample_weight out"),
    (fit(Loader(), validation_split=0.1), OptionError, "validation_split and shuffle are for arrays"),
    (fit(Loader(), shuffle=False), OptionError, "an iterable of batches has an order of its own"),
    (fit(X), DataError, "the targets are missing"),
    (fit(X, T, validation_data=endless()), OptionError, "say validation_steps="),
    (fit(X, T, validation_data=(X, T), validation_steps=2), OptionError, "validation_steps is for iterables"),
    (fit(X, T, validation_data=Loader(), validation_steps=2), OptionError, "this one has 3 batches"),
    (fit(X, T, validation_steps=2), OptionError, "validation_steps needs validation_data"),
    (lambda: network().evaluate(Loader(), T), OptionError, "evaluate: x is an iterable .* leave t out"),
    (lambda: network().evaluate(Loader(), steps=1), OptionError, "steps is for .* 3 batches"),
    (lambda: network().evaluate(X, T, steps=1), OptionError, "steps is for iterables"),
    (lambda: network().train_on_batch(endless(), None), OptionError, "train_on_batch takes arrays"),
    (fit(iter([]), steps_per_epoch=2), DataError, "ended after 0 of 2 in an epoch"),
    (fit(iter(Batches(X, T, 10)), steps_per_epoch=2, epochs=2), DataError, "ended after 1 of 2 in an epoch"),
    (lambda: network().evaluate(iter([])), DataError, "ended after 0 of one or more"),
    (fit(Batches(X, None, 10)), DataError, r"batch 1: .* must give \(x, t\) or \(x, t, sample_weight\), not ndarray"),
    (fit([(X,)]), DataError, r"batch 1: .* not tuple of 1"),
    (fit([(X, T), (X, T[:3])]), DataError, "batch 2: there are 30 samples and 3 targets"),
    (fit([(X, T), (X, T + 1)]), DataError, "batch 2: loss softmax_cross_entropy: labels reach from 1 to 3"),
    (fit([(X, T), (X[:, :1], T)]), ShapeError, r"batch 2: dense1 \(Dense\): the input has shape \(N, 1\)"),
    (fit([(X.astype(int), T)]), DTypeError, "batch 1: the input data are int64"),
    (fit([(X, T, np.ones(3))]), DataError, r"batch 1: sample_weight has shape \(3,\)"),
    (fit([(X, T, T)], class_weight={7: 1.0}), OptionError, "batch 1: class_weight: there is no class 7"),
]


@pytest.mark.parametrize(("attempt", "error", "words"), WRONG)
def test_what_cannot_be_is_refused(attempt: Callable[[], Any], error: type[XpnetError], words: str) -> None:
    with pytest.raises(error, match=words):
        attempt()


def test_an_iterable_that_is_shorter_than_its_length_says_so() -> None:
    class Short(Loader):
        def __len__(self) -> int:
            return 5

    class Empty(Loader):
        def __len__(self) -> int:
            return 0

    with pytest.raises(DataError, match="ended after 3 of 5"):
        network().fit(Short())
    with pytest.raises(DataError, match=r"is empty: its len\(\) is 0"):
        network().fit(Empty())


def test_a_batch_may_have_no_weight_at_all() -> None:
    """Arrays may not, for then nothing would be learned; a batch in which all is masked may."""
    model = network()
    history = model.fit([(X[:10], T[:10], np.zeros(10)), (X[10:], T[10:], np.ones(20))]).history
    assert history["loss"][0] > 0
