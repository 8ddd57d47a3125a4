"""What the library computes depends neither on NumPy's settings of floating-point errors nor on warnings."""

import copy
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit import layer_table, loss_table, metric_table, optimizer_table
from tests.kit.helpers import bits
from xpnet import Sequential, data, gradient_check, layers, losses, metrics
from xpnet.backend import Backend, make_backend, use_backend
from xpnet.base.nested import leaves
from xpnet.base.quiet import quiet
from xpnet.callbacks import EMA
from xpnet.core.parameter import Parameter

RNG = np.random.default_rng(0)
X, T = RNG.standard_normal((64, 12)).astype("float32"), RNG.integers(0, 3, 64)


@pytest.fixture(params=["numpy", "reference"])
def numpy_backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with use_backend(make_backend(request.param)) as backend:
        yield backend


@pytest.fixture
def strict() -> Iterator[None]:
    """Everything that NumPy can tell of is an error."""
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        yield


def test_the_settings_are_strict(strict: None) -> None:
    with pytest.raises(FloatingPointError):
        np.exp(np.float32(-100))
    with quiet():
        assert np.exp(np.float32(-100)) < 1e-40
    with pytest.raises(FloatingPointError):  # as it was, after the block
        np.exp(np.float32(-100))


@pytest.mark.parametrize("case", layer_table.CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("scale", [1e-25, 100.0, 1e25])
def test_every_layer(numpy_backend: Backend, strict: None, case: layer_table.Case, scale: float) -> None:
    """The numbers are those of a process that ignores what its numbers become."""

    def results() -> list[bytes]:
        xs = [x if x.dtype.kind != "f" else x * x.dtype.type(scale) for x in case.inputs(numpy_backend)]
        layer = case.layer(numpy_backend)
        xpnet.seed(0)
        inferred = layer(*xs)
        layer.reset_state()
        y, back = layer.forward(*xs, train=True)
        dys = tuple(numpy_backend.xp.ones_like(each) for each in leaves(y))
        dxs = back(dys if isinstance(y, tuple) else dys[0])
        found = [inferred, y, tuple(dx for dx in leaves(dxs) if dx is not None)]
        return [bits(each) for group in found for each in leaves(group)] + [bits(p.grad) for p in layer.parameters()]

    with quiet():
        expected = results()
    assert results() == expected


@pytest.mark.parametrize("case", loss_table.CASES, ids=repr)
@pytest.mark.parametrize("scale", [1e-25, 1.0, 100.0, 1e25])
def test_every_loss(numpy_backend: Backend, case: loss_table.LossCase, scale: float) -> None:
    y, t = (case.outputs(4, 3, 0) * scale).astype("float32"), case.targets(4, 3, 1)
    w = np.array([1, 1e-30, 0, 2], "float32")
    loss = case.make(3)
    with np.errstate(all="raise"):
        for weights in ((), (w,)):
            value, back = loss.forward(y, t if t.dtype.kind == "i" else t.astype("float32"), numpy_backend, *weights)
            back()
    assert np.shape(value) == ()


@pytest.mark.parametrize("case", metric_table.CASES, ids=repr)
def test_every_metric(numpy_backend: Backend, case: metric_table.MetricCase) -> None:
    y, t = case.data(6, 0)
    metric = copy.deepcopy(case.metric)
    with np.errstate(all="raise"):
        for factor in (1e-30, 1.0, 100.0):
            metric.update(y * np.float32(factor), t, numpy_backend)


@pytest.mark.parametrize("rule", optimizer_table.RULES, ids=lambda rule: repr(rule[0]))
@pytest.mark.parametrize("size", [1e-30, 1.0, 1e25])
def test_every_optimizer(numpy_backend: Backend, strict: None, rule: Any, size: float) -> None:
    optimizer, p = optimizer_table.fresh(rule[0]), Parameter(np.ones((4, 3), "float32"))
    for _ in range(3):
        p.add_grad(np.full((4, 3), size, "float32"))
        optimizer.update([p])
    assert p.value.shape == (4, 3)


def network() -> Sequential:
    chain = [layers.Dense(16, activation="gelu"), layers.BatchNorm1D(), layers.Dropout(0.5), layers.Dense(3)]
    model = Sequential([*chain, layers.Sigmoid()])
    model.compile("adam", losses.SoftmaxCrossEntropy(), metrics=["accuracy", "f1", metrics.TopK(2)])
    return model


@pytest.mark.parametrize("scale", [1e-30, 1e4])
def test_training_from_the_data_to_the_weights(numpy_backend: Backend, strict: None, scale: float) -> None:
    x = X.astype("float64") * scale * scale  # which float32 has as zero, or nearly so
    model = network()
    model.fit(x, T, epochs=2, verbose=0, callbacks=[EMA(0.5)], validation_split=0.25, sample_weight=np.full(64, 1e-44))
    model.train_on_batch(x, T)
    model.evaluate(x, T, sample_weight=np.full(64, 1e-60))
    model.predict(x)
    model.fit(data.Loader((x, T), 16), verbose=0)


def test_numbers_that_only_float64_has(strict: None) -> None:
    parameter = Parameter(X[0])
    parameter.value = np.full(12, 1e-60)
    weights = network()
    weights.build((12,))
    weights.set_weights([np.full(w.shape, 1e-60) for w in weights.get_weights()])
    data.Standardize().fit(X * np.float32(1e-25))(X)
    gradient_check(layers.Softmax(), 300 * RNG.standard_normal((2, 4)))


def test_layers_outside_a_network_give_the_way_back_that_they_have(strict: None) -> None:
    layer = layers.Dense(3)
    _, back = layer.forward(1e-30 * X, train=True)
    assert back(np.full((64, 3), 1e-30, "float32"), need_dx=False) is None
