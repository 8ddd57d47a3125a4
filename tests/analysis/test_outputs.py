"""Feature maps and activations: what the layers give."""

from typing import Any

import numpy as np
import pytest

from tests.kit.small import Written, digits
from xpnet import Model, Sequential, analysis, networks, random
from xpnet.analysis import outputs
from xpnet.analysis.summary import summary
from xpnet.backend import Backend
from xpnet.errors import OptionError, ShapeError
from xpnet.layers import Add, Conv2D, Dense, Dropout, Flatten, GlobalAvgPool2D, MaxPool2D, SimpleRNN, Split

X = digits(5)[0]


def small() -> Sequential:
    """Over images of 1x28x28, with a block inside."""
    block = Sequential([Conv2D(3, 3, activation="relu"), Dropout(0.5)], name="block")
    model = Sequential([Conv2D(4, 3, stride=2, activation="tanh"), MaxPool2D(2), block, Flatten(), Dense(5)])
    model.build((1, 28, 28))
    return model


def written() -> Model:
    def body(m: Any, x: Any) -> Any:
        h = m.first(x)
        return m.dense(GlobalAvgPool2D()(Add()(m.conv(h), m.conv(m.conv(h)))))

    model = Written(body, first=Conv2D(4, 5, 3, activation="relu"), conv=Conv2D(4, 3, padding=1), dense=Dense(3))
    model.build((1, 28, 28))
    return model


def test_feature_maps_are_what_the_layers_give(backend: Backend) -> None:
    model = small()
    x = backend.asarray(X)
    first = model[0](x)
    pooled = model[1](first)
    block = model[2](pooled)
    for layer, y in (
        ("conv1", first),
        (model[0], first),
        ("pool1", pooled),
        ("block", block),
        ("block.conv1", block),
        (model[2][1], block),  # dropout does nothing in inference
        ("dense1", model(x)),
    ):
        np.testing.assert_allclose(analysis.feature_maps(model, X, layer), backend.to_numpy(y), rtol=1e-5, atol=1e-6)
    assert np.array_equal(analysis.feature_maps(model, X), analysis.feature_maps(model, X, "conv1"))
    assert analysis.feature_maps(model, X[0]).shape == (1, 4, 13, 13)  # one sample, without the batch


def test_of_a_layer_that_is_used_several_times_the_last_use_counts() -> None:
    model = written()
    h = model.first(X)
    assert np.allclose(analysis.feature_maps(model, X, "conv"), model.conv(model.conv(h)), atol=1e-6)
    seen = analysis.activations(model, X, ["conv", model.dense])
    assert list(seen) == ["conv", "conv (use 2)", "conv (use 3)", "dense"]
    assert np.allclose(seen["conv"], model.conv(h), atol=1e-6) or np.allclose(seen["conv (use 2)"], model.conv(h))


def test_looking_changes_nothing() -> None:
    model = small()
    model.forward(X, train=True)[1](np.ones((5, 5), np.float32))
    grads, state = [np.array(p.grad) for p in model.parameters()], random.get_state()
    before = {path: dict(vars(layer)) for path, layer in model.named_layers()}
    analysis.feature_maps(model, X)
    analysis.grad_cam(model, X)
    analysis.saliency(model, X)
    analysis.activations(model, X)
    assert random.get_state() == state
    for parameter, grad in zip(model.parameters(), grads, strict=True):
        assert np.array_equal(parameter.grad, grad)
    for path, layer in model.named_layers():
        assert vars(layer).keys() == before[path].keys()


def test_many_samples_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = written()
    whole = analysis.activations(model, X)
    monkeypatch.setattr("xpnet.analysis.outputs.BATCH", 2)
    for name, y in analysis.activations(model, X).items():
        assert y.shape[0] == 5
        assert np.allclose(y, whole[name], atol=1e-6)


def test_a_layer_that_is_not_there_is_refused() -> None:
    model = small()
    message = r"has no layer 'conv9'; choose one of conv1, conv1.activation, pool1, block, block.conv1, block.dropout1,"
    with pytest.raises(OptionError, match=message):
        analysis.feature_maps(model, X, "conv9")
    with pytest.raises(OptionError, match="has no layer such Conv2D"):
        analysis.feature_maps(model, X, Conv2D(4, 3))
    with pytest.raises(OptionError, match="has no convolution; choose a layer of it with layer=: flatten1, dense1"):
        analysis.feature_maps(networks.MLP(hidden=()), X)
    idle = Written(lambda m, x: m.dense(Flatten()(x)), conv=Conv2D(2, 3), dense=Dense(2))
    with pytest.raises(OptionError, match="layer conv of Written is not used"):
        analysis.feature_maps(idle, X, "conv")
    assert set(analysis.activations(idle, X)) == {"dense"}  # of all, those that are used


def test_each_of_several_outputs_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def body(m: Any, x: Any) -> Any:
        left, right = m.split(m.conv(x))
        return {"left": m.dense(GlobalAvgPool2D()(left)), "right": right}

    model = Written(body, conv=Conv2D(4, 3), split=Split((1, 3)), dense=Dense(2))
    model.build((1, 28, 28))
    monkeypatch.setattr(outputs, "BATCH", 2)
    seen = analysis.activations(model, X)
    assert [*seen] == ["conv", "split (output 1)", "split (output 2)", "dense"]
    np.testing.assert_allclose(seen["split (output 2)"], model(X)["right"], rtol=1e-5, atol=1e-6)
    text = summary(model)
    assert "split (Split)  (N, 1, 26, 26), (N, 3, 26, 26)           0" in text
    for look in (lambda: analysis.feature_maps(model, X, "split"), lambda: analysis.saliency(model, X)):
        with pytest.raises(OptionError, match="gives several outputs"):
            look()


def test_looking_leaves_what_is_carried_alone() -> None:
    model = Sequential([SimpleRNN(3, stateful=True), Dense(2)])
    x = X[:3, 0, :, 0]  # (3, 28)
    x = x[:, :, None]
    model(x[:2])
    ((_, state),) = model.named_states()
    before = np.array(state.value)
    assert analysis.activations(model, x)["rnn1"].shape == (3, 28, 3)
    assert "(N, 28, 3)" in summary(model)
    np.testing.assert_array_equal(state.value, before)


def test_activations_of_several_inputs_and_what_takes_one() -> None:
    def body(m: Any, a: Any, b: Any) -> Any:
        h = m.one(a) + m.other(b)
        return {"h": h, "y": m.out(h)}

    model = Written(body, one=Dense(4), other=Dense(4), out=Dense(3))
    a, b = np.ones((70, 2), np.float32), np.zeros((70, 3), np.float32)
    found = analysis.activations(model, (a, b))
    named = analysis.activations(model, (a, b), layers="out")["out"]
    y = model.predict((a, b))["y"]
    assert found["one"].shape == (70, 4) and "other" in found
    np.testing.assert_allclose(found["out"], y, rtol=1e-6)
    np.testing.assert_allclose(named, y, rtol=1e-6)
    for look in (analysis.feature_maps, analysis.saliency, analysis.grad_cam):
        with pytest.raises(OptionError, match="this is for a network of one input"):
            look(model, (a, b))
    with pytest.raises(ShapeError, match=r"probabilities need one output \(N, classes\); Written gives several"):
        analysis.misclassified(model, (a, b), np.zeros(70, int))
