"""What happens around training: callbacks are told of its beginning, its epochs, its steps and its end.

`logs` holds the losses and metrics so far; at a step, `logs["loss"]` is a scalar on the device: float() reads it, and
waits.
"""

from __future__ import annotations

import contextlib
import csv
import os
import sys
import time
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Any

from xpnet.errors import FileError, OptionError

if TYPE_CHECKING:
    from xpnet.model import Model

Logs = dict[str, Any]


class Callback:
    """The base: override what is needed.

    `self.model` is the model; `self.params` holds epochs, steps, batch_size, samples, and whether there is validation.
    """

    model: Model
    params: dict[str, Any]

    def on_train_begin(self, logs: Logs) -> None: ...

    def on_train_end(self, logs: Logs) -> None:
        """Also after Ctrl-C and after an error."""

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None: ...

    def on_epoch_end(self, epoch: int, logs: Logs) -> None: ...

    def on_train_batch_begin(self, batch: int, logs: Logs) -> None: ...

    def on_train_batch_end(self, batch: int, logs: Logs) -> None: ...


class Callbacks(Callback):
    """A list of callbacks that are told in turn."""

    def __init__(self, callbacks: Iterable[Callback], model: Model, params: dict[str, Any]) -> None:
        self.callbacks = list(callbacks)
        self.begun: list[Callback] = []
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise OptionError(f"{callback!r} is no Callback; give objects such as callbacks.EarlyStopping()")
            callback.model, callback.params = model, params

    def on_train_begin(self, logs: Logs) -> None:
        for callback in self.callbacks:
            callback.on_train_begin(logs)
            self.begun.append(callback)

    def on_train_end(self, logs: Logs) -> None:
        """Every callback that has begun ends, even if one before it fails; the last failure is raised."""
        with contextlib.ExitStack() as stack:
            for callback in reversed(self.begun):
                stack.callback(callback.on_train_end, logs)

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: Logs) -> None:
        for callback in self.callbacks:
            callback.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)


class History(Callback):
    """`history` maps each name to a list with one value for each epoch; `epoch` lists the epochs' numbers, from 0.

    `seconds` lists the time that each epoch's training took, validation not counted; `samples_per_second` follows from
    it.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self.seconds: list[float] = []

    @property
    def samples_per_second(self) -> float:
        """Training throughput, the median over the epochs."""
        times = sorted(self.seconds)
        return float(self.params["samples"] / times[len(times) // 2]) if times else float("nan")

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)


class Monitor(Callback):
    """The base of callbacks that follow one value: is it better than the best so far?"""

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        if mode not in ("auto", "min", "max"):
            raise OptionError(f'mode must be "auto", "min" or "max", not {mode!r}')
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(min_delta)
        self.best: float | None = None

    def on_train_begin(self, logs: Logs) -> None:
        self.best = None

    def improved(self, logs: Logs) -> bool | None:
        """Whether this epoch is the best so far; None if it has no such value (an epoch without validation)."""
        if self.monitor not in logs:
            known = ", ".join(logs)
            skipped = self.monitor.startswith("val_") and self.params["validation"]
            if skipped:
                return None
            hint = "; give fit validation_data or validation_split" if self.monitor.startswith("val_") else ""
            raise OptionError(
                f"{type(self).__name__}: there is no value {self.monitor!r} to follow; there are {known}{hint}"
            )
        value = float(logs[self.monitor])
        rises = self.mode == "max" or (self.mode == "auto" and "acc" in self.monitor)
        gain = 0.0 if self.best is None else (value - self.best if rises else self.best - value)
        if self.best is None or gain > self.min_delta:
            self.best = value
            return True
        return False


class EarlyStopping(Monitor):
    """Stop when `monitor` has not improved by more than `min_delta` for `patience` epochs, and restore the best
    weights.

    The best weights are restored at the end of training however it ends: by patience, after the last epoch, or by
    Ctrl-C; restore_best_weights=False keeps the last ones. mode "auto" takes more as better for accuracies, less for
    all else.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        mode: str = "auto",
        restore_best_weights: bool = True,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if not isinstance(patience, int) or patience < 0:
            raise OptionError(f"EarlyStopping: patience must be an integer of at least 0, not {patience!r}")
        self.patience, self.restore_best_weights = patience, restore_best_weights

    def on_train_begin(self, logs: Logs) -> None:
        super().on_train_begin(logs)
        self.wait = 0
        self.best_epoch: int | None = None
        self.stopped_epoch: int | None = None
        self.best_weights: list[Any] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        better = self.improved(logs)
        if better:
            self.wait, self.best_epoch = 0, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
        elif better is False:
            self.wait += 1
            if self.wait > self.patience or self.wait == self.patience > 0:
                self.stopped_epoch = epoch
                self.model.stop_training = True

    def on_train_end(self, logs: Logs) -> None:
        if self.best_weights is not None:
            self.model.set_weights(self.best_weights)


class ModelCheckpoint(Monitor):
    """Save the model after each epoch, or (save_best_only) after each that is the best so far.

    `path` may hold fields that are filled in: "runs/digits-{epoch:02d}-{val_loss:.4f}.safetensors" (epochs count from
    1). save_weights_only leaves the description of the network out.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        monitor: str = "val_loss",
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
    ) -> None:
        super().__init__(monitor, mode)
        self.path, self.save_best_only, self.save_weights_only = os.fspath(path), save_best_only, save_weights_only

    def on_train_begin(self, logs: Logs) -> None:
        super().on_train_begin(logs)
        if "{" not in os.path.dirname(self.path):
            self._make_folder(self.path)  # before an hour of training, not after it

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self.save_best_only and not self.improved(logs):
            return
        if self.params["validation"] and "{val_" in self.path and not any(name.startswith("val_") for name in logs):
            return  # an epoch without validation has no name to save under
        try:
            path = self.path.format(epoch=epoch + 1, **logs)
        except (KeyError, ValueError, IndexError) as error:
            raise OptionError(
                f"ModelCheckpoint: cannot fill in {self.path!r} ({error!r}); there are epoch, {', '.join(logs)}"
            ) from error
        self._make_folder(path)
        (self.model.save_weights if self.save_weights_only else self.model.save)(path)

    def _make_folder(self, path: str) -> None:
        folder = os.path.dirname(path) or "."
        try:
            os.makedirs(folder, exist_ok=True)
            if not os.access(folder, os.W_OK):
                raise PermissionError(f"no permission to write in {folder}")
        except OSError as error:
            raise FileError(f"ModelCheckpoint cannot write to {path}: {error}") from error


class CSVLogger(Callback):
    """A line for each epoch in a CSV file: epoch (from 1), then losses and metrics; written as it happens.

    append=True goes on in a file that is there, without a second header.
    """

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self.path, self.append = os.fspath(path), append
        self.file: IO[str] | None = None

    def on_train_begin(self, logs: Logs) -> None:
        try:
            os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
            self.file = open(self.path, "a" if self.append else "w", newline="", encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            raise FileError(f"CSVLogger cannot write to {self.path}: {error}") from error
        self.names: list[str] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        assert self.file is not None
        writer = csv.writer(self.file)
        if self.names is None:
            validation = (
                [f"val_{name}" for name in logs if not name.startswith("val_")] if self.params["validation"] else []
            )
            self.names = list(dict.fromkeys([*logs, *validation]))
            if self.file.tell() == 0:
                writer.writerow(["epoch", *self.names])
        writer.writerow([epoch + 1, *(logs.get(name, "") for name in self.names)])
        self.file.flush()

    def on_train_end(self, logs: Logs) -> None:
        if self.file is not None:
            self.file.close()


class ProgressBar(Callback):
    """A tqdm bar for each epoch on stderr: images/s, loss and metrics so far. `fit(verbose=1)` adds it."""

    INTERVAL = 0.2  # seconds between two looks at the device

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        from tqdm import tqdm

        self.bar = tqdm(
            total=self.params["samples"],
            desc=f"epoch {epoch + 1}/{self.params['epochs']}",
            unit="img",
            mininterval=self.INTERVAL,
            dynamic_ncols=True,
            file=sys.stderr,
        )
        self.shown = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        now = time.perf_counter()
        if now - self.shown >= self.INTERVAL:
            self.shown = now
            self.bar.set_postfix(_text(logs["so_far"]()), refresh=False)
        self.bar.update(logs["size"])

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.bar.set_postfix(_text(logs))
        self.bar.close()

    def on_train_end(self, logs: Logs) -> None:
        if hasattr(self, "bar"):
            self.bar.close()


class EpochLines(Callback):
    """A line on stdout for each epoch; `fit(verbose=2)` adds it."""

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        values = "  ".join(f"{name} {value}" for name, value in _text(logs).items())
        seconds = time.perf_counter() - self.start
        print(f"epoch {epoch + 1}/{self.params['epochs']}  {seconds:.1f} s  {values}", flush=True)


def _text(logs: Logs) -> dict[str, str]:
    return {name: f"{value:.4f}" for name, value in logs.items() if isinstance(value, float)}
