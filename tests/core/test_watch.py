"""Looking into a network while it runs."""

from typing import Any

import numpy as np
import pytest

from tests.kit.strategies import normal
from xpnet.core.layer import Back, Layer
from xpnet.core.watch import intercepted, parts, watched
from xpnet.layers import Dense, Tanh
from xpnet.model import Sequential

X = normal((3, 4), 0, "float32")


def test_an_intercepted_forward_is_the_old_one_afterwards() -> None:
    layer, seen = Tanh(), []

    def double(layer: Layer, y: Any, back: Back) -> tuple[Any, Back]:
        seen.append(layer)
        return 2 * y, lambda dy: 2 * back(dy)

    before, kept = layer(X), dict(vars(layer))
    with pytest.raises(KeyboardInterrupt), intercepted([layer, layer], double):
        y, back = layer.forward(X, train=True)
        np.testing.assert_array_equal(y, 2 * before)
        np.testing.assert_allclose(back(np.ones_like(y)), 2 * (1 - before**2), rtol=1e-5)
        assert seen == [layer], "once, though it was given twice"
        raise KeyboardInterrupt
    assert vars(layer) == kept
    np.testing.assert_array_equal(layer(X), before)


def test_every_layer_is_seen_in_its_order_and_shared_ones_at_every_use() -> None:
    shared = Tanh()
    model, seen = Sequential([Dense(4), shared, Sequential([Dense(2), shared])]), []
    model.build((4,))
    with watched(model, lambda layer, y: seen.append((layer, y.shape))):
        model(X)
    assert seen == [(model[0], (3, 4)), (shared, (3, 4)), (model[2][0], (3, 2)), (shared, (3, 2))]  # type: ignore[index]
    assert [layer for layer, _ in seen] == list(parts(model))


def test_a_snapshot_puts_back_what_the_layer_was() -> None:
    layer = Dense(3)
    restore, before = layer.snapshot(), dict(vars(layer))
    layer.build((4,))
    layer.to("reference").extra = 1
    restore()
    assert vars(layer) == before and not layer.is_built and layer.parameters() == []
    assert layer.build((2,)) == (3,)
