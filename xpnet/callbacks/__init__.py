"""What happens around training: the history, early stopping, checkpoints, backups, logs, a progress bar.

What a callback is told, and when, stands in base.py.
"""

import copy
import os
import sys
import time
from typing import Any

from xpnet.base.atomic_files import because, checked_path
from xpnet.base.checks import at_least_zero, fraction, positive, whole
from xpnet.base.hints import explained
from xpnet.callbacks.backup import Backup
from xpnet.callbacks.base import Callback, Callbacks, Logs
from xpnet.callbacks.csv_log import CSVLogger
from xpnet.callbacks.ema import EMA
from xpnet.callbacks.json_lines import JSONLinesLogger
from xpnet.callbacks.lambda_callback import LambdaCallback
from xpnet.callbacks.monitor import Monitor
from xpnet.callbacks.stopping import EarlyStopping, TerminateOnNaN, TimeLimit
from xpnet.callbacks.tensorboard import TensorBoard
from xpnet.errors import FileError, OptionError

__all__ = [
    "EMA",
    "Backup",
    "CSVLogger",
    "Callback",
    "Callbacks",
    "EarlyStopping",
    "EpochLines",
    "History",
    "JSONLinesLogger",
    "LambdaCallback",
    "Logs",
    "ModelCheckpoint",
    "Monitor",
    "ProgressBar",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
    "TimeLimit",
]


class History(Callback):
    """`history` maps each name to the list of its values; `epoch` lists the numbers of all epochs, from 0.

    `epochs` maps each name to the numbers of the epochs that its values belong to: validation need not happen in every
    one. `seconds` lists the time that each epoch's training took, validation not counted; `samples_per_second` follows
    from it.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self.epochs: dict[str, list[int]] = {}
        self.seconds: list[float] = []
        self.samples: list[int] = []  # trained on, in each of these times

    @property
    def samples_per_second(self) -> float:
        """Training throughput, the median over the epochs."""
        last = zip(self.samples[::-1], self.seconds[::-1], strict=False)  # of older backups there are times alone
        rates = sorted(count / time for count, time in last)
        return rates[len(rates) // 2] if rates else float("nan")

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
            self.epochs.setdefault(name, []).append(epoch)

    def get_state(self) -> dict[str, Any]:
        names = "history", "epoch", "epochs", "seconds", "samples"
        return copy.deepcopy({name: getattr(self, name) for name in names})

    def set_state(self, state: dict[str, Any]) -> None:
        self.history, self.epoch = state["history"], state["epoch"]
        self.epochs, self.seconds, self.samples = state["epochs"], state["seconds"], state.get("samples", [])


class ModelCheckpoint(Monitor):
    """Save the model after each epoch, or (save_best_only) after each that is the best so far.

    `path` may hold fields that are filled in: "runs/digits-{epoch:02d}-{val_loss:.4f}.safetensors" (epochs count from
    1). save_weights_only leaves the description of the network out.
    """

    places = ("path",)

    def __init__(
        self,
        path: str | os.PathLike[str],
        monitor: str = "val_loss",
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
    ) -> None:
        super().__init__(monitor, mode)
        self.path = os.fspath(checked_path(path))
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only

    def on_train_begin(self, logs: Logs) -> None:
        if self.save_best_only:
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
            raise FileError(f"ModelCheckpoint cannot write to {path}: {because(error)}") from error


class ReduceLROnPlateau(Monitor):
    """Multiply the learning rate by `factor` when `monitor` has not improved by more than `min_delta` for `patience`
    epochs, but not to below `min_lr`. After that, `cooldown` epochs do not count.

    It works on top of the optimizer's schedule, too: what it changes is `optimizer.lr_scale`, which multiplies the
    rate and stays after training. mode "auto" takes more as better for accuracies and for metrics that say
    `larger_is_better`, less for all else.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        mode: str = "auto",
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.factor = fraction("ReduceLROnPlateau: factor", positive("ReduceLROnPlateau: factor", factor))
        self.patience = whole("ReduceLROnPlateau: patience", patience, 0)
        self.cooldown = whole("ReduceLROnPlateau: cooldown", cooldown, 0)
        self.min_lr = at_least_zero("ReduceLROnPlateau: min_lr", min_lr)

    def on_train_begin(self, logs: Logs) -> None:
        super().on_train_begin(logs)
        self.wait = self.cooling = 0

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        better = self.improved(logs)
        if better is None:
            return
        self.wait = 0 if better or self.cooling else self.wait + 1
        self.cooling = max(0, self.cooling - 1)
        optimizer = self.model.optimizer
        if self.wait and self.wait >= self.patience and optimizer is not None:
            rate = optimizer.current_lr
            if rate > self.min_lr:
                optimizer.lr_scale *= max(self.factor, self.min_lr / rate)
            self.wait, self.cooling = 0, self.cooldown

    def get_state(self) -> dict[str, Any]:
        scale = 1.0 if self.model.optimizer is None else self.model.optimizer.lr_scale
        return {"best": self.best, "wait": self.wait, "cooling": self.cooling, "lr_scale": scale}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` gave: after `on_train_begin`."""
        self.best, self.wait, self.cooling = state["best"], int(state["wait"]), int(state["cooling"])
        if self.model.optimizer is not None:
            self.model.optimizer.lr_scale = float(state["lr_scale"])


class ProgressBar(Callback):
    """On stderr, a tqdm bar with images/s, loss and metrics so far, and a line in its place when the epoch is over.

    `fit(verbose=1)` adds it.
    """

    rank = 200  # after a Backup: what it keeps must not depend on whether somebody reads
    INTERVAL = 0.2  # seconds between two looks at the device

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        from tqdm import tqdm

        self.images = self.params["samples"] is not None  # else, batches are counted
        self.bar = tqdm(
            total=self.params["samples" if self.images else "steps"],
            initial=logs.get("samples" if self.images else "step", 0),
            desc=f"epoch {epoch + 1}/{self.params['epochs']}",
            unit="img" if self.images else "batch",
            mininterval=self.INTERVAL,
            leave=False,
            dynamic_ncols=True,
            bar_format="{desc} {percentage:3.0f}% |{bar:12}| {rate_fmt}{postfix}",
            file=sys.stderr,
        )
        self.shown = time.perf_counter()
        self.start = self.shown - logs.get("seconds", 0)

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        now = time.perf_counter()
        if now - self.shown >= self.INTERVAL:
            self.shown = now
            self.bar.set_postfix(_text(logs["so_far"]()), refresh=False)
        self.bar.update(logs["size"] if self.images else 1)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.bar.close()
        print(_line(epoch, self.params, time.perf_counter() - self.start, logs), file=sys.stderr, flush=True)

    def on_train_end(self, logs: Logs) -> None:
        if hasattr(self, "bar"):
            self.bar.close()


class EpochLines(Callback):
    """A line on stdout for each epoch; `fit(verbose=2)` adds it."""

    rank = ProgressBar.rank

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        self.start = time.perf_counter() - logs.get("seconds", 0)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        print(_line(epoch, self.params, time.perf_counter() - self.start, logs), flush=True)


def _line(epoch: int, params: dict[str, Any], seconds: float, logs: Logs) -> str:
    values = "  ".join(f"{name} {value}" for name, value in _text(logs).items())
    return f"epoch {epoch + 1}/{params['epochs']}  {seconds:.1f} s  {values}"


def _text(logs: Logs) -> dict[str, str]:
    return {name: f"{value:.4f}" for name, value in logs.items() if isinstance(value, float)}


__getattr__ = explained(__name__)
