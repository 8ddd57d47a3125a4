"""Activations by name, and behind a layer."""

from pathlib import Path

import numpy as np
import pytest

import xpnet
from tests.kit.strategies import normal
from xpnet import Sequential, layers
from xpnet.errors import OptionError
from xpnet.gradient_check import gradient_check
from xpnet.layers import Conv2D, Dense, PReLU
from xpnet.layers.activations import ACTIVATIONS, activation_layer


def test_every_name_stands_behind_a_layer_that_keeps_its_shape() -> None:
    x = normal((3, 4), 1, "float32")
    for name in ACTIVATIONS.keys() - {"glu"}:
        dense = Dense(6, activation=name)
        y, back = dense.forward(x, train=True)
        assert y.shape == (3, 6) and back(y).shape == x.shape
        assert activation_layer(name.upper()) is not None


def test_an_activation_that_changes_the_shape_is_refused_behind_a_layer() -> None:
    with pytest.raises(
        OptionError, match=r"fc \(Dense\): activation=GLU\(\) changes the shape: put it behind as a layer"
    ):
        Dense(4, activation="glu", name="fc").build((3,))
    assert Sequential([Dense(4), layers.GLU()]).output_shape((3,)) == (2,)


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_learned_activation_is_trained_saved_and_loaded(tmp_path: Path, per_channel: bool) -> None:
    model = Sequential(
        [Conv2D(3, 3, activation=PReLU(per_channel)), layers.Flatten(), Dense(4, activation=PReLU(per_channel))]
    )
    x = normal((2, 1, 5, 5), 1)
    model.astype("float64").build((1, 5, 5))
    assert dict(model.named_parameters())["conv1.activation.weight"].shape == ((3,) if per_channel else (1,))
    assert dict(model.named_parameters())["dense1.activation.weight"].value.tolist() == [0.25] * (
        4 if per_channel else 1
    )
    assert gradient_check(model, x) < 1e-6
    for parameter in model.parameters():
        parameter.value = normal(parameter.shape, 7)
    model.save(tmp_path / "net")
    np.testing.assert_array_equal(xpnet.load(tmp_path / "net").predict(x), model.predict(x))


def test_a_learned_activation_of_features_goes_with_sequences_too() -> None:
    dense = Dense(4, activation=PReLU(per_channel=True))
    assert dense.forward(normal((2, 7, 3), 1, "float32"))[0].shape == (2, 7, 4)
    assert dense.then is not None and dense.then.parameters()[0].shape == (4,)
