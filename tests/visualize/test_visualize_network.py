"""Pictures of filters, feature maps and activations."""

import numpy as np
import pytest

from tests.analysis.test_outputs import small
from tests.kit.pictures import assert_readable, panel
from tests.kit.small import Written, digits
from xpnet import Sequential, networks, visualize
from xpnet.backend import Backend
from xpnet.errors import DataError, NotBuiltError, OptionError, ShapeError
from xpnet.layers import Conv2D, Dense, ReLU

pytestmark = pytest.mark.slow  # each picture is drawn and looked at

X = digits(5)[0]


# ---- feature maps --------------------------------------------------------------------------------------------------


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


# ---- patches -------------------------------------------------------------------------------------------------------


def test_patches_stand_in_rows_by_channel_the_strongest_first() -> None:
    model = small()
    found = visualize.exciting_patches(model, X, "pool1", 3)
    figure = visualize.plot_exciting_patches(model, X, "pool1", 3, channels=[3, 1])
    (axes,) = figure.axes
    shown, cut = axes.images[0].get_array().filled(np.nan), found.cut(X)
    H, W = found.size
    assert (H, W) == (5, 5) and shown.shape == (2 * H + 1, 3 * W + 2)
    for row, channel in enumerate((3, 1)):
        for k in range(3):
            part = shown[6 * row : 6 * row + 5, 6 * k : 6 * k + 5]
            np.testing.assert_array_equal(part, cut[channel, k, 0])
    assert [text.get_text() for text in axes.get_yticklabels()] == ["3", "1"]
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("pool1: patches of 5 x 5", "patch", "channel")
    assert_readable(figure)


def test_patches_of_every_kind() -> None:
    colours = Sequential([Conv2D(20, 3, padding=1)])
    colours.build((3, 6, 7))
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 6, 7)).astype(np.uint8)
    figure = visualize.plot_exciting_patches(colours, images.astype(np.float32), count=9)
    pixels = figure.axes[0].images[0].get_array()
    assert pixels.shape == (16 * 4 - 1, 4 * 4 - 1, 3) and pixels.min() >= 0 and pixels.max() <= 1
    assert_readable(figure)
    assert_readable(visualize.plot_exciting_patches(small(), X, "dense1"))
    flat = Sequential([Dense(4)])
    flat.build((16,))
    ax = panel()
    visualize.plot_exciting_patches(flat, np.eye(16, dtype=np.float32), "dense1", ax=ax)
    assert ax.get_title() == "dense1: patches of 4 x 4"
    for channels in ([4], [], [-1], [1.0]):
        with pytest.raises(OptionError, match="channels must be numbers from 0 to 3, for layer dense1"):
            visualize.plot_exciting_patches(flat, np.eye(16, dtype=np.float32), "dense1", channels=channels)


# ---- activations ----------------------------------------------------------------------------------------------------


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


def test_what_cannot_be_drawn_is_refused() -> None:
    for nothing in ({}, {"a": {}}, {"a": np.zeros(0)}):
        with pytest.raises(DataError, match="no activations"):
            visualize.plot_activations(nothing)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="the same layers"):
        visualize.plot_activations({"a": {"x": np.ones(2)}, "b": {"y": np.ones(2)}})
    with pytest.raises(OptionError, match="bins must be"):
        visualize.plot_activations({"a": np.ones(2)}, bins=0)
