"""Callbacks are told of the beginning of training, its epochs, its steps and its end.

`logs` holds the losses and metrics so far; at a step, `logs["loss"]` is a scalar on the device: float() reads it, and
waits.
"""

from __future__ import annotations

import contextlib
import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from xpnet.base.configured import require_callable
from xpnet.base.console import say
from xpnet.base.hints import hint_for
from xpnet.base.settings import Settled, is_library
from xpnet.callbacks.comparison import Described
from xpnet.errors import NonFiniteError, OptionError
from xpnet.files.trainable import TrainableNetwork
from xpnet.parallel import get_communicator

Logs = dict[str, Any]

RATE = "lr"  # what the learning rate of an epoch's last step is called in the logs, where the model has an optimizer

# Ranks, in whose order callbacks are told.
CHANGES = -1  # of one that changes what the others look at, such as the weights
USUAL = 0
KEEPS = 101  # of one that keeps the states of all these, of a user's with rank 100 too
SHOWS = 200  # of one that only tells the reader: what is recorded must not depend on whether somebody reads


# What other libraries call an event.
EVENTS = {
    "on_after_backward": "on_before_update",
    "on_batch_begin": "on_train_batch_begin",
    "on_batch_end": "on_train_batch_end",
    "on_batch_start": "on_train_batch_begin",
    "on_before_optimizer_step": "on_before_update",
    "on_epoch_start": "on_epoch_begin",
    "on_fit_end": "on_train_end",
    "on_fit_start": "on_train_begin",
    "on_test_end": "on_epoch_end, behind the validation",
    "on_train_batch_start": "on_train_batch_begin",
    "on_train_epoch_start": "on_epoch_begin",
    "on_train_start": "on_train_begin",
    "on_validation_end": "on_epoch_end, behind the validation",
}


class TrainingRun(Protocol):
    """What a callback may ask of the run that `on_run_begin` tells it of: a call of `fit`."""

    verbose: int  # 0: nothing is printed
    followers: Sequence[Callback]  # the history and the callbacks that fit was given, in that order

    @property
    def next_step(self) -> tuple[int, int]:
        """The epoch and the step that come next, from 0; the step is not 0 within an epoch alone."""

    def place_in_words(self) -> str:
        """Such as: in epoch 2 of 4, after step 2 of 6."""

    def describe(self) -> Described:
        """What the run was set up with beside the model and the callbacks: the data and the options of `fit`."""

    def get_state(self) -> dict[str, Any]:
        """All that training changes, but for the callbacks and the random state: the model, the optimizer, the place
        in the data, the sums of the unfinished epoch.
        """

    def set_state(self, state: dict[str, Any]) -> None:
        """Put back what `get_state` gave, before training begins."""


class Callback(Settled):
    """The base: override what is needed.

    `self.model` is the model; `self.params` holds epochs, steps, batch_size, samples, verbose, workers and whether
    there is validation; batch_size is None for an iterable of batches, and so is samples in its first epoch. Callbacks
    are told in the order that they were given in, but for those of a lower `rank`, which come first, and of a higher
    one, which come last.

    A run that goes on from a Backup tells on_train_begin, and on_epoch_begin of an epoch that it goes on in, once more,
    with `step`, `samples` and `seconds` that are done already in the latter's logs. After these comes `set_state`.
    """

    rereads = True
    rank = USUAL
    single = False  # whether two of the class would get into each other's way
    speaks = True  # whether it says what it did, where `fit` prints anything
    recorded = True  # whether a Backup keeps its state, and asks for it again when training goes on

    model: TrainableNetwork
    params: dict[str, Any]
    missed_writes: tuple[Callable[[], None], ...] = ()  # what another worker writes, and may not have written yet
    places: tuple[str, ...] = ()  # arguments that say where files are: a run that goes on may have them elsewhere

    @property
    def leads(self) -> bool:
        """Whether this worker is the one, of those that train together, who writes files and tells the reader.

        Callbacks are told of everything on each worker; what they change must be the same on all.
        """
        return get_communicator().leads

    def by_leader(self, write: Callable[[], None]) -> None:
        """Call `write` on the worker that leads. If that dies before all others know that it is through, the one that
        leads then calls it, from the beginning: at the end of the same step or epoch. To be called on all workers.
        """
        if self.leads:
            write()
        else:
            self.missed_writes = (*self.missed_writes, write)

    def say(self, text: str) -> None:
        """A line about what the callback did, where the lines of the epochs are; with verbose=0 nothing."""
        if (verbose := self.params.get("verbose")) and self.speaks and self.leads:
            line = f"{type(self).__name__}: {text}"
            say(line) if verbose == 1 else print(line, flush=True)

    def on_train_begin(self, logs: Logs) -> None: ...

    def on_train_end(self, logs: Logs) -> None:
        """Also after Ctrl-C and after an error."""

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None: ...

    def on_train_epoch_end(self, epoch: int, logs: Logs) -> None:
        """The steps of an epoch are done; its validation, if there is any, and `on_epoch_end` come next."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None: ...

    def on_train_batch_begin(self, batch: int, logs: Logs) -> None: ...

    def on_before_update(self, batch: int, logs: Logs) -> None:
        """The gradients of a step of the optimizer are complete, penalties included, and it has not been called yet:
        the mean gradient of the step is `logs["scale"]` times `grad` of each parameter. Once in each group of
        `accumulate` batches; the optimizer starts gradients from zero again, so that later nobody sees them.
        """

    def on_train_batch_end(self, batch: int, logs: Logs) -> None: ...

    def on_lead(self) -> None:
        """In the middle of training this worker has come to lead, for the one that did has died: the time to open what
        only one writes to.
        """

    def on_run_begin(self, run: TrainingRun) -> None:
        """Before anything else happens and anybody is told that training begins: the time to refuse what cannot be,
        or to put the run where an earlier one has left off. What this raises leaves `fit` at once.
        """

    def on_run_end(self) -> None:
        """The last event, after the `on_train_end` of all callbacks; not after Ctrl-C or an error."""

    def on_nonfinite(self, error: NonFiniteError) -> bool:
        """The loss became NaN or infinite. If one callback returns True, training ends in good order; else by the
        error.
        """
        return False

    def get_state(self) -> dict[str, Any]:
        """What the callback has learned in training, for a Backup: numbers, strings, None, NumPy arrays, and lists and
        dicts of those. A callback that remembers anything from one call to another must give it here.
        """
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` gave; in it, tuples have become lists."""


def list_callbacks(callbacks: Callback | Iterable[Callback] | None) -> list[Callback]:
    """One callback, several or none, as a list."""
    callbacks = [callbacks] if isinstance(callbacks, (Callback, type)) else callbacks or ()
    if not isinstance(callbacks, Iterable):
        raise OptionError(f"callbacks must be a Callback or a list of them, not {callbacks!r}")
    return list(callbacks)


class Callbacks(Callback):
    """A list of callbacks that are told in turn."""

    def __init__(self, callbacks: Iterable[Callback], model: TrainableNetwork, params: dict[str, Any]) -> None:
        self.callbacks, self.model, self.params = list(callbacks), model, params
        self.begun: list[Callback] = []
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise OptionError(f"{callback!r} is no Callback; give objects such as callbacks.EarlyStopping()")
            refuse_no_events(callback)
            callback.model, callback.params = model, params
        for kind, count in Counter(_single(callback) for callback in self.callbacks if callback.single).items():
            if count > 1:
                raise OptionError(f"fit takes one {kind.__name__}, not {count}")
        self.callbacks.sort(key=lambda callback: callback.rank)

    def hears(self, event: str) -> bool:
        """Whether a callback does anything at this event."""
        ignored = getattr(Callback, event)
        return any(getattr(getattr(each, event), "__func__", None) is not ignored for each in self.callbacks)

    def on_run_begin(self, run: TrainingRun) -> None:
        for callback in self.callbacks:
            callback.on_run_begin(run)

    def on_run_end(self) -> None:
        for callback in self.callbacks:
            callback.on_run_end()

    def on_train_begin(self, logs: Logs) -> None:
        for callback in self.callbacks:
            self.begin(callback, logs)

    def begin(self, callback: Callback, logs: Logs) -> None:
        """Tell one that training begins."""
        callback.missed_writes = ()
        callback.on_train_begin(logs)
        self.begun.append(callback)

    def show(self, displays: Iterable[Callback], epoch: int, done: Logs) -> None:
        """From here on to these as well; in the middle of an epoch, of which so much is `done`, they hear of that."""
        for display in displays:
            display.model, display.params = self.model, self.params
            self.callbacks.append(display)
            self.begin(display, {})
            if done:
                display.on_epoch_begin(epoch, done)

    def on_lead(self) -> None:
        for callback in self.begun:
            callback.on_lead()

    def write_missed(self) -> None:
        """What the worker that led has perhaps not written."""
        for callback in self.callbacks:
            for write in callback.missed_writes:
                write()
            callback.missed_writes = ()

    def forget_missed(self) -> None:
        """All that was to be written is written."""
        for callback in self.callbacks:
            callback.missed_writes = ()

    def on_train_end(self, logs: Logs) -> None:
        """Every callback that has begun ends, even if one before it fails; the last failure is raised."""
        with contextlib.ExitStack() as stack:
            while self.begun:
                stack.callback(self.begun.pop().on_train_end, logs)

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch, logs)

    def on_train_epoch_end(self, epoch: int, logs: Logs) -> None:
        for callback in self.callbacks:
            callback.on_train_epoch_end(epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: Logs) -> None:
        for callback in self.callbacks:
            callback.on_train_batch_begin(batch, logs)

    def on_before_update(self, batch: int, logs: Logs) -> None:
        for callback in self.callbacks:
            callback.on_before_update(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)

    def on_nonfinite(self, error: NonFiniteError) -> bool:
        return any([callback.on_nonfinite(error) for callback in self.callbacks])  # all of them are told


def refuse_no_events(callback: Callback) -> None:
    """A method of a user's class that is called much as an event is, here or elsewhere, or that takes not what the
    event gives. Any other `on_...` may be the user's own.
    """
    events = [name for name in vars(Callback) if name.startswith("on_")]
    own = {name: each for cls in type(callback).__mro__ if not is_library(cls) for name, each in vars(cls).items()}
    for name in own:
        if name in events:
            takes = inspect.signature(getattr(Callback, name)).parameters
            require_callable(callback, name, ", ".join(takes))
        elif name.startswith("on_") and callable(own[name]) and (hint := hint_for(name, EVENTS, events)):
            raise OptionError(
                f"{type(callback).__name__}.{name} would never be called: there is no such event{hint}; there are"
                f" {', '.join(events)}"
            )


def _single(callback: Callback) -> type:
    """The class that says that there may be one of it: another that is derived from it counts as well."""
    return next(cls for cls in type(callback).__mro__ if "single" in vars(cls))


def rate_name(optimizer: str) -> str:
    """What the learning rate of an optimizer is called in the logs: lr, or of one in another attribute NAME_lr."""
    return RATE if optimizer == "optimizer" else f"{optimizer}_lr"


def scalar(value: Any) -> bool:
    """Whether a metric is a single number; a confusion matrix is not."""
    return np.ndim(value) == 0
