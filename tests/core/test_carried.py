"""What a layer carries from batch to batch: a value without its gradient, which can be forgotten, moved and kept."""

from typing import Any

import numpy as np
import pytest

from tests.kit.helpers import assert_close, assert_lives_on, assert_same
from tests.kit.small import Written
from tests.kit.strategies import normal
from xpnet.analysis.summary import summary
from xpnet.backend import Backend, make_backend
from xpnet.core.carried import states_set_aside
from xpnet.errors import ShapeError
from xpnet.gradient_check import gradient_check
from xpnet.layers import Dense, SimpleRNN
from xpnet.model import Model, Sequential

N, T, F, H = 3, 4, 2, 5


def pair(**options: Any) -> tuple[SimpleRNN, SimpleRNN]:
    """A stateful layer, and one of the same weights that is not."""
    stateful, plain = SimpleRNN(H, stateful=True, **options), SimpleRNN(H, return_state=True)
    for layer in (stateful, plain):
        layer.build((T, F))
    for p, q in zip(stateful.parameters(), plain.parameters(), strict=True):
        p.value = q.value
    return stateful, plain


@pytest.mark.parametrize("train", [True, False])
def test_each_batch_goes_on_where_the_one_before_has_ended(backend: Backend, train: bool) -> None:
    layer, plain = pair()
    h = backend.zeros((N, H))
    for batch in range(3):
        x = backend.asarray(normal((N, T, F), batch, "float32"))
        y, _ = layer.forward(x, train=train)
        (expected, h), _ = plain.forward(x, h)
        assert_close(y, expected)
        assert_same(layer.state.value, h)
    layer.reset_state()
    assert layer.state.value is None


def test_no_gradient_goes_into_the_batch_before(backend: Backend) -> None:
    """The carried state is a constant: the gradients are those of a layer that is given it."""
    layer, plain = pair()
    xs = [backend.asarray(normal((N, T, F), i, "float32")) for i in range(2)]
    layer.forward(xs[0], train=True)
    h = backend.copy(layer.state.value)
    y, back = layer.forward(xs[1], train=True)
    _, plain_back = plain.forward(xs[1], h)
    assert_same(back(y), plain_back((y, None))[0])
    for p, q in zip(layer.parameters(), plain.parameters(), strict=True):
        assert_same(p.grad, q.grad)


def test_the_gradient_check_keeps_the_state_in_place(backend: Backend) -> None:
    layer, _ = pair()
    layer.forward(backend.asarray(normal((N, T, F), 0, "float32")))
    before = backend.copy(layer.state.value)
    assert gradient_check(layer, normal((N, T, F), 1), tolerance=1e-6) < 1e-6
    assert_same(layer.state.value, before)


def test_rows_may_be_forgotten_alone(backend: Backend) -> None:
    layer, _ = pair()
    layer.forward(backend.asarray(normal((N, T, F), 0, "float32")))
    before = np.array(backend.to_numpy(layer.state.value))
    mask = np.array([True, False, True])
    layer.reset_state(mask)
    assert_same(layer.state.value, np.where(mask[:, None], np.float32(0), before))
    for wrong in ([True, False], [1, 0, 1]):
        with pytest.raises(ShapeError, match=r"reset_state takes a mask of booleans \(3,\)"):
            layer.reset_state(np.array(wrong))


def test_a_batch_of_another_size_says_what_to_do() -> None:
    model = Sequential([SimpleRNN(H, stateful=True), Dense(2)])
    model.predict(normal((4, T, F), 0, "float32"), batch_size=2)
    with pytest.raises(
        ShapeError, match=r"rnn1 .*the state of the batch before has 2 rows, this batch has 3;.*reset_state"
    ):
        model(normal((3, T, F), 0, "float32"))
    model.reset_state()
    model(normal((3, T, F), 0, "float32"))


def written() -> Model:
    return Written(lambda m, x: m.out(m.deep["inner"](x)), out=Dense(2), deep={"inner": SimpleRNN(H, stateful=True)})


@pytest.mark.parametrize("make", [written, lambda: Sequential([Sequential([SimpleRNN(H, stateful=True)], name="in")])])
def test_states_are_found_by_path_moved_and_copied(make: Any) -> None:
    model = make()
    model.build((T, F))
    ((path, state),) = model.named_states()
    assert path in ("deep.inner.state", "in.rnn1.state")
    assert state.value is None  # building carries nothing
    x = normal((N, T, F), 0, "float32")
    model(x)
    value = np.array(state.value)
    twin = model.copy()
    twin(x)
    np.testing.assert_array_equal(state.value, value)  # the twin has its own
    target = make_backend("reference")
    model.to(target).astype("float64")
    assert_lives_on(target, state.value, "float64")
    np.testing.assert_array_equal(state.value, value.astype("float64"))
    model(x.astype("float64"))
    model.build((T, F))
    summary(model)
    assert state.value.shape == (N, H)


def test_states_may_be_set_aside_kept_and_put_back(backend: Backend) -> None:
    layer, _ = pair()
    x = backend.asarray(normal((N, T, F), 0, "float32"))
    first, _ = layer.forward(x)
    kept = np.array(backend.to_numpy(layer.state.value))
    second, _ = layer.forward(x)
    with states_set_aside(layer):
        assert_same(layer.forward(x)[0], first)
        layer.forward(x[:1, ...]) if layer.state.value is None else layer.reset_state()
    layer.state.value = kept
    assert_lives_on(backend, layer.state.value, "float32")
    assert_same(layer.forward(x)[0], second)


def test_a_stateful_layer_takes_no_state_beside_its_own() -> None:
    with pytest.raises(ShapeError, match="needed is a sequence alone: a stateful layer has its own state"):
        SimpleRNN(H, stateful=True).build((T, F), (H,))
