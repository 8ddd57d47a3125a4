"""What initial weights make of activations."""

from typing import Any

import numpy as np
import pytest

from tests.kit.helpers import calls_of
from tests.kit.small import digits
from xpnet import Model, Sequential, random
from xpnet.backend import Backend
from xpnet.errors import OptionError
from xpnet.experiments.compare_initializers import compare_initializers
from xpnet.initializers import HeNormal
from xpnet.layers import Conv2D, Dense, Flatten

X = digits(5)[0]


def test_initial_weights_decide_about_the_spread(backend: Backend) -> None:
    found = compare_initializers([0.01, "xavier_normal", HeNormal()], activation="relu")
    assert list(found) == ["std 0.01", "xavier_normal", "HeNormal()"]
    spread = {name: [float(y.std()) for y in layers.values()] for name, layers in found.items()}
    assert list(found["std 0.01"]) == [f"dense{i}" for i in range(1, 6)]
    assert all(y.shape == (1000, 100) for layers in found.values() for y in layers.values())
    assert spread["std 0.01"][4] < 1e-4 * spread["std 0.01"][0]
    assert spread["xavier_normal"][4] < 0.6 * spread["xavier_normal"][0]  # halves the variance in each layer
    assert 0.6 < spread["HeNormal()"][4] / spread["HeNormal()"][0] < 1.7


def test_large_weights_saturate_a_sigmoid() -> None:
    y = compare_initializers([1.0])["std 1.0"]["dense5"]
    assert np.mean((y < 0.05) | (y > 0.95)) > 0.6


def test_networks_of_ones_own_start_from_one_state() -> None:
    states, make = calls_of(lambda initializer: random.get_state())

    def network(initializer: Any) -> Model:
        make(initializer)
        return Sequential([Conv2D(2, 3, initializer=initializer), Flatten(), Dense(3, initializer=initializer)])

    before = random.get_state()
    found = compare_initializers(["he_normal", "he_uniform"], x=X, network=network)
    assert random.get_state() == before and states == [before, before]
    assert [list(layers) for layers in found.values()] == [["conv1", "flatten1", "dense1"]] * 2


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(OptionError, match="needs samples x"):
        compare_initializers(network=lambda initializer: Sequential([Dense(3, initializer=initializer)]))
    with pytest.raises(OptionError, match="no initializer 'zero'"):
        compare_initializers(["zero"])
    with pytest.raises(OptionError, match="given twice"):
        compare_initializers([1.0, 1.0])
    with pytest.raises(OptionError, match="one initializer or more"):
        compare_initializers([])
