"""The bases of callbacks that follow one value of the history, and know its best."""

import math
from collections.abc import Iterable
from typing import Any

from xpnet.base.checks import at_least_zero
from xpnet.callbacks.base import Callback, Logs, scalar
from xpnet.errors import OptionError
from xpnet.metrics import larger_is_better

NEEDS_VALIDATION = "; give fit validation_data or validation_split"


class Monitor(Callback):
    """The base of callbacks that follow one value: is it better than the best so far?"""

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        if mode not in ("auto", "min", "max"):
            raise OptionError(f'mode must be "auto", "min" or "max", not {mode!r}')
        if not isinstance(monitor, str):
            raise OptionError(f"monitor must be the name of a value, such as val_loss, not {monitor!r}")
        self.monitor, self.mode = monitor, mode
        self.min_delta = at_least_zero(f"{type(self).__name__}: min_delta", min_delta)
        self.best: float | None = None

    def on_train_begin(self, logs: Logs) -> None:
        self.best = None
        values = ["loss", *(metric.name for metric in self.model.metrics)]
        if not self.params["validation"] and self.monitor in [f"val_{name}" for name in values]:
            raise self._no_value(values, NEEDS_VALIDATION)

    def improved(self, logs: Logs) -> bool | None:
        """Whether this epoch is the best so far; None if it has no such value (an epoch without validation).

        NaN is never better. Raises OptionError for a value that does not exist, or that is no single number.
        """
        if self.monitor not in logs:
            validated = any(name.startswith("val_") for name in logs)
            if self.monitor.startswith("val_") and self.params["validation"] and not validated:
                return None
            lacks = self.monitor.startswith("val_") and not validated
            raise self._no_value(logs, NEEDS_VALIDATION if lacks else "")
        if not scalar(logs[self.monitor]):
            raise OptionError(
                f"{type(self).__name__}: {self.monitor!r} is an array of shape {tuple(logs[self.monitor].shape)};"
                " follow a single number, such as val_loss"
            )
        value = float(logs[self.monitor])
        rises = self.mode == "max" or (self.mode == "auto" and larger_is_better(self.monitor, self.model.metrics))
        gain = math.inf if self.best is None else (value - self.best if rises else self.best - value)
        if math.isnan(value) or not gain > self.min_delta:
            return False
        self.best = value
        return True

    def _no_value(self, known: Iterable[str], hint: str) -> OptionError:
        return OptionError(
            f"{type(self).__name__}: there is no value {self.monitor!r} to follow; there are {', '.join(known)}{hint}"
        )

    def get_state(self) -> dict[str, Any]:
        return {"best": self.best}

    def set_state(self, state: dict[str, Any]) -> None:
        self.best = state["best"]


class BestEpoch(Monitor):
    """The base of callbacks that remember which epoch was the best so far, and its weights."""

    best_epoch: int | None = None  # from 0
    best_weights: list[Any] | None = None

    def on_train_begin(self, logs: Logs) -> None:
        super().on_train_begin(logs)
        self.best_epoch = self.best_weights = None

    def remember(self, epoch: int, logs: Logs, weights: bool = True) -> bool | None:
        """What `improved` says of this epoch; if it is the best so far, keep its number and, if asked to, its weights.

        The weights are copied to the host.
        """
        better = self.improved(logs)
        if better:
            self.best_epoch = epoch
            if weights:
                self.best_weights = self.model.get_weights()
        return better

    def restore(self) -> None:
        """Put the best weights back into the model, if there are any."""
        if self.best_weights is not None:
            self.model.set_weights(self.best_weights)

    def get_state(self) -> dict[str, Any]:
        return super().get_state() | {"best_epoch": self.best_epoch, "best_weights": self.best_weights}

    def set_state(self, state: dict[str, Any]) -> None:
        self.best_epoch, self.best_weights, _ = state["best_epoch"], state["best_weights"], state["best"]
        super().set_state(state)
