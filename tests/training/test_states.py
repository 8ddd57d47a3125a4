"""States that go from batch to batch, in `fit`: when they begin, and that who looks at the model disturbs none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.strategies import normal
from tests.training.test_step import Interrupt
from xpnet import layers, optimizers
from xpnet.backend import Backend
from xpnet.callbacks import EMA, Backup, Callback
from xpnet.errors import OptionError, ShapeError
from xpnet.model import Model, Sequential

X = normal((24, 4, 3), 1, "float32")  # four rows that go on for six batches
T = np.random.default_rng(2).integers(0, 3, (24, 4))


def carrying(backend: Backend | str = "numpy") -> Sequential:
    xpnet.seed(6)
    rnn = layers.SimpleRNN(5, stateful=True)
    model = Sequential([rnn, layers.Dropout(0.1), layers.Dense(3)])
    model.to(backend).build((4, 3))
    model.compile(optimizers.Adam(0.01), metrics=["accuracy"])
    return model


def fit(model: Model, **options: Any) -> Any:
    return model.fit(X, T, batch_size=4, shuffle=False, verbose=0, **{"epochs": 2} | options).history


def weights_of(model: Model) -> list[bytes]:
    return [weight.tobytes() for weight in model.get_weights()]


class States(Callback):
    """Those after each batch."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def on_train_batch_end(self, batch: int, logs: Any) -> None:
        for _, state in self.model.named_states():
            self.seen.append(np.array(state.backend.to_numpy(state.value)))


def test_a_state_goes_from_batch_to_batch_and_begins_anew_with_each_epoch(backend: Backend) -> None:
    model, states = carrying(backend), States()
    model.optimizer = optimizers.SGD(1e-30)  # the weights stay, so that an epoch repeats the states of the one before
    fit(model, callbacks=states)
    first, second = states.seen[:6], states.seen[6:]
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    rnn = model.layers[0]
    rnn.reset_state()
    long = np.concatenate(np.split(X, 6), axis=1)  # (4, 24, 3): the six batches of four steps as one sequence
    y = rnn(model.backend.asarray(long))
    for number, state in enumerate(first):
        np.testing.assert_allclose(model.backend.to_numpy(y)[:, 4 * number + 3], state, rtol=1e-5, atol=1e-6)


def test_no_gradient_goes_into_the_batch_before(backend: Backend) -> None:
    """Each batch is trained as if its first state were data."""
    model, twin = carrying(backend), carrying(backend)
    for each in (model, twin):
        each.layers[1].rate = 0.0  # type: ignore[attr-defined]
    h = np.zeros((4, 5), np.float32)
    for x, t in zip(np.split(X, 6), np.split(T, 6), strict=True):
        model.train_on_batch(x, t)
        rnn = twin.layers[0]
        next(state for _, state in rnn.named_states()).value = h
        twin.train_on_batch(x, t)
        h = np.array(backend.to_numpy(next(state.value for _, state in rnn.named_states())))
    assert weights_of(model) == weights_of(twin)


def test_validation_and_evaluate_do_not_disturb_it() -> None:
    class Evaluates(Callback):
        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            self.model.evaluate(X[:7], T[:7])  # type: ignore[attr-defined]

    plain, looked_at = carrying(), carrying()
    alone = fit(plain)
    with_validation = fit(looked_at, validation_data=(X[:8], T[:8]), callbacks=Evaluates())
    assert weights_of(plain) != weights_of(carrying())
    other = carrying()
    assert fit(other)["loss"] == alone["loss"] and weights_of(other) == weights_of(plain)
    third = carrying()
    assert fit(third, validation_data=(X[:8], T[:8]), callbacks=Evaluates())["loss"] == alone["loss"]
    assert weights_of(third) == weights_of(plain) and len(with_validation["val_loss"]) == 2


@pytest.mark.parametrize("accumulate", [1, 2])
def test_it_goes_on_from_a_backup_to_the_bit(tmp_path: Path, accumulate: int) -> None:
    def train(path: Path, after: int | None = None) -> tuple[list[bytes], Any]:
        model = carrying()
        followers = [Interrupt(after), Backup(path, every=1), EMA(0.9)]
        return weights_of(model), fit(model, callbacks=followers, accumulate=accumulate, validation_data=(X, T))

    whole = train(tmp_path / "whole")
    for after in (1, 2, 4):
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "parts", after)
    assert train(tmp_path / "parts") == whole


def test_what_would_mix_up_the_rows_is_refused() -> None:
    with pytest.raises(OptionError, match="the batches must be in order: shuffle=False"):
        carrying().fit(X, T, batch_size=4)
    with pytest.raises(ShapeError, match="the state of the batch before has 5 rows, this batch has 4; a state goes on"):
        carrying().fit(X, T, batch_size=5, shuffle=False, verbose=0)


def test_what_is_validated_with_goes_on_in_rows_as_the_samples_do() -> None:
    """In batches of one size; of a network that carries nothing they may be larger."""
    model = carrying()
    history = fit(model, validation_data=(X, T), epochs=1)
    assert history["val_loss"][0] == model.evaluate(X, T, batch_size=4)[0]
    assert history["val_loss"][0] != model.evaluate(X, T, batch_size=24)[0]
