"""What `fit` shows on the terminal: a progress bar, or a line for each epoch."""

import contextlib
import time
from typing import Any

from xpnet.base.console import bar, say
from xpnet.callbacks.base import RATE, SHOWS, Callback, Logs
from xpnet.callbacks.history import waiting_share
from xpnet.errors import NonFiniteError


class ProgressBar(Callback):
    """On stderr, a tqdm bar with images/s, loss and metrics so far, and a line in its place when the epoch is over.

    `fit(verbose=1)` adds it.
    """

    rank = SHOWS
    images: bool  # whether they are counted; else batches
    bar: Any
    shown: float
    start: float
    INTERVAL = 0.2  # seconds between two looks at the device

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        self.images = self.params["samples"] is not None  # else, batches are counted
        self.bar = bar(
            total=self.params["samples" if self.images else "steps"],
            initial=logs.get("samples" if self.images else "step", 0),
            desc=f"epoch {epoch + 1}/{self.params['epochs']}",
            unit="img" if self.images else "batch",
            mininterval=self.INTERVAL,
            bar_format="{desc} {percentage:3.0f}% |{bar:12}| {rate_fmt}{postfix}",
        )
        self.shown = time.perf_counter()
        self.start = self.shown - logs.get("seconds", 0)

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        now = time.perf_counter()
        if now - self.shown >= self.INTERVAL:
            self.shown = now
            # of several workers only this one looks in between: all find a loss that is not finite at the epoch's end
            several = self.params.get("workers", 1) > 1
            with contextlib.suppress(NonFiniteError) if several else contextlib.nullcontext():
                self.bar.set_postfix(_format_values(logs["so_far"]()), refresh=False)
        self.bar.update(logs["size"] if self.images else 1)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.bar.close()
        say(_format_line(epoch, self, time.perf_counter() - self.start, logs))

    def on_train_end(self, logs: Logs) -> None:
        if hasattr(self, "bar"):
            self.bar.close()


class EpochLines(Callback):
    """A line on stdout for each epoch; `fit(verbose=2)` adds it."""

    rank = SHOWS
    start: float

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        self.start = time.perf_counter() - logs.get("seconds", 0)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        print(_format_line(epoch, self, time.perf_counter() - self.start, logs), flush=True)


def _format_line(epoch: int, display: Callback, seconds: float, logs: Logs) -> str:
    values = "  ".join(f"{name} {value}" for name, value in _format_values(logs).items())
    share = waiting_share(display)
    waited = "" if share is None else f" ({share:.0%} waiting)"
    return f"epoch {epoch + 1}/{display.params['epochs']}  {seconds:.1f} s{waited}  {values}"


def _format_values(logs: Logs) -> dict[str, str]:
    return {name: f"{value:.4f}" for name, value in logs.items() if isinstance(value, float) and name != RATE}
