"""Several outputs: the tape takes gradients for any of them, in the structure that the forward gave."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.kit.helpers import assert_close, assert_same
from tests.kit.small import Written
from tests.kit.strategies import normal
from xpnet import layers
from xpnet.backend import Array, Backend
from xpnet.core.declare import Shape
from xpnet.core.layer import Back, Layer
from xpnet.errors import DTypeError, OptionError, ShapeError, TapeError
from xpnet.gradient_check import gradient_check
from xpnet.layers import Concat, Dense, Softmax, Tanh
from xpnet.model import Model, Sequential


class Halves(Layer):
    """y1 = 2 a, y2 = 3 b of x = (a, b). Notes what its back gets."""

    kind = "halves"

    def __init__(self, skips: bool = False) -> None:
        super().__init__()
        self.skips, self.got = skips, []
        if skips:
            vars(self)["skips_dy"] = True

    def output_shape(self, *shapes: Shape) -> Any:
        (F,) = shapes[0]
        return (F // 2,), (F // 2,)

    def forward(self, *xs: Array, train: bool = False) -> tuple[Any, Back]:
        (x,) = xs
        self.check(x)
        half = x.shape[1] // 2

        def back(dy: Any) -> Array:
            self.got.append(dy)
            first, second = (self.xp.zeros_like(x[:, :half]) if each is None else each for each in dy)
            return self.xp.concat([2 * first, 3 * second], axis=1)

        return (2 * x[:, :half], 3 * x[:, half:]), back


def tupled() -> Model:
    return Written(lambda m, x: (lambda a, b: (m.dense(a), b))(*m.halves(m.first(x))), first=Dense(4), halves=Halves(),
                   dense=Dense(3, activation="softmax"))  # fmt: skip


def named() -> Model:
    def body(m: Any, x: Any) -> Any:
        a, b = m.halves(m.first(x))
        return {"a": m.dense(a), "b": b, "x": x, "again": b}

    return Written(body, first=Dense(4), halves=Halves(), dense=Dense(3))


X = normal((2, 4), 0, "float32")


def test_values_come_in_the_structure_that_call_returned(backend: Backend) -> None:
    x = backend.asarray(X)
    y, _ = tupled().forward(x, train=True)
    assert isinstance(y, tuple) and [tuple(each.shape) for each in y] == [(2, 3), (2, 2)]
    model = named()
    y, _ = model.forward(x, train=True)
    shapes = {"a": (2, 3), "b": (2, 2), "x": (2, 4), "again": (2, 2)}
    assert {name: tuple(each.shape) for name, each in y.items()} == shapes
    for name, each in model(x).items():
        assert_close(each, y[name])
    assert model.output_shape((4,)) == model.build((4,)) == {"a": (3,), "b": (2,), "x": (4,), "again": (2,)}
    assert tupled().build((4,)) == ((3,), (2,))


def gradients(model: Model, x: Array, dy: Callable[[Any], Any]) -> list[np.ndarray]:
    y, back = model.forward(x, train=True)
    for p in model.parameters():
        p.zero_grad()
    dx = back(dy(y))
    return [np.array(model.backend.to_numpy(a)) for a in (dx, *(p.grad for p in model.parameters()))]


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: Sequential([m]), lambda m: Written(lambda s, x: s.m(x), m=m)])
@pytest.mark.parametrize("chosen", [(), ("a",), ("b",), ("x",), ("again",), ("a", "b"), ("a", "b", "x", "again")])
def test_what_is_missing_or_none_counts_as_zero(backend: Backend, chosen: tuple[str, ...], wrap: Any) -> None:
    model, x = wrap(named()), backend.asarray(X)
    expected = gradients(model, x, lambda y: {name: y[name] * float(name in chosen) for name in y})
    for dy in (lambda y: {name: y[name] for name in chosen}, lambda y: {n: y[n] if n in chosen else None for n in y}):
        for got, want in zip(gradients(model, x, dy), expected, strict=True):
            assert_same(backend.asarray(got), want + 0)


def test_an_input_and_one_value_twice_may_be_outputs(backend: Backend) -> None:
    x = backend.asarray(X)
    model = Written(lambda m, x: (x, m.act(x), x), act=Tanh())
    _, back = model.forward(x, train=True)
    assert_close(back((x, None, 2 * x)), 3 * x)
    assert model.last() == (None, Tanh, None)


@pytest.mark.parametrize(
    ("make", "dy", "words"),
    [
        (tupled, np.ones((2, 3)), r"takes a gradient like the output, \(\(2, 3\), \(2, 2\)\), not \(2, 3\)"),
        (tupled, (np.ones((2, 3)),), r"not \(\(2, 3\)\)"),
        (tupled, (np.ones((2, 3)), np.ones((2, 3))), r"not \(\(2, 3\), \(2, 3\)\)"),
        (tupled, {"a": np.ones((2, 3))}, r'not {"a": \(2, 3\)}'),
        (named, {"c": np.ones((2, 3))}, r'like the output, {"a": \(2, 3\), .*not {"c": \(2, 3\)}'),
        (named, {"a": np.ones((2, 4))}, r'not {"a": \(2, 4\)}'),
        (named, (np.ones((2, 3)),), r"not \(\(2, 3\)\)"),
        (named, {"a": 1.0}, r'not {"a": float}'),
    ],
)
def test_a_gradient_of_another_structure_is_one_clear_error(make: Callable[[], Model], dy: Any, words: str) -> None:
    for model in (make(), Sequential([make()])):
        y, back = model.forward(X, train=True)
        with pytest.raises(ShapeError, match=words):
            back(dy)
        back(y)  # and nothing is spent


def test_a_single_output_needs_a_gradient_of_its_shape() -> None:
    _, back = Written(lambda m, x: m.dense(x), dense=Dense(3)).forward(X, train=True)
    for wrong, told in ((None, "None"), (np.ones((3, 2)), r"\(3, 2\)"), ((np.ones((2, 3)),), r"\(\(2, 3\)\)")):
        with pytest.raises(ShapeError, match=rf"like the output, \(2, 3\), not {told}"):
            back(wrong)


@pytest.mark.parametrize("skips", [True, False])
def test_outputs_that_nothing_depends_on_are_none_or_zeros(backend: Backend, skips: bool) -> None:
    halves, x = Halves(skips), backend.asarray(X)
    models = [
        Written(lambda m, x: m.dense(m.halves(x)[1]), halves=halves, dense=Dense(3)),
        Written(lambda m, x: m.inner(x)[1], inner=Sequential([Dense(4), halves])),
    ]
    for model in models:
        halves.got.clear()
        y, back = model.forward(x, train=True)
        back(y)
        ((first, second),) = halves.got
        assert second is not None
        if skips:
            assert first is None
        else:
            assert_same(first, np.zeros((2, 2), np.float32), backend)


def test_of_outputs_that_nothing_depends_on_back_is_not_called(backend: Backend) -> None:
    halves = Halves()

    def body(m: Any, x: Any) -> Any:
        m.halves(m.lost(x))
        return m.dense(x)

    model = Written(body, halves=halves, lost=Dense(4), dense=Dense(3))
    y, back = model.forward(backend.asarray(X), train=True)
    for p in model.parameters():
        p.zero_grad()
    back(y)
    assert halves.got == [] and not model.lost.weight.has_grad and model.dense.weight.has_grad


def test_a_dict_inside_another_network_is_a_dict_of_its_outputs(backend: Backend) -> None:
    def body(m: Any, x: Any) -> Any:
        ends = m.inner(x)
        return m.out(Concat()(ends["a"], ends["b"]))

    model = Written(body, inner=named(), out=Dense(2))
    x = backend.asarray(X)
    y, back = model.forward(x, train=True)
    assert_close(model(x), y)
    assert tuple(back(y).shape) == (2, 4)


def test_in_a_sequential_only_the_last_layer_may_give_several() -> None:
    model = Sequential([Dense(4), Halves()])
    assert model.build((4,)) == model.output_shape((4,)) == ((2,), (2,))
    assert model.last() is Halves
    for wrong in (Sequential([Halves(), Dense(2)]), Sequential([Sequential([named()]), Tanh()])):
        with pytest.raises(ShapeError, match=r"gives several outputs and .* takes one: in a Sequential only the last"):
            wrong.forward(X)
    model.build((4,))
    with pytest.raises(ShapeError, match="gives several outputs"):
        model.add(Dense(2))
    assert len(model) == 2


def test_the_last_layers_are_known_in_the_structure_of_the_outputs() -> None:
    inner, outer = tupled(), Written(lambda m, x: {"inner": m.inner(x)[0], "sum": x + x}, inner=tupled())
    inner.forward(X)
    outer.forward(X)
    assert inner.last() == inner.ends_with() == (Softmax, Halves)
    assert outer.last() == {"inner": Softmax, "sum": None}


def test_a_layer_in_the_middle_must_be_taken_apart() -> None:
    model = Written(lambda m, x: m.dense(m.halves(x)), halves=Halves(), dense=Dense(2))
    with pytest.raises((TapeError, OptionError, TypeError), match="dense"):
        model.forward(X, train=True)
    assert layers.Concat()(*Halves()(X)).shape == (2, 4)


@pytest.mark.parametrize("skips", [True, False])
def test_gradients_through_layers_of_several_outputs_are_the_derivative(backend: Backend, skips: bool) -> None:
    used = Written(lambda m, x: m.dense(m.halves(m.first(x))[1]), first=Dense(4), halves=Halves(skips), dense=Dense(3))
    assert gradient_check(used, X) < 1e-5
    for model in (tupled(), named(), Sequential([Dense(4), Halves(skips)])):
        assert gradient_check(model, X) < 1e-5


def test_lists_are_refused_by_name() -> None:
    for model in (Sequential([Dense(2)]), Written(lambda m, x: m.dense(x), dense=Dense(2))):
        with pytest.raises(DTypeError, match="forward takes arrays"):
            model.forward([[1.0, 2.0]])
        model.forward(X)
        with pytest.raises(DTypeError, match="forward takes arrays"):
            model.forward([[1.0, 2.0, 3.0, 4.0]])
