"""A step of training: forward, loss, back, update."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from xpnet.backend import Array
from xpnet.core.parameter import Parameter, zero_gradients
from xpnet.errors import OptionError
from xpnet.files.trainable import TrainableNetwork
from xpnet.losses import Loss
from xpnet.optimizers import Optimizer
from xpnet.regularizers import add_penalty_gradients, penalties
from xpnet.schedules import warn_of_short_schedule
from xpnet.training.nonfinite import nonfinite_loss


class Step:
    """What is done with a batch. Another kind of training, such as one of two networks against each other, one on
    several workers, or one whose launches were captured, is another Step in the same loop: a subclass of Model gives it
    in `make_step`.

    Called with a batch that is on the device. A step of the optimizer takes a group of `accumulate` batches. What a
    run, in run.py, needs of a step beside the call, `model` and `accumulate`:

    - `before_update`, which it may set: called before an update, with the factor that makes the gradients a mean;
    - `drop_group()`, where a group will not be completed;
    - `get_state()` and `set_state(state)`, for a Backup, which keeps the parameters of `model` and their gradients
      itself: a dict of "group", the sizes of the batches that wait, and "optimizer", whatever else has to go on, in
      numbers, strings, None, NumPy arrays, and lists and dicts of those;
    - `warn_of_schedule(steps)`: so many updates are to come.
    """

    def __init__(self, model: TrainableNetwork, optimizer: Optimizer, loss: Loss, accumulate: int = 1) -> None:
        self.model, self.optimizer, self.loss, self.backend = model, optimizer, loss, model.backend
        self.accumulate = accumulate
        self.group: list[int] = []  # sizes of the batches whose gradients wait for the rest of their group
        self.before_update: Callable[[float], None] | None = None
        self.parameters: list[Parameter] = []  # of the model; known after the first forward, which builds it

    def __call__(self, x: Array, t: Array, where: str, *weights: Array, last: bool = True) -> tuple[Array, Array]:
        """Forward and back, and a step of the optimizer if that completes the group, as the `last` batch of an epoch
        always does: the loss before it, and the outputs.
        """
        # the error for a loss that is not finite says more than a warning
        with self.backend.computing(), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            value, y = self.add_gradients(x, t, where, *weights)
            if last or len(self.group) == self.accumulate:
                self.update()
        return value, y

    def add_gradients(self, x: Array, t: Array, where: str, *weights: Array) -> tuple[Array, Array]:
        """Forward and back on a batch: adds to the gradients, and returns the loss and the outputs."""
        y, back = self.model.forward(x, train=True)
        value, loss_back = self.loss.forward(y, t, self.backend, *weights)
        if not self.parameters:
            self.collect_parameters()
        if any(p.regularizer for p in self.parameters):
            for penalty in penalties(self.parameters):
                value = value + penalty
        if not self.backend.lazy and not math.isfinite(float(value)):
            raise nonfinite_loss(self.model, value, where, x, t)
        dy, size = loss_back(), x.shape[0]
        back(dy if self.accumulate == 1 else dy * size, need_dx=False)
        self.group.append(size)
        return value, y

    def update(self) -> None:
        """A step of the optimizer with the mean gradient of the group's samples, as if they were one batch."""
        samples = 1 if self.accumulate == 1 else sum(self.group)  # of one batch the gradients are a mean already
        self.gather_gradients()
        if any(p.regularizer for p in self.parameters):
            add_penalty_gradients(self.parameters, samples)
        if self.before_update is not None:
            self.before_update(1 / samples)
        self.optimizer.update(self.parameters, scale=1 / samples)
        self.group.clear()

    def gather_gradients(self) -> None:
        """Between gradient and update, before penalties: where those of other workers are added, if there are any."""

    def drop_group(self) -> None:
        """Forget the batches that wait for the rest of their group."""
        self.group.clear()

    def get_state(self) -> dict[str, Any]:
        """What `set_state` needs to go on from here."""
        return {"optimizer": self.optimizer.get_state(dict(self.model.named_parameters())), "group": list(self.group)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Put back what `get_state` gave, once the parameters are as they were; their gradients come after it."""
        named = dict(self.model.named_parameters())
        self.parameters, self.group = list(named.values()), [int(size) for size in state["group"]]
        zero_gradients(self.parameters)
        self.optimizer.set_state(state["optimizer"], named)

    def warn_of_schedule(self, steps: int) -> None:
        """Where the learning rate ends before these steps do."""
        warn_of_short_schedule(self.optimizer.lr, self.optimizer.steps, steps)

    def collect_parameters(self) -> None:
        """Those of the model, built by now, after a look at whether they can be trained; their gradients are zero."""
        self.loss.check_last(self.model.last())
        self.parameters = self.model.parameters()
        if not any(parameter.trainable for parameter in self.parameters):
            raise OptionError("there is nothing to train: the model has no parameter that is trainable")
        zero_gradients(self.parameters)
