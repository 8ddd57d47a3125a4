"""A step: one object that another kind of training replaces, with places between its parts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.small import clusters, network
from xpnet import layers, optimizers, schedules
from xpnet.backend import Backend
from xpnet.callbacks import Backup, Callback
from xpnet.errors import OptionError
from xpnet.model import Sequential
from xpnet.training.nonfinite import first_nonfinite

X, T = clusters(12)


def twins(kind: type[Sequential] = Sequential, **options: Any) -> list[Sequential]:
    first = kind([layers.Dense(8, activation="tanh", **options), layers.Dense(3)])
    first.compile(optimizers.SGD(0.5))
    first.build((2,))
    return [first, first.copy()]


def assert_same_weights(one: Sequential, other: Sequential) -> None:
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


class WithTwo(Sequential):
    """An optimizer of its own for each layer."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.first = optimizers.Adam(schedules.Cosine(0.05, 100))

    def train_step(self, batch: Any) -> dict[str, Any]:
        x, t = batch
        y, back = self.forward(x, train=True)
        losses, loss_back = self.step.compute_losses(y, t)
        back(loss_back(), need_dx=False)
        self.step.apply_gradients(self.first, self.layers[0])
        self.step.apply_gradients(self.optimizer, self.layers[1])
        return losses


class Interrupt(Callback):
    """Ctrl-C after so many batches, if any."""

    places = ("after",)

    def __init__(self, after: int | None = None) -> None:
        self.after, self.batches = after, 0

    def on_train_batch_end(self, batch: int, logs: Any) -> None:
        self.batches += 1
        if self.batches == self.after:
            raise KeyboardInterrupt


def in_two(path: Path, interrupted_after: int | None = None) -> list[bytes]:
    xpnet.seed(3)
    model = WithTwo([layers.Dense(8, activation="tanh"), layers.Dense(3)])
    model.compile(optimizers.Momentum(0.1))
    callbacks = [Interrupt(interrupted_after), Backup(path, every=1)]
    model.fit(X, T, batch_size=2, epochs=3, accumulate=2, callbacks=callbacks)
    return [weight.tobytes() for weight in model.get_weights()]


def test_a_step_with_two_optimizers_goes_on_from_a_backup_to_the_bit(tmp_path: Path) -> None:
    """Within a group, too, and the state of both optimizers matters."""
    whole = in_two(tmp_path / "whole")
    for after in (1, 4, 3):  # in the middle of a group, and at its end
        with pytest.raises(KeyboardInterrupt):
            in_two(tmp_path / "parts", after)
    assert in_two(tmp_path / "parts") == whole


def test_a_step_says_itself_that_its_schedule_ends_too_early_where_fit_was_called() -> None:
    model, _ = twins()
    model.compile(optimizers.SGD(schedules.Cosine(0.1, 2)))
    with pytest.warns(UserWarning, match="Cosine ends after 2 steps, and this training has 3:") as caught:
        model.fit(X, T, batch_size=4)
    assert caught[0].filename == __file__


def test_make_step_needs_a_model_that_is_compiled() -> None:
    with pytest.raises(OptionError, match="the model is not compiled"):
        Sequential([layers.Dense(3)]).make_step()


def test_a_step_by_hand_is_train_on_batch() -> None:
    one, other = twins()
    step = one.make_step()
    for _ in range(3):
        losses = step(one.backend.batch((X, T), one.dtype), "by hand")
        assert list(losses) == ["loss"] and float(losses["loss"]) == other.train_on_batch(X, T)
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


def test_of_several_layers_that_are_not_finite_the_first_is_named() -> None:
    net = Sequential([layers.Dense(3, name="a"), layers.Dense(3, name="b"), layers.Dense(2, name="c")])
    net.build((4,))
    x = np.full((2, 4), 3e38, np.float32)  # finite, but not their sum
    net.layers[0].weight.value = np.ones((3, 4), np.float32)  # type: ignore[attr-defined]
    with np.errstate(all="ignore"):
        assert "the output of layer a (Dense) is the first that is not finite" in first_nonfinite(net, x, None)
