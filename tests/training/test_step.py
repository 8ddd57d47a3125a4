"""A step: one object that another kind of training replaces, with places between its parts."""

from typing import Any

import numpy as np
import pytest

from tests.kit.small import clusters, network
from xpnet import layers, optimizers, regularizers
from xpnet.backend import Backend
from xpnet.callbacks import Callback
from xpnet.model import Sequential
from xpnet.training import loop
from xpnet.training.step import Step

X, T = clusters(12)


def twins(**options: Any) -> list[Sequential]:
    first = Sequential([layers.Dense(8, activation="tanh", **options), layers.Dense(3)])
    first.compile(optimizers.SGD(0.5))
    first.build((2,))
    return [first, first.copy()]


def assert_same_weights(one: Sequential, other: Sequential) -> None:
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


class TwoWorkers(Step):
    """The other worker has the same network and the other half of each batch."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.other: Any = None

    def __call__(self, x: Any, t: Any, where: str, *weights: Any, last: bool = True) -> Any:
        half = x.shape[0] // 2
        self.other = self.model.copy()
        y, back = self.other.forward(x[half:, ...], train=True)
        back(self.loss.forward(y, t[half:], self.backend)[1](), need_dx=False)
        return super().__call__(x[:half, ...], t[:half], where, last=last)

    def gather_gradients(self) -> None:
        for own, theirs in zip(self.parameters, self.other.parameters(), strict=True):
            own.grad = (own.grad + theirs.grad) / 2


def test_gradients_of_other_workers_are_added_between_gradient_and_update(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Penalties come after them: they are those of one network, however many work on it."""
    alone, one_of_two = twins(regularizer=regularizers.L2(0.1))
    alone.fit(X, T, batch_size=6, epochs=2, shuffle=False)
    monkeypatch.setattr(loop, "Step", TwoWorkers)
    one_of_two.fit(X, T, batch_size=6, epochs=2, shuffle=False)
    assert_same_weights(alone, one_of_two)


def test_a_step_by_hand_is_train_on_batch() -> None:
    one, other = twins()
    assert one.optimizer and one.loss
    step = Step(one, one.optimizer, one.loss)
    for _ in range(3):
        value, y = step(*one.backend.batch(X, T, one.dtype), "by hand")
        assert float(value) == other.train_on_batch(X, T)
        assert y.shape == (12, 3)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_train_on_batch_sees_what_was_frozen_added_and_moved_since_the_last_call() -> None:
    model, _ = twins()
    model.train_on_batch(X, T)
    model.layers[0].trainable = False
    before = model.get_weights()
    model.train_on_batch(X, T)
    same = [bool((a == b).all()) for a, b in zip(before, model.get_weights(), strict=True)]
    assert same == [True, True, False, False]
    model.add(layers.Dense(3))
    before = model.get_weights()
    model.train_on_batch(X, T)
    assert not (before[-2] == model.get_weights()[-2]).all()
    model.to("reference").astype("float64")
    assert np.isfinite(model.train_on_batch(X, T)) and model.get_weights()[-1].dtype == np.float64


# ---- the event before the update -------------------------------------------------------------------------------------


class Gradients(Callback):
    """Those that the optimizer is going to see."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, list[np.ndarray]]] = []

    def on_before_update(self, batch: int, logs: Any) -> None:
        found = [logs["scale"] * np.array(p.backend.to_numpy(p.grad)) for p in self.model.parameters()]
        self.seen.append((batch, found))


@pytest.mark.parametrize(("accumulate", "batches"), [(1, [0, 1, 2, 3]), (3, [2, 3])])
def test_callbacks_see_the_mean_gradient_before_the_update(
    backend: Backend, accumulate: int, batches: list[int]
) -> None:
    """Of plain SGD it is the change of the weights, over the rate."""
    model, _ = twins(regularizer="l2")
    before, gradients = model.get_weights(), Gradients()
    model.fit(X, T, batch_size=3, accumulate=accumulate, callbacks=gradients)
    assert [batch for batch, _ in gradients.seen] == batches
    for i, (a, b) in enumerate(zip(before, model.get_weights(), strict=True)):
        np.testing.assert_allclose((a - b) / 0.5, sum(found[i] for _, found in gradients.seen), rtol=1e-4, atol=1e-6)


def test_nobody_is_told_before_the_update_who_does_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr("xpnet.training.run.Run._tell_before_update", lambda run, scale: told.append(scale))
    network().fit(X, T, callbacks=Callback())
    assert told == []
    network().fit(X, T, callbacks=Gradients())
    assert told == [1]
