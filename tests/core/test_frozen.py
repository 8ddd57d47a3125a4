"""`with network.frozen()`: gradients go through, and none is taken."""

import numpy as np
import pytest

from tests.kit.helpers import assert_same
from tests.kit.strategies import normal
from xpnet.backend import Backend
from xpnet.errors import NotBuiltError
from xpnet.layers import BatchNorm1D, Dense
from xpnet.model import Sequential


def discriminator() -> Sequential:
    model = Sequential([Dense(4, activation="relu"), BatchNorm1D(), Sequential([Dense(1)])])
    model.build((3,))
    return model


def test_gradients_go_through_and_none_is_taken(backend: Backend) -> None:
    model, x = discriminator(), backend.asarray(normal((5, 3), 0, "float32"))
    y, back = model.forward(x, train=True)
    expected = back(y)
    kept = [np.array(backend.to_numpy(p.grad)) for p in model.parameters()]
    with model.frozen():
        y, back = model.forward(x, train=True)
        assert_same(back(y), expected)
    for p, before in zip(model.parameters(), kept, strict=True):
        assert_same(p.grad, before)  # also what was there already stays
    y, back = model.forward(x, train=True)
    back(y)
    for p, before in zip(model.parameters(), kept, strict=True):
        if p.trainable:
            assert_same(p.grad, 2 * before)


def test_blocks_within_one_another_and_errors_end_well() -> None:
    model = discriminator()
    inner = model.layers[2]
    assert isinstance(inner, Sequential)
    with pytest.raises(ZeroDivisionError), model.frozen():
        with inner.frozen():
            pass
        assert not any(p.takes_grad for p in model.parameters())
        raise ZeroDivisionError
    assert all(p.takes_grad for p in model.parameters())


def test_a_network_without_parameters_yet_is_refused() -> None:
    with pytest.raises(NotBuiltError, match="build it first"), Sequential([Dense(1)]).frozen():
        pass
