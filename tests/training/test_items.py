"""What other libraries have for data sets: samples at each number, or batches."""

from typing import Any

import numpy as np
import pytest

import xpnet
from xpnet import Sequential, data, layers
from xpnet.errors import DataError, OptionError

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 5)).astype("float32")
T = (X[:, 0] > 0).astype("int64")


class Samples:
    """As a torch Dataset: a sample at each number."""

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, number: int) -> Any:
        return X[number].tolist(), int(T[number])


class Batches:
    """As a Keras Sequence: a batch at each number."""

    epochs = 0

    def __len__(self) -> int:
        return 4

    def __getitem__(self, number: int) -> Any:
        rows = slice(number * 10, (number + 1) * 10)
        return X[rows], T[rows]

    def on_epoch_end(self) -> None:
        self.epochs += 1


class Source:
    """The samples at an array of indices."""

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, indices: Any) -> Any:
        return X[indices], T[indices]


class Unclear:
    """At a number, what could be a batch, or a sequence with a target for each step."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, number: Any) -> Any:
        return X.reshape(4, 10, 5)[number], T.reshape(4, 10)[number]


class OfArraysAlone(Source):
    def __getitem__(self, indices: Any) -> Any:
        return X[[*indices]], T[[*indices]]


class Failing(Samples):
    def __getitem__(self, number: int) -> Any:
        raise RuntimeError("no file")


def network() -> Sequential:
    xpnet.seed(0)
    model = Sequential([layers.Dense(4, activation="relu"), layers.Dense(2)])
    model.compile("sgd", metrics=["accuracy"])
    return model


def weights(x: Any, **options: Any) -> list[np.ndarray]:
    model = network()
    model.fit(x, epochs=2, verbose=0, **options)
    return model.get_weights()


def test_samples_are_as_a_loader_has_them() -> None:
    loader = data.Loader((X, T), 10)
    for given in (Samples(), data.Loader(Samples(), 10)):
        options = {"batch_size": 10} if isinstance(given, Samples) else {}
        for a, b in zip(weights(given, **options), weights(loader), strict=True):
            np.testing.assert_array_equal(a, b)
    in_order = weights(data.Loader((X, T), 10, shuffle=False))
    for a, b in zip(weights(Samples(), batch_size=10, shuffle=False), in_order, strict=True):
        np.testing.assert_array_equal(a, b)


def test_batches_are_taken_as_they_come() -> None:
    batches = Batches()
    in_order = weights(data.Loader((X, T), 10, shuffle=False))
    for a, b in zip(weights(batches), in_order, strict=True):
        np.testing.assert_array_equal(a, b)
    assert batches.epochs == 2
    with pytest.raises(OptionError, match=r"Batches gives batches by itself.* give it to fit, evaluate or predict"):
        next(iter(data.Loader(Batches())))


@pytest.mark.parametrize("make", [Samples, Batches, Source, OfArraysAlone])
def test_they_are_evaluated_predicted_and_validated_with(make: Any) -> None:
    model = network()
    history = model.fit(X, T, validation_data=make(), verbose=0).history
    assert history["val_accuracy"] == pytest.approx([model.evaluate(X, T)[1]])
    np.testing.assert_allclose(model.evaluate(make()), model.evaluate(X, T), rtol=1e-6)
    np.testing.assert_allclose(model.predict(make()), model.predict(X), rtol=1e-5, atol=1e-6)


def test_torch_s_own() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    of_tensors = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(T))
    loader = weights(data.Loader((X, T), 10))
    for a, b in zip(weights(of_tensors, batch_size=10), loader, strict=True):
        np.testing.assert_array_equal(a, b)
    parts = torch.utils.data.Subset(of_tensors, [1, 2, 3])
    assert network().predict(parts).shape == (3, 2)


@pytest.mark.parametrize("source", [data.Arrays(X, T), data.Subset(data.Arrays(X, T), [1, 2]), Unclear()])
def test_what_a_loader_is_needed_for(source: Any) -> None:
    """A source of the library, perhaps with the transform of training; or one that may give samples or batches."""
    model = network()
    model.build((5,))
    state = xpnet.random.get_state()
    told = rf"are a source of samples, {type(source).__name__}; a Loader makes batches of it: data\.Loader"
    for act in (model.fit, model.evaluate, model.predict):
        with pytest.raises(OptionError, match="the input data " + told):
            act(source)
    with pytest.raises(OptionError, match="validation_data " + told):
        model.fit(X, T, validation_data=source, verbose=0)
    assert xpnet.random.get_state() == state


def test_numpy_s_are_as_a_loader_has_them() -> None:
    """What gives x[i], t[i], at one number or at an array of them."""
    for a, b in zip(weights(Source(), batch_size=10), weights(data.Loader((X, T), 10)), strict=True):
        np.testing.assert_array_equal(a, b)
    in_order = weights(data.Loader((X, T), 10, shuffle=False))
    for a, b in zip(weights(Source(), batch_size=10, shuffle=False), in_order, strict=True):
        np.testing.assert_array_equal(a, b)


def test_sources_stay_sources() -> None:
    state = xpnet.random.get_state()
    assert isinstance(data.Loader(Source()).source, Source)
    assert xpnet.random.get_state() == state


def test_what_cannot_be_had_is_told() -> None:
    with pytest.raises(DataError, match="Failing has a length, but gives no item 0: RuntimeError: no file"):
        network().fit(Failing())
    with pytest.raises(OptionError, match="leave t"):
        network().fit(data.Loader(Samples()), T)
