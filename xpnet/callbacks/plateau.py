"""A learning rate that falls where training stands still."""

from typing import Any

from xpnet.base.checks import at_least_zero, fraction, positive, whole
from xpnet.callbacks.base import Logs, rate_name
from xpnet.callbacks.monitor import Monitor


class ReduceLROnPlateau(Monitor):
    """Multiply the learning rate by `factor` when `monitor` has not improved by more than `min_delta` for `patience`
    epochs, but not to below `min_lr`. After that, `cooldown` epochs do not count.

    It works on top of the optimizer's schedule, too: what it changes is `optimizer.lr_scale`, which multiplies the
    rate and stays after training. mode "auto" takes more as better for accuracies and for metrics that say
    `larger_is_better`, less for all else.
    """

    wait: int
    cooling: int
    told: str  # what is said when the line of the epoch is there

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
        self.told = ""

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        self._tell()

    def on_train_end(self, logs: Logs) -> None:
        self._tell()

    def _tell(self) -> None:
        if self.told:
            self.say(self.told)
        self.told = ""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        better = self.improved(logs)
        if better is None:
            return
        self.wait = 0 if better or self.cooling else self.wait + 1
        self.cooling = max(0, self.cooling - 1)
        if self.wait and self.wait >= self.patience:
            changed = []
            for name, optimizer in self.model.named_optimizers():
                rate = optimizer.current_lr
                if rate > self.min_lr:
                    optimizer.lr_scale *= max(self.factor, self.min_lr / rate)
                    changed.append(f"{rate_name(name)} falls from {rate:.4g} to {optimizer.current_lr:.4g}")
            if changed:
                epochs = "1 epoch" if self.wait == 1 else f"{self.wait} epochs"
                self.told = f"{self.monitor} did not improve for {epochs}: {', '.join(changed)}"
            self.wait, self.cooling = 0, self.cooldown

    def get_state(self) -> dict[str, Any]:
        scales = {name: optimizer.lr_scale for name, optimizer in self.model.named_optimizers()}
        return {"best": self.best, "wait": self.wait, "cooling": self.cooling, "lr_scale": scales}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` gave: after `on_train_begin`."""
        self.best, self.wait, self.cooling = state["best"], int(state["wait"]), int(state["cooling"])
        for name, optimizer in self.model.named_optimizers():
            optimizer.lr_scale = float(state["lr_scale"][name])
