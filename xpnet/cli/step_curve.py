"""Loss and metrics over the steps of an epoch: of a training of one epoch, the history has a single value of each."""

from typing import Any

from xpnet.callbacks import Callback, Logs
from xpnet.callbacks.base import SHOWS, scalar

POINTS = 60  # at least, if there are so many steps; each is read from the device


class StepCurve(Callback):
    """Keeps the mean of each value over some steps, one piece after the other: `steps` has their ends, `values` what
    was found in them. What it keeps is to be looked at, and no part of the training: a Backup does not know of it.
    """

    rank = SHOWS
    recorded = False
    steps: list[int]
    values: dict[str, list[float]]
    samples: int
    seen: int
    sums: dict[str, float] | None

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        self.steps, self.values = [], {}
        self.samples = self.seen = logs.get("samples", 0)  # up to now, and up to the last piece's end
        self.sums = {} if not self.samples else None  # not known of an epoch that goes on

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        self.samples += logs["size"]
        if (batch + 1) % max(1, self.params["steps"] // POINTS) == 0:
            self._end_piece(batch + 1, logs["so_far"]())

    def _end_piece(self, step: int, means: dict[str, Any]) -> None:
        """What is known are means since the epoch began."""
        sums = {name: float(mean) * self.samples for name, mean in means.items() if scalar(mean)}
        if self.sums is not None and self.samples > self.seen:
            self.steps.append(step)
            for name, total in sums.items():
                mean = (total - self.sums.get(name, 0.0)) / (self.samples - self.seen)
                self.values.setdefault(name, []).append(mean)
        self.sums, self.seen = sums, self.samples
