"""Models in plain Python: the tape gives the gradient of whatever `call` does, or an error."""

import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.kit.helpers import assert_close, assert_same
from tests.kit.small import Written
from tests.kit.strategies import normal, spaced
from xpnet import gradient_check, layers
from xpnet.backend import Backend
from xpnet.core.layer import Layer
from xpnet.core.tape import Tape
from xpnet.errors import OptionError, TapeError, XpnetError
from xpnet.layers import Add, Concat, Conv2D, Dense, Flatten, GlobalAvgPool2D, MaxPool2D, ReLU, Sigmoid, Tanh
from xpnet.model import Model, Sequential

IMAGE = (2, 3, 6, 6)


def residual() -> Model:
    def body(m: Any, x: Any) -> Any:
        return m.dense(GlobalAvgPool2D()(m.conv(x) + x))

    return Written(body, conv=Conv2D(3, 3, padding="same", activation="tanh"), dense=Dense(4))


def shared() -> Model:
    def body(m: Any, x: Any) -> Any:
        h = m.flat(x)
        return m.again(m.again(m.first(h)))

    return Written(body, flat=Flatten(), first=Dense(5, activation="sigmoid"), again=Dense(5, activation="tanh"))


def diamond() -> Model:
    def body(m: Any, x: Any) -> Any:
        h = m.top(x)
        left, right = Tanh()(m.left(h)), Sigmoid()(m.right(h))
        return m.out(Flatten()(Concat()(left, right, left + h)))

    return Written(body, top=Conv2D(2, 3), left=Conv2D(2, 1), right=Conv2D(1, 1), out=Dense(3))


def twice() -> Model:
    return Written(lambda m, x: m.dense(Flatten()(x + x)), dense=Dense(3))


def nested() -> Model:
    return Written(lambda m, x: m.tail(m.inner(x) + m.inner(x)), inner=residual(), tail=Sequential([Dense(3), Tanh()]))


def branches() -> Model:
    """One branch leads nowhere; one layer with parameters is never called."""

    def body(m: Any, x: Any) -> Any:
        h = Flatten()(x)
        m.nowhere(h)
        return m.used(h)

    return Written(body, nowhere=Dense(7), used=Dense(3, activation="tanh"), uncalled=BuiltDense())


class BuiltDense(Dense):
    """A dense layer that has its parameters from the start."""

    def __init__(self) -> None:
        super().__init__(2)
        self.build((2,))


MODELS = [residual, shared, diamond, twice, nested, branches]
models = pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)


@models
def test_the_gradient_of_any_shape_of_network_is_right(backend: Backend, make: Callable[[], Model]) -> None:
    assert gradient_check(make(), spaced(IMAGE, 0)) < 1e-5


def test_several_inputs_each_get_their_gradient(backend: Backend) -> None:
    model = Written(
        lambda m, a, b: m.out(Concat()(m.left(a), m.left(a) + m.right(b))), left=Dense(3), right=Dense(3), out=Dense(2)
    )
    assert gradient_check(model, normal((4, 5), 0), normal((4, 2), 1)) < 1e-5


def test_an_input_that_the_output_ignores_gets_zeros_also_inside_another_model(backend: Backend) -> None:
    def ignoring() -> Model:
        def body(m: Any, a: Any, b: Any) -> Any:
            m.other(b)
            return m.used(a)

        return Written(body, used=Dense(3), other=Dense(2))

    a, b = (backend.asarray(normal((2, 3), i, "float32")) for i in range(2))
    y, back = ignoring().forward(a, b, train=True)
    assert_same(back(y)[1], np.zeros((2, 3), np.float32), backend)
    outer = Written(lambda m, x: m.inner(m.first(x), m.second(x)), inner=ignoring(), first=Dense(3), second=Dense(4))
    assert gradient_check(outer, normal((2, 3), 0)) < 1e-5


def as_sequential() -> Sequential:
    parts = [Conv2D(4, 3, padding=1), ReLU(), MaxPool2D(2), Conv2D(3, 3, activation="tanh"), Flatten(), Dense(5)]
    model = Sequential(parts)
    model.build(IMAGE[1:])
    return model


def as_model(source: Sequential) -> Model:
    """The same layers, copied, written out."""
    parts = {f"part{i}": layer for i, layer in enumerate(source.copy())}

    def body(m: Any, x: Any) -> Any:
        for name in parts:
            x = getattr(m, name)(x)
        return x

    return Written(body, **parts)


def test_tape_and_chain_give_the_same_bits(backend: Backend) -> None:
    chain = as_sequential()
    tape, x = as_model(chain), backend.asarray(normal(IMAGE, 0, "float32"))
    y, back = chain.forward(x, train=True)
    y_tape, back_tape = tape.forward(x, train=True)
    assert_same(y_tape, y)
    assert_same(back_tape(y), back(y))
    for p, q in zip(tape.parameters(), chain.parameters(), strict=True):
        assert np.any(backend.to_numpy(q.grad))
        assert_same(p.grad, q.grad)


@pytest.mark.parametrize("make", [*MODELS, as_sequential], ids=lambda make: make.__name__)
def test_without_dx_the_parameters_get_the_same_gradients(backend: Backend, make: Callable[[], Model]) -> None:
    model, x = make(), backend.asarray(normal(IMAGE, 0, "float32"))
    gradients = []
    for need_dx in (True, False):
        y, back = model.forward(x, train=True)
        for p in model.parameters():
            p.zero_grad()
        back(y, need_dx=need_dx)
        gradients.append([np.array(backend.to_numpy(p.grad)) for p in model.parameters()])
    for with_dx, without in zip(*gradients, strict=True):
        np.testing.assert_array_equal(with_dx, without)
    assert sum(map(np.any, gradients[0])) >= 2


def test_without_dx_the_first_layers_spare_their_work() -> None:
    """Neither the gradient of the image nor what stands before the first parameters is computed."""
    asked: list[str] = []

    class Spy(Dense):
        def forward(self, x: Any, train: bool = False) -> Any:
            y, back = super().forward(x, train)

            def spy(dy: Any, need_dx: bool = True) -> Any:
                asked.append(f"dense {need_dx}")
                return back(dy, need_dx)

            return y, spy

    class SpyFlatten(Flatten):
        def forward(self, x: Any, train: bool = False) -> Any:
            y, back = super().forward(x, train)
            return y, lambda dy: asked.append("flatten") or back(dy)

    written = Written(lambda m, x: m.c(m.b(m.a(x))), a=SpyFlatten(), b=Spy(3), c=Spy(2))
    for model in (Sequential([SpyFlatten(), Spy(3), Spy(2)]), written):
        asked.clear()
        y, back = model.forward(normal((2, 3, 2), 0, "float32"), train=True)
        back(y, need_dx=False)
        assert asked == ["dense True", "dense False"]


@pytest.mark.parametrize("make", [residual, as_sequential], ids=lambda make: make.__name__)
def test_back_goes_once(make: Callable[[], Model]) -> None:
    y, back = make().forward(normal(IMAGE, 0, "float32"), train=True)
    back(y)
    with pytest.raises(OptionError, match="back was called twice; run forward again"):
        back(y)


@models
def test_interleaved_passes_do_not_disturb_each_other(make: Callable[[], Model]) -> None:
    model = make()
    xs = [normal(IMAGE, i, "float32") for i in range(2)]
    alone = []
    for x in xs:
        y, back = model.forward(x, train=True)
        alone.append(back(y))
    passes = [model.forward(x, train=True) for x in xs]
    for (y, back), dx in zip(passes, alone, strict=True):
        np.testing.assert_array_equal(back(y), dx)


def test_a_var_of_another_pass_is_refused() -> None:
    kept: list[Any] = []

    def body(m: Any, x: Any) -> Any:
        kept.append(x)
        return m.dense(x) + m.dense(kept[0])

    model, x = Written(body, dense=Dense(2)), normal((2, 3), 0, "float32")
    model.forward(x, train=True)
    with pytest.raises(TapeError, match="a Var of another forward pass was used"):
        model.forward(x, train=True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (lambda m, x: None, "not NoneType"),
        (lambda m, x: np.ones((2, 2)), "not ndarray"),
        (lambda m, x: [m.dense(x)], "not list; several outputs are a tuple"),
        (lambda m, x: (), "not tuple of nothing"),
        (lambda m, x: (m.dense(x), None), "not tuple of Var, NoneType"),
        (lambda m, x: {"y": (m.dense(x),)}, "not dict of tuple"),
        (lambda m, x: {1: m.dense(x)}, "not dict of Var; several outputs are a tuple of that, or a dict by name"),
    ],
)
def test_call_must_return_what_a_layer_returned(body: Callable[..., Any], words: str) -> None:
    with pytest.raises(OptionError, match=f"Written: call must return what a layer returned, {words}"):
        Written(body, dense=Dense(2)).forward(normal((2, 3), 0, "float32"), train=True)


def test_arithmetic_in_call_is_refused_in_training_and_names_the_remedy() -> None:
    model = Written(lambda m, x: m.dense(x) * 2, dense=Dense(2))
    with pytest.raises(TapeError, match=r"does not take \*.*layers\.ReLU"):
        model.forward(normal((2, 3), 0, "float32"), train=True)


def test_a_model_without_call_says_so() -> None:
    with pytest.raises(XpnetError, match="Model has no call"):
        Model().forward(np.ones((1, 2), np.float32), train=True)


def test_inference_on_plain_arrays_records_nothing(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = nested(), backend.asarray(normal(IMAGE, 0, "float32"))
    expected, _ = model.forward(x)
    model(x)  # where a plan is made, it is made now

    def refuse(*args: Any, **options: Any) -> None:
        raise AssertionError("a tape was made")

    monkeypatch.setattr(Tape, "__init__", refuse)
    assert_close(model(x), expected)
    with pytest.raises(AssertionError, match="a tape was made"):
        model(x, train=True)


@pytest.mark.parametrize("chained", [True, False])
def test_what_a_layer_kept_is_freed_as_back_proceeds(chained: bool) -> None:
    """When a layer's way back begins, what every later layer kept is gone: that is what bounds peak memory."""

    class Kept:
        pass

    living: list[int] = []
    kept: list[weakref.ref[Kept]] = []

    class Holder(Layer):
        def forward(self, x: Any, train: bool = False) -> Any:
            arrays = Kept()
            kept.append(weakref.ref(arrays))

            def back(dy: Any) -> Any:
                living.append(sum(ref() is not None for ref in kept))
                return dy if arrays else None

            return x * 1, back

    parts = [Holder() for _ in range(4)]
    written = Written(lambda m, x: m.d(m.c(m.b(m.a(x)))), **dict(zip("abcd", parts, strict=True)))
    model = Sequential(parts) if chained else written
    y, back = model.forward(np.ones((1, 2), np.float32), train=True)
    assert sum(ref() is not None for ref in kept) == 4
    back(y)
    assert living == [4, 3, 2, 1]


def test_two_threads_each_find_their_own_way_back() -> None:
    model, count = nested(), 8
    xs = [normal(IMAGE, i, "float32") for i in range(2)]
    expected = []
    for x in xs:
        y, back = model.forward(x, train=True)
        expected.append(back(y))
    for p in model.parameters():
        p.zero_grad()
    meet, wrong = threading.Barrier(2), []

    def work(x: np.ndarray, dx: np.ndarray) -> None:
        for _ in range(count):
            meet.wait()
            y, back = model.forward(x, train=True)
            meet.wait()  # both are between forward and back
            if not np.array_equal(back(y), dx):
                wrong.append(x)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(xs, expected, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    together = [np.array(p.grad) for p in model.parameters()]
    for p in model.parameters():
        p.zero_grad()
    for x in xs * count:
        y, back = model.forward(x, train=True)
        back(y)
    for p, g in zip(model.parameters(), together, strict=True):
        np.testing.assert_allclose(p.grad, g, rtol=1e-4, atol=1e-4)


def test_dropout_used_twice_draws_two_masks_and_goes_back_through_both() -> None:
    """The mask of a forward pass is the one that its way back uses."""
    model = Written(lambda m, x: m.drop(x) + m.drop(x), drop=layers.Dropout(0.5))
    x = np.ones((1, 64), np.float32)
    y, back = model.forward(x, train=True)
    np.testing.assert_array_equal(back(np.ones_like(x)), y)
    assert set(np.unique(y)) == {0.0, 2.0, 4.0}  # two masks, not one twice


def test_a_network_may_end_with_a_sum(backend: Backend) -> None:
    model = Written(lambda m, x: m.a(x) + m.b(x), a=Dense(3), b=Dense(3, activation="softmax"))
    assert gradient_check(model, normal((2, 4), 0)) < 1e-5
    model.forward(backend.asarray(normal((2, 4), 0, "float32")))
    assert model.last() is None  # no activation that a loss might contain
    model.compile(loss="negative_log_likelihood")
    model.compile(loss="softmax_cross_entropy")


def test_add_of_three_and_plus_agree() -> None:
    x = normal((2, 3), 0, "float32")
    results = []
    for body in (lambda m, x: Add()(x, m.act(x), x), lambda m, x: x + m.act(x) + x):
        y, back = Written(body, act=Tanh()).forward(x, train=True)
        results.append((y, back(np.ones_like(y))))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
