"""The numbers that a unit is said to come from give its value, in every kind of layer."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.serving.digit.test_look import MAKERS, X
from xpnet import Model, Sequential, networks
from xpnet.backend import Backend
from xpnet.core.layer import Layer
from xpnet.errors import OptionError
from xpnet.layers import (
    AvgPool2D,
    BatchNorm2D,
    Conv1D,
    Conv2D,
    ConvTranspose2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    MaxPool2D,
    Reshape,
    Sigmoid,
    Softmax,
    Tanh,
    ZeroPad2D,
)
from xpnet.serving.digit.explain_unit import Explained, explain_unit
from xpnet.serving.digit.look import Call, look

ACTIVATIONS: dict[str | None, Callable[[float], float]] = {
    None: lambda s: s,
    "relu": lambda s: max(0.0, s),
    "tanh": lambda s: 1.7159 * float(np.tanh(2 / 3 * s)),
}


def places(call: Call, count: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Some at random, and the corners, where windows reach beyond the image."""
    shape = call.shown.shape
    corners = [tuple(0 for _ in shape), tuple(size - 1 for size in shape)]
    return corners + [tuple(int(rng.integers(size)) for size in shape) for _ in range(count)]


def check(call: Call, place: tuple[int, ...], found: Explained) -> None:
    """That what is told gives the value, and is what the layer saw."""
    assert found.value == call.shown[place]
    assert found.formula and found.came_from == call.came_from[0]
    near: Any = {"rel": 1e-4, "abs": 2e-5}
    if found.kind == "max":
        assert found.inputs is not None and found.inputs.max() == found.value
    elif found.kind == "softmax":
        assert found.products is not None and found.sum is not None and found.inputs is not None
        share = found.products[place[0]] / found.sum
        expected = np.log(share) if isinstance(call.layer, LogSoftmax) else share
        assert expected == pytest.approx(found.value, **near)
    elif found.kind != "elementwise":
        assert found.sum is not None and found.products is not None
        total = found.products.sum(dtype=np.float64) + (found.bias or 0)
        assert total == pytest.approx(found.sum, **near)
        assert ACTIVATIONS[found.activation](found.sum) == pytest.approx(found.value, **near)
        if found.weights is not None and found.kind != "distance":
            np.testing.assert_allclose(found.products, found.inputs * found.weights, rtol=1e-6)
    if found.rows and found.columns and found.dilation == (1, 1) and found.channels is not None:
        check_window(call, found)


def check_window(call: Call, found: Explained) -> None:
    """The numbers stand in the input where they are said to."""
    x, inputs = call.inputs[0], found.inputs
    assert inputs is not None and found.rows and found.columns
    if x.ndim != 3:
        return
    (r0, r1), (c0, c1) = found.rows, found.columns
    inside = x[found.channels, max(r0, 0) : r1][:, :, max(c0, 0) : c1]
    (top, left), (H, W) = (max(-r0, 0), max(-c0, 0)), inside.shape[1:]
    seen = inputs.reshape(len(inside), r1 - r0, c1 - c0)
    np.testing.assert_array_equal(seen[:, top : top + H, left : left + W], inside)


@pytest.mark.parametrize("name", MAKERS)
def test_every_unit_of_these_networks_is_what_it_is_made_of(name: str) -> None:
    rng = np.random.default_rng(1)
    model = MAKERS[name]()
    for parameter in model.parameters():  # biases, too, that are not 0
        parameter.value = parameter.value + np.float32(0.05) * rng.random(parameter.shape, np.float32)
    kinds = set()
    for call in look(model, X).calls:
        for place in places(call, 25, rng):
            found = explain_unit(call, *place)
            check(call, place, found)
            kinds.add(found.kind)
    assert "other" not in kinds or name in ("rows", "columns")


LAYERS: list[tuple[Layer, str]] = [
    (Conv2D(4, 3, stride=2, padding=((2, 0), (1, 1)), groups=2), "convolution"),
    (Conv2D(2, (3, 2), dilation=(2, 3), bias=False), "convolution"),
    (DepthwiseConv2D(3, multiplier=2, activation="relu"), "convolution"),
    (MaxPool2D(3, stride=2, padding=1), "max"),
    (MaxPool2D(3, ceil_mode=True), "max"),
    (AvgPool2D(3, stride=2, padding=1), "average"),
    (AvgPool2D(3, padding=1, count_include_pad=False), "average"),
    (AvgPool2D(2, divisor_override=3), "average"),
    (GlobalAvgPool2D(), "average"),
    (GlobalMaxPool2D(), "max"),
    (BatchNorm2D(), "normalization"),
    (Softmax(), "softmax"),
    (LogSoftmax(), "softmax"),
    (Tanh(), "elementwise"),
    (Sigmoid(), "elementwise"),
    (LeakyReLU(), "elementwise"),
    (ZeroPad2D(2), "copy"),
    (Dropout(0.5), "copy"),
    (Flatten(), "copy"),
    (Reshape((2, 14, 14)), "copy"),
    (ConvTranspose2D(2, 3), "other"),
    (LayerNorm(), "normalization"),
]


@pytest.mark.parametrize(("layer", "kind"), LAYERS, ids=lambda value: value if isinstance(value, str) else value.kind)
def test_every_kind_of_layer_is_known(layer: Layer, kind: str) -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((2, 14, 14)).astype(np.float32)
    model = Sequential([Reshape((2, 14, 14)), layer])
    model.build((392,))
    y = model.predict(x.reshape(1, 392))[0]
    call = Call(layer, "it", (x,), (-1,), y)
    kinds = set()
    for place in places(call, 30, rng):
        found = explain_unit(call, *place)
        kinds.add(found.kind)
        if found.inputs is not None:  # else it sees padding alone
            check(call, place, found)
    assert kind in kinds and kinds <= {kind, "other"}
    assert all(not parameter.has_grad for parameter in layer.parameters())


def test_signals_have_an_explanation_too() -> None:
    layer = Conv1D(3, 5)
    model = Sequential([Reshape((28, 28)), layer])
    model.build((1, 28, 28))
    call = Call(layer, "it", (X[0],), (-1,), model.predict(X[None])[0])
    found = explain_unit(call, 0, 2, 3)
    assert found.kind == "other" and found.sum == pytest.approx(float(call.output[2, 3]), rel=1e-5)


def test_the_table_of_lenet_5_says_which_maps_are_seen() -> None:
    call = next(call for call in look(networks.LeNet5(variant="1998"), X).calls if call.path == "c3")
    found = explain_unit(call, 4, 2, 3)
    assert found.channels == [0, 4, 5] and found.inputs is not None and found.inputs.shape == (3, 5, 5)
    assert (found.rows, found.columns) == ((2, 7), (3, 8))


def test_a_unit_that_is_not_there_is_an_error() -> None:
    call = look(networks.SimpleConvNet(filters=2), X).calls[0]
    with pytest.raises(OptionError, match=r"no unit \(2, 0, 0\)"):
        explain_unit(call, 2, 0, 0)


def test_on_every_backend(backend: Backend) -> None:
    parts = [Conv2D(2, 5, activation="relu"), MaxPool2D(2), BatchNorm2D(), AvgPool2D(2), Flatten(), Dense(10)]
    model: Model = Sequential(parts)
    model.build((1, 28, 28))
    rng = np.random.default_rng(3)
    for call in look(model, X).calls:
        for place in places(call, 3, rng):
            check(call, place, explain_unit(call, *place))
