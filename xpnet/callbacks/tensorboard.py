"""The callback that writes for TensorBoard: curves, histograms of weights and gradients, pictures of filters."""

from __future__ import annotations

import contextlib
import math
import os
import time
from typing import Any

import numpy as np

from xpnet.base.atomic_files import checked_path, file_errors
from xpnet.base.checks import whole
from xpnet.base.mosaic import filters_as_tiles, mosaic
from xpnet.callbacks.base import Callback, Logs, rate_name, scalar
from xpnet.callbacks.history import waiting_share
from xpnet.core.network import Network
from xpnet.errors import MissingExtraError


class TensorBoard(Callback):
    """Writes event files into `folder`, for `tensorboard --logdir FOLDER` to show. Needs `pip install
    "xpnet[tensorboard]"`.

    Training and validation are two runs, folder/train and folder/validation, whose curves share their charts. The axis
    is the number of steps taken. At the end of each epoch: epoch/loss, epoch/lr (the rate of its last step), epoch/...
    for each metric that is a single number, and epoch/number, from 1; with several workers also epoch/waiting, the
    share of the epoch's time in which this one waited for others.

    every: also step/loss and step/lr, of each `every`-th step; to read the loss means waiting for a GPU.  histograms:
    every so many epochs, weights/NAME of each parameter and gradients/NAME, those of the epoch's last step, before
    clipping.  images: every so many epochs, filters/NAME of the first layer.  0: never.

    Each training begins a file of its own and hides what the folder holds of later steps, so that a resumed training
    goes on where it was, and one that starts anew is not drawn over the old one.
    Raises MissingExtraError without tensorboardX, FileError if the folder cannot be written.
    """

    places: tuple[str, ...] = ("folder",)  # a training that is resumed may write elsewhere
    epoch: int
    rates: dict[str, float]  # of the step, by their tags: "lr", or of another optimizer "d_optimizer_lr"
    gradients: dict[str, np.ndarray]
    latest: dict[str, float]  # what was written of the last step

    def __init__(self, folder: str | os.PathLike[str], histograms: int = 1, images: int = 1, every: int = 0) -> None:
        self.folder = os.fspath(checked_path(folder))
        self.histograms = whole("TensorBoard: histograms", histograms, 0)
        self.images, self.every = whole("TensorBoard: images", images, 0), whole("TensorBoard: every", every, 0)
        self.step: int | None = None  # taken so far
        self.first: int | None = None  # the first step of this training
        self.runs: dict[str, _Run] = {}
        _require_tensorboardx()

    def on_train_begin(self, logs: Logs) -> None:
        self.rates, self.gradients, self.latest = {}, {}, {}
        if not self.leads:
            return
        with self._explained():
            os.makedirs(self.folder, exist_ok=True)
            if not os.access(self.folder, os.W_OK):
                raise PermissionError(f"no permission to write in {self.folder}")

    def on_lead(self) -> None:
        self.first = None  # its files begin here: what the one that led has written of earlier steps stays

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        self.epoch = epoch
        if self.step is None:
            self.step = epoch * self.params["steps"]

    def on_train_batch_begin(self, batch: int, logs: Logs) -> None:
        for name, optimizer in self.model.named_optimizers():
            self.rates[rate_name(name)] = optimizer.current_lr
        if self.first is None and self.step is not None:
            self.first = self.step + 1

    def on_before_update(self, batch: int, logs: Logs) -> None:
        if batch == self.params["steps"] - 1 and _due(self.histograms, self.epoch + 1):
            for name, p in self.model.named_parameters():
                if p.trainable and p.has_grad:  # of another network's update, it has none
                    self.gradients[name] = logs["scale"] * np.array(p.backend.to_numpy(p.grad))

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        assert self.step is not None
        self.step += 1
        self.latest = {}
        if _due(self.every, self.step):
            losses = {name: float(logs[name]) for name in logs if name not in ("size", "so_far")}
            self.latest = {f"step/{name}": value for name, value in (losses | self.rates).items()}
            self.by_leader(self._write_step)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        gradients, self.gradients = self.gradients, {}
        self.by_leader(lambda: self._write_epoch(epoch, logs, gradients))

    def _write_step(self) -> None:
        with self._explained():
            self._write_latest(self._run("train"))

    def _write_epoch(self, epoch: int, logs: Logs, gradients: dict[str, np.ndarray]) -> None:
        assert self.step is not None
        with self._explained():
            run = self._run("train")
            if self.first is None:  # a training that goes on behind the last step, which the new file hides
                self._write_latest(run)
            for name, value in ({"number": epoch + 1} | self.rates | logs).items():
                if scalar(value):
                    validation = name.startswith("val_")
                    place = self._run("validation") if validation else run
                    place.scalar("epoch/" + name.removeprefix("val_"), value, self.step)
            if (share := waiting_share(self)) is not None:
                run.scalar("epoch/waiting", share, self.step)
            if _due(self.histograms, epoch + 1):
                for name, parameter in self.model.named_parameters():
                    run.histogram(f"weights/{name}", parameter.backend.to_numpy(parameter.value), self.step)
                for name, gradient in gradients.items():
                    run.histogram(f"gradients/{name}", gradient, self.step)
            if _due(self.images, epoch + 1) and (found := first_filters(self.model)) is not None:
                run.image(f"filters/{found[0]}", tiles(found[1]), self.step)
            for each in self.runs.values():
                each.flush()

    def on_train_end(self, logs: Logs) -> None:
        self.step = self.first = None
        with self._explained(), contextlib.ExitStack() as stack:
            while self.runs:
                stack.callback(self.runs.popitem()[1].close)

    def get_state(self) -> dict[str, Any]:
        """How many steps were taken, and what an epoch's end shows of the last one. A training that goes on from here
        does not write once more what it has written before: it goes to the disk now.
        """
        with self._explained():
            for run in self.runs.values():
                run.flush()
        return {"step": self.step, "rates": self.rates, "gradients": self.gradients, "latest": self.latest}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on after this step."""
        self.step, self.rates, self.gradients = state["step"], state["rates"], state["gradients"]
        self.latest = state["latest"]

    def _write_latest(self, run: _Run) -> None:
        for tag, value in self.latest.items():
            run.scalar(tag, value, self.step or 0)

    def _run(self, name: str) -> _Run:
        if name not in self.runs:
            first = self.first if self.first is not None else self.step
            self.runs[name] = _Run(os.path.join(self.folder, name), first or 0)
        return self.runs[name]

    def _explained(self) -> contextlib.AbstractContextManager[None]:
        return file_errors(f"TensorBoard cannot write to {self.folder}")


class _Run:
    """One event file. tensorboardX's SummaryWriter hands events to a thread, which loses them when the process is
    killed and waits for ever when the disk is full; this writes them at once.
    """

    def __init__(self, folder: str, first_step: int) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        os.makedirs(folder, exist_ok=True)
        # the name holds the second; two trainings in one second must not write one file
        self.file = EventsWriter(os.path.join(folder, "events"), f".{time.time_ns() % 10**9:09d}")
        self.event = Event
        start = SessionLog(status=SessionLog.START)  # hides events of this step and of later ones in older files
        self.file.write_event(Event(wall_time=time.time(), step=first_step, session_log=start))

    def scalar(self, tag: str, value: Any, step: int) -> None:
        from tensorboardX.proto.summary_pb2 import Summary

        self._write(Summary(value=[Summary.Value(tag=tag, simple_value=float(value))]), step)

    def histogram(self, tag: str, values: np.ndarray, step: int) -> None:
        """Of what is finite."""
        from tensorboardX.summary import histogram

        finite = values[np.isfinite(values)].astype(np.float64)
        if finite.size:
            self._write(histogram(tag, finite, bins=30), step)

    def image(self, tag: str, pixels: np.ndarray, step: int) -> None:
        """`pixels`: (H, W, 1 or 3) of uint8."""
        from tensorboardX.summary import image

        self._write(image(tag, pixels, dataformats="HWC"), step)

    def flush(self) -> None:
        self.file.flush()

    def close(self) -> None:
        self.file.close()

    def _write(self, summary: Any, step: int) -> None:
        self.file.write_event(self.event(wall_time=time.time(), step=step, summary=summary))


def first_filters(model: Network) -> tuple[str, np.ndarray] | None:
    """Name and values (filters, C, KH, KW) of the first weight, if they can be seen as images: those of a convolution,
    or of a dense layer whose inputs are the pixels of an image.
    """
    for name, parameter in model.named_parameters():
        shape, image = parameter.shape, model.input_shape or ()
        if len(shape) < 2:  # of a normalisation
            continue
        values: np.ndarray = parameter.backend.to_numpy(parameter.value)
        if len(shape) == 4:
            return name, values
        if len(shape) == 2 and len(image) == 3 and math.prod(image) == shape[1]:
            return name, values.reshape(-1, *image)  # (filters, C, H, W)
        return None
    return None


def tiles(filters: np.ndarray, side: int = 32, most: int = 64) -> np.ndarray:
    """The first `most` filters (F, C, KH, KW) as one picture (H, W, 1 or 3) of uint8; middle grey is 0.

    Filters of 1 or 3 channels lie in a square, grey or in colour; of others each row is a filter, and its columns are
    the first `most` channels. Each filter's pixels are enlarged to at least about `side`.
    """
    filters = np.nan_to_num(filters[:most].astype(np.float64), posinf=0, neginf=0)
    parts, columns = filters_as_tiles(filters if filters.shape[1] in (1, 3) else filters[:, :most])
    enlarged = max(1, math.ceil(side / max(parts.shape[1:3])))
    parts = parts.repeat(enlarged, axis=1).repeat(enlarged, axis=2)
    grey = np.rint(127.5 + 127.5 * parts / (np.abs(parts).max() or 1.0))
    columns = columns or math.ceil(math.sqrt(len(parts)))
    return mosaic(grey, columns, gap=2, margin=2, blank=255).astype(np.uint8)  # white between them


def _due(every: int, number: int) -> bool:
    """Whether `number`, from 1, is one of each `every`; 0 is never."""
    return every > 0 and number % every == 0


def _require_tensorboardx() -> None:
    try:
        import tensorboardX  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f'TensorBoard needs tensorboardX ({error}). Install it: pip install "xpnet[tensorboard]"'
        ) from error
