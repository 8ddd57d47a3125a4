"""Layers and models that users write: what is allowed, and what is an error that names the layer."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.helpers import assert_same
from tests.kit.small import Written, clusters
from tests.kit.strategies import normal
from xpnet.backend import Backend
from xpnet.core.layer import Layer
from xpnet.errors import NotBuiltError, OptionError, TapeError
from xpnet.layers import BatchNorm1D, BatchNorm2D, Conv2D, Dense, Dropout, Flatten, MaxPool2D, Sigmoid, Softmax
from xpnet.model import Model, Sequential


class Bare(Layer):
    """Does not call super().__init__()."""

    def __init__(self, factor: float = 2.0) -> None:
        self.factor = factor

    def forward(self, x: Any, train: bool = False) -> Any:
        return x * self.factor, lambda dy: dy * self.factor


class Back(Layer):
    """Gives the sum of its inputs, and has a `back` of the test's choice."""

    def __init__(self, back: Callable[[Any], Any]) -> None:
        super().__init__()
        self.back = back

    def output_shape(self, *shapes: Any) -> Any:
        return shapes[0]

    def forward(self, *xs: Any, train: bool = False) -> Any:
        return sum(xs[1:], start=xs[0]), self.back


# ---- what back returns -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("back", "found"),
    [
        (lambda dy: None, "for 1 it returned NoneType"),
        (lambda dy: (dy,), "for 1 it returned a tuple of 1"),
        (lambda dy: (dy, dy), "for 1 it returned a tuple of 2"),
        (lambda dy: [dy], "for 1 it returned list"),
    ],
)
def test_back_must_return_the_gradient_of_the_input(back: Any, found: str) -> None:
    x = normal((2, 3), 0, "float32")
    for model in (
        Sequential([Dense(3), Back(back)]),
        Sequential([Back(back), Dense(3)]),
        Written(lambda m, x: m.wrong(m.dense(x)), dense=Dense(3), wrong=Back(back)),
    ):
        y, back_all = model.forward(x, train=True)
        label = "wrong" if isinstance(model, Written) else "layer1"
        with pytest.raises(TapeError, match=rf"{label} \(Back\): back must return the gradient of the input.*{found}"):
            back_all(y)


@pytest.mark.parametrize(
    ("back", "found"),
    [
        (lambda dy: dy, "for 2 it returned ndarray"),
        (lambda dy: None, "for 2 it returned NoneType"),
        (lambda dy: (dy,), "for 2 it returned a tuple of 1"),
        (lambda dy: (dy, dy, dy), "for 2 it returned a tuple of 3"),
        (lambda dy: [dy, dy], "for 2 it returned list"),
        (lambda dy: (dy, None), "for 2 it returned a tuple of 2"),
    ],
)
def test_back_must_return_a_gradient_for_each_input(back: Any, found: str) -> None:
    model = Written(lambda m, x: m.join(m.a(x), m.b(x)), a=Dense(2), b=Dense(2), join=Back(back))
    y, back_all = model.forward(normal((2, 3), 0, "float32"), train=True)
    with pytest.raises(TapeError, match=rf"join \(Back\): back must return .* a tuple with one for each.*{found}"):
        back_all(y)


def test_what_back_returns_does_not_matter_where_nobody_needs_it() -> None:
    model = Sequential([Back(lambda dy: None), Dense(3)])
    y, back = model.forward(normal((2, 3), 0, "float32"), train=True)
    back(y, need_dx=False)
    assert np.any(model.parameters()[0].grad)


# ---- layers ----------------------------------------------------------------------------------------------------------


def test_a_layer_that_forgets_super_init_works(backend: Backend, tmp_path: Path) -> None:
    x, t = clusters(12)
    for model in (
        Sequential([Bare(3.0), Dense(3)]),
        Written(lambda m, x: m.dense(m.bare(x)), bare=Bare(3.0), dense=Dense(3)),
    ):
        model.compile()
        model.fit(x, t)
        y = model.predict(x)
        np.testing.assert_array_equal(model.copy().predict(x), y)
        if isinstance(model, Sequential):
            assert [name for name, _ in model.children()] == ["layer1", "dense1"]
            model.save(tmp_path / "net")
            np.testing.assert_array_equal(xpnet.load(tmp_path / "net", custom=Bare).predict(x), y)
        np.testing.assert_allclose(model.to("numpy").predict(x), y, rtol=1e-5, atol=1e-6)
    bare = Bare()
    assert (bare.backend is backend, bare.trainable, bare.parameters(), repr(bare)) == (True, True, [], "Bare()")


@pytest.mark.parametrize(
    ("make", "attribute"),
    [
        (BatchNorm2D, "weight"),
        (BatchNorm1D, "running_mean"),
        (lambda: BatchNorm2D(name="mine"), "running_var"),
        (lambda: Conv2D(2, 3), "weight"),
        (lambda: Dense(2), "weight"),
    ],
)
def test_a_parameter_before_its_time_is_an_error_that_says_so(make: Callable[[], Layer], attribute: str) -> None:
    layer = make()
    with pytest.raises(NotBuiltError, match=rf"has no '{attribute}' yet: parameters are made by layer\.build"):
        getattr(layer, attribute)
    with pytest.raises(AttributeError, match="has no attribute 'wait'"):
        layer.wait  # noqa: B018


def test_sizes_may_be_integers_of_numpy(tmp_path: Path) -> None:
    n = np.int64
    model = Sequential(
        [
            Conv2D(n(4), n(3), stride=np.int32(1), padding=n(1), dilation=np.uint8(1), groups=n(1)),
            MaxPool2D(n(2)), Flatten(), Dense(n(3)),
        ]
    )  # fmt: skip
    assert model.build((n(1), n(6), n(6))) == (3,)
    assert "filters=4, kernel_size=(3, 3)" in repr(model)
    model.save(tmp_path / "net")
    x = normal((2, 1, 6, 6), 0, "float32")
    np.testing.assert_array_equal(xpnet.load(tmp_path / "net").predict(x), model.predict(x))


# ---- train=False inside call -----------------------------------------------------------------------------------------


def test_a_layer_in_call_can_be_told_not_to_train(backend: Backend) -> None:
    x = backend.asarray(normal((4, 5), 0, "float32"))
    inner = Sequential([Dropout(0.5)])
    for body in (lambda m, x: m.drop(x, train=False), lambda m, x: m.inner(x, train=False)):
        y, back = Written(body, drop=Dropout(0.5), inner=inner).forward(x, train=True)
        assert_same(y, x)
        assert_same(back(x), x)
    trained, _ = Written(lambda m, x: m.drop(x), drop=Dropout(0.5)).forward(x, train=True)
    assert np.any(backend.to_numpy(trained) == 0)


def test_a_layer_in_call_can_be_told_to_train(backend: Backend) -> None:
    model = Written(lambda m, x: m.drop(x, train=True), drop=Dropout(0.5))
    x = backend.asarray(np.ones((4, 50), np.float32))
    for y in (model(x), model.forward(x)[0]):
        assert set(np.unique(backend.to_numpy(y))) == {0.0, 2.0}


def test_statistics_that_are_not_to_train_stay_as_they_are() -> None:
    x, t = clusters(12)
    model = Written(lambda m, x: m.dense(m.norm(x, train=False)), norm=BatchNorm1D(), dense=Dense(3))
    model.compile()
    model.fit(x, t)
    np.testing.assert_array_equal(model.norm.running_mean.value, [0, 0])
    np.testing.assert_array_equal(model.norm.running_var.value, [1, 1])
    assert not np.array_equal(model.norm.weight.value, [1, 1])  # but the rest learns


# ---- models ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "loss"),
    [
        (lambda: Written(lambda m, x: m.end(m.dense(x)), dense=Dense(3), end=Softmax()), "softmax_cross_entropy"),
        (lambda: Written(lambda m, x: Softmax()(m.dense(x)), dense=Dense(3)), "softmax_cross_entropy"),
        (lambda: Written(lambda m, x: m.dense(x), dense=Dense(3, activation="softmax")), "softmax_cross_entropy"),
        (lambda: Written(lambda m, x: m.chain(x), chain=Sequential([Dense(3), Softmax()])), "softmax_cross_entropy"),
        (lambda: Sequential([Written(lambda m, x: Softmax()(m.dense(x)), dense=Dense(3))]), "softmax_cross_entropy"),
        (lambda: Written(lambda m, x: Sigmoid()(m.dense(x)), dense=Dense(3)), "binary_cross_entropy"),
    ],
    ids=["attribute", "in call", "activation", "chain", "in a chain", "sigmoid"],
)
@pytest.mark.parametrize("verb", ["fit", "train_on_batch"])
def test_a_written_model_with_an_activation_that_the_loss_contains_is_refused(
    make: Callable[[], Model], loss: str, verb: str
) -> None:
    """`call` must have run to know it: at the first step, before anything has changed."""
    x, t = clusters(6)
    model = make()
    model.compile("sgd", loss)
    model.build((2,))
    before = model.get_weights()
    with pytest.raises(OptionError, match=f"the loss {loss} contains it already: leave the activation"):
        getattr(model, verb)(x, t if loss.startswith("softmax") else np.eye(3)[t])
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    model.compile("sgd", "mse")
    getattr(model, verb)(x, np.eye(3)[t])
    with pytest.raises(OptionError, match="contains it already"):
        model.compile("sgd", loss)  # by now it is known


def test_an_activation_in_the_middle_is_no_end() -> None:
    x, t = clusters(6)
    model = Written(lambda m, x: m.dense(Softmax()(m.first(x))), first=Dense(3), dense=Dense(3))
    model.compile()
    assert np.isfinite(model.fit(x, t).history["loss"]).all()


def with_array(name: str, value: Any) -> Any:
    class Own(Layer):
        def build(self, shape: Any) -> None:
            setattr(self, name, value)

        def forward(self, x: Any, train: bool = False) -> Any:
            self.check(x)
            return x, lambda dy: dy

    return Own()


@pytest.mark.parametrize("name", ["weight", "kernel", "W", "bias"])
def test_a_weight_that_is_a_plain_array_is_told(name: str) -> None:
    words = rf"{name} is a plain array, which is neither trained nor saved: write self\.{name} = self\.parameter\("
    with pytest.warns(UserWarning, match=words) as told:
        Sequential([with_array(name, np.ones((2, 2))), Dense(2)]).build((2,))
    assert len(told) == 1


def test_other_arrays_are_not_told() -> None:
    others = {
        "_weight": np.ones(2),
        "table": np.ones(2),
        "weight": np.arange(2),
        "bias": np.float32(1),
    }
    with warnings.catch_warnings(record=True) as told:
        for name, value in others.items():
            Sequential([with_array(name, value), Dense(2)]).build((2,))
    assert not told
