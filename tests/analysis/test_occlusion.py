"""Occlusion: against its definition, square by square."""

from typing import Any

import numpy as np
import pytest

from tests.kit.small import digits
from tests.kit.strategies import normal
from xpnet import Model, Sequential, analysis
from xpnet.analysis.occlusion import explain_by_occlusion
from xpnet.backend import Backend
from xpnet.errors import DTypeError, OptionError, ShapeError
from xpnet.layers import Conv2D, Dense, Embedding, Flatten, MaxPool2D, Softmax

X = normal((3, 2, 6, 8), 0, "float32")


def network(*after: Any) -> Sequential:
    model = Sequential([Conv2D(3, 3, activation="tanh"), MaxPool2D(2), Flatten(), Dense(5), *after])
    model.build((2, 6, 8))
    return model


def by_definition(model: Model, x: np.ndarray, classes: Any, size: int, stride: int, fill: float) -> np.ndarray:
    """Squares over the image and its edges, such that as much stands out on either side."""
    N, _, H, W = x.shape
    own = analysis.probabilities(model, x)[np.arange(N), classes]
    drops: list[list[list[list[float]]]] = [[[[] for _ in range(W)] for _ in range(H)] for _ in range(N)]

    def starts(length: int) -> range:
        count = -(-(length + size - 1) // stride)
        first = -(((count - 1) * stride + size - length) // 2)
        return range(first, first + count * stride, stride)

    for top in starts(H):
        for left in starts(W):
            hidden = x.copy()
            inside = [(i, j) for i in range(top, top + size) for j in range(left, left + size)]
            inside = [(i, j) for i, j in inside if 0 <= i < H and 0 <= j < W]
            for i, j in inside:
                hidden[:, :, i, j] = fill
            now = analysis.probabilities(model, hidden)[np.arange(N), classes]
            for n in range(N):
                for i, j in inside:
                    drops[n][i][j].append(own[n] - now[n])
    return np.array([[[np.mean(pixel) for pixel in row] for row in image] for image in drops])


@pytest.mark.parametrize(("size", "stride"), [(3, 2), (1, 1), (4, 4), (2, 1), (9, 5)])
@pytest.mark.parametrize("target", [None, 3, [0, 4, 2]])
def test_it_is_the_mean_drop_over_the_squares_that_hide_a_pixel(size: int, stride: int, target: Any) -> None:
    model = network()
    classes = model.predict(X).argmax(axis=1) if target is None else np.broadcast_to(target, 3)
    found = analysis.occlusion(model, X, target, size, stride, 0.5)
    assert found.shape == (3, 6, 8) and found.dtype == np.float32
    np.testing.assert_allclose(found, by_definition(model, X, classes, size, stride, 0.5), atol=1e-6)


def test_a_pixel_that_nothing_depends_on_changes_nothing() -> None:
    model = Sequential([Flatten(), Dense(3)])
    model.build((1, 4, 4))
    weight = np.zeros((3, 16), np.float32)
    weight[1, 5] = 4.0
    model[1].weight.value = weight
    x = np.ones((1, 4, 4), np.float32)
    found = analysis.occlusion(model, x, 1, size=1, stride=1)[0]
    p = np.exp(4.0) / (np.exp(4.0) + 2)
    expected = np.zeros((4, 4))
    expected[1, 1] = p - 1 / 3
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_an_image_alone_flat_squares_and_a_softmax_will_do() -> None:
    model = network()
    assert np.array_equal(analysis.occlusion(model, X[1])[0], analysis.occlusion(model, X)[1])
    ended = network(Softmax())
    ended.set_weights(model.get_weights())
    np.testing.assert_allclose(analysis.occlusion(ended, X), analysis.occlusion(model, X), atol=1e-6)
    x = digits(2)[0].reshape(2, 784)
    flat = Sequential([Dense(10)])
    flat.build((784,))
    images = Sequential([Flatten(), Dense(10)])
    images.build((1, 28, 28))
    images.set_weights(flat.get_weights())
    found = analysis.occlusion(flat, x, 3)
    assert found.shape == (2, 28, 28)
    np.testing.assert_allclose(found, analysis.occlusion(images, x.reshape(2, 1, 28, 28), 3), atol=1e-6)


def test_it_says_what_it_is_about() -> None:
    model = network()
    seen = explain_by_occlusion(model, X)
    chances = analysis.probabilities(model, X)
    np.testing.assert_array_equal(seen.classes, chances.argmax(axis=1))
    np.testing.assert_allclose(seen.probabilities, chances.max(axis=1))
    assert seen.layer is None


def test_on_every_backend(backend: Backend) -> None:
    model = network()
    weights = model.get_weights()
    found = analysis.occlusion(model, X, 2)
    assert type(found) is np.ndarray
    model.to("numpy").set_weights(weights)
    np.testing.assert_allclose(found, analysis.occlusion(model, X, 2), atol=1e-5)


def test_what_cannot_be_is_refused() -> None:
    model = network()
    with pytest.raises(OptionError, match="leave pixels out"):
        analysis.occlusion(model, X, size=2, stride=3)
    with pytest.raises(OptionError, match="target 5 is no class"):
        analysis.occlusion(model, X, 5)
    with pytest.raises(OptionError):
        analysis.occlusion(model, X, size=0)
    rows = Sequential([Dense(3)])
    rows.build((7,))
    with pytest.raises(ShapeError):
        analysis.occlusion(rows, np.zeros((2, 7), np.float32))
    words = Sequential([Embedding(5, 4), Flatten(), Dense(3)])
    words.build((9,))
    with pytest.raises(DTypeError, match="nothing to hide"):
        analysis.occlusion(words, np.zeros((2, 9), np.int64))
