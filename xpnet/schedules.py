"""Learning rates that change during training: called with the step (from 0), a schedule gives the rate."""

import math
from typing import Any

from xpnet.checks import positive
from xpnet.configured import Configured
from xpnet.errors import OptionError


class Schedule(Configured):
    """The base of all schedules."""

    def __call__(self, step: int) -> float:
        raise OptionError(f"{type(self).__name__} does not say what the learning rate is")

    def get_state(self) -> dict[str, Any]:
        """What changes in training beside the step and must survive a resume: nothing, unless a subclass says so."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Put back what `get_state` gave."""


class Constant(Schedule):
    """The same learning rate at every step."""

    def __init__(self, lr: float) -> None:
        self.lr = positive("lr", lr)

    def __call__(self, step: int) -> float:
        return self.lr


class Cosine(Schedule):
    """lr(s) = end + (lr - end) (1 + cos(pi s / steps)) / 2, then `end` (Loshchilov and Hutter, 2017).

    `steps` is the length of the whole training in steps: epochs * ceil(samples / batch_size).
    """

    def __init__(self, lr: float, steps: int, end: float = 0.0) -> None:
        if not isinstance(steps, int) or steps < 1 or end < 0:
            raise OptionError(
                f"Cosine: steps must be an integer of at least 1 and end at least 0, not {steps!r} and {end!r}"
            )
        self.lr, self.steps, self.end = positive("lr", lr), steps, end

    def __call__(self, step: int) -> float:
        return self.end + (self.lr - self.end) * (1 + math.cos(math.pi * min(step / self.steps, 1.0))) / 2


SCHEDULES: dict[str, type[Schedule]] = {"constant": Constant, "cosine": Cosine}
