"""Receptive fields are what a change of single pixels shows: which places of a layer's output it reaches."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.kit.small import Written
from xpnet import Model, Sequential, analysis, layers, networks
from xpnet.analysis.receptive_field import Span, receptive_field
from xpnet.backend import Backend
from xpnet.backend.window import Window
from xpnet.core.layer import Layer
from xpnet.errors import OptionError, ShapeError
from xpnet.layers import Conv2D, Dense, Flatten, GlobalAvgPool2D, MaxPool2D

SHAPE = (2, 9, 11)


class Windowed(Layer):
    """A layer of one's own that says what it sees."""

    window = Window(kernel=(2, 1), stride=(2, 1))

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], *self.window.output_size((shape[1], shape[2])))

    def forward(self, x: Any, train: bool = False) -> Any:
        H = 2 * (x.shape[2] // 2)
        return x[:, :, 0:H:2, :] + x[:, :, 1:H:2, :], None


class Unknown(Layer):
    """One that does not, and so sees all; it does: the mean of each image is added."""

    def forward(self, x: Any, train: bool = False) -> Any:
        return x + self.xp.mean(x, axis=(1, 2, 3), keepdims=True), None


PARTS: dict[str, Callable[[], Layer]] = {
    "conv": lambda: Conv2D(2, 3),
    "conv same": lambda: Conv2D(2, (4, 2), 2, "same"),
    "conv asymmetric": lambda: Conv2D(3, (2, 3), (1, 2), ((1, 2), (0, 3))),
    "conv dilated": lambda: Conv2D(2, 2, 1, 2, dilation=(3, 2), groups=2),
    "conv 1x1": lambda: Conv2D(4, 1, bias=False),
    "conv gaps": lambda: Conv2D(2, 1, stride=2),
    "depthwise": lambda: layers.DepthwiseConv2D(3, 2, padding=1),
    "separable": lambda: layers.SeparableConv2D(2, (1, 3), padding="same", dilation=2),
    "transposed": lambda: layers.ConvTranspose2D(2, 3, 2, 1, output_padding=1),
    "transposed dilated": lambda: layers.ConvTranspose2D(2, (2, 3), (1, 2), dilation=(2, 1)),
    "transposed same": lambda: layers.ConvTranspose2D(2, 3, 2, "same"),
    "max pool": lambda: MaxPool2D(3, 2, 1),
    "max pool dilated": lambda: MaxPool2D(2, 1, dilation=2, ceil_mode=True),
    "average pool": lambda: layers.AvgPool2D((2, 3), ceil_mode=True),
    "zero pad": lambda: layers.ZeroPad2D(((2, 0), (1, 3))),
    "constant pad": lambda: layers.ConstantPad2D(1, 0.5),
    "reflection pad": lambda: layers.ReflectionPad2D(((1, 2), (0, 2))),
    "replication pad": lambda: layers.ReplicationPad2D(2),
    "circular pad": lambda: layers.CircularPad2D((1, 2)),
    "crop": lambda: layers.Crop2D(((1, 0), (0, 1))),
    "nearest": lambda: layers.UpSample2D(2),
    "nearest size": lambda: layers.UpSample2D(size=(7, 13)),
    "bilinear": lambda: layers.UpSample2D(2, "bilinear"),
    "bilinear corners": lambda: layers.UpSample2D(size=(5, 7), mode="bilinear", align_corners=True),
    "adaptive mean": lambda: layers.AdaptiveAvgPool2D((4, 3)),
    "adaptive max": lambda: layers.AdaptiveMaxPool2D(5),
    "norm": layers.BatchNorm2D,
    "leaky": lambda: layers.LeakyReLU(0.5),
    "dropout": lambda: layers.Dropout(0.5),
    "concat": lambda: layers.Residual([Conv2D(2, 3, padding=1)], [Conv2D(2, 1)], "leaky_relu"),
    "padded shortcut": lambda: networks.PaddedShortcut(8),
    "subsampling": networks.Subsampling,
    "own": Windowed,
    "unknown": Unknown,
    "group norm": lambda: layers.GroupNorm(1),
}


def positive(model: Model, shape: tuple[int, ...] = SHAPE) -> Model:
    """Of positive weights, in float64: whatever reaches a place changes it."""
    model.build(shape)
    model.astype("float64")
    for p in model.parameters():
        p.value = 0.5 + np.abs(model.backend.to_numpy(p.value))
    return model


def by_changes(model: Model, path: str) -> tuple[Span, ...]:
    """The same by brute force: each pixel, of all channels, is made larger than all others, in an image of its own."""
    _, *sizes = model.input_shape or ()
    before = np.random.default_rng(0).uniform(1, 2, (1, *(model.input_shape or ())))
    pixels = list(np.ndindex(*sizes))
    changed = np.repeat(before, len(pixels), axis=0)
    for n, pixel in enumerate(pixels):
        changed[(n, slice(None), *pixel)] += 1e6
    now, then = (analysis.feature_maps(model, x, path) for x in (changed, before))
    reached = (np.abs(now - then) > 1e-4).any(axis=1)  # not by rounding
    spans = []
    for axis, size in enumerate(sizes):
        others = tuple(each for each in range(1, reached.ndim) if each != 1 + axis)
        seen = reached.any(axis=others).reshape(*sizes, -1)  # pixel, place along the axis
        seen = seen.any(axis=tuple(each for each in range(len(sizes)) if each != axis))  # (pixels, places)
        spans.append(
            Span(np.where(seen.any(0), seen.argmax(0), -1), np.where(seen.any(0), size - 1 - seen[::-1].argmax(0), -1))
        )
    return tuple(spans)


def assert_as_by_changes(model: Model, path: str) -> None:
    for span, expected in zip(receptive_field(model, path), by_changes(model, path), strict=True):
        first = np.where(span.last < 0, -1, span.first)
        for ours, theirs in ((first, expected.first), (span.last, expected.last)):
            np.testing.assert_array_equal(np.broadcast_to(ours, theirs.shape), theirs)


@pytest.mark.parametrize("name", PARTS)
def test_each_layer_sees_what_reaches_it(name: str) -> None:
    model = positive(Sequential([PARTS[name](), Conv2D(2, 2, padding=1, name="last")]))
    for path in (next(path for path, _ in model.named_layers() if path), "last"):
        assert_as_by_changes(model, path)


@given(names=st.lists(st.sampled_from(sorted(PARTS)), min_size=2, max_size=4))
def test_chains_see_what_reaches_them(names: list[str]) -> None:
    model = Sequential([layers.ReplicationPad2D(4), *(PARTS[name]() for name in names)])
    try:
        positive(model)
    except ShapeError:
        assume(False)  # too little is left of the image
    assert_as_by_changes(model, model.layers[-1].name or "")


def test_branches_see_what_any_of_them_sees() -> None:
    def body(m: Any, x: Any) -> Any:
        h = m.first(x)
        a, b = layers.Split(2)(m.both(h) + h)
        return m.dense(Flatten()(m.last(layers.Concat()(a, m.wide(b), layers.Multiply()(a, b)))))

    model = Written(
        body, first=Conv2D(4, 3, 2), both=Conv2D(4, 3, padding=1), wide=Conv2D(2, (1, 3), padding="same"),
        last=MaxPool2D(2), dense=Dense(3),
    )  # fmt: skip
    positive(model)
    for path in ("first", "both", "wide", "last"):
        assert_as_by_changes(model, path)
    assert [(int(each.first[0]), int(each.last[0])) for each in receptive_field(model, "dense")] == [(0, 8), (0, 10)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: networks.ResNet((1, 1), 2, small_images=True, classes=3, input_shape=SHAPE),
        lambda: networks.ResNet((1, 1), 2, shortcuts="padded", small_images=True, classes=3, input_shape=SHAPE),
    ],
)
def test_blocks_of_a_resnet(make: Callable[[], Model]) -> None:
    model = make()
    positive(model)
    for path in ("layer1.0", "layer1.0.bn2", "layer2.0.conv1", "layer2.0", "layer2.0.downsample.0"):
        assert_as_by_changes(model, path)


def test_signals_have_one_axis() -> None:
    parts = (
        layers.Conv1D(2, 3, 2, "same", dilation=2), layers.MaxPool1D(2, 1), layers.UpSample1D(2, "linear"),
        layers.ReflectionPad1D(2), layers.Crop1D(1), layers.AdaptiveAvgPool1D(7), layers.ConvTranspose1D(2, 3, 2),
        layers.ZeroPad1D(1), layers.AvgPool1D(3),
    )  # fmt: skip
    model = positive(Sequential(list(parts)), (2, 23))
    for path, _ in model.named_layers():
        if path:
            assert_as_by_changes(model, path)


def test_published_sizes() -> None:
    """Conv5 of VGG16 sees 196 x 196 pixels, its last pooling 212 x 212; C3 of LeNet-5 14 x 14, and moves by 2."""
    vgg = networks.VGG((*((4,) * n for n in (2, 2, 3, 3, 3)),), hidden=4, classes=2, input_shape=(3, 224, 224))
    paths = [path for path, layer in vgg.named_layers() if layer.kind in ("conv", "pool")]
    for path, size in zip(paths[-2:], (196, 212), strict=True):
        rows, columns = receptive_field(vgg, path)
        assert (rows.last + 1 - rows.first).max() == (columns.last + 1 - columns.first).max() == size
    rows, columns = receptive_field(networks.LeNet5(variant="1998"), "c3")
    np.testing.assert_array_equal(rows.first, [0, *range(0, 18, 2)])  # the first sees two rows of padding
    np.testing.assert_array_equal(columns.last + 1 - columns.first, [12, *[14] * 8, 12])


def test_it_changes_nothing_and_runs_on_any_backend(backend: Backend) -> None:
    model = Sequential([Conv2D(2, 3), layers.BatchNorm2D(), layers.LeakyReLU(), GlobalAvgPool2D(), Dense(2)])
    model.build(SHAPE)
    before = [dict(vars(layer)) for _, layer in model.named_layers()]
    (rows, _), (all_rows, all_columns) = receptive_field(model, model[0]), receptive_field(model, "dense1")
    np.testing.assert_array_equal(rows.first, range(7))
    assert (all_rows.last, all_columns.last) == (8, 10)
    assert [dict(vars(layer)) for _, layer in model.named_layers()] == before
    rows, _ = receptive_field(model, "conv1", (2, 5, 5))  # images of another size
    np.testing.assert_array_equal(rows.last, range(2, 5))


def test_what_is_inside_a_layer_sees_what_this_one_sees() -> None:
    model = positive(Sequential([layers.SeparableConv2D(2, 3), Conv2D(2, 3, activation=layers.PReLU())]))
    for path in ("separable1.depthwise", "conv1.activation"):
        assert_as_by_changes(model, path)


def test_inputs_that_are_no_images_have_no_axes() -> None:
    assert receptive_field(networks.MLP(input_shape=(784,)), "dense1") == ()


def test_what_is_turned_round_or_reshaped_is_not_traced() -> None:
    """It sees all that came to it, which may be less than the image."""
    model = Sequential([Conv2D(2, 3, 4), layers.Permute((1, 3, 2)), Conv2D(2, 1), layers.Reshape((-1,)), Dense(2)])
    model.build(SHAPE)
    for path in ("permute1", "conv2", "reshape1", "dense1"):
        seen = [({*each.first.tolist()}, {*each.last.tolist()}) for each in receptive_field(model, path)]
        assert seen == [({0}, {6}), ({0}, {10})]


def test_what_has_no_receptive_field() -> None:
    model = Written(lambda m, x: m.a(x), a=Conv2D(2, 3), b=Conv2D(2, 3))
    model.build(SHAPE)
    with pytest.raises(OptionError, match="does not use layer 'b' in its forward pass"):
        receptive_field(model, "b")
    with pytest.raises(OptionError, match="has no layer 'c'"):
        receptive_field(model, "c")
    several = Written(lambda m, x, y: m.a(x + y), a=Conv2D(2, 3))
    with pytest.raises(OptionError, match="takes one input"):
        receptive_field(several, "a")
