"""The patches that excite a unit most are those that a search through all of them finds."""

from typing import Any

import numpy as np
import pytest

from tests.kit.small import Written, digits
from tests.kit.strategies import normal
from xpnet import Sequential, analysis, layers, networks
from xpnet.analysis import Patches, exciting_patches
from xpnet.backend import Backend
from xpnet.errors import OptionError, ShapeError
from xpnet.layers import Conv2D, Dense, Flatten, MaxPool2D

X = digits(21)[0]


def small() -> Sequential:
    model = Sequential(
        [Conv2D(4, 3, 2, padding=1, activation="relu"), MaxPool2D(2), Conv2D(5, 3, padding=(1, 0)), Flatten(), Dense(6)]
    )
    model.build((1, 28, 28))
    return model


def search(maps: np.ndarray, channel: int, count: int) -> list[tuple[float, int, tuple[int, ...]]]:
    """(value, sample, place) of the best: the best place of each sample, of equal ones the first."""
    best = []
    for sample, each in enumerate(maps[:, channel]):
        value, place = -np.inf, None
        for at in np.ndindex(each.shape):
            if each[at] > value:
                value, place = float(each[at]), at
        best.append((value, sample, place))
    best.sort(key=lambda found: -found[0])  # stable
    return best[:count]  # type: ignore[return-value]


@pytest.mark.parametrize("batch", [5, 64])
@pytest.mark.parametrize("layer", ["conv1", "pool1", "conv2", "dense1"])
def test_they_are_those_that_a_search_finds(
    backend: Backend, layer: str, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xpnet.analysis.outputs.BATCH", batch)
    model = small()
    found, maps = exciting_patches(model, X, layer, count=7), analysis.feature_maps(model, X, layer)
    assert found.layer == layer and found.values.shape == (maps.shape[1], 7)
    assert found.values.dtype == np.float32
    for channel in range(maps.shape[1]):
        expected = search(maps, channel, 7)
        assert found.values[channel].tolist() == [value for value, _, _ in expected]
        assert found.samples[channel].tolist() == [sample for _, sample, _ in expected]
        assert [tuple(place) for place in found.places[channel]] == [place for _, _, place in expected]


def test_of_equal_ones_the_first(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images that are the same, and a channel that is the same everywhere."""
    monkeypatch.setattr("xpnet.analysis.outputs.BATCH", 2)
    model = small()
    bias = np.zeros(4, np.float32)
    bias[2] = -100  # this channel gives nothing but zeros
    model[0].bias.value = bias
    found = exciting_patches(model, np.concatenate([X[:3], X[:3], X[:1]]), "conv1", count=5)
    assert found.samples[2].tolist() == [0, 1, 2, 3, 4] and not found.places[2].any() and not found.values[2].any()
    for samples in found.samples[[0, 1, 3]].tolist():
        assert all(samples.index(each) + 1 == samples.index(each + 3) for each in samples if each + 3 in samples)


def test_a_patch_is_what_the_place_sees() -> None:
    """The layers give the same value for the patch alone, with nothing around it, in the middle of an image."""
    model = Sequential([Conv2D(3, 3), MaxPool2D(2), Conv2D(2, 3)])
    model.build((1, 28, 28))
    found = exciting_patches(model, X, "conv2", count=4)
    patches = found.cut(X)
    assert found.size == (8, 8) and patches.shape == (2, 4, 1, 8, 8)
    for channel in range(2):
        for k in range(4):
            image = np.full((1, 1, 28, 28), 7, np.float32)
            row, column = 2 * found.places[channel, k]
            image[0, :, row : row + 8, column : column + 8] = patches[channel, k]
            value = analysis.feature_maps(model, image, "conv2")[(0, channel, *found.places[channel, k])]
            assert value == pytest.approx(found.values[channel, k], rel=1e-5)


def test_what_lies_over_the_edge_is_no_number() -> None:
    model = Sequential([Conv2D(1, 5, padding=2)])
    model.build((1, 6, 7))
    model[0].weight.value = np.ones((1, 1, 5, 5), np.float32)
    for corner in ((0, 0), (5, 6), (1, 5), (3, 3)):
        x = np.zeros((1, 1, 6, 7), np.float32)
        x[(0, 0, *corner)] = 3
        found = exciting_patches(model, x)
        row, column = found.places[0, 0]
        padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)), constant_values=np.nan)
        expected = padded[0, :, row : row + 5, column : column + 5]
        np.testing.assert_array_equal(found.cut(x)[0, 0], expected)
        assert found.begins[0, 0].tolist() == [max(0, row - 2), max(0, column - 2)]
        assert found.ends[0, 0].tolist() == [min(6, row + 3), min(7, column + 3)]


def test_units_see_all_of_the_image() -> None:
    found = exciting_patches(small(), X, "dense1", count=3)
    assert found.places.shape == (6, 3, 0) and found.size == (28, 28)
    np.testing.assert_array_equal(found.cut(X), X[found.samples])
    flat = X.reshape(len(X), -1)
    model = networks.MLP()
    for x, shape in ((X, (1, 28, 28)), (flat, (784,))):
        units = exciting_patches(model, x, "dense2")
        assert units.shape == shape and len(units.size) == len(shape) - 1
        np.testing.assert_array_equal(units.cut(X), x[units.samples])


def test_signals_and_images_of_another_size() -> None:
    signals = normal((5, 2, 12), 0, "float32")
    model = Sequential([layers.Conv1D(3, 4, 2)])
    model.build((2, 12))
    found = exciting_patches(model, signals, "conv1", count=2)
    assert found.places.shape == (3, 2, 1) and found.cut(signals).shape == (3, 2, 2, 4)
    at = found.places[1, 0, 0]
    np.testing.assert_array_equal(found.cut(signals)[1, 0], signals[found.samples[1, 0]][:, 2 * at : 2 * at + 4])
    pixels = Sequential([Conv2D(2, 3), layers.ReLU()])
    pixels.build((1, 28, 28))
    assert exciting_patches(pixels, X[:, :, :9, :8]).ends.max(axis=(0, 1)).tolist() <= [9, 8]


def test_few_images_one_image_and_a_last_use() -> None:
    model = small()
    assert exciting_patches(model, X[:3], count=9).values.shape == (4, 3)
    assert exciting_patches(model, X[0]).samples.tolist() == [[0]] * 4  # without the batch's axis
    twice = Written(lambda m, x: m.conv(m.conv(x)), conv=Conv2D(1, 3))
    twice.build((1, 28, 28))
    assert exciting_patches(twice, X, "conv").size == (5, 5)


def test_a_place_that_sees_padding_only_has_no_pixels() -> None:
    model = Sequential([layers.ConstantPad2D(2, 5.0), Conv2D(1, 1, initializer=1.0)])
    model.build((1, 4, 4))
    model[1].weight.value = np.ones((1, 1, 1, 1), np.float32)
    x = np.zeros((1, 1, 4, 4), np.float32)
    found = exciting_patches(model, x)
    assert found.values.tolist() == [[5]] and found.places.tolist() == [[[0, 0]]]
    assert found.size == (1, 1) and found.begins.tolist() == found.ends.tolist() == [[[0, 0]]]
    assert np.isnan(found.cut(x)).all()


def test_looking_changes_nothing() -> None:
    model = small()
    before = {path: dict(vars(layer)) for path, layer in model.named_layers()}
    assert isinstance(exciting_patches(model, X), Patches)
    assert {path: dict(vars(layer)) for path, layer in model.named_layers()} == before


def test_what_has_no_patches() -> None:
    model: Any = small()
    with pytest.raises(OptionError, match="exciting_patches: count must be an integer of at least 1"):
        exciting_patches(model, X, count=0)
    with pytest.raises(OptionError, match="has no layer 'conv9'"):
        exciting_patches(model, X, "conv9")
    with pytest.raises(ShapeError, match=r"the samples have shape \(21, 1, 27, 28\); the patches were found in"):
        exciting_patches(model, X).cut(X[:, :, 1:])
    vit = networks.ViT(3, 14, 8, 1, 2)
    with pytest.raises(ShapeError, match=r"the outputs of encoder.norm have shape \(21, 4, 8\); expected maps"):
        exciting_patches(vit, X, "encoder.norm")
    split = Sequential([layers.Split(2, axis=2)])
    split.build((1, 28, 28))
    with pytest.raises(OptionError, match="layer split1 gives several outputs"):
        exciting_patches(split, X, "split1")
