"""The loop: batches in, steps of the optimizer, metrics read once an epoch, callbacks told."""

from __future__ import annotations

import copy
import math
import sys
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from xpnet import random
from xpnet.backend import Array
from xpnet.base.checks import whole
from xpnet.callbacks import Callback, Callbacks, EpochLines, History, ProgressBar
from xpnet.callbacks.backup import take_backup
from xpnet.callbacks.comparison import Settings
from xpnet.core.parameter import Parameter
from xpnet.errors import NonFiniteError, OptionError
from xpnet.losses import Loss
from xpnet.optimizers import Optimizer
from xpnet.regularizers import add_gradients, penalties
from xpnet.schedules import Schedule
from xpnet.training.feed import (
    CheckedBatches,
    Feed,
    described,
    for_evaluation,
    for_prediction,
    for_training,
    is_batches,
)
from xpnet.training.inputs import compiled
from xpnet.training.nonfinite import first_nonfinite
from xpnet.training.position import Progress

if TYPE_CHECKING:
    from xpnet.model import Model

Verbose = int | Literal["auto"]


def fit(
    model: Model,
    x: Any,
    t: Any,
    *,
    epochs: int,
    verbose: Verbose,
    callbacks: Callback | Iterable[Callback] | None,
    initial_epoch: int,
    validation_freq: int,
    accumulate: int,
    **data: Any,
) -> History:
    """What `Model.fit` says."""
    optimizer, loss = compiled(model)
    epochs, initial_epoch = whole("epochs", epochs, 0), whole("initial_epoch", initial_epoch, 0)
    validation_freq, accumulate = whole("validation_freq", validation_freq), whole("accumulate", accumulate)
    batches, held_out = for_training(model, x, t, **data)
    history = model.history = History()
    displays: dict[int, list[Callback]] = {0: [], 1: [ProgressBar()], 2: [EpochLines()]}
    params = {
        "epochs": epochs,
        "steps": len(batches),
        "batch_size": batches.batch_size,
        "samples": batches.samples,
        "validation": held_out is not None,
    }
    given, backups = take_backup([callbacks] if isinstance(callbacks, (Callback, type)) else callbacks or ())
    told = Callbacks([history, *given, *displays[verbosity(verbose)], *backups], model, params)
    trainer = Trainer(model, optimizer, loss, accumulate, initial_epoch)
    progress = trainer.progress
    feeds = [feed for feed in (batches, held_out) if isinstance(feed, CheckedBatches)]
    for feed in feeds:
        feed.begin()
    model.stop_training = False
    logs: dict[str, Any] = {}
    for backup in backups:
        options = {"initial_epoch": initial_epoch, "validation_freq": validation_freq, "accumulate": accumulate}
        settings = options | described(batches, held_out)
        settings = Settings(settings, ["accumulate"] if accumulate == 1 else [])
        backup.begin(trainer, [history, *given], feeds, settings, epochs)
        if backup.resumed and verbosity(verbose):
            where = progress.where(epochs, len(batches))
            print(f"resumes {where}, from {backup.path}", file=sys.stderr, flush=True)
    per_epoch, taken = math.ceil(len(batches) / accumulate), math.ceil(progress.step / accumulate)
    warn_of_short_schedule(optimizer, (epochs - progress.epoch) * per_epoch - taken)
    try:
        told.on_train_begin(logs)
        for epoch in range(progress.epoch, epochs):
            if model.stop_training and not progress.resumed:  # it had ended when the backup was made
                break
            if not progress.resumed:
                progress.begin(epoch)
            told.on_epoch_begin(epoch, progress.done())
            if isinstance(batches, CheckedBatches):
                batches.passes = epoch - initial_epoch
            with model.backend.memory_advice(batches.batch_size):
                logs = trainer.epoch(batches, told, epoch)
            history.seconds.append(progress.seconds)
            history.samples.append(progress.samples)
            params["samples"] = params["samples"] or progress.samples  # of an iterable, after its first epoch
            told.on_train_epoch_end(epoch, logs)
            if held_out is not None and (epoch + 1) % validation_freq == 0:
                results = evaluate_batches(model, held_out, verbose=0)
                logs |= {f"val_{name}": value for name, value in results.items()}
            progress.begin(epoch + 1)  # a backup that is made now goes on there
            told.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
    except NonFiniteError as error:
        if not told.on_nonfinite(error):
            raise
    finally:  # also after Ctrl-C: files are closed and the best weights restored
        told.on_train_end(logs)
    for backup in backups:
        if not backup.keep:
            backup.discard()
    return history


class Trainer:
    """Steps and epochs of one training run; a step of the optimizer takes a group of `accumulate` batches."""

    def __init__(self, model: Model, optimizer: Optimizer, loss: Loss, accumulate: int = 1, epoch: int = 0) -> None:
        self.model, self.optimizer, self.loss, self.backend = model, optimizer, loss, model.backend
        self.parameters: list[Parameter] | None = None
        self.accumulate = accumulate
        self.progress = Progress(epoch)

    def step(
        self, inputs: Array, targets: Array, where: str, *weights: Array, last: bool = True
    ) -> tuple[Array, Array]:
        """Forward and back on a batch that is on the device, and a step of the optimizer if that completes its group,
        as the `last` batch of an epoch always does: the loss before it, and the outputs.
        """
        # require_finite says more than a warning
        with self.backend.computing(), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            value, y = self._step(inputs, targets, where, *weights)
            if last or len(self.progress.group) == self.accumulate:
                self._update()
        return value, y

    def _step(self, inputs: Array, targets: Array, where: str, *weights: Array) -> tuple[Array, Array]:
        model, backend, state = self.model, self.backend, random.get_state()
        y, back = model.forward(inputs, train=True)
        value, loss_back = self.loss.forward(y, targets, backend, *weights)
        if self.parameters is None:  # the first step: now the model is built
            self.parameters = self.begin()
        for penalty in penalties(self.parameters):
            value = value + penalty
        if not backend.lazy:
            self.require_finite(value, inputs, targets, where, state)
        dy, size = loss_back(), inputs.shape[0]
        back(dy if self.accumulate == 1 else dy * size, need_dx=False)
        self.progress.group.append(size)
        return value, y

    def _update(self) -> None:
        """A step of the optimizer with the mean gradient of the group's samples, as if they were one batch."""
        assert self.parameters is not None
        group = self.progress.group
        samples = 1 if self.accumulate == 1 else sum(group)
        add_gradients(self.parameters, samples)
        self.optimizer.update(self.parameters, scale=1 / samples)
        group.clear()

    def begin(self) -> list[Parameter]:
        """What is trained, after a look at whether it can be."""
        self.loss.check_last(self.model.last())
        parameters = self.model.parameters()
        if not any(parameter.trainable for parameter in parameters):
            raise OptionError("there is nothing to train: the model has no parameter that is trainable")
        for parameter in parameters:
            parameter.zero_grad()
        return parameters

    def epoch(self, batches: Feed, told: Callbacks, epoch: int) -> dict[str, Any]:
        """Train on every batch that is left in the epoch; the mean loss and the metrics over all its samples."""
        progress, steps = self.progress, len(batches)
        if not progress.resumed:
            for metric in self.model.metrics:
                metric.reset()

        def so_far() -> dict[str, Any]:
            """Reads from the device: waits for it."""
            mean = float(progress.total) / max(progress.samples, 1)
            if not math.isfinite(mean):
                where = f"epoch {epoch + 1}, at or before step {progress.step}"
                self.require_finite(mean, None, None, where, random.get_state())
            return {"loss": mean} | {metric.name: metric.result() for metric in self.model.metrics}

        stopped = progress.resumed and self.model.stop_training  # the backup was made in the last step
        for x, t, *weights in () if stopped else self.backend.staged(progress.rest(batches), self.model.dtype):
            step = progress.step
            told.on_train_batch_begin(step, {})
            value, y = self.step(x, t, f"epoch {epoch + 1}, step {step + 1}", *weights, last=step + 1 == steps)
            size = x.shape[0]
            progress.total, progress.samples = value * size + progress.total, progress.samples + size
            progress.step = step + 1
            for metric in self.model.metrics:
                metric.update(y, t, self.backend)
            told.on_train_batch_end(step, {"loss": value, "size": size, "so_far": so_far})
            if self.model.stop_training:
                break
        return so_far()

    def require_finite(self, value: Any, x: Array | None, t: Array | None, where: str, state: random.Key) -> None:
        """Stop at a loss that is NaN or infinite, and say where it began."""
        if not math.isfinite(float(value)):
            why = first_nonfinite(self.model, x, t, state)
            raise NonFiniteError(f"the loss became {float(value)} in {where}: {why}")


def warn_of_short_schedule(optimizer: Optimizer, steps: int) -> None:
    """So many steps are to come; where the learning rate ends before them, the rest would learn next to nothing."""
    length = optimizer.lr.length if isinstance(optimizer.lr, Schedule) else None
    if length is not None and optimizer.steps + steps > length:
        before = f", after {optimizer.steps} before" if optimizer.steps else ""
        warnings.warn(
            f"the schedule {type(optimizer.lr).__name__} ends after {length} steps, and this training has {steps}"
            f"{before}: the learning rate stays at its end. Its steps are epochs * ceil(batches / accumulate)",
            stacklevel=4,
        )


def evaluate(
    model: Model, x: Any, t: Any, batch_size: int | None, verbose: Verbose, sample_weight: Any, steps: int | None
) -> dict[str, float]:
    """What `Model.evaluate` says, by name."""
    compiled(model)
    return evaluate_batches(model, for_evaluation(model, x, t, sample_weight, batch_size, steps), verbose)


def evaluate_batches(model: Model, batches: Feed, verbose: Verbose) -> dict[str, float]:
    """The mean loss and the metrics over all samples, in inference mode."""
    _, loss = compiled(model)
    backend, total, samples = model.backend, 0.0, 0
    metrics = [copy.copy(metric) for metric in model.metrics]  # training may be in the middle of counting
    for metric in metrics:
        metric.reset()
    for x, t, *w in with_bar(batches, verbosity(verbose), "evaluate"):
        with backend.memory_advice(len(x)):
            inputs, targets, *weights = backend.batch(x, t, model.dtype, *w)
            y = model(inputs)
            value, _ = loss.forward(y, targets, backend, *weights)
        total, samples = value * len(x) + total, samples + len(x)
        for metric in metrics:
            metric.update(y, targets, backend)
    penalty = sum(float(value) for value in penalties(model.parameters()))
    return {"loss": float(total) / samples + penalty} | {metric.name: metric.result() for metric in metrics}


def predict(model: Model, x: Any, batch_size: int | None, verbose: Verbose) -> np.ndarray:
    """The outputs of all samples, in inference mode."""
    batches, backend = for_prediction(model, x, batch_size), model.backend
    outputs = []
    for part in with_bar(batches, verbosity(verbose), "predict"):
        with backend.memory_advice(len(part)):
            outputs.append(backend.to_numpy(model(backend.asarray(part, model.dtype))))
    return np.concatenate(outputs)


def train_on_batch(model: Model, x: Any, t: Any, sample_weight: Any) -> float:
    optimizer, loss = compiled(model)
    if is_batches(x):
        raise OptionError("train_on_batch takes arrays; fit takes iterables of batches")
    ((x, t, *w),) = for_evaluation(model, x, t, sample_weight, sys.maxsize, None)
    with model.backend.memory_advice(len(x)):
        inputs, targets, *weights = model.backend.batch(x, t, model.dtype, *w)
        value, _ = Trainer(model, optimizer, loss).step(inputs, targets, f"step {optimizer.steps + 1}", *weights)
    return float(value)


def verbosity(verbose: Verbose) -> int:
    if verbose == "auto":
        return 1 if sys.stderr.isatty() else 2
    if verbose not in (0, 1, 2):
        raise OptionError(f'verbose must be 0, 1, 2 or "auto", not {verbose!r}')
    return int(verbose)


def with_bar(batches: Iterable[Any], verbose: int, what: str) -> Any:
    if verbose != 1:
        return batches
    from tqdm import tqdm

    return tqdm(batches, desc=what, unit="batch", leave=False, dynamic_ncols=True)
