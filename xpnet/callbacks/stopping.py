"""Callbacks that end training before its time: when nothing improves, at a loss that is not finite, after a time."""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from xpnet.base.checks import at_least_zero, whole
from xpnet.base.console import say
from xpnet.callbacks.base import Callback, Logs
from xpnet.callbacks.monitor import BestEpoch
from xpnet.errors import NonFiniteError, OptionError


class EarlyStopping(BestEpoch):
    """Stop when `monitor` has not improved by more than `min_delta` for `patience` epochs, and restore the best
    weights. patience 0, the default, stops at the first epoch that is no better, as 1 does.

    The best weights are restored at the end of training however it ends: by patience, after the last epoch, or by
    Ctrl-C; restore_best_weights=False keeps the last ones. mode "auto" takes more as better for accuracies and for
    metrics that say `larger_is_better`, less for all else.
    """

    wait: int
    last_epoch: int
    stopped_epoch: int | None

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        mode: str = "auto",
        restore_best_weights: bool = True,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = whole("EarlyStopping: patience", patience, 0)
        self.restore_best_weights = restore_best_weights

    def on_train_begin(self, logs: Logs) -> None:
        super().on_train_begin(logs)
        self.wait, self.last_epoch, self.stopped_epoch = 0, 0, None

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.last_epoch = epoch
        better = self.remember(epoch, logs, weights=self.restore_best_weights)
        if better:
            self.wait = 0
        elif better is False:
            self.wait += 1
            if self.wait >= max(self.patience, 1):
                self.stopped_epoch = epoch
                self.model.stop_training = True

    def on_train_end(self, logs: Logs) -> None:
        self.restore()
        said = []
        if self.stopped_epoch is not None:
            epochs = f"{self.wait} epoch{'s' * (self.wait > 1)}"
            said += [f"ended training after epoch {self.last_epoch + 1}, {self.monitor} not improved for {epochs}"]
        if self.best_weights is not None and self.best_epoch not in (None, self.last_epoch):
            said += [f"went back to the weights of epoch {self.best_epoch + 1} ({self.monitor} {self.best:.4g})"]
        if said:
            self.say("; ".join(said))

    def get_state(self) -> dict[str, Any]:
        names = "wait", "stopped_epoch", "last_epoch"
        return super().get_state() | {name: getattr(self, name) for name in names}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self.wait, self.stopped_epoch = state["wait"], state["stopped_epoch"]
        self.last_epoch = state.get("last_epoch", (self.best_epoch or 0) + self.wait)  # older backups lack it


class TerminateOnNaN(Callback):
    """End training in good order when the loss becomes NaN or infinite, with the last good weights.

    Without it `fit` raises NonFiniteError there. With it `fit` returns: the history holds the epochs before, the other
    callbacks finish, and the weights are those that a later step, or validation, found a finite loss with; `error` says
    where and why, and so does a line on stderr. A validation loss or weights that are not finite count as well, at the
    end of an epoch. The optimizer forgets its moments, which the bad steps went into.

    Weights are remembered at the end of each epoch and, with `every`, every so many steps; each time costs a copy of
    the weights to the host. `stopped_epoch` is the epoch in which training ended, from 0; None if it did not.
    """

    epoch: int
    good: tuple[str, list[Any]] | None  # where they are from, and the weights
    candidate: tuple[str, list[Any]] | None  # good, if a loss with them turns out to be finite

    def __init__(self, every: int = 0) -> None:
        self.every = whole("TerminateOnNaN: every", every, 0)
        self.error: str | None = None
        self.stopped_epoch: int | None = None

    def on_train_begin(self, logs: Logs) -> None:
        self.error = self.stopped_epoch = None
        self.good = self.candidate = None

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        self.epoch = epoch
        if self.good is None:
            self.good = "as they were before training", self.model.get_weights()

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        if self.candidate is not None:  # this step's loss was computed with them
            if all(math.isfinite(float(logs[name])) for name in logs if name not in ("size", "so_far")):
                self.good = self.candidate
            self.candidate = None
        if self.every and (batch + 1) % self.every == 0:
            self.candidate = f"of epoch {self.epoch + 1}, step {batch + 1}", self.model.get_weights()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        weights = self.model.get_weights()
        bad = [name for name in logs if name.endswith("loss") and not math.isfinite(float(logs[name]))]
        if bad:
            self._terminate(f"{bad[0]} became {float(logs[bad[0]])} in epoch {epoch + 1}")
        elif not all(np.isfinite(weight).all() for weight in weights):
            self._terminate(f"the last step of epoch {epoch + 1} left weights that are not finite")
        else:
            self.candidate = f"of the end of epoch {epoch + 1}", weights
            if "val_loss" in logs:
                self.good, self.candidate = self.candidate, None

    def on_nonfinite(self, error: NonFiniteError) -> bool:
        if self.good is None:  # it does not come from the training
            return False
        self._terminate(str(error))
        return True

    def get_state(self) -> dict[str, Any]:
        return {"good": self.good, "candidate": self.candidate}

    def set_state(self, state: dict[str, Any]) -> None:
        self.good, self.candidate = (tuple(state[name]) if state[name] else None for name in ("good", "candidate"))

    def _terminate(self, reason: str) -> None:
        self.error, self.stopped_epoch = reason, self.epoch
        self.model.stop_training = True
        assert self.good is not None
        origin, weights = self.good
        self.model.set_weights(weights)
        for _, optimizer in self.model.named_optimizers():
            optimizer.state.clear()
        if self.leads:
            say(f"xpnet: training was ended: {reason}; the weights are {origin}")


class TimeLimit(Callback):
    """End training at the first step that is complete after this time: TimeLimit(hours=1, minutes=30).

    The time is that of one `fit`, validation and all; a training that is resumed has all of it again. The epoch that
    was cut short counts as an epoch: it is validated and stands in the history. `stopped_epoch` and `stopped_step` tell
    where training ended, from 0; None if it ended by itself. `clock` returns seconds.
    """

    places: tuple[str, ...] = ("seconds", "clock")  # a training that is resumed may have another limit
    start: float
    epoch: int
    step: int

    def __init__(
        self,
        seconds: float = 0.0,
        minutes: float = 0.0,
        hours: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        times = {"seconds": seconds, "minutes": minutes, "hours": hours}
        s, m, h = (at_least_zero(f"TimeLimit: {unit}", value) for unit, value in times.items())
        self.seconds, self.clock = s + 60 * m + 3600 * h, clock
        if not self.seconds:
            raise OptionError("TimeLimit needs a time: TimeLimit(minutes=30)")
        self.stopped_epoch: int | None = None
        self.stopped_step: int | None = None

    def on_train_begin(self, logs: Logs) -> None:
        self.stopped_epoch = self.stopped_step = None
        self.start = self.clock()

    def on_train_end(self, logs: Logs) -> None:
        if self.stopped_epoch is not None and self.stopped_step is not None:
            self.say(f"ended training in epoch {self.stopped_epoch + 1}, after step {self.stopped_step + 1}")

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        self.epoch, self.step = epoch, 0

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        self.step = batch
        self._stop_if_over()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Validation takes time too."""
        self._stop_if_over()

    def _stop_if_over(self) -> None:
        if self.stopped_epoch is None and self.leads and self.clock() - self.start >= self.seconds:
            self.stopped_epoch, self.stopped_step = self.epoch, self.step
            self.model.stop_training = True
