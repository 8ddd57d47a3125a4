"""A training in front of a person's eyes: some seconds, in slices, that can be paused."""

import time
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from xpnet import random
from xpnet.data.transforms import to_unit
from xpnet.errors import OptionError
from xpnet.model import Model
from xpnet.optimizers import Adam
from xpnet.schedules import OneCycle
from xpnet.training.feed import on_device

REPORTED = 20  # steps, over which loss and accuracy are means


class Plan(NamedTuple):
    """Passes over so many of the training digits, in batches, with a rate that goes up and down once."""

    epochs: int
    samples: int
    batch_size: int
    lr: float


PLANS = {
    "simpleconvnet": Plan(2, 60_000, 100, 0.003),
    "deepconvnet": Plan(1, 24_000, 50, 0.003),
    "lenet5": Plan(3, 60_000, 100, 0.005),
    "lenet5-1998": Plan(2, 60_000, 100, 0.006),
    "mlp": Plan(10, 60_000, 100, 0.004),
}


class Training:
    """Trains the model it is given. The order of the digits, and all else, comes from the thread's random state."""

    def __init__(self, model: Model, plan: Plan, x: npt.NDArray[np.uint8], t: npt.NDArray[np.int64]) -> None:
        self.model, self.plan, self.x, self.t = model, plan, x, t
        self.samples = min(plan.samples, len(x))
        self.per_epoch = -(-self.samples // plan.batch_size)
        self.steps, self.step = plan.epochs * self.per_epoch, 0
        self.on, self.seconds = True, 0.0  # of computing
        self.losses: list[float] = []  # of the last steps
        self.hits: list[float] = []
        model.compile(Adam(OneCycle(plan.lr, self.steps)), "softmax_cross_entropy", ["accuracy"])
        self._step = model.make_step()
        self._order: npt.NDArray[np.intp] = np.arange(0)

    @classmethod
    def of(cls, key: str, model: Model, x: npt.NDArray[np.uint8], t: npt.NDArray[np.int64]) -> "Training":
        """With the plan of a network that is new; OptionError if there is none."""
        if key not in PLANS:
            raise OptionError("only a network that is new is trained here; this one is trained already")
        return cls(model, PLANS[key], x, t)

    @property
    def done(self) -> bool:
        return self.step >= self.steps

    @property
    def epoch(self) -> int:
        """From 0."""
        return min(self.step // self.per_epoch, self.plan.epochs - 1)

    @property
    def loss(self) -> float:
        return float(np.mean(self.losses)) if self.losses else 0.0

    @property
    def accuracy(self) -> float | None:
        return float(np.mean(self.hits)) if self.hits else None

    @property
    def seconds_left(self) -> float | None:
        return self.seconds / self.step * (self.steps - self.step) if self.step else None

    def advance(self) -> None:
        """A step on the next batch."""
        begin = time.perf_counter()
        number = self.step % self.per_epoch
        if number == 0:
            self._order = random.generator("order").permutation(len(self.x))[: self.samples]
        chosen = np.sort(self._order[number * self.plan.batch_size : (number + 1) * self.plan.batch_size])
        x = to_unit(self.x[chosen]).reshape(len(chosen), *(self.model.input_shape or ()))
        (metric,) = self.model.metrics
        metric.reset()
        with self.model.drawing_step():
            logs = self._step(on_device(self.model, (x, self.t[chosen])), f"step {self.step + 1}")
        self.losses = [*self.losses, float(logs["loss"])][-REPORTED:]
        self.hits = [*self.hits, float(metric.result())][-REPORTED:]
        self.step += 1
        self.seconds += time.perf_counter() - begin
