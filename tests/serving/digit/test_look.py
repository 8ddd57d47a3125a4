"""What a page sees of a network is what the library says that its layers give."""

from typing import Any

import numpy as np
import pytest

from tests.kit.small import Written
from xpnet import Model, Sequential, analysis, networks
from xpnet.backend import Backend
from xpnet.layers import (
    LSTM,
    Add,
    BatchNorm2D,
    Conv2D,
    Dense,
    Flatten,
    GlobalAvgPool2D,
    MaxPool2D,
    Reshape,
    Softmax,
)
from xpnet.serving.digit.look import look
from xpnet.serving.digit.shelf import NEW

X = np.random.default_rng(0).random((1, 28, 28), np.float32)


def with_a_sum() -> Model:
    def body(m: Any, x: Any) -> Any:
        h = m.first(x)
        return m.dense(m.pool(m.add(m.norm(m.second(h)), h)))

    parts: dict[str, Any] = {"first": Conv2D(3, 3, activation="relu"), "second": Conv2D(3, 3, padding=1)}
    model = Written(body, **parts, norm=BatchNorm2D(), add=Add(), pool=GlobalAvgPool2D(), dense=Dense(10))
    model.build((1, 28, 28))
    return model


def nested() -> Model:
    inner = Sequential([Conv2D(4, 3), MaxPool2D(2)])
    model = Sequential([Reshape((1, 28, 28)), inner, Flatten(), Dense(10), Softmax()])
    model.build((784,))
    return model


def of_rows() -> Model:
    model = Sequential([Reshape((28, 28)), LSTM(6), LSTM(5, return_sequence=False), Dense(10)])
    model.build((1, 28, 28))
    return model


MAKERS = {key: make for key, (_, make) in NEW.items()} | {
    "rbf": lambda: networks.LeNet5(variant="1998", output="rbf"),
    "columns": lambda: networks.MultiColumn(filters=(2, 3), hidden=5),
    "sum": with_a_sum,
    "nested": nested,
    "rows": of_rows,
}


@pytest.mark.parametrize("name", MAKERS)
def test_every_output_is_that_of_the_library(name: str) -> None:
    model = MAKERS[name]()
    x = X.reshape(1, *model.input_shape)
    seen, expected = look(model, x), analysis.activations(model, x)
    calls = [call for call in seen.calls if call.path in expected]
    assert [call.path for call in calls] == list(expected)
    for call in calls:
        assert call.output.dtype == np.float32
        np.testing.assert_array_equal(call.output, expected[call.path][0])
    np.testing.assert_allclose(seen.probabilities, analysis.probabilities(model, x)[0], atol=1e-7)
    np.testing.assert_array_equal(seen.calls[-1].output, seen.probabilities)  # a softmax is always there
    assert seen.probabilities.sum() == pytest.approx(1)
    assert not any("forward" in vars(layer) for _, layer in model.named_layers())  # it is as it was


@pytest.mark.parametrize("name", MAKERS)
def test_every_layer_read_what_another_gave(name: str) -> None:
    calls = look(MAKERS[name](), X).calls
    for number, call in enumerate(calls):
        for given, maker in zip(call.inputs, call.came_from, strict=True):
            assert maker is not None and maker < number
            np.testing.assert_array_equal(given, calls[maker].output if maker >= 0 else X.reshape(given.shape))


def test_steps_and_features_are_shown_as_a_map() -> None:
    shown = [call.shown.shape for call in look(of_rows(), X).calls]
    assert shown == [(1, 28, 28), (1, 28, 6), (5,), (10,), (10,)]


def test_a_layer_that_is_used_twice_is_seen_twice() -> None:
    model = Written(lambda m, x: m.dense(m.flat(m.conv(m.conv(x)))), conv=Conv2D(1, 3), flat=Flatten(), dense=Dense(10))
    model.build((1, 28, 28))
    paths = [call.path for call in look(model, X).calls]
    assert paths == ["conv", "conv (use 2)", "flat", "dense", "softmax"]


def test_a_sum_that_no_layer_made_comes_from_nowhere() -> None:
    model = Written(
        lambda m, x: m.dense(m.flat(m.conv(x) + x)), conv=Conv2D(1, 3, padding=1), flat=Flatten(), dense=Dense(10)
    )
    model.build((1, 28, 28))
    assert [call.came_from for call in look(model, X).calls] == [(-1,), (None,), (1,), (2,)]


def test_on_every_backend_arrays_are_on_the_host(backend: Backend) -> None:
    seen = look(networks.SimpleConvNet(filters=2, hidden=3), X)
    assert all(type(call.shown) is np.ndarray and call.shown.dtype == np.float32 for call in seen.calls)
