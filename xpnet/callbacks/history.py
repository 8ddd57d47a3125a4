"""The losses and metrics of all epochs."""

import copy
from typing import Any

from xpnet.callbacks.base import Callback, Logs


class History(Callback):
    """`history` maps each name to the list of its values; `epoch` lists the numbers of all epochs, from 0.

    `lr` is among them, the learning rate of the epoch's last step, where the model has an optimizer.

    `epochs` maps each name to the numbers of the epochs that its values belong to: validation need not happen in every
    one. `seconds` lists the time that each epoch's training took, validation not counted; `samples_per_second` follows
    from it. With several workers `waited` lists the part of these times in which this one waited for others, and
    `samples_by_worker` counts the samples, since `fit` was called, that each of them computed.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self.epochs: dict[str, list[int]] = {}
        self.seconds: list[float] = []
        self.samples: list[int] = []  # trained on, in each of these times
        self.waited: list[float] = []  # seconds of each of these times in which this worker waited for others
        self.samples_by_worker: list[int] = []  # of which each worker, since `fit` was called, computed gradients

    def tell_of_workers(self, waited: float, samples_by_worker: list[int]) -> None:
        """What is known of them when the steps of an epoch are done: the seconds of it that this one waited."""
        self.waited.append(waited)
        self.samples_by_worker = samples_by_worker

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


def waiting_share(callback: Callback) -> float | None:
    """Of the time of the last epoch, the share in which this worker waited for others; None if it is alone."""
    history = callback.model.history
    if callback.params.get("workers", 1) == 1 or not isinstance(history, History) or not history.seconds:
        return None
    return history.waited[-1] / max(history.seconds[-1], 1e-9)
