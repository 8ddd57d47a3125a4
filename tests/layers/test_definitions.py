"""What layers compute where a derivative would not tell: sizes, means, constants and defaults, by their definitions."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from tests.kit.strategies import normal
from xpnet import layers
from xpnet.core.layer import Layer
from xpnet.layers import AvgPool1D, AvgPool2D, Conv1D, Conv2D, Dense, MaxPool2D

X = normal((2, 3, 7, 6), 0, "float64")
LINE = np.array([-3.0, -1.0, -0.5, 0.0, 0.25, 1.0, 3.0, 7.0])[None]


@pytest.mark.parametrize(
    ("layer", "definition"),
    [
        (layers.LeakyReLU(), lambda x: np.where(x > 0, x, 0.01 * x)),
        (layers.LeakyReLU(0.3), lambda x: np.where(x > 0, x, 0.3 * x)),
        (layers.PReLU(), lambda x: np.where(x > 0, x, 0.25 * x)),
        (layers.ELU(), lambda x: np.where(x > 0, x, np.expm1(x))),
        (layers.CELU(2.0), lambda x: np.where(x > 0, x, 2 * np.expm1(x / 2))),
        (layers.SELU(), lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))),
        (layers.ReLU6(), lambda x: np.clip(x, 0, 6)),
        (layers.Softplus(), lambda x: np.log1p(np.exp(x))),
        (layers.HardTanh(), lambda x: np.clip(x, -1, 1)),
        (layers.HardSigmoid(), lambda x: np.clip(x / 6 + 0.5, 0, 1)),
        (layers.Tanh(), np.tanh),
        (layers.GLU(), lambda x: x[:, :4] / (1 + np.exp(-x[:, 4:]))),
        (layers.Softmax(), lambda x: np.exp(x) / np.exp(x).sum()),
        (layers.LogSoftmax(), lambda x: x - np.log(np.exp(x).sum())),
    ],
    ids=lambda value: repr(value) if isinstance(value, Layer) else "",
)
def test_activations_with_their_defaults(layer: Layer, definition: Callable[[np.ndarray], np.ndarray]) -> None:
    np.testing.assert_allclose(layer.astype("float64")(LINE), definition(LINE), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", [layers.Softmax, layers.LogSoftmax])
def test_a_softmax_of_large_numbers_does_not_overflow(kind: type[Layer]) -> None:
    x = np.array([[1000.0, 999.0, -1000.0]])
    expected = np.exp(x - 1000) / np.exp(x - 1000).sum()
    found = kind().astype("float64")(x)
    np.testing.assert_allclose(
        found[:, :2], (np.log(expected[:, :2]) if kind is layers.LogSoftmax else expected[:, :2])
    )
    assert np.isfinite(found).all()


def pooled(
    length: int, size: int, stride: int, padding: int, ceil_mode: bool, counts_margins: bool
) -> list[tuple[range, int]]:
    """Of an axis, the pixels that each window has, and by how many its mean is divided."""
    windows, reached, end = [], -padding, length + padding
    for start in range(-padding, length, stride):  # none begins in the margin behind
        if start + size <= end or (ceil_mode and reached < end):
            seen = range(max(start, 0), min(start + size, length))
            windows.append((seen, min(start + size, end) - start if counts_margins else len(seen)))
            reached = start + size
    return windows


@pytest.mark.parametrize("counts_margins", [True, False])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(
    ("length", "size", "stride", "padding"),
    [(7, 3, 2, 1), (6, 3, 2, 1), (6, 2, 3, 0), (5, 2, 3, 1), (8, 3, 3, 0), (8, 3, 3, 1), (4, 4, 1, 2), (7, 2, 2, 1)],
)
def test_pooling_by_its_definition(
    length: int, size: int, stride: int, padding: int, ceil_mode: bool, counts_margins: bool
) -> None:
    x = normal((2, 3, length), 3, "float64")
    windows = pooled(length, size, stride, padding, ceil_mode, counts_margins)
    means = np.stack([x[:, :, list(seen)].sum(axis=2) / count for seen, count in windows], axis=2)
    largest = np.stack([x[:, :, list(seen)].max(axis=2) for seen, _ in windows], axis=2)
    options = {"padding": padding, "ceil_mode": ceil_mode}
    np.testing.assert_allclose(AvgPool1D(size, stride, **options, count_include_pad=counts_margins)(x), means)
    image = np.repeat(x[:, :, None, :], 2, axis=2)
    of_rows = {"padding": (0, padding), "ceil_mode": ceil_mode}
    average = AvgPool2D((1, size), (1, stride), **of_rows, count_include_pad=counts_margins)
    np.testing.assert_allclose(average(image)[:, :, 1], means)
    np.testing.assert_array_equal(MaxPool2D((1, size), (1, stride), **of_rows)(image)[:, :, 0], largest)


def test_a_mean_over_another_number() -> None:
    y = AvgPool2D(2, divisor_override=3)(X[:, :, :6])
    np.testing.assert_allclose(y, X[:, :, :6].reshape(2, 3, 3, 2, 3, 2).sum(axis=(3, 5)) / 3)


@pytest.mark.parametrize(
    ("layer", "shape", "fans"),
    [
        (Dense(5), (7,), (7, 5)),
        (Conv2D(6, (3, 2)), (4, 8, 8), (4 * 6, 6 * 6)),
        (Conv2D(6, (3, 2), groups=2), (4, 8, 8), (2 * 6, 3 * 6)),
        (Conv1D(6, 3), (4, 8), (4 * 3, 6 * 3)),
        (layers.LSTM(5), (9, 7), (7, 5)),  # of each gate
    ],
    ids=lambda value: repr(value) if isinstance(value, Layer) else "",
)
def test_how_many_inputs_a_weight_has(layer: Layer, shape: tuple[int, ...], fans: tuple[int, int]) -> None:
    """fan_in and fan_out, which initial weights follow."""
    declared = next(each for each in layer.declare(shape) if each.name.startswith("weight"))
    assert (declared.fan_in, declared.fan_out) == fans
    if isinstance(layer, (Dense, Conv2D)):
        wide = type(layer)(4000, *([(3, 2)] if isinstance(layer, Conv2D) else []))
        wide.build(shape)
        weights = np.asarray(wide.weight.value, "float64")
        assert weights.std() == pytest.approx(math.sqrt(2 / weights[0].size), rel=0.05)
