"""What a plan rests on is looked at before each use."""

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.core.plan.nets import IMAGE, images, lenet5, residual, unplanned
from xpnet import Model, Sequential, layers, random
from xpnet.backend import use_backend
from xpnet.core.layer import Layer
from xpnet.core.watch import watched
from xpnet.errors import BackendError, DTypeError


def change_the_value(model: Any) -> None:
    model.dense.weight.value = 2 * model.dense.weight.value


def write_into_it(model: Any) -> None:
    model.conv1.weight.value[...] *= 2


def train(model: Any) -> None:
    model.compile(optimizer="adam", loss="softmax_cross_entropy")
    model.fit(images(8, 3, (2, 6, 6)), np.arange(8) % 10, verbose=0)


def set_an_attribute(model: Any) -> None:
    model.norm.eps = 2.0


def exchange_a_layer(model: Any) -> None:
    model.blocks[1] = layers.Tanh()


def add_a_layer(model: Any) -> None:
    model.blocks.append(layers.Tanh())


def set_a_layer(model: Any) -> None:
    model.skip = layers.Sigmoid()


def astype(model: Any) -> None:
    model.astype("float64").astype("float32")


def move_between_lists(model: Any) -> None:
    model.blocks.append(model.more.pop(0))


def exchange_names(model: Any) -> None:
    model.named["a"] = model.named.pop("a")


def set_on_the_class(model: Any) -> None:
    Looking.signed = False


def put_a_function_on_the_class(model: Any) -> None:
    Looking.half = lambda self, x: self.dense(self.dense(x))  # type: ignore[method-assign]


def drop_a_setting(model: Any) -> None:
    del model.own  # and what is the class's counts


class Looking(Model):
    """What a call may look into besides its layers, which may be exchanged without an attribute being set."""

    signed = True
    own = False

    def __init__(self) -> None:
        super().__init__()
        self.own = True
        self.blocks, self.more = [layers.Tanh()], [layers.Sigmoid(), layers.ReLU()]
        self.named = {"a": layers.Softplus(), "b": layers.Dense(8)}
        self.dense = layers.Dense(8)

    def half(self, x: Any) -> Any:
        return self.dense(x)

    def call(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        x = self.half(x) + x if self.signed else self.half(x)
        for block in self.more:
            x = block(x)
        for block in self.named.values():
            x = block(x)
        return self.dense(x) if self.own else x


@pytest.mark.parametrize(
    "change",
    [move_between_lists, exchange_names, set_on_the_class, put_a_function_on_the_class, drop_a_setting],
)
def test_what_a_call_looks_into_is_followed(change: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Looking, "signed", True)
    monkeypatch.setattr(Looking, "half", Looking.half)
    random.seed(0)
    model, x = Looking(), images(2, 1, (8,))
    before = model.predict(x)
    assert "by a plan" in str(model.plan(samples=2))
    change(model)
    found = model.predict(x)
    np.testing.assert_allclose(found, unplanned(model, x), rtol=2e-6, atol=2e-6)
    assert np.abs(found - before).max() > 1e-4


class Chain(Model):
    def __init__(self) -> None:
        super().__init__()
        self.inside, self.join = Sequential([layers.Dense(8), layers.Tanh()]), layers.Add()
        self.layers = [layers.Dense(8)]

    def call(self, x: Any) -> Any:
        for each in self.inside.layers:
            x = each(x)
        return self.join(x, self.layers[0](x))


def test_lists_of_a_network_that_is_not_called_are_followed() -> None:
    model, x = Chain(), images(2, 1, (8,))
    before = model.predict(x)
    assert "by a plan" in str(model.plan(samples=2))
    model.inside.layers.reverse()
    found = model.predict(x)
    np.testing.assert_allclose(found, unplanned(model, x), rtol=2e-6, atol=2e-6)
    assert np.abs(found - before).max() > 1e-4


def test_a_shallow_copy_has_settings_of_its_own() -> None:
    model, x = Looking(), images(2, 1, (8,))
    before = model.predict(x)
    twin = copy.copy(model)
    twin.own = False
    for each in (twin, model, twin):
        np.testing.assert_allclose(each.predict(x), unplanned(each, x), rtol=2e-6, atol=2e-6)
    assert (model.predict(x) == before).all() and (twin.predict(x) != before).any()


def test_a_layer_that_is_moved_by_itself_is_refused_as_before() -> None:
    for move, error in ((lambda layer: layer.to("reference"), BackendError), (astype_of_one, DTypeError)):
        model, x = Sequential([layers.Dense(4), layers.ReLU(), layers.Dense(2)]), images(2, 0, (3,))
        model.predict(x)
        move(model.layers[1 if error is BackendError else 0])
        with pytest.raises(error):
            model.predict(x)
        assert model.plan(samples=2).run is None


def astype_of_one(layer: Layer) -> None:
    layer.astype("float64")


def test_plans_go_with_their_network() -> None:
    """Nothing waits for the garbage collector."""
    model, x = Sequential([layers.Conv2D(4, 3), layers.ReLU(), layers.Flatten(), layers.Dense(3)]), images(1)
    model.predict(x)
    gc.collect()
    gc.disable()
    try:
        model.predict(images(2))
        gone = [weakref.ref(each) for each in (model, model.layers[0], model.plan(samples=2).run, model.plan().run)]
        del model
        assert [each() for each in gone] == [None] * 4
    finally:
        gc.enable()


def test_integers_of_another_name_are_of_the_same_kind() -> None:
    model = Sequential([layers.Embedding(5, 3), layers.Flatten(), layers.Dense(2)])
    model.build((4,), dtype="int64")
    x = np.array([[0, 1, 2, 4]], np.int64)
    model(x)
    plan = model._plans._known[x.shape]
    model(x.astype(np.longlong))
    assert model._plans._known[x.shape] is plan


def test_a_plan_that_is_asked_for_while_somebody_looks_is_not_kept() -> None:
    model = lenet5()
    with watched(model, lambda layer, y: None):
        model.plan()
    model.predict(images(1))
    assert "by a plan" in str(model._plans._known[1, *IMAGE])


def put_a_forward(model: Any) -> None:
    model.dense.forward = lambda x, train=False: (np.ones((len(x), 10), np.float32), None)


@pytest.mark.parametrize(
    "change",
    [
        *(change_the_value, write_into_it, train, set_an_attribute, exchange_a_layer, add_a_layer, set_a_layer, astype),
        put_a_forward,
    ],
)
def test_a_change_is_followed(change: Callable[[Any], None]) -> None:
    model, x = residual(), images(2, 4, (2, 6, 6))
    before = model.predict(x)
    change(model)
    found = model.predict(x)
    np.testing.assert_allclose(found, unplanned(model, x), rtol=5e-6, atol=5e-6)
    assert change is astype or np.abs(found - before).max() > 1e-4


def test_parameters_that_move_into_one_array_are_followed() -> None:
    model, x = residual(), images(2, 4, (2, 6, 6))
    model.compile("adam", "softmax_cross_entropy")
    model.optimizer.lr = 0.1
    for _ in range(3):
        before = model.predict(x)
        model.train_on_batch(images(8, 3, (2, 6, 6)), np.arange(8) % 10)
        found = model.predict(x)
        np.testing.assert_allclose(found, unplanned(model, x), rtol=5e-6, atol=5e-6)
        assert np.abs(found - before).max() > 1e-3


class Named(Model):
    def __init__(self) -> None:
        super().__init__()
        self.parts: dict[str, Layer] = {"a": layers.Dense(3)}

    def call(self, x: Any) -> Any:
        for part in self.parts.values():
            x = part(x)
        return x


def test_layers_that_come_into_a_dict_and_go_are_followed() -> None:
    model, x = Named(), images(2, 0, (3,))
    model.build((3,))
    before = model.predict(x)
    assert "operations by a plan" in str(model.plan(samples=2))
    model.parts["b"] = layers.Tanh()
    np.testing.assert_allclose(model.predict(x), np.tanh(before), rtol=5e-6, atol=5e-6)
    model.parts.clear()
    assert (model.predict(x) == x).all()


def test_a_layer_that_is_added_to_a_chain_is_followed() -> None:
    model, x = Sequential([layers.Dense(4), layers.ReLU()]), images(2, 0, (3,))
    before = model.predict(x)
    model.add(layers.Dense(2))
    assert before.shape == (2, 4) and model.predict(x).shape == (2, 2)


def test_a_copy_and_a_pickle_have_plans_of_their_own() -> None:
    model, x = lenet5(), images(1)
    expected = model.predict(x)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert (twin.predict(x) == expected).all()
        write = twin.parameters()[0].value
        write[...] = 0
        assert (twin.predict(x) != expected).any() and (model.predict(x) == expected).all()


def test_who_looks_into_a_network_sees_its_layers() -> None:
    model, x = lenet5(), images(1)
    model.predict(x)
    seen: list[Any] = []
    with watched(model, lambda layer, y: seen.append(layer)):
        model.predict(x)
    assert seen == model.layers
    model.predict(x)
    assert seen == model.layers


def test_other_backends_run_as_before() -> None:
    with use_backend("reference"):
        model = lenet5()
    assert "has no plan" not in str(model.plan()) and "one by one" in str(model.plan())
    np.testing.assert_allclose(model.predict(images(1)), unplanned(model, images(1)), rtol=1e-5, atol=1e-6)


def test_numbers_that_overflow_raise_nothing() -> None:
    model, x = lenet5(), images(1)
    for parameter in model.parameters():
        parameter.value[...] = 1e30
    with np.errstate(all="raise"):
        for _ in range(2):
            assert not np.isfinite(model.predict(np.abs(x))).all()
