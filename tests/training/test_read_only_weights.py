"""Weights in memory that is only to be read, such as joblib's memory maps, are copied when they are written to."""

import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

import xpnet
from xpnet import Sequential, layers
from xpnet.backend import make_backend, use_backend
from xpnet.callbacks import EMA
from xpnet.core.parameter import Parameter
from xpnet.sklearn import Classifier

RNG = np.random.default_rng(0)
X, T = RNG.standard_normal((48, 20)).astype("float32"), RNG.integers(0, 3, 48)
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "nadam", "radam", "lion", "muon")


def trained(optimizer: str = "adam", momentum: float | None = 0.1) -> Sequential:
    """A network with running statistics, a state of the optimizer, and gradients."""
    xpnet.seed(0)
    chain = [layers.Dense(30), layers.BatchNorm1D(momentum=momentum), layers.ReLU(), layers.Dense(3)]
    model = Sequential(chain)
    model.compile(optimizer)
    model.fit(X, T, epochs=2, verbose=0)
    model[0].weight.grad += 1
    return model


def read_only(value: Any) -> Any:
    """A copy whose arrays may not be written to: what another process gets that reads the same memory."""
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(data, buffers=[bytes(buffer.raw()) for buffer in buffers])


def flags(model: Sequential) -> list[bool]:
    return [p.value.flags.writeable for p in model.parameters()]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", ["numpy", "reference"])
def test_training_goes_on_as_from_a_copy(name: str, optimizer: str) -> None:
    with use_backend(name):
        model = trained(optimizer)
    mapped, copied = read_only(model), model.copy()
    assert not any(flags(mapped))
    for each in (mapped, copied):
        xpnet.seed(1)
        each.fit(X, T, epochs=2, verbose=0)
    for got, want in zip(mapped.get_weights(), copied.get_weights(), strict=True):
        assert np.array_equal(got, want)


def test_running_means_over_all_batches() -> None:
    model = read_only(trained(momentum=None))
    model.forward(X, train=True)
    assert flags(model) == [False, False, False, False, True, True, True, False, False]


def test_inference_copies_nothing() -> None:
    model = read_only(trained())
    model.predict(X)
    model.evaluate(X, T)
    assert not any(flags(model))


def test_weights_can_be_set(tmp_path: Path) -> None:
    model, weights = trained(), trained("sgd").get_weights()
    mapped = read_only(model)
    mapped.set_weights(read_only([2 * each for each in weights]))
    assert np.array_equal(mapped[0].weight.value, 2 * weights[0])
    model.save_weights(tmp_path / "w.safetensors")
    other = read_only(trained("sgd"))
    other.load_weights(tmp_path / "w.safetensors")
    assert np.array_equal(other[3].weight.value, model[3].weight.value)


def test_gradients() -> None:
    weight = read_only(trained())[0].weight
    weight.grad += 1  # which was 1
    assert weight.has_grad and np.array_equal(weight.grad, np.full_like(weight.value, 2))
    weight = read_only(trained())[0].weight
    weight.add_grad(np.ones_like(weight.value))
    assert np.array_equal(weight.grad, np.full_like(weight.value, 2))


def test_a_moving_average_of_the_weights() -> None:
    model = read_only(trained())
    model.fit(X, T, verbose=0, callbacks=[EMA(0.9)])


@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_to_another_backend_and_data_type(name: str) -> None:
    pytest.importorskip(name, reason="PyTorch is not installed")
    model = read_only(trained())
    model.to(name).astype("float64").fit(X, T, verbose=0)
    assert model[0].weight.backend is make_backend(name)


def test_memory_maps_of_joblib(tmp_path: Path) -> None:
    joblib.dump(trained(), tmp_path / "model.joblib")
    model = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    assert isinstance(model[0].weight.value, np.memmap)
    before = (tmp_path / "model.joblib").read_bytes()
    model.fit(X, T, verbose=0)
    assert (tmp_path / "model.joblib").read_bytes() == before


def fit_again(model: Sequential, classifier: Classifier) -> tuple[list[bool], float]:
    before = [p.value.flags.writeable for p in model.parameters() if p.size > 1 << 18]
    model.fit(X, T, verbose=0)
    return before, float(classifier.fit(X, T).score(X, T))


def test_workers_of_joblib() -> None:
    """Weights of a megabyte and more."""
    model = Sequential([layers.Dense(20_000, activation="relu"), layers.Dense(3)])
    model.compile("adam")
    model.fit(X, T, verbose=0)
    work = joblib.delayed(fit_again)(model, Classifier(model, epochs=1))
    before, score = joblib.Parallel(n_jobs=2)([work])[0]
    assert before == [False] and score > 0.2


def test_a_parameter_of_read_only_values_has_its_own() -> None:
    values = np.arange(3, dtype="float32")
    values.flags.writeable = False
    parameter = Parameter(values)
    assert parameter.writable() is parameter.value and parameter.value.flags.writeable
