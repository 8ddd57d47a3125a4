"""ResetState: where it forgets, and what it refuses."""

from typing import Any

import numpy as np
import pytest

from tests.kit.strategies import normal
from xpnet.callbacks import LambdaCallback, ResetState
from xpnet.callbacks.base import CHANGES
from xpnet.errors import OptionError, ShapeError
from xpnet.layers import Dense, SimpleRNN
from xpnet.model import Sequential


def stateful() -> Sequential:
    model = Sequential([SimpleRNN(3, return_sequence=False, stateful=True), Dense(2)])
    model.compile("sgd", loss="mean_squared_error")
    model.build((2, 4))
    return model


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ({"every": 2}, [(0, 0), (0, 2), (0, 4), (1, 0), (1, 2), (1, 4)]),
        ({"every": 1}, [(e, s) for e in range(2) for s in range(5)]),
        ({"when": lambda epoch, step: step == 3 - epoch}, [(0, 3), (1, 2)]),
    ],
)
def test_the_state_is_forgotten_at_the_given_places(options: dict[str, Any], places: list[tuple[int, int]]) -> None:
    model, found, epochs = stateful(), [], [0]
    ((_, state),) = model.named_states()

    def begin(batch: int, logs: Any) -> None:
        if state.value is None:
            found.append((epochs[0], batch))

    watch = LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.__setitem__(0, epoch), on_train_batch_begin=begin)
    x, t = normal((20, 2, 4), 0, "float32"), normal((20, 2), 1, "float32")
    model.fit(x, t, batch_size=4, epochs=2, verbose=0, shuffle=False, callbacks=[watch, ResetState(**options)])
    forgotten = {*found} - {(0, 0), (1, 0)}  # which fit does by itself
    assert forgotten == {*places} - {(0, 0), (1, 0)}
    assert ResetState.rank == CHANGES


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "takes one of every= .* and when="),
        ({"every": 2, "when": lambda epoch, step: True}, "not both"),
        ({"every": 0}, "ResetState: every must be"),
        ({"when": 3}, "when must be a function of epoch and step, not 3"),
    ],
)
def test_what_it_cannot_do_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        ResetState(**options)


def test_a_model_without_state_is_refused() -> None:
    model = Sequential([Dense(2)])
    model.compile("sgd", loss="mean_squared_error")
    with pytest.raises(OptionError, match=r"ResetState: .*carries no state.*stateful=True"):
        model.fit(np.zeros((4, 3), np.float32), np.zeros((4, 2), np.float32), verbose=0, callbacks=ResetState(2))


def test_rows_go_on_in_validation_as_they_do_in_training() -> None:
    """In batches of the same size, then, and not in the larger ones that others are validated in."""
    model = stateful()
    x, t = normal((12, 2, 4), 0, "float32"), normal((12, 2), 1, "float32")
    history = model.fit(x, t, batch_size=4, verbose=0, shuffle=False, validation_data=(x, t)).history
    assert history["val_loss"][0] == model.evaluate(x, t, batch_size=4) != model.evaluate(x, t)
    with pytest.raises(ShapeError, match="leaves out a smaller last one by drop_last=True"):
        model.fit(x[:10], t[:10], batch_size=4, verbose=0, shuffle=False)
