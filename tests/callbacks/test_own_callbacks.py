"""Callbacks that users write: a method that would never be called, or could not be, is told before training."""

from typing import Any

import pytest

from tests.kit.small import clusters, network
from xpnet import callbacks
from xpnet.errors import OptionError


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ("on_epoch_ends", "perhaps on_epoch_end is meant"),
        ("on_batch_end", "here it is on_train_batch_end"),
        ("on_batch_begin", "here it is on_train_batch_begin"),
        ("on_train_batch_ends", "perhaps on_train_batch_end is meant"),
    ],
)
def test_methods_that_are_no_events_are_told(event: str, words: str) -> None:
    own = type("Own", (callbacks.Callback,), {event: lambda self, number, logs: None, "__module__": "own"})
    with pytest.raises(OptionError, match=f"Own.{event} would never be called: there is no such event; {words}"):
        network().fit(*clusters(), callbacks=own(), verbose=0)


def test_other_methods_are_the_users_own() -> None:
    class Own(callbacks.Callback):
        drawn = 0

        def on_picture(self) -> None:
            self.drawn += 1

        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            self.on_picture()

    own = Own()
    network().fit(*clusters(), epochs=1, callbacks=own, verbose=0)
    assert own.drawn == 1


def test_events_that_cannot_be_called_are_told_before_training() -> None:
    class Own(callbacks.Callback):
        def on_epoch_end(self, epoch: int) -> None:  # type: ignore[override]
            pass

    words = r"Own\.on_epoch_end is called with epoch, logs: write def on_epoch_end\(self, epoch, logs\), not on_ep"
    with pytest.raises(OptionError, match=words):
        network().fit(*clusters(), callbacks=Own(), verbose=0)
