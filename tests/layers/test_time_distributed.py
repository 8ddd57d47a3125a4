"""A layer on each step: what it gives, its names, and the parts of its masks."""

from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.helpers import assert_close, assert_same
from tests.kit.strategies import normal
from xpnet import Sequential, layers
from xpnet.backend import Backend
from xpnet.errors import ShapeError
from xpnet.layers import BatchNorm1D, Conv2D, Dense, Dropout, Embedding, Flatten, TimeDistributed

N, T = 3, 4


def images(backend: Backend) -> Any:
    return backend.asarray(normal((N, T, 2, 5, 5), 1, "float32"))


def test_each_step_goes_through_the_one_layer(backend: Backend) -> None:
    inner = Sequential([Conv2D(3, 3, activation="relu"), Flatten(), Dense(2)])
    layer, x = TimeDistributed(inner), images(backend)
    y, back = layer.forward(x, train=True)
    dy = backend.asarray(normal((N, T, 2), 2, "float32"))
    dx = back(dy)
    gradients = [backend.copy(p.grad) for p in layer.parameters()]
    for p in layer.parameters():
        p.zero_grad()
    for t in range(T):
        step, step_back = inner.forward(x[:, t, ...], train=True)
        assert_close(step, y[:, t, :])
        assert_close(step_back(dy[:, t, :]), dx[:, t, ...])
    for p, want in zip(layer.parameters(), gradients, strict=True):
        assert_close(p.grad, want, scale=1.0)


def test_its_parameters_are_those_of_the_layer_inside() -> None:
    model = Sequential([TimeDistributed(Conv2D(3, 3)), TimeDistributed(Flatten()), layers.LSTM(4, False), Dense(2)])
    model.build((T, 2, 5, 5))
    names = [name for name, _ in model.named_parameters()]
    assert names[:2] == ["steps1.layer.weight", "steps1.layer.bias"]
    assert model.layers[0].parameter_count() == 3 * 2 * 9 + 3
    words = TimeDistributed(Embedding(5, 3))
    assert words.takes_integers and not TimeDistributed(Dense(3)).takes_integers
    assert TimeDistributed(Dense(3, activation="softmax")).ends_with() is layers.Softmax


def test_batch_norm_has_the_statistics_of_all_steps(backend: Backend) -> None:
    layer, alone = TimeDistributed(BatchNorm1D()), BatchNorm1D()
    x = backend.asarray(normal((N, T, 5), 3, "float32"))
    y, _ = layer.forward(x, train=True)
    expected, _ = alone.forward(backend.xp.reshape(x, (N * T, 5)), train=True)
    assert_close(y, backend.xp.reshape(expected, (N, T, 5)))
    for p, q in zip(layer.parameters(), alone.parameters(), strict=True):
        assert_close(p.value, q.value)


def test_a_part_of_a_batch_has_its_part_of_the_mask(backend: Backend) -> None:
    layer, x = TimeDistributed(TimeDistributed(Dropout(0.4))), backend.asarray(np.ones((7, 3, 2, 5), "float32"))
    layer.forward(x, train=True)

    def masked(part: slice) -> np.ndarray:
        with xpnet.random.drawing_from((1, 2), "step", 0, first_sample=part.start):
            y = backend.to_numpy(layer.forward(x[part, ...], train=True)[0])
            assert xpnet.random.first_sample() == part.start
            return y

    whole = masked(slice(0, 7))
    assert 0 < np.mean(whole == 0) < 1 and np.any(whole[:, 0] != whole[:, 1])
    for cut in (1, 4):
        np.testing.assert_array_equal(np.concatenate([masked(slice(0, cut)), masked(slice(cut, 7))]), whole)


def test_several_inputs_must_have_as_many_steps() -> None:
    layer = TimeDistributed(layers.Add())
    with pytest.raises(ShapeError, match=r"\(N, 3, 2\), needed is \(N, T, ...\), of at least one step, and of several"):
        layer.build((4, 2), (3, 2))


def test_the_vector_of_the_padding_stays_zeros(backend: Backend) -> None:
    layer = Embedding(5, 3, padding_index=2)
    x = backend.asarray(np.array([[2, 0, 2], [4, 4, 2]]))
    y, back = layer.forward(x, train=True)
    host = backend.to_numpy(y)
    assert_same(y[0, 0, :], np.zeros(3, np.float32))
    assert np.all(host[backend.to_numpy(x) != 2] != 0)
    back(backend.asarray(np.ones((2, 3, 3), "float32")))
    expected = np.zeros((5, 3), np.float32)
    expected[0], expected[4] = 1, 2
    assert_same(layer.weight.grad, expected)
