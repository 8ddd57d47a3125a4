"""Grad-CAM and saliency: against their formulas and numerical derivatives."""

from typing import Any

import numpy as np
import pytest

from tests.kit.small import Written, digits
from tests.kit.strategies import normal
from xpnet import Model, Sequential, analysis, networks
from xpnet.analysis.images import enlarged
from xpnet.backend import Backend
from xpnet.errors import DTypeError, OptionError, ShapeError
from xpnet.layers import (
    BatchNorm2D,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAvgPool2D,
    MaxPool2D,
    Softmax,
    Tanh,
)

X = normal((3, 2, 6, 8), 0)


def smooth(*after: Any) -> Sequential:
    """Without kinks, in float64, so that differences give its derivatives."""
    model = Sequential(
        [
            Conv2D(3, 3, activation="tanh"),
            BatchNorm2D(),
            Conv2D(4, 2, activation=Tanh(), name="last"),
            Dropout(0.5),
            Flatten(),
            Dense(5, *after),
        ]
    ).astype("float64")
    model.build((2, 6, 8))
    return model


def written() -> Model:
    """A layer used twice, and a sum."""

    def body(m: Any, x: Any) -> Any:
        h = m.first(x)
        return m.dense(GlobalAvgPool2D()(m.act(m.conv(m.conv(h)) + h)))

    parts = {"first": Conv2D(3, 3, activation="tanh"), "conv": Conv2D(3, 3, padding=1), "act": Tanh()}
    model = Written(body, **parts, dense=Dense(5)).astype("float64")
    model.build((2, 6, 8))
    return model


def grey() -> tuple[Model, np.ndarray]:
    model = Sequential([Conv2D(3, 3, activation="relu"), MaxPool2D(2), Flatten(), Dense(10)])
    return model, digits(30)[0]


def numerical(model: Model, x: np.ndarray, classes: np.ndarray, eps: float = 1e-5) -> np.ndarray:
    """dS[n, c] / dx[n], entry by entry."""
    found = np.zeros_like(x)
    for index in np.ndindex(x.shape[1:]):
        step = np.zeros_like(x)
        step[(slice(None), *index)] = eps
        difference = model.predict(x + step) - model.predict(x - step)
        found[(slice(None), *index)] = difference[np.arange(len(x)), classes] / (2 * eps)
    return found


# ---- saliency ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [smooth, written])
@pytest.mark.parametrize("target", [None, 3, [0, 4, 2]])
def test_saliency_is_the_largest_derivative_over_the_channels(make: Any, target: Any) -> None:
    model = make()
    classes = model.predict(X).argmax(axis=1) if target is None else np.broadcast_to(target, 3)
    expected = np.abs(numerical(model, X, classes)).max(axis=1)
    found = analysis.saliency(model, X, target)
    assert found.shape == (3, 6, 8)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)


def test_saliency_on_every_backend(backend: Backend) -> None:
    model = Sequential([Conv2D(3, 3, activation="relu"), Flatten(), Dense(5)])
    found = analysis.saliency(model, X.astype("f4"), 2)
    assert isinstance(found, np.ndarray) and found.dtype == np.float32
    weights = model.get_weights()
    model.to("numpy").set_weights(weights)
    _, back = model.forward(X.astype("f4"))
    dx = back(np.eye(5, dtype="f4")[[2, 2, 2]])
    np.testing.assert_allclose(found, np.abs(dx).max(axis=1), rtol=1e-4, atol=1e-6)


def test_samples_that_are_no_images_keep_their_shape() -> None:
    model = Sequential([Dense(3)])
    x = normal((4, 7), 0, "float32")
    found = analysis.saliency(model, x, 1)
    assert np.allclose(found, np.abs(model[0].weight.value[1]))


# ---- Grad-CAM ------------------------------------------------------------------------------------------------------


def test_grad_cam_is_its_formula() -> None:
    """With a dense layer behind the maps, the derivative of a score is a row of its weight."""
    model = smooth()
    maps = analysis.feature_maps(model, X, "last")
    K, h, w = maps.shape[1:]
    classes = np.array([1, 4, 0])
    gradient = np.array(model[5].weight.value)[classes].reshape(3, K, h, w)
    weights = gradient.mean(axis=(2, 3))
    small = np.maximum(np.einsum("nk,nkij->nij", weights, maps), 0)
    assert small.max() > 0
    found = analysis.grad_cam(model, X, classes)  # by default the last convolution
    assert found.shape == (3, 6, 8) and found.min() >= 0
    np.testing.assert_allclose(found, enlarged(small, (6, 8)), rtol=1e-6)
    assert np.array_equal(analysis.grad_cam(model, X, classes, model[2]), found)


def test_grad_cam_of_an_inner_layer_has_numerical_derivatives() -> None:
    """The rest of the network, taken alone, is a network of the maps."""
    model = smooth()
    maps = analysis.feature_maps(model, X, "conv1")
    rest = Sequential(model.layers[1:]).astype("float64")
    gradient = numerical(rest, maps, np.array([2, 2, 2]))
    small = np.maximum((gradient.mean(axis=(2, 3), keepdims=True) * maps).sum(axis=1), 0)
    found = analysis.grad_cam(model, X, 2, "conv1")
    np.testing.assert_allclose(found, enlarged(small, (6, 8)), rtol=1e-5, atol=1e-9)


def test_of_a_layer_that_is_used_twice_the_last_use_counts() -> None:
    model = written()
    h = analysis.feature_maps(model, X, "first")
    maps = model.conv(model.conv(h))
    rest = Written(lambda m, a: m.dense(GlobalAvgPool2D()(m.act(a + m.h()))), act=Tanh(), dense=model.dense)
    total = np.tanh(maps + h)
    gradient = (1 - total**2) * np.array(model.dense.weight.value)[1][:, None, None] / total[0, 0].size
    small = np.maximum((gradient.mean(axis=(2, 3), keepdims=True) * maps).sum(axis=1), 0)
    assert rest.dense is model.dense
    np.testing.assert_allclose(analysis.grad_cam(model, X, 1, "conv"), enlarged(small, (6, 8)), rtol=1e-6)


def test_grad_cam_on_every_backend(backend: Backend) -> None:
    model = networks.LeNet5()
    x = digits(2)[0]
    found = analysis.grad_cam(model, x, 3)
    assert isinstance(found, np.ndarray) and found.shape == (2, 28, 28)
    np.testing.assert_allclose(found, analysis.grad_cam(model.to("numpy"), x, 3), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("form", ["layer", "activation", "written"])
def test_a_softmax_at_the_end_is_left_out(form: str) -> None:
    plain = smooth()
    if form == "layer":
        ending: Model = Sequential([*plain.layers, Softmax()])
    elif form == "activation":
        ending = smooth(True, "softmax")
        ending.set_weights(plain.get_weights())
    else:
        ending = Written(lambda m, x: m.softmax(m.body_of(x)), body_of=plain, softmax=Softmax())
    ending.astype("float64")
    np.testing.assert_allclose(analysis.saliency(ending, X, 1), analysis.saliency(plain, X, 1), rtol=1e-9)
    hidden = Written(lambda m, x: Softmax()(m.inner(x)), inner=plain).astype("float64")
    with pytest.raises(OptionError, match="makes its last Softmax in call"):
        analysis.saliency(hidden, X, 1)


def test_many_images_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model, classes = smooth(), [4, 0, 1]
    whole = analysis.grad_cam(model, X, classes), analysis.saliency(model, X, classes)
    monkeypatch.setattr("xpnet.analysis.explanations.BATCH", 2)
    np.testing.assert_allclose(analysis.grad_cam(model, X, classes), whole[0], rtol=1e-9)
    np.testing.assert_allclose(analysis.saliency(model, X, classes), whole[1], rtol=1e-9)


# ---- errors --------------------------------------------------------------------------------------------------------


def test_what_cannot_be_explained_is_refused() -> None:
    model = smooth()
    x = np.ascontiguousarray(X[:, :1])
    with pytest.raises(OptionError, match=r"target 5 is no class: .* has classes 0 to 4"):
        analysis.saliency(model, X, 5)
    for target in (-1, 1.5, [1, 2], "3"):
        with pytest.raises(OptionError, match="one for each of the 3 images"):
            analysis.saliency(model, X, target)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"Grad-CAM needs a layer that gives maps \(N, C, H, W\)"):
        analysis.grad_cam(*grey(), layer="dense1")
    with pytest.raises(OptionError, match="has no convolution"):
        analysis.grad_cam(networks.MLP(), digits(1)[0])
    with pytest.raises(ShapeError, match=r"scores of classes \(N, classes\) are needed"):
        analysis.saliency(Sequential([Conv2D(2, 3)]), x.astype("f4"))
    with pytest.raises(DTypeError, match="uint8"):
        analysis.saliency(networks.LeNet5(), (255 * digits(1)[0]).astype(np.uint8))
    aside = Written(lambda m, x: (m.conv(x), m.dense(Flatten()(x)))[1], conv=Conv2D(2, 3), dense=Dense(2))
    with pytest.raises(OptionError, match="does not depend on layer conv"):
        analysis.grad_cam(aside, x.astype("f4"), layer="conv")


def test_integers_have_no_gradient() -> None:
    words = Sequential([Embedding(5, 3), Flatten(), Dense(2)])
    with pytest.raises(DTypeError, match=r"takes integers, .*: no score has a gradient there"):
        analysis.saliency(words, np.zeros((2, 4), np.int64))
