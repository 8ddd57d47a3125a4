"""The callback that forgets, at given places, what layers carry from batch to batch."""

from __future__ import annotations

from collections.abc import Callable

from xpnet.base.checks import whole
from xpnet.callbacks.base import CHANGES, Callback, Logs, TrainingRun
from xpnet.errors import OptionError


class ResetState(Callback):
    """Calls `model.reset_state()` before a step: where a text ends, and the next batch does not go on with it.

    every: before the steps 0, every, 2 every, ... of each epoch.  when: a function of epoch and step, both from 0, that
    says whether to forget before that step. One of the two is given. `fit` itself does so at the beginning of an epoch.

    Raises OptionError for a model that carries no state.
    """

    rank = CHANGES  # the others see the state that the step begins with

    def __init__(self, every: int | None = None, when: Callable[[int, int], bool] | None = None) -> None:
        if (every is None) == (when is None):
            raise OptionError(
                "ResetState takes one of every= (so many steps) and when= (a function of epoch and step), not both"
            )
        if when is not None and not callable(when):
            raise OptionError(f"ResetState: when must be a function of epoch and step, not {when!r}")
        self.every, self.when = every if every is None else whole("ResetState: every", every), when
        self._epoch = 0

    def on_run_begin(self, run: TrainingRun) -> None:
        if not any(True for _ in self.model.named_states()):
            raise OptionError(
                f"ResetState: {self.model.label} carries no state from batch to batch; make a recurrent layer of it"
                " with stateful=True"
            )

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Logs) -> None:
        if (
            batch % self.every == 0
            if self.every is not None
            else self.when is not None and self.when(self._epoch, batch)
        ):
            self.model.reset_state()
