"""Regularizers: the penalty and its gradient, in the loss that is reported and in the step that is taken."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xpnet
from tests.kit.helpers import assert_close, assert_lives_on
from tests.kit.small import clusters
from tests.kit.strategies import normal, seeds
from xpnet import layers, optimizers, regularizers
from xpnet.backend import Backend
from xpnet.core.parameter import Parameter
from xpnet.errors import OptionError
from xpnet.model import Sequential
from xpnet.regularizers import L1, L1L2, L2, Regularizer, add_penalty_gradients

ALL = [L1(0.3), L2(0.2), L1L2(0.3, 0.2)]
every_one = pytest.mark.parametrize("regularizer", ALL, ids=lambda r: type(r).__name__)


def define(regularizer: Any, w: np.ndarray) -> float:
    l1, l2 = getattr(regularizer, "l1", 0.0), getattr(regularizer, "l2", 0.0)
    return float(l1 * np.abs(w).sum() + l2 * (w**2).sum())


def net(regularizer: Any, optimizer: Any = None, units: int = 3) -> Sequential:
    model = Sequential([layers.Dense(4, activation="tanh", regularizer=regularizer), layers.Dense(units)])
    model.compile(optimizer or optimizers.SGD(0.1))
    model.build((2,))
    return model


@every_one
@given(seed=seeds, shape=st.tuples(st.integers(1, 4), st.integers(1, 5)))
def test_the_penalty_is_its_formula_and_the_gradient_its_derivative(
    backend: Backend, regularizer: Regularizer, seed: int, shape: tuple[int, int]
) -> None:
    w, eps = normal(shape, seed), 1e-6
    w[np.abs(w) < 1e-3] = 0.5  # away from the kink of |w|
    assert float(regularizer.penalty(backend.asarray(w), backend.xp)) == pytest.approx(define(regularizer, w))
    numerical = np.empty_like(w)
    for index in np.ndindex(w.shape):
        step = np.zeros_like(w)
        step[index] = eps
        numerical[index] = (define(regularizer, w + step) - define(regularizer, w - step)) / (2 * eps)
    got = regularizer.gradient(backend.asarray(w), backend.xp)
    np.testing.assert_allclose(backend.to_numpy(got), numerical, rtol=1e-6, atol=1e-8)


@every_one
def test_float32_stays_float32(backend: Backend, regularizer: Regularizer) -> None:
    w = backend.asarray(normal((3, 2), 0, "float32"))
    assert_lives_on(backend, regularizer.penalty(w, backend.xp) * w, "float32")
    assert_lives_on(backend, regularizer.gradient(w, backend.xp), "float32")


def test_l1_leaves_zeros_alone(backend: Backend) -> None:
    assert float(backend.xp.sum(L1(1.0).gradient(backend.zeros((3,)), backend.xp))) == 0


@every_one
def test_a_step_takes_the_gradient_of_loss_and_penalty(backend: Backend, regularizer: Regularizer) -> None:
    x, t = clusters(12)
    plain, held = net(None), net(regularizer)
    held.set_weights(plain.get_weights())
    before = plain.get_weights()
    loss = plain.train_on_batch(x, t)
    assert held.train_on_batch(x, t) == pytest.approx(loss + define(regularizer, before[0]), rel=1e-5)
    w = before[0].astype("float64")
    gradient = getattr(regularizer, "l1", 0.0) * np.sign(w) + 2 * getattr(regularizer, "l2", 0.0) * w
    expected = (plain.get_weights()[0] - 0.1 * gradient).astype("float32")
    assert_close(held.parameters()[0].value, expected, backend, 1e-5)
    for a, b in zip(held.get_weights()[1:], plain.get_weights()[1:], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)  # the others have no penalty


def test_l2_is_the_weight_decay_of_twice_as_much_for_sgd() -> None:
    x, t = clusters(30)
    held = Sequential([layers.Dense(3, bias=False, regularizer=L2(0.05))])
    decayed = Sequential([layers.Dense(3, bias=False)])
    held.compile(optimizers.Momentum(0.1))
    decayed.compile(optimizers.Momentum(0.1, weight_decay=0.1))
    held.build((2,))
    decayed.build((2,))
    decayed.set_weights(held.get_weights())
    for model in (held, decayed):
        model.fit(x, t, batch_size=10, epochs=3, shuffle=False)
    np.testing.assert_allclose(held.get_weights()[0], decayed.get_weights()[0], rtol=1e-5)


def test_fit_and_evaluate_report_the_loss_with_the_penalty(backend: Backend) -> None:
    x, t = clusters(20)
    model, plain = net(L2(0.5), optimizers.SGD(1e-30)), net(None, optimizers.SGD(1e-30))
    plain.set_weights(model.get_weights())
    penalty = define(L2(0.5), model.get_weights()[0])
    loss = plain.evaluate(x, t) + penalty
    assert model.evaluate(x, t) == pytest.approx(loss, rel=1e-5)
    history = model.fit(x, t, batch_size=8, validation_data=(x, t)).history
    assert history["loss"][0] == pytest.approx(loss, rel=1e-5)
    assert history["val_loss"][0] == pytest.approx(loss, rel=1e-5)


def test_a_shared_layer_counts_once_and_a_frozen_one_not_at_all() -> None:
    x, t = clusters(9)
    shared = layers.Dense(2, regularizer=L2(1.0))
    model = Sequential([shared, layers.Tanh(), shared, layers.Dense(3)])
    model.compile()
    model.build((2,))
    with_penalty, penalty = model.evaluate(x, t), define(L2(1.0), model.get_weights()[0])
    shared.trainable = False
    assert with_penalty - model.evaluate(x, t) == pytest.approx(penalty, rel=1e-4)
    before = model.get_weights()[0]
    model.fit(x, t)
    np.testing.assert_array_equal(model.get_weights()[0], before)


def test_a_regularizer_is_saved_copied_and_moved_with_its_layer(tmp_path: Path) -> None:
    model = Sequential(
        [
            layers.Conv2D(2, 3, regularizer=L1L2(0.1, 0.2)), layers.Flatten(),
            layers.Dense(3, regularizer="l1"), layers.Dense(3),
        ]
    )  # fmt: skip
    model.compile()
    model.build((1, 4, 4))
    model.save(tmp_path / "net")
    x, t = normal((4, 1, 4, 4), 0, "float32"), np.arange(4) % 3
    expected = model.evaluate(x, t)
    for again in (xpnet.load(tmp_path / "net"), model.copy(), model.copy().to("reference")):
        assert [repr(p.regularizer) for p in again.parameters()] == [
            "L1L2(l1=0.1, l2=0.2)", "None", "L1()", "None", "None", "None",
        ]  # fmt: skip
        assert again.evaluate(x, t) == pytest.approx(expected, rel=1e-5)
    assert repr(model[0]).endswith("regularizer=L1L2(l1=0.1, l2=0.2))")


def test_a_layer_of_ones_own_may_give_its_parameters_a_regularizer() -> None:
    class Scale(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.factor = self.parameter([2.0, 3.0], regularizer=L2(0.1))

        def forward(self, x: Any, train: bool = False) -> Any:
            def back(dy: Any) -> Any:
                self.factor.add_grad(self.xp.sum(dy * x, axis=0))
                return dy * self.factor.value

            return x * self.factor.value, back

    model, x = Sequential([Scale()]), clusters(4)[0]
    model.compile("sgd", "mse")
    data = np.float32(x), np.float32(x)
    assert model.evaluate(*data) == pytest.approx(float(np.mean((x * [1.0, 2.0]) ** 2)) + 1.3, rel=1e-5)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.Dense(3, regularizer="l3"), "there is no regularizer 'l3'; choose one of l1, l2, l1_l2"),
        (lambda: layers.Conv2D(3, 3, regularizer=0.1), "there is no regularizer 0.1"),
        (lambda: layers.Dense(3, regularizer=L2), r"give an object, not the class: L2\(\.\.\.\)"),
        (lambda: L2(-1), "L2: l2 must be a number of at least 0, not -1"),
        (lambda: L1(float("nan")), "L1: l1 must be"),
        (lambda: L1L2(0.1, -1), "L1L2: l2 must be"),
        (lambda: Regularizer().penalty(np.ones(1), np), "does not say what its penalty is"),
        (lambda: Regularizer().gradient(np.ones(1), np), "does not say what its gradient is"),
    ],
)
def test_settings_that_cannot_work_are_refused(make: Any, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        make()


def test_regularizers_have_names() -> None:
    for name, kind in (("l1", L1), ("L2", L2), ("l1_l2", L1L2)):
        assert type(regularizers.get(name)) is kind
    assert regularizers.get(None) is None
    assert regularizers.get(own := L2(3)) is own


@pytest.mark.parametrize("times", [1, 3, 0.5])
def test_the_gradient_of_a_penalty_comes_as_often_as_it_is_asked_for(backend: Backend, times: float) -> None:
    """A group of several batches adds up the gradients of samples, and divides by their number."""
    p = Parameter(backend.asarray(np.array([[1.0, -2.0]])), backend=backend)
    p.regularizer = regularizers.L1L2(0.1, 0.5)
    add_penalty_gradients([p], times)
    assert_close(p.grad, times * np.array([[0.1 + 1.0, -0.1 - 2.0]]), backend)
