"""How far a training run is, and the sums of the epoch that it is in."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from xpnet import random
from xpnet.backend import Array, Backend
from xpnet.training.feed import Feed
from xpnet.training.means import Means


class Position:
    """Epoch and step that come next, and what has been summed up since the epoch began: with weights, optimizer,
    metrics and callbacks, all that a run needs to go on as if it had never ended.

    At an epoch's beginning `step` is 0, but for one that a run goes on in from a Backup.
    """

    def __init__(self, epoch: int, backend: Backend) -> None:
        self.backend = backend
        self.enter(epoch)

    def enter(self, epoch: int) -> None:
        """Stand before the first batch of an epoch."""
        self.epoch, self.step, self.samples = epoch, 0, 0
        self.means = Means(self.backend)  # of what the steps so far have logged
        self.start = time.perf_counter()  # less what was needed before a backup

    def advance(self, logs: Mapping[str, Array], samples: int, weight: Any) -> None:
        """A step more, on so many samples, whose losses count for `weight`."""
        self.means.add(logs, weight)
        self.samples, self.step = self.samples + samples, self.step + 1

    @property
    def seconds(self) -> float:
        """The time that the epoch has taken so far."""
        return time.perf_counter() - self.start

    def in_words(self, epochs: int, steps: int) -> str:
        """Such as: in epoch 2 of 4, after step 2 of 6."""
        if self.epoch == epochs:
            return "after the last epoch"
        after = f", after step {self.step} of {steps}" if self.step else ""
        return f"in epoch {self.epoch + 1} of {epochs}{after}"

    def done(self) -> dict[str, Any]:
        """What on_epoch_begin is told: nothing, or what has been done already of an epoch that goes on."""
        return {"step": self.step, "samples": self.samples, "seconds": self.seconds} if self.step else {}

    def rest(self, batches: Feed, key: random.Key) -> Iterator[Any]:
        """The batches of the epoch from `step` on; their order follows from the training's key and the epoch."""
        with random.drawing_from(key, "train", self.epoch):  # as PreparedBatches does for itself
            return batches.starting_at(self.step)

    def get_state(self) -> dict[str, Any]:
        return {
            "epoch": self.epoch,
            "step": self.step,
            "samples": self.samples,
            "seconds": self.seconds,
            "means": self.means.get_state(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        epoch, step, samples = (int(state[name]) for name in ("epoch", "step", "samples"))
        if epoch < 0 or step < 0:
            raise ValueError(f"epoch {epoch}, step {step}")
        start = time.perf_counter() - state["seconds"]
        self.means.set_state(state["means"])
        self.epoch, self.step, self.samples, self.start = epoch, step, samples, start
