"""The loop: batches in, steps of the optimizer, metrics read once an epoch, callbacks told."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from xpnet import random
from xpnet.backend import Array
from xpnet.backup import take_backup
from xpnet.callbacks import Callback, Callbacks, EpochLines, History, ProgressBar
from xpnet.checks import whole
from xpnet.data.batches import Batches, split
from xpnet.errors import BackendError, DataError, DTypeError, NonFiniteError, OptionError, ShapeError
from xpnet.losses import Loss
from xpnet.optimizers import Optimizer
from xpnet.parameter import Parameter
from xpnet.progress import Progress
from xpnet.settings import Settings
from xpnet.watch import first_nonfinite

if TYPE_CHECKING:
    from xpnet.model import Model

Verbose = int | Literal["auto"]


def fit(
    model: Model,
    x: Any,
    t: Any,
    *,
    batch_size: int,
    epochs: int,
    verbose: Verbose,
    callbacks: Callback | Iterable[Callback] | None,
    validation_split: float,
    validation_data: tuple[Any, Any] | None,
    shuffle: bool,
    initial_epoch: int,
    validation_freq: int,
) -> History:
    """What `Model.fit` says."""
    optimizer, loss = compiled(model)
    epochs, initial_epoch = whole("epochs", epochs, 0), whole("initial_epoch", initial_epoch, 0)
    validation_freq = whole("validation_freq", validation_freq)
    x, t = check_data(model, x, t)
    if validation_data is not None:
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
            raise OptionError("fit: validation_data must be a pair (x, t)")
        validation_data = check_data(model, *validation_data)
    elif validation_split:
        (x, t), validation_data = split(x, t, validation_split)
    batches = Batches(x, t, batch_size, shuffle=shuffle)
    history = model.history = History()
    displays: dict[int, list[Callback]] = {0: [], 1: [ProgressBar()], 2: [EpochLines()]}
    params = {
        "epochs": epochs,
        "steps": len(batches),
        "batch_size": batch_size,
        "samples": len(x),
        "validation": validation_data is not None,
    }
    given, backups = take_backup([callbacks] if isinstance(callbacks, (Callback, type)) else callbacks or ())
    told = Callbacks([history, *given, *displays[verbosity(verbose)], *backups], model, params)
    trainer = Trainer(model, optimizer, loss, initial_epoch)
    progress = trainer.progress
    model.stop_training = False
    logs: dict[str, Any] = {}
    for backup in backups:
        settings = {
            "batch_size": batch_size,
            "shuffle": shuffle,
            "initial_epoch": initial_epoch,
            "x": x,
            "t": t,
            "validation_data": validation_data,
            "validation_freq": validation_freq,
        }
        backup.begin(trainer, [history, *given], Settings(settings), epochs)
        if backup.resumed and verbosity(verbose):
            where = progress.where(epochs, len(batches))
            print(f"resumes {where}, from {backup.path}", file=sys.stderr, flush=True)
    try:
        told.on_train_begin(logs)
        for epoch in range(progress.epoch, epochs):
            if model.stop_training and not progress.resumed:  # it had ended when the backup was made
                break
            if not progress.resumed:
                progress.begin(epoch)
            told.on_epoch_begin(epoch, progress.done())
            with model.backend.memory_advice(batch_size):
                logs = trainer.epoch(batches, told, epoch)
            history.seconds.append(progress.seconds)
            if validation_data is not None and (epoch + 1) % validation_freq == 0:
                results = evaluate(model, *validation_data, batch_size=max(batch_size, 256), verbose=0, checked=True)
                logs |= {f"val_{name}": value for name, value in results.items()}
            progress.begin(epoch + 1)  # a backup that is made now goes on there
            told.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
    finally:  # also after Ctrl-C: files are closed and the best weights restored
        told.on_train_end(logs)
    for backup in backups:
        if not backup.keep:
            backup.discard()
    return history


class Trainer:
    """Steps and epochs of one training run."""

    def __init__(self, model: Model, optimizer: Optimizer, loss: Loss, epoch: int = 0) -> None:
        self.model, self.optimizer, self.loss, self.backend = model, optimizer, loss, model.backend
        self.parameters: list[Parameter] | None = None
        self.progress = Progress(epoch)

    def step(self, inputs: Array, targets: Array, where: str) -> tuple[Array, Array]:
        """One step of the optimizer on a batch that is on the device: the loss before it, and the outputs."""
        # require_finite says more than a warning
        with self.backend.computing(), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self._step(inputs, targets, where)

    def _step(self, inputs: Array, targets: Array, where: str) -> tuple[Array, Array]:
        model, backend, state = self.model, self.backend, random.get_state()
        y, back = model.forward(inputs, train=True)
        value, loss_back = self.loss.forward(y, targets, backend)
        if self.parameters is None:  # the first step: now the model is built
            self.parameters = self.begin()
        if not backend.lazy:
            self.require_finite(value, inputs, where, state)
        back(loss_back(), need_dx=False)
        self.optimizer.update(self.parameters)
        return value, y

    def begin(self) -> list[Parameter]:
        """What is trained, after a look at whether it can be."""
        self.loss.check_last(self.model.last())
        parameters = self.model.parameters()
        if not any(parameter.trainable for parameter in parameters):
            raise OptionError("there is nothing to train: the model has no parameter that is trainable")
        for parameter in parameters:
            parameter.zero_grad()
        return parameters

    def epoch(self, batches: Batches, told: Callbacks, epoch: int) -> dict[str, Any]:
        """Train on every batch that is left in the epoch; the mean loss and the metrics over all its samples."""
        progress = self.progress
        if not progress.resumed:
            for metric in self.model.metrics:
                metric.reset()

        def so_far() -> dict[str, Any]:
            """Reads from the device: waits for it."""
            mean = float(progress.total) / max(progress.samples, 1)
            if not math.isfinite(mean):
                where = f"epoch {epoch + 1}, at or before step {progress.step}"
                self.require_finite(mean, None, where, random.get_state())
            return {"loss": mean} | {metric.name: metric.result() for metric in self.model.metrics}

        stopped = progress.resumed and self.model.stop_training  # the backup was made in the last step
        for x, t in () if stopped else self.backend.staged(progress.rest(batches), self.model.dtype):
            step = progress.step
            told.on_train_batch_begin(step, {})
            value, y = self.step(x, t, f"epoch {epoch + 1}, step {step + 1}")
            size = x.shape[0]
            progress.total, progress.samples = value * size + progress.total, progress.samples + size
            progress.step = step + 1
            for metric in self.model.metrics:
                metric.update(y, t, self.backend)
            told.on_train_batch_end(step, {"loss": value, "size": size, "so_far": so_far})
            if self.model.stop_training:
                break
        return so_far()

    def require_finite(self, value: Any, x: Array | None, where: str, state: random.Key) -> None:
        """Stop at a loss that is NaN or infinite, and say in which layer it began."""
        if math.isfinite(float(value)):
            return
        raise NonFiniteError(
            f"the loss became {float(value)} in {where}: {first_nonfinite(self.model, x, state)}. A smaller learning"
            " rate, clip_norm in the optimizer, or scaled inputs usually help"
        )


def evaluate(
    model: Model, x: Any, t: Any, batch_size: int, verbose: Verbose, checked: bool = False
) -> dict[str, float]:
    """The mean loss and the metrics over all samples, in inference mode."""
    _, loss = compiled(model)
    if not checked:
        x, t = check_data(model, x, t)
    backend, total = model.backend, 0.0
    metrics = [copy.copy(metric) for metric in model.metrics]  # training may be in the middle of counting
    for metric in metrics:
        metric.reset()
    for part, labels in with_bar(Batches(x, t, batch_size), verbosity(verbose), "evaluate"):
        with backend.memory_advice(len(part)):
            inputs, targets = backend.batch(part, labels, model.dtype)
            y = model(inputs)
            value, _ = loss.forward(y, targets, backend)
        total = value * len(part) + total
        for metric in metrics:
            metric.update(y, targets, backend)
    return {"loss": float(total) / len(x)} | {metric.name: metric.result() for metric in metrics}


def predict(model: Model, x: Any, batch_size: int, verbose: Verbose) -> np.ndarray:
    """The outputs of all samples, in inference mode."""
    x = check_inputs(model, x)
    backend = model.backend
    outputs = []
    for part in with_bar(Batches(x, None, batch_size), verbosity(verbose), "predict"):
        with backend.memory_advice(len(part)):
            outputs.append(backend.to_numpy(model(backend.asarray(part, model.dtype))))
    return np.concatenate(outputs)


def train_on_batch(model: Model, x: Any, t: Any) -> float:
    optimizer, loss = compiled(model)
    x, t = check_data(model, x, t)
    with model.backend.memory_advice(len(x)):
        inputs, targets = model.backend.batch(x, t, model.dtype)
        value, _ = Trainer(model, optimizer, loss).step(inputs, targets, f"step {optimizer.steps + 1}")
    return float(value)


# ---- what is held against what -------------------------------------------------------------------------------------


def compiled(model: Model) -> tuple[Optimizer, Loss]:
    if model.optimizer is None or model.loss is None:
        raise OptionError(
            'the model is not compiled: call model.compile(optimizer="adam", loss="softmax_cross_entropy") first'
        )
    return model.optimizer, model.loss


def check_inputs(model: Model, x: Any) -> np.ndarray:
    """`x` as a NumPy array that the model can take; it is converted to the model's data type batch by batch."""
    for _, layer in model.named_layers():
        if layer.backend is not model.backend:
            raise BackendError(
                f"layer {layer.label} is on backend {layer.backend.name}, the model on {model.backend.name}; move them"
                f' together: model.to("{model.backend.name}")'
            )
    if isinstance(x, tuple) and len(x) > 1 and all(hasattr(part, "shape") for part in x):
        raise OptionError(
            "fit, evaluate and predict take one array; a model of several inputs is trained with"
            " y, back = model.forward(a, b, train=True)"
        )
    array = host_array(model, x, "the input data")
    if array.dtype.kind != "f":
        raise DTypeError(
            f"the input data are {array.dtype}; a network takes floating point numbers: convert them with"
            ' x.astype("float32"), and scale pixels to 0 ... 1 by / 255 (xpnet.data.to_unit does both)'
        )
    if array.ndim < 2:
        raise ShapeError(
            f"the input data have shape {array.shape}; the first axis must be the samples: one sample is x[None]"
        )
    if len(array) == 0:
        raise DataError(f"the input data are empty: their shape is {array.shape}")
    if model._built:
        model.output_shape(array.shape[1:])
    else:
        model.build(array.shape[1:])
    return array


def check_data(model: Model, x: Any, t: Any) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets that belong together and to the network and its loss."""
    x, t = check_inputs(model, x), host_array(model, t, "the targets")
    if t.ndim == 0 or len(t) != len(x):
        raise DataError(
            f"there are {len(x)} samples and {len(t) if t.ndim else 'no'} targets; there must be one target a sample"
        )
    if t.dtype.kind not in "iufb":
        raise DTypeError(f"the targets are {t.dtype}; needed are class numbers or floating point numbers")
    _, loss = compiled(model)
    loss.check(model.output_shape(x.shape[1:]), t)
    if t.dtype.kind in "iub":
        t = t.astype(np.int64, copy=False)
    elif t.dtype.name != model.dtype:
        t = t.astype(model.dtype)
    return x, t


def host_array(model: Model, x: Any, what: str) -> np.ndarray:
    try:
        if isinstance(x, (np.ndarray, list, tuple, float, int)):
            return np.asarray(x)
        host: np.ndarray = model.backend.to_numpy(x)
        return host
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{what} cannot be read as an array: {error}") from error


def verbosity(verbose: Verbose) -> int:
    if verbose == "auto":
        return 1 if sys.stderr.isatty() else 0
    if verbose not in (0, 1, 2):
        raise OptionError(f'verbose must be 0, 1, 2 or "auto", not {verbose!r}')
    return int(verbose)


def with_bar(batches: Batches, verbose: int, what: str) -> Any:
    if verbose != 1:
        return batches
    from tqdm import tqdm

    return tqdm(batches, desc=what, unit="batch", leave=False, dynamic_ncols=True)
