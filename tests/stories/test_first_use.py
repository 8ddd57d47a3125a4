"""The first use of a model builds it: once, on its backend, and not by halves."""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.kit.helpers import assert_lives_on
from tests.kit.small import Written, clusters
from tests.kit.strategies import normal
from xpnet.backend import Backend, make_backend, use_backend
from xpnet.core.layer import Layer
from xpnet.errors import ShapeError, TapeError
from xpnet.layers import Conv2D, Dense, Flatten, GlobalAvgPool2D, Sigmoid, Tanh
from xpnet.model import Model, Sequential

SMALL, GOOD = (1, 4, 4), (3, 8, 8)  # the second convolution finds nothing left of a small image


class Scale(Layer):
    """A layer whose parameter is there from the start."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = self.parameter([2.0])

    def forward(self, x: Any, train: bool = False) -> Any:
        self.check(x)
        return x * self.factor.value, lambda dy: dy * self.factor.value


def chain() -> Model:
    return Sequential([Scale(), Conv2D(2, 3), Conv2D(2, 3), Flatten(), Dense(3)])


def written() -> Model:
    def body(m: Any, x: Any) -> Any:
        return m.dense(Flatten()(m.second(m.first(m.scale(x)))))

    return Written(body, scale=Scale(), first=Conv2D(2, 3), second=Conv2D(2, 3), dense=Dense(3))


def written_in_a_chain() -> Model:
    return Sequential([Written(lambda m, x: m.conv(x), conv=Conv2D(2, 3)), Conv2D(2, 3), Flatten(), Dense(3)])


def chain_in_a_written() -> Model:
    def body(m: Any, x: Any) -> Any:
        return m.dense(Flatten()(m.conv(m.inner(x))))

    return Written(body, inner=Sequential([Scale(), Conv2D(2, 3)]), conv=Conv2D(2, 3), dense=Dense(3))


MAKERS = [chain, written, written_in_a_chain, chain_in_a_written]
makers = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)

USES: dict[str, Callable[[Model, tuple[int, ...]], Any]] = {
    "build": lambda model, shape: model.build(shape),
    "training": lambda model, shape: model.forward(normal((2, *shape), 0, "float32"), train=True),
    "inference": lambda model, shape: model(normal((2, *shape), 0, "float32")),
    "predict": lambda model, shape: model.predict(normal((2, *shape), 0)),
}


@makers
@pytest.mark.parametrize("use", USES)
def test_after_a_first_use_that_fails_the_right_data_work(make: Callable[[], Model], use: str) -> None:
    model, other = make(), make()
    kept = [p for _, layer in model.named_layers() if isinstance(layer, Scale) for p in layer.parameters()]
    with pytest.raises(ShapeError, match=r"\(Conv2D\): the window covers 3x3 pixels, more than the 2x2 input has"):
        USES[use](model, SMALL)
    assert not any(layer.is_built for _, layer in model.named_layers())
    assert [id(p) for p in model.parameters()] == [id(p) for p in kept]
    assert model.input_shapes == ()
    assert model.build(GOOD) == other.build(GOOD) == (3,)
    assert [(name, p.shape) for name, p in model.named_parameters()] == [
        (name, p.shape) for name, p in other.named_parameters()
    ]
    assert model.input_shape == GOOD
    assert model.predict(normal((2, *GOOD), 0)).shape == (2, 3)
    with pytest.raises(ShapeError):  # nothing is remembered of the shape that was refused
        model.output_shape(SMALL)


def test_an_error_of_ones_own_leaves_nothing_half_built_either() -> None:
    class Picky(Layer):
        def forward(self, x: Any, train: bool = False) -> Any:
            if x.shape[1] != 4:
                raise ValueError("four, please")
            return x, lambda dy: dy

    model = Written(lambda m, x: m.last(m.picky(m.first(x))), first=Scale(), picky=Picky(), last=Dense(2))
    with pytest.raises(ValueError, match="four, please"):
        model(normal((2, 3), 0, "float32"))
    assert not any(layer.is_built for _, layer in model.named_layers())
    assert model(normal((2, 4), 0, "float32")).shape == (2, 2)


def test_what_was_built_before_keeps_its_parameters_when_a_first_use_fails() -> None:
    first = Conv2D(2, 3)
    first.build((1, 4, 4))
    weight = first.weight
    for model in (Sequential([first, Conv2D(2, 3)]), Written(lambda m, x: m.b(m.a(x)), a=first, b=Conv2D(2, 3))):
        with pytest.raises(ShapeError):
            model.forward(normal((1, *SMALL), 0, "float32"))
        assert first.weight is weight


def test_a_layer_that_does_not_fit_is_not_added() -> None:
    model = Sequential([Dense(3)])
    model.build((2,))
    with pytest.raises(ShapeError):
        model.add(Conv2D(2, 3))
    model.add(Dense(4))
    assert [name for name, _ in model.children()] == ["dense1", "dense2"]
    assert model.predict(normal((2, 2), 0)).shape == (2, 4)


@makers
def test_building_twice_keeps_the_parameters(make: Callable[[], Model]) -> None:
    model = make()
    model.build(GOOD)
    before = [(p, np.array(p.value)) for p in model.parameters()]
    assert model.build(GOOD) == (3,)
    model(normal((1, *GOOD), 0, "float32"))
    assert model.build((3, 8, 8)) == (3,)
    for p, (q, value) in zip(model.parameters(), before, strict=True):
        assert p is q
        np.testing.assert_array_equal(p.value, value)


class Slow(Dense):
    """Takes its time to be built, and counts."""

    count = 0

    def build(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if not self._built:
            time.sleep(0.02)
            Slow.count += 1
        return super().build(shape)


SLOW: list[Callable[[], Layer]] = [
    lambda: Slow(3),
    lambda: Sequential([Slow(3), Sequential([Slow(3)])]),
    lambda: Written(lambda m, x: m.b(m.a(x)), a=Slow(3), b=Sequential([Slow(3)])),
]


@pytest.mark.parametrize("make", SLOW, ids=["layer", "chain", "written"])
@pytest.mark.parametrize("train", [True, False])
def test_two_threads_that_come_first_build_once(make: Callable[[], Layer], train: bool) -> None:
    layer, meet, x = make(), threading.Barrier(2), normal((2, 4), 0, "float32")
    Slow.count, slow = 0, sum(isinstance(inner, Slow) for _, inner in layer.named_layers())
    outputs: list[np.ndarray] = []

    def work() -> None:
        meet.wait()
        outputs.append(layer(x, train=train))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Slow.count == slow
    np.testing.assert_array_equal(outputs[0], outputs[1])
    np.testing.assert_array_equal(layer(x), outputs[0])


# ---- layers made in call ---------------------------------------------------------------------------------------------


def test_a_layer_with_parameters_that_call_makes_is_refused_in_training() -> None:
    words = "call uses a Dense that is not an attribute of the model, so its parameters would not be trained; make it"
    x, t = clusters(6)
    for model in (
        Written(lambda m, x: Dense(3)(x)),
        Written(lambda m, x: m.inner(m.dense(x)), dense=Dense(4), inner=Written(lambda m, x: Dense(3)(x))),
        Sequential([Dense(4), Written(lambda m, x: Dense(3)(x))]),
    ):
        model.compile()
        with pytest.raises(TapeError, match=words):
            model.fit(x, t)
        with pytest.raises(TapeError, match=words):
            model.forward(x, train=True)


@pytest.mark.parametrize("name", ["reference", "array_api_strict"])
@pytest.mark.parametrize("moved", [True, False], ids=["moved there", "made there"])
@pytest.mark.parametrize("first", ["build", "training", "inference"])
def test_layers_that_call_makes_run_where_the_model_is(name: str, moved: bool, first: str) -> None:
    """While another backend is the current one, in training, in inference and in building."""
    there, seen = make_backend(name), []

    def body(m: Any, x: Any) -> Any:
        h, act, pool = m.conv(x), Tanh(), GlobalAvgPool2D()
        seen.extend([act.backend, pool.backend])
        return m.dense(pool(act(h + h)))

    def make() -> Model:
        return Written(body, conv=Conv2D(2, 3), dense=Dense(3))

    if moved:
        model = make().to(there)
    else:
        with use_backend(there):
            model = make()
    x, t = normal((4, 1, 5, 5), 0, "float32"), np.arange(4) % 3
    if first == "build":
        model.build((1, 5, 5))
    elif first == "training":
        y, back = model.forward(there.asarray(x), train=True)
        assert_lives_on(there, y)
        assert_lives_on(there, back(y))
    assert_lives_on(there, model(there.asarray(x)))
    model.compile()
    model.fit(x, t)
    model.evaluate(x, t)
    assert set(seen) == {there}
    assert Sigmoid().backend.name == "numpy"


def test_the_current_backend_is_another_one_for_the_length_of_call_only(backend: Backend) -> None:
    def fail(m: Any, x: Any) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Written(fail).to("reference")(backend.asarray(np.ones((1, 2), np.float32)))
    assert Dense(2).backend is backend
