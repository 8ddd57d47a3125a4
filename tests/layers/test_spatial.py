"""Layers along the axes of images and signals: what definitions say, and the options that they refuse."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_close, assert_same
from tests.kit.strategies import integers, normal, seeds
from xpnet.backend import Backend
from xpnet.core.layer import Layer
from xpnet.errors import OptionError, ShapeError
from xpnet.layers import (
    AdaptiveAvgPool1D,
    AdaptiveAvgPool2D,
    AdaptiveMaxPool2D,
    AvgPool1D,
    AvgPool2D,
    CircularPad1D,
    CircularPad2D,
    ConstantPad2D,
    ConvTranspose1D,
    Crop1D,
    Crop2D,
    DepthwiseConv2D,
    GlobalMaxPool2D,
    MaxPool1D,
    MaxPool2D,
    ReflectionPad1D,
    ReflectionPad2D,
    ReplicationPad1D,
    ReplicationPad2D,
    UpSample1D,
    UpSample2D,
    ZeroPad1D,
    ZeroPad2D,
)

shapes = st.tuples(*[st.integers(1, 7)] * 4)
sizes = st.tuples(st.integers(1, 8), st.integers(1, 8))


def windows(length: int, outputs: int) -> list[range]:
    """Of adaptive pooling: from floor(i L / M) to ceil((i + 1) L / M)."""
    return [range(i * length // outputs, -(-(i + 1) * length // outputs)) for i in range(outputs)]


@given(shape=shapes, size=sizes, seed=seeds)
def test_dy_goes_to_the_first_of_the_largest_in_reading_order(
    backend: Backend, shape: tuple[int, ...], size: tuple[int, int], seed: int
) -> None:
    x, dy = integers(shape, seed, limit=1), integers((*shape[:2], *size), seed + 1)
    y, dx = np.zeros(dy.shape), np.zeros(shape)
    rows, columns = windows(shape[2], size[0]), windows(shape[3], size[1])
    for n, c, i, j in product(*map(range, dy.shape)):
        pixels = [(x[n, c, h, w], h, w) for h in rows[i] for w in columns[j]]
        y[n, c, i, j], h, w = max(pixels, key=lambda pixel: pixel[0])  # Python's max takes the first
        dx[n, c, h, w] += dy[n, c, i, j]
    got, back = AdaptiveMaxPool2D(size).forward(backend.asarray(x))
    assert_same(got, y)
    assert_same(back(backend.asarray(dy)), dx)
    if size == (1, 1):
        got, back = GlobalMaxPool2D().forward(backend.asarray(x))
        assert_same(got, y[:, :, 0, 0])
        assert_same(back(backend.asarray(dy[:, :, 0, 0])), dx)


@given(shape=shapes, size=sizes, seed=seeds)
def test_adaptive_means(backend: Backend, shape: tuple[int, ...], size: tuple[int, int], seed: int) -> None:
    x, y = normal(shape, seed), np.zeros((*shape[:2], *size))
    rows, columns = windows(shape[2], size[0]), windows(shape[3], size[1])
    for i, j in product(*map(range, size)):
        y[:, :, i, j] = x[:, :, rows[i]][:, :, :, columns[j]].mean(axis=(2, 3))
    assert_close(AdaptiveAvgPool2D(size)(backend.asarray(x)), y, scale=1.0)


@given(shape=shapes, size=sizes, seed=seeds)
def test_the_nearest_pixel_is_copied_to_the_bit(
    backend: Backend, shape: tuple[int, ...], size: tuple[int, int], seed: int
) -> None:
    x, dy = normal(shape, seed, "float32"), integers((*shape[:2], *size), seed + 1, "float32")
    rows, columns = (np.arange(m) * n // m for m, n in zip(size, shape[2:], strict=True))
    dx = np.zeros_like(x)
    np.add.at(dx, (slice(None), slice(None), rows[:, None], columns), dy)
    y, back = UpSample2D(size=size).forward(backend.asarray(x))
    assert_same(y, x[:, :, rows[:, None], columns])
    assert_close(back(backend.asarray(dy)), dx, scale=1.0)


MODES: list[tuple[Callable[..., Layer], str]] = [
    (ZeroPad2D, "constant"),
    (ReflectionPad2D, "reflect"),
    (ReplicationPad2D, "edge"),
    (CircularPad2D, "wrap"),
]


@pytest.mark.parametrize(("make", "mode"), MODES)
@given(pads=st.tuples(*[st.integers(0, 3)] * 4), more=st.tuples(*[st.integers(1, 3)] * 4), seed=seeds)
def test_margins_are_numpys_and_the_way_back_is_the_adjoint(
    backend: Backend, make: Callable[..., Layer], mode: str, pads: tuple[int, ...], more: tuple[int, ...], seed: int
) -> None:
    padding = (pads[:2], pads[2:])
    x = integers((*more[:2], *(max(sides) + size for sides, size in zip(padding, more[2:], strict=True))), seed)
    expected = np.pad(x, ((0, 0), (0, 0), *padding), mode)  # type: ignore[call-overload]
    dy = integers(expected.shape, seed + 1)
    y, back = make(padding).forward(backend.asarray(x))
    assert_same(y, expected)
    dx = backend.to_numpy(back(backend.asarray(dy)))
    assert dx.shape == x.shape and np.sum(dx * x) == np.sum(dy * expected)  # exact: small integers


def test_a_crop_undoes_a_pad(backend: Backend) -> None:
    x, padding = backend.asarray(normal((2, 3, 4, 5), 0)), ((1, 2), (3, 0))
    assert_same(Crop2D(padding)(ZeroPad2D(padding)(x)), x)
    line = x[:, :, 0, :]
    assert_same(Crop1D((1, 2))(ReplicationPad1D((1, 2))(line)), line)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MaxPool2D(0), "MaxPool2D: pool_size must be an integer of at least 1 or a pair"),
        (lambda: MaxPool2D(2, (1, 2, 3)), "MaxPool2D: stride must be"),
        (lambda: MaxPool2D(2, padding="full"), "MaxPool2D: padding must be an integer"),
        (lambda: MaxPool2D(2, padding=2), r"MaxPool2D: padding 2 must be smaller than pool_size \(2, 2\)"),
        (lambda: MaxPool2D(2, padding=3, dilation=2), "MaxPool2D: padding 3 must be smaller than pool_size"),
        (lambda: MaxPool2D(2, dilation=0), "MaxPool2D: dilation must be"),
        (lambda: MaxPool2D(2, ceil_mode=1), "MaxPool2D: ceil_mode must be True or False, not 1"),
        (lambda: MaxPool1D((2, 2)), r"MaxPool1D: pool_size must be an integer of at least 1, not \(2, 2\)"),
        (lambda: MaxPool1D(2, padding=(0, 3)), r"MaxPool1D: padding \(0, 3\) must be smaller than pool_size 2"),
        (lambda: AvgPool2D(2, divisor_override=0), "AvgPool2D: divisor_override must be an integer of at least 1"),
        (lambda: AvgPool1D(2, count_include_pad="no"), "AvgPool1D: count_include_pad must be True or False"),
        (lambda: AdaptiveAvgPool2D((1, 2, 3)), r"AdaptiveAvgPool2D: output_size must be .* or a pair of them"),
        (lambda: AdaptiveAvgPool2D(0), "output_size must be an integer of at least 1, .* or a pair of them, not 0"),
        (lambda: ConvTranspose1D(2, 3, 2, output_padding=2), "output_padding 2 must be smaller than stride 2 or dila"),
        (lambda: ConvTranspose1D(2, 3, padding="same", output_padding=1), "must be smaller than stride 1 or"),
        (lambda: ConvTranspose1D(2, 3, 2, "same", 1), "output_padding must be 0, not 1"),
        (lambda: AdaptiveAvgPool1D((2, 2)), "AdaptiveAvgPool1D: output_size must be an integer of at least 1"),
        (lambda: UpSample2D(), "UpSample2D: give either scale or size, not none"),
        (lambda: UpSample2D(2, size=4), "UpSample2D: give either scale or size, not both"),
        (lambda: UpSample2D(0.5), "UpSample2D: scale must be an integer of at least 1"),
        (lambda: UpSample2D(2, "linear"), "UpSample2D: mode must be one of nearest, bilinear, not 'linear'"),
        (lambda: UpSample1D(2, "bilinear"), "UpSample1D: mode must be one of nearest, linear"),
        (lambda: UpSample2D(2, align_corners=True), "UpSample2D: align_corners is for mode='bilinear'"),
        (lambda: ZeroPad2D(-1), "ZeroPad2D: padding must not be negative, as in -1; Crop2D takes pixels away"),
        (lambda: ZeroPad1D((0, -2)), r"ZeroPad1D: padding must not be negative, as in \(0, -2\); Crop1D takes"),
        (lambda: CircularPad2D((1, (0, -2))), "CircularPad2D: padding must not be negative"),
        (lambda: ZeroPad2D("same"), "ZeroPad2D: padding must be an integer, .*, not 'same'"),
        (lambda: ZeroPad2D((1, 2, 3, 4)), r"padding must be .* \(\(top, bottom\), \(left, right\)\), not \(1, 2"),
        (lambda: ReflectionPad1D(1.5), r"ReflectionPad1D: padding must be an integer, \(left, right\), not 1\.5"),
        (lambda: ConstantPad2D(1, "x"), "ConstantPad2D: value must be a number, not 'x'"),
        (lambda: Crop2D(-1), "Crop2D: cropping must not be negative, as in -1; ZeroPad2D adds pixels"),
        (lambda: Crop1D("valid"), r"Crop1D: cropping must be an integer, \(left, right\), not 'valid'"),
    ],
)
def test_options_that_make_no_sense_are_refused(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (MaxPool1D(4), (3, 2), r"MaxPool1D: the window covers 4 steps, more than the 2"),
        (MaxPool2D(3, 1, ceil_mode=True), (3, 2, 1), r"MaxPool2D: the window covers 3x3 pixels"),
        (MaxPool2D(2, 1, 1, dilation=3), (3, 5, 2), r"MaxPool2D: the input has shape \(N, 3, 5, 2\), .* around all"),
        (CircularPad1D(3), (3, 2), r"CircularPad1D: the input has shape .* needed is \(N, C, T\) with T of at least 3"),
        (ReflectionPad2D((1, 3)), (3, 1, 1), r"needed is \(N, C, H, W\) with H of at least 2 and W of at least 4"),
        (Crop2D(((2, 1), 0)), (3, 3, 1), r"Crop2D: .* needed is \(N, C, H, W\) with H of at least 4$"),
    ],
)
def test_inputs_that_are_too_small_are_refused(layer: Layer, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        layer.output_shape(shape)


def test_a_depthwise_convolution_keeps_to_its_channels() -> None:
    layer = DepthwiseConv2D(3, 2)
    layer.build((4, 6, 5))
    with pytest.raises(ShapeError, match=r"has shape \(N, 8, 6, 5\), needed is \(N, 4, H, W\)$"):
        layer.output_shape((8, 6, 5))
