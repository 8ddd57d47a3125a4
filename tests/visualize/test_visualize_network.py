"""Filters, feature maps and activations: the numbers, and their pictures."""

from typing import Any

import numpy as np
import pytest

from tests.kit.helpers import calls_of
from tests.kit.pictures import assert_readable, panel
from tests.kit.small import Written, digits
from xpnet import Model, Sequential, networks, random, visualize
from xpnet.backend import Backend
from xpnet.errors import DataError, NotBuiltError, OptionError, ShapeError
from xpnet.initializers import HeNormal
from xpnet.layers import Add, Conv2D, Dense, Dropout, Flatten, GlobalAvgPool2D, MaxPool2D, ReLU

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


# ---- feature maps --------------------------------------------------------------------------------------------------


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
        np.testing.assert_allclose(visualize.feature_maps(model, X, layer), backend.to_numpy(y), rtol=1e-5, atol=1e-6)
    assert np.array_equal(visualize.feature_maps(model, X), visualize.feature_maps(model, X, "conv1"))
    assert visualize.feature_maps(model, X[0]).shape == (1, 4, 13, 13)  # one sample, without the batch


def test_of_a_layer_that_is_used_several_times_the_last_use_counts() -> None:
    model = written()
    h = model.first(X)
    assert np.allclose(visualize.feature_maps(model, X, "conv"), model.conv(model.conv(h)), atol=1e-6)
    seen = visualize.activations(model, X, ["conv", model.dense])
    assert list(seen) == ["conv", "conv (use 2)", "conv (use 3)", "dense"]
    assert np.allclose(seen["conv"], model.conv(h), atol=1e-6) or np.allclose(seen["conv (use 2)"], model.conv(h))


def test_looking_changes_nothing() -> None:
    model = small()
    model.forward(X, train=True)[1](np.ones((5, 5), np.float32))
    grads, state = [np.array(p.grad) for p in model.parameters()], random.get_state()
    before = {path: dict(vars(layer)) for path, layer in model.named_layers()}
    visualize.feature_maps(model, X)
    visualize.grad_cam(model, X)
    visualize.saliency(model, X)
    visualize.activations(model, X)
    assert random.get_state() == state
    for parameter, grad in zip(model.parameters(), grads, strict=True):
        assert np.array_equal(parameter.grad, grad)
    for path, layer in model.named_layers():
        assert vars(layer).keys() == before[path].keys()


def test_many_samples_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = written()
    whole = visualize.activations(model, X)
    monkeypatch.setattr("xpnet.visualize.network.BATCH", 2)
    for name, y in visualize.activations(model, X).items():
        assert y.shape[0] == 5
        assert np.allclose(y, whole[name], atol=1e-6)


def test_a_layer_that_is_not_there_is_refused() -> None:
    model = small()
    message = r"has no layer 'conv9'; choose one of conv1, conv1.activation, pool1, block, block.conv1, block.dropout1,"
    with pytest.raises(OptionError, match=message):
        visualize.feature_maps(model, X, "conv9")
    with pytest.raises(OptionError, match="has no layer such Conv2D"):
        visualize.feature_maps(model, X, Conv2D(4, 3))
    with pytest.raises(OptionError, match="has no convolution; choose a layer of it with layer=: flatten1, dense1"):
        visualize.feature_maps(networks.MLP(hidden=()), X)
    idle = Written(lambda m, x: m.dense(Flatten()(x)), conv=Conv2D(2, 3), dense=Dense(2))
    with pytest.raises(OptionError, match="layer conv of Written is not used"):
        visualize.feature_maps(idle, X, "conv")


@pytest.mark.parametrize(("filters", "side"), [(1, 28), (2, 28), (7, 9), (16, 28), (100, 6)])
def test_maps_can_be_read(filters: int, side: int) -> None:
    model = Sequential([Conv2D(filters, 3, padding=1, activation="relu")])
    image = X[0][:, :side, :side]
    maps = visualize.feature_maps(model, image[None])[0]
    figure = visualize.plot_feature_maps(model, image)
    axes, bar = figure.axes
    pixels = axes.images[0].get_array()
    assert np.isclose(np.nansum(np.ma.filled(pixels, 0)), maps.sum(), rtol=1e-4)
    assert np.allclose(pixels[:side, :side], maps[0])
    assert bar.get_ylabel() == "activation" and axes.get_aspect() == 1
    assert axes.get_title() == f"conv1: {filters} map{'s' if filters > 1 else ''} of {side} x {side}"
    assert_readable(figure)


def test_outputs_of_units_are_bars() -> None:
    model = small()
    figure = visualize.plot_feature_maps(model, X[:1], "dense1")
    assert np.allclose([bar.get_height() for bar in figure.axes[0].patches], model.predict(X[:1])[0], atol=1e-6)
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("unit", "activation")
    assert_readable(figure)
    assert_readable(visualize.plot_feature_maps(networks.SimpleConvNet(), X[0], "dense1"))
    ax = panel()
    assert visualize.plot_feature_maps(model, X[0], "conv1", ax=ax) is ax.figure
    assert_readable(ax.figure)
    with pytest.raises(DataError, match="draws one image, and 5 were given"):
        visualize.plot_feature_maps(model, X)
    texts = Written(lambda m, x: m.act(x), act=ReLU())
    with pytest.raises(ShapeError, match=r"\(1, 2, 3\); expected maps"):
        visualize.plot_feature_maps(texts, np.ones((1, 2, 3), np.float32), "act")


# ---- filters -------------------------------------------------------------------------------------------------------


def test_filters_before_and_after_stand_side_by_side_on_one_scale(backend: Backend) -> None:
    model = small()
    before = model.copy()
    model[0].weight.value = model[0].weight.value * 3
    figure = visualize.plot_filters(model, before)
    first, second, bar = figure.axes
    assert [first.get_title(), second.get_title()] == ["before training", "after training"]
    weight = backend.to_numpy(model[0].weight.value)
    assert np.allclose(second.images[0].get_array()[:3, :3], weight[0, 0])
    assert np.allclose(first.images[0].get_array()[:3, :3], weight[0, 0] / 3)
    largest = np.abs(weight).max()
    assert np.allclose(first.images[0].get_clim(), (-largest, largest)) and bar.get_ylabel() == "weight"
    assert second.images[0].get_clim() == first.images[0].get_clim()
    assert_readable(figure)
    again = visualize.plot_filters(model, backend.to_numpy(before[0].weight.value), layer="conv1")
    assert np.array_equal(again.axes[0].images[0].get_array().filled(0), first.images[0].get_array().filled(0))


def test_filters_of_every_kind() -> None:
    colours = Sequential([Conv2D(5, 3), ReLU(), Conv2D(2, 3)])
    colours.build((3, 9, 9))
    axes = visualize.plot_filters(colours).axes
    shown, weight = axes[0].images[0].get_array(), np.array(colours[0].weight.value)
    assert len(axes) == 1 and shown.shape[2] == 3
    assert np.allclose(shown[:3, :3], 0.5 + weight[0].transpose(1, 2, 0) / (2 * np.abs(weight).max()))
    rows = visualize.plot_filters(colours, layer="conv2").axes[0]  # a row of 5 kernels for each of 2 filters
    assert rows.images[0].get_array().shape == (2 * 3 + 1, 5 * 3 + 4)
    assert (rows.get_xlabel(), rows.get_ylabel()) == ("input channel", "filter")
    lenet = networks.LeNet5(variant="1998")
    for model, layer in ((networks.MLP(), None), (lenet, None), (lenet, "c3"), (networks.SimpleConvNet(), None)):
        assert_readable(visualize.plot_filters(model, layer=layer))
    dense = visualize.plot_filters(networks.MLP(hidden=(3,))).axes[0].images[0].get_array()
    assert dense.shape[0] == 28
    flat = Sequential([Dense(4)])
    flat.build((16,))
    assert visualize.plot_filters(flat).axes[0].images[0].get_array().shape[0] % 4 == 1
    ax = panel()
    assert visualize.plot_filters(flat, ax=ax) is ax.figure
    assert_readable(ax.figure)


def test_what_has_no_filters_is_refused() -> None:
    model = small()
    with pytest.raises(OptionError, match=r"pool1 \(MaxPool2D\) has no weight"):
        visualize.plot_filters(model, layer="pool1")
    with pytest.raises(OptionError, match=r"dense1 has a weight of shape \(5, 48\), which holds no filters"):
        visualize.plot_filters(model, layer="dense1")
    with pytest.raises(OptionError, match="neither convolutions nor dense layers"):
        visualize.plot_filters(Sequential([ReLU()]))
    with pytest.raises(NotBuiltError, match="has no 'weight' yet"):
        visualize.plot_filters(Sequential([Conv2D(2, 3)]))
    with pytest.raises(ShapeError, match=r"have shape \(4, 3, 3\), those before \(4, 5, 5\)"):
        visualize.plot_filters(model, np.zeros((4, 1, 5, 5)))
    with pytest.raises(OptionError, match="there are 2 to draw"):
        visualize.plot_filters(model, model.copy(), ax=panel())


# ---- activations and initial weights -------------------------------------------------------------------------------


def test_initial_weights_decide_about_the_spread(backend: Backend) -> None:
    found = visualize.compare_initializers([0.01, "xavier_normal", HeNormal()], activation="relu")
    assert list(found) == ["std 0.01", "xavier_normal", "HeNormal()"]
    spread = {name: [float(y.std()) for y in layers.values()] for name, layers in found.items()}
    assert list(found["std 0.01"]) == [f"dense{i}" for i in range(1, 6)]
    assert all(y.shape == (1000, 100) for layers in found.values() for y in layers.values())
    assert spread["std 0.01"][4] < 1e-4 * spread["std 0.01"][0]
    assert spread["xavier_normal"][4] < 0.6 * spread["xavier_normal"][0]  # halves the variance in each layer
    assert 0.6 < spread["HeNormal()"][4] / spread["HeNormal()"][0] < 1.7


def test_large_weights_saturate_a_sigmoid() -> None:
    y = visualize.compare_initializers([1.0])["std 1.0"]["dense5"]
    assert np.mean((y < 0.05) | (y > 0.95)) > 0.6


def test_networks_of_ones_own_start_from_one_state() -> None:
    states, make = calls_of(lambda initializer: random.get_state())

    def network(initializer: Any) -> Model:
        make(initializer)
        return Sequential([Conv2D(2, 3, initializer=initializer), Flatten(), Dense(3, initializer=initializer)])

    before = random.get_state()
    found = visualize.compare_initializers(["he_normal", "he_uniform"], x=X, network=network)
    assert random.get_state() == before and states == [before, before]
    assert [list(layers) for layers in found.values()] == [["conv1", "flatten1", "dense1"]] * 2


def test_histograms_can_be_read() -> None:
    found = visualize.compare_initializers([1.0, 0.01, "xavier_normal"], activation="relu")
    figure = visualize.plot_activations(found)
    assert len(figure.axes) == 15
    assert_readable(figure)
    last = list(found["xavier_normal"].values())[-1]
    assert figure.axes[14].get_title() == f"std {last.std():.3g}"
    heights = figure.axes[14].patches[0].get_data().values
    assert np.isclose(heights.sum(), 100) and len(heights) == 40
    assert figure.axes[10].get_ylabel() == "xavier_normal\nactivations, %"
    assert figure.axes[14].get_xlabel() == "activation"
    one = visualize.plot_activations(visualize.activations(small(), X), bins=7)
    assert [axes.get_title().split("\n")[0] for axes in one.axes][:3] == ["conv1", "pool1", "block.conv1"]
    assert_readable(one)
    ax = panel()
    assert visualize.plot_activations({"layer": np.arange(5.0)}, ax=ax) is ax.figure
    assert_readable(ax.figure)


@pytest.mark.parametrize("values", [np.zeros(4), np.full(3, 7.0), np.array([1.0, np.nan]), np.array([np.inf, np.nan])])
def test_activations_without_spread_or_not_finite_are_drawn(values: np.ndarray) -> None:
    figure = visualize.plot_activations({"layer": values})
    assert_readable(figure)
    assert figure.axes[0].get_title().split("\n")[1] == ("std 0" if np.isfinite(values).all() else "not finite")


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(OptionError, match="needs samples x"):
        visualize.compare_initializers(network=lambda initializer: small())
    with pytest.raises(OptionError, match="no initializer 'zero'"):
        visualize.compare_initializers(["zero"])
    with pytest.raises(OptionError, match="given twice"):
        visualize.compare_initializers([1.0, 1.0])
    with pytest.raises(OptionError, match="one initializer or more"):
        visualize.compare_initializers([])
    for nothing in ({}, {"a": {}}, {"a": np.zeros(0)}):
        with pytest.raises(DataError, match="no activations"):
            visualize.plot_activations(nothing)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="the same layers"):
        visualize.plot_activations({"a": {"x": np.ones(2)}, "b": {"y": np.ones(2)}})
    with pytest.raises(OptionError, match="bins must be"):
        visualize.plot_activations({"a": np.ones(2)}, bins=0)
