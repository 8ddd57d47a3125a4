"""Models, their parts and their optimizers, moved to another backend or data type."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.kit.helpers import assert_lives_on
from tests.kit.small import Written, clusters
from xpnet import random
from xpnet.backend import make_backend, use_backend
from xpnet.errors import BackendError, OptionError
from xpnet.layers import Dense, Tanh
from xpnet.model import Model, Sequential

X, T = clusters(12)


def chain() -> Model:
    return Sequential([Dense(4, activation="tanh"), Sequential([Tanh(), Dense(3)], name="inner")])


def written() -> Model:
    return Written(lambda m, x: m.inner(m.dense1(x)), dense1=Dense(4), inner=Sequential([Tanh(), Dense(3)]))


both = pytest.mark.parametrize("make", [chain, written], ids=["chain", "written"])
VERBS: dict[str, Callable[[Model], Any]] = {
    "fit": lambda model: model.fit(X, T),
    "evaluate": lambda model: model.evaluate(X, T),
    "predict": lambda model: model.predict(X),
    "train_on_batch": lambda model: model.train_on_batch(X, T),
}


@both
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("built", [True, False])
def test_a_layer_that_was_moved_alone_is_named(make: Callable[[], Model], verb: str, built: bool) -> None:
    model = make()
    model.compile()
    if built:
        model.build((2,))
    layer = next(layer for path, layer in model.named_layers() if path == "inner.dense1")
    layer.to("reference")
    words = (
        r'layer dense1 \(Dense\) is on backend reference, the model on numpy; move them together: model\.to\("numpy"\)'
    )
    with pytest.raises(BackendError, match=words):
        VERBS[verb](model)
    assert layer.is_built == built
    model.to("numpy")
    VERBS[verb](model)
    assert all(p.backend is model.backend for p in model.parameters())


def test_a_layer_that_was_made_elsewhere_is_named() -> None:
    with use_backend("reference"):
        dense = Dense(3)
    model = Sequential([Dense(4), dense])
    model.compile()
    with pytest.raises(BackendError, match=r"dense2 \(Dense\) is on backend reference"):
        model.fit(X, T)
    model.to("reference").fit(X, T)


@pytest.mark.parametrize("there", ["reference", "array_api_strict"])
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_an_inner_model_goes_on_training_after_the_outer_one_was_moved(there: str, optimizer: str) -> None:
    """Its optimizer's state follows the parameters, though the outer model does not know of it."""
    histories = []
    for move in (False, True):
        random.seed(1)
        inner = Sequential([Dense(4, activation="tanh"), Dense(3)])
        inner.compile(optimizer)
        inner.fit(X, T, batch_size=4)
        outer = Sequential([inner, Dense(2)])
        if move:
            outer.to(there)
        histories.append(inner.fit(X, T, batch_size=4, epochs=2).history["loss"])
        backend = make_backend(there if move else "numpy")
        assert inner.optimizer is not None
        assert len(inner.optimizer.state) == 4
        for p, state in inner.optimizer.state.items():
            assert_lives_on(backend, p.value, "float32")
            for array in state.values():
                assert_lives_on(backend, array, "float32")
            assert state.steps == 9
    assert histories[1] == pytest.approx(histories[0], rel=1e-4)


def test_the_state_of_an_optimizer_follows_layer_by_layer_and_into_float64() -> None:
    model = Sequential([Dense(4), Dense(3)])
    model.compile("adam")
    model.fit(X, T)
    for layer in model:
        layer.to("array_api_strict")
    model.to("array_api_strict").astype("float64")
    model.fit(X, T)
    assert model.optimizer is not None
    for state in model.optimizer.state.values():
        for array in state.values():
            assert_lives_on(make_backend("array_api_strict"), array, "float64")
            assert np.any(model.backend.to_numpy(array) != 0)


def test_a_layer_moves_by_its_verb_only() -> None:
    layer = Dense(3)
    layer.build((2,))
    before = layer.backend
    for other, shown in (("numpy", "'numpy'"), (make_backend("reference"), "<xpnet backend reference>"), (before, "<")):
        with pytest.raises(
            OptionError, match=rf"""Dense: move it by to\("cupy"\), or another name; backend = {shown}.* does not"""
        ):
            layer.backend = other  # type: ignore[assignment]
        assert layer.backend is before
    layer.to("reference")
    assert layer.backend.name == "reference" and {p.backend for p in layer.parameters()} == {layer.backend}
    assert layer.copy().backend is layer.backend


def test_a_layer_that_forgets_the_constructor_of_the_base_still_has_a_backend() -> None:
    class Forgetful(Tanh):
        def __init__(self) -> None:
            self.scale = 2.0

    layer = Forgetful()
    assert "backend" not in vars(layer)
    assert layer.to("reference").backend.name == "reference"
    with use_backend("reference"):
        assert Forgetful().backend.name == "reference"
