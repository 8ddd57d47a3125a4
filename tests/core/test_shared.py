"""A parameter that two layers share: made once, counted once, its gradient the sum."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.helpers import assert_lives_on, assert_same
from xpnet.backend import Backend, make_backend
from xpnet.errors import BackendError, NotBuiltError, OptionError, ShapeError
from xpnet.gradient_check import gradient_check
from xpnet.layers import Dense, Embedding
from xpnet.model import Model, Sequential

V, E = 6, 3
X = np.array([[0, 1, 5], [3, 4, 4]])


class ByHand(Model):
    """The weight of the one layer is put into the other, before that is built."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.out = Embedding(V, E), Dense(V)
        self.embedding.build((1,))
        self.out.weight = self.embedding.weight

    def call(self, x: Any) -> Any:
        return self.out(self.embedding(x))


class Tied(Model):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = Embedding(V, E)
        self.out = Dense(V, tied=self.embedding, activation="tanh")

    def call(self, x: Any) -> Any:
        return self.out(self.embedding(x))


def chain() -> Sequential:
    embedding = Embedding(V, E)
    return Sequential([embedding, Sequential([Dense(V, tied=embedding)], name="head")])


makes = pytest.mark.parametrize("make", [ByHand, Tied, chain])


@makes
def test_it_is_made_and_counted_once(backend: Backend, make: Any) -> None:
    model = make()
    model.build((3,), dtype="int64")
    assert len(model.parameters()) == 2 and sum(p.size for p in model.parameters()) == V * E + V
    assert model.parameter_count((3,)) == V * E + V
    layers = [layer for _, layer in model.named_layers() if isinstance(layer, (Embedding, Dense))]
    assert layers[0].weight is layers[1].weight
    assert next(iter(model.named_parameters()))[0].startswith("embedding")
    assert gradient_check(model, X) < 1e-5  # of the sum of both uses


@makes
def test_it_moves_and_is_copied_with_both(make: Any) -> None:
    model = make()
    model.build((3,), dtype="int64")
    twin = model.copy().to("reference").astype("float64")
    weights = {id(layer.weight) for _, layer in twin.named_layers() if isinstance(layer, (Embedding, Dense))}
    assert len(weights) == 1
    assert_lives_on(make_backend("reference"), twin.parameters()[0].value, "float64")
    twin(X)
    before = np.array(model(X))
    twin.parameters()[0].value = np.zeros((V, E))
    np.testing.assert_array_equal(model(X), before)


@makes
def test_it_is_trained_saved_and_loaded(tmp_path: Path, make: Any) -> None:
    model = make()
    y, back = model.forward(X, train=True)
    back(y, need_dx=False)
    model.save(tmp_path / "tied")
    again = xpnet.load(tmp_path / "tied", custom=[ByHand, Tied])
    assert_same(again(X), model(X))
    assert len(again.parameters()) == 2


def test_a_weight_of_another_shape_is_refused() -> None:
    model = ByHand()
    model.out = Dense(V + 1)
    model.out.weight = model.embedding.weight
    for wrong in (model, Sequential([e := Embedding(V, E), Dense(V + 1, tied=e)])):
        with pytest.raises(ShapeError, match=r"weight is shared and has shape \(6, 3\), needed is \(7, 3\)"):
            wrong.build((3,), dtype="int64")


def test_a_tie_needs_a_layer_that_is_built_before() -> None:
    with pytest.raises(NotBuiltError, match="has no 'weight' yet"):
        Dense(V, tied=Embedding(V, E)).build((E,))
    for wrong in ("embedding", Embedding):
        with pytest.raises(OptionError, match="tied takes another layer"):
            Dense(V, tied=wrong)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="has its own regularizer"):
        Dense(V, regularizer="l2", tied=Embedding(V, E))


def test_a_shared_weight_is_frozen_by_whoever_is_frozen() -> None:
    for frozen in (0, 1):
        embedding = Embedding(V, E)
        model = Sequential([embedding, Dense(V, tied=embedding)])
        model.layers[frozen].trainable = False
        model.build((3,), dtype="int64")
        assert not embedding.weight.trainable


def test_a_tie_to_a_layer_elsewhere_is_neither_saved_nor_moved_in_silence(tmp_path: Path) -> None:
    elsewhere = Embedding(V, E)
    elsewhere.build((1,))
    model = Sequential([Embedding(V, E), Dense(V, tied=elsewhere)])
    model(X)
    with pytest.raises(OptionError, match="cannot be saved whole: a layer is tied to one that is not inside it"):
        model.save(tmp_path / "tied")
    moved = Sequential([Embedding(V, E), Dense(V, tied=elsewhere)]).to("reference")
    with pytest.raises(BackendError, match="weight is shared and on backend numpy, the layer on reference"):
        moved.build((3,), dtype="int64")
