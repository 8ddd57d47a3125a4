"""Freezing: a layer or a model that the optimizer leaves alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.small import Written, clusters
from xpnet import optimizers
from xpnet.errors import OptionError
from xpnet.layers import BatchNorm1D, Conv2D, Dense, Flatten, ReLU
from xpnet.model import Model, Sequential

X, T = clusters(24)


def chain() -> Model:
    return Sequential([Dense(4), BatchNorm1D(), Sequential([Dense(4, activation="tanh")], name="inner"), Dense(3)])


def written() -> Model:
    def body(m: Any, x: Any) -> Any:
        return m.d(m.c[0](m.b(m.a(x))))

    model = Written(body, a=Dense(4), b=BatchNorm1D(), d=Dense(3))
    model.c = [Dense(4, activation="tanh")]
    return model


both = pytest.mark.parametrize("make", [chain, written], ids=["chain", "written"])
built_or_not = pytest.mark.parametrize("built", [True, False], ids=["built", "not built"])


def statistics(name: str) -> bool:
    return "running" in name


@both
@built_or_not
def test_a_frozen_layer_does_not_learn_and_the_others_do(make: Callable[[], Model], built: bool) -> None:
    model = make()
    if built:
        model.build((2,))
    frozen = next(layer for _, layer in model.named_layers() if isinstance(layer, Dense))
    frozen.trainable = False
    assert not frozen.trainable
    assert model.trainable
    model.compile(optimizers.AdamW(0.1, weight_decay=0.1))
    model.build((2,))
    before = {name: np.array(p.value) for name, p in model.named_parameters()}
    model.fit(X, T, batch_size=8, epochs=2)
    own = {id(p) for p in frozen.parameters()}
    assert len(own) == 2
    for name, p in model.named_parameters():
        assert np.array_equal(p.value, before[name]) == (id(p) in own), name
        assert p.trainable == (id(p) not in own and not statistics(name)), name
    frozen.trainable = True
    model.fit(X, T, batch_size=8)
    assert not any(np.array_equal(p.value, before[name]) for name, p in model.named_parameters())


@both
@built_or_not
def test_a_frozen_model_has_nothing_to_train_until_it_is_unfrozen(make: Callable[[], Model], built: bool) -> None:
    model = make()
    if built:
        model.build((2,))
    model.trainable = False
    assert not model.trainable
    assert not any(layer.trainable for _, layer in model.named_layers())
    model.compile()
    model.build((2,))
    assert not any(p.trainable for p in model.parameters())
    before = model.get_weights()
    for verb in (model.fit, model.train_on_batch):
        with pytest.raises(OptionError, match="nothing to train: the model has no parameter that is trainable"):
            verb(X, T)
    for (name, _), a, b in zip(model.named_parameters(), model.get_weights(), before, strict=True):
        assert statistics(name) or np.array_equal(a, b)
    model.evaluate(X, T)
    model.trainable = True
    assert model.trainable
    assert [name for name, p in model.named_parameters() if not p.trainable] == [
        name for name, _ in model.named_parameters() if statistics(name)
    ]
    model.fit(X, T)


@built_or_not
def test_running_statistics_are_never_learned(built: bool) -> None:
    norm = BatchNorm1D()
    if built:
        norm.build((3,))
    norm.trainable = True
    norm.build((3,))
    for trainable in (True, False, True):
        norm.trainable = trainable
        assert [p.trainable for p in norm.parameters()] == [trainable, trainable, False, False]
    assert norm.trainable


def test_a_network_without_parameters_has_nothing_to_train() -> None:
    model = Sequential([Flatten(), ReLU()])
    model.compile(loss="mse")
    with pytest.raises(OptionError, match="nothing to train"):
        model.fit(X, X)


def test_a_frozen_network_comes_back_frozen_and_can_be_unfrozen(tmp_path: Path) -> None:
    model = chain()
    model.build((2,))
    model[0].trainable = False  # type: ignore[index]
    model.save(tmp_path / "net")
    again = xpnet.load(tmp_path / "net")
    assert [p.trainable for p in again.parameters()] == [p.trainable for p in model.parameters()]
    again.trainable = True
    assert all(p.trainable != statistics(name) for name, p in again.named_parameters())


def test_freezing_survives_copy_and_move() -> None:
    model = Sequential([Conv2D(2, 3), Flatten(), Dense(3)])
    model[0].trainable = False
    for twin in (model.copy(), model.to("reference"), model.astype("float64")):
        twin.build((1, 4, 4))
        assert [p.trainable for p in twin.parameters()] == [False, False, True, True]
