"""Learning rates that change during training: called with the step (from 0), a schedule gives the rate.

A step is one of the optimizer. A training has epochs * ceil(samples / batch_size) of them; with gradients accumulated
over k batches, epochs * ceil(batches / k).
"""

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xpnet.base.checks import at_least_zero, fraction, positive, whole
from xpnet.base.configured import Configured
from xpnet.base.hints import explained
from xpnet.base.notice import notify
from xpnet.base.settings import is_library
from xpnet.errors import OptionError


class Schedule(Configured):
    """The base of all schedules. `length` is how many steps it is made for; None if it has no end."""

    length: int | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not is_library(cls) and "__call__" in vars(cls):
            cls.__call__ = giving_rates(cls.__call__)  # type: ignore[method-assign]

    def __call__(self, step: int) -> float:
        raise OptionError(f"{type(self).__name__} does not say what the learning rate is")

    def get_state(self) -> dict[str, Any]:
        """What changes in training beside the step and must survive a resume: nothing, unless a subclass says so."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Put back what `get_state` gave."""


def giving_rates(call: Callable[..., Any]) -> Callable[..., Any]:
    """The `__call__` that a user wrote, which must return a rate."""

    @functools.wraps(call)
    def checked(self: Any, step: int) -> Any:
        rate = call(self, step)
        number = rate.item() if getattr(rate, "shape", None) == () else rate
        if not isinstance(number, (int, float)) or isinstance(number, bool) or not 0 <= number < math.inf:
            raise OptionError(
                f"{type(self).__name__} gave {rate!r} as the learning rate of step {step}: a schedule's __call__(self,"
                " step) must return a number of at least 0"
            )
        return rate

    return checked


class Constant(Schedule):
    """The same learning rate at every step."""

    def __init__(self, lr: float) -> None:
        self.lr = positive("lr", lr)

    def __call__(self, step: int) -> float:
        return self.lr


class Step(Schedule):
    """lr(s) = lr factor**floor(s / every): a fall by `factor` (default 0.1) after every so many steps."""

    def __init__(self, lr: float, every: int, factor: float = 0.1) -> None:
        self.lr, self.every = positive("lr", lr), whole("Step: every", every)
        self.factor = positive("Step: factor", factor)

    def __call__(self, step: int) -> float:
        return self.lr * math.pow(self.factor, step // self.every)


class Exponential(Schedule):
    """lr(s) = lr rate**(s / steps): times `rate` in every `steps` steps (default 1), smoothly.

    A rate above 1 lets it rise, as the search for a learning rate does.
    """

    def __init__(self, lr: float, rate: float, steps: int = 1) -> None:
        self.lr, self.rate = positive("lr", lr), positive("Exponential: rate", rate)
        self.steps = whole("Exponential: steps", steps)

    def __call__(self, step: int) -> float:
        return self.lr * math.pow(self.rate, step / self.steps)


class Cosine(Schedule):
    """lr(s) = end + (lr - end) (1 + cos(pi s / steps)) / 2, then `end` (Loshchilov and Hutter, 2017).

    `steps` is the length of the whole training in steps: epochs * ceil(samples / batch_size).
    """

    def __init__(self, lr: float, steps: int, end: float = 0.0) -> None:
        self.lr, self.steps = positive("lr", lr), whole("Cosine: steps", steps)
        self.end = at_least_zero("Cosine: end", end)
        self.length = self.steps

    def __call__(self, step: int) -> float:
        return _half_cosine(self.lr, self.end, step / self.steps)


class Warmup(Schedule):
    """For `steps` steps a straight rise from `start` (default 0) to the schedule's first rate, then the schedule.

    lr(s) = start + (schedule(0) - start) (s + 1) / (steps + 1) for s < steps, so that step 0 learns already;
    schedule(s - steps) from then on (Goyal et al., 2017). `schedule` is a Schedule, or a number for a constant rate.
    """

    def __init__(self, schedule: float | Schedule, steps: int, start: float = 0.0) -> None:
        self.schedule = schedule if isinstance(schedule, Schedule) else Constant(schedule)
        self.steps, self.start = whole("Warmup: steps", steps), at_least_zero("Warmup: start", start)
        self.length = None if self.schedule.length is None else steps + self.schedule.length

    def __call__(self, step: int) -> float:
        if step >= self.steps:
            return self.schedule(step - self.steps)
        return self.start + (self.schedule(0) - self.start) * (step + 1) / (self.steps + 1)


class OneCycle(Schedule):
    """Up and down once: from lr / divide to lr in the first share `rise` of the steps, then down to lr / end_divide.

    Both ways by half a cosine: with u = s / (rise steps), lr(s) = lr + (lr / divide - lr) (1 + cos(pi u)) / 2, and so
    on down, to the end that step number `steps` would have: the last one is a step before it (PyTorch's OneCycleLR
    reaches both ends with a step). `lr` is the highest rate, several times what would do as a constant one; `steps` is
    the length of the whole training. Smith and Topin, 2018, who go up and down by straight lines and let the momentum
    fall while the rate rises; here the momentum stays.
    """

    def __init__(self, lr: float, steps: int, rise: float = 0.3, divide: float = 25.0, end_divide: float = 1e5) -> None:
        self.lr, self.steps = positive("lr", lr), whole("OneCycle: steps", steps)
        self.length = self.steps
        self.rise = fraction("OneCycle: rise", rise)
        self.divide, self.end_divide = (
            positive("OneCycle: divide", divide),
            positive("OneCycle: end_divide", end_divide),
        )

    def __call__(self, step: int) -> float:
        top = self.rise * self.steps
        if step < top:
            return _half_cosine(self.lr / self.divide, self.lr, step / top)
        return _half_cosine(self.lr, self.lr / self.end_divide, (step - top) / (self.steps - top))


def _half_cosine(start: float, end: float, share: float) -> float:
    """From `start`, where the share is 0, to `end`, where it is 1, and there it stays."""
    return end + (start - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2


def warn_of_short_schedule(lr: float | Schedule, taken: int, steps: int) -> None:
    """So many steps are to come, after those that were taken; where the rate ends before them, the rest would learn
    next to nothing.
    """
    length = lr.length if isinstance(lr, Schedule) else None
    if length is not None and taken + steps > length:
        before = f", after {taken} before" if taken else ""
        notify(
            f"the schedule {type(lr).__name__} ends after {length} steps, and this training has {steps}"
            f"{before}: the learning rate stays at its end. Its steps are epochs * ceil(batches / accumulate)"
        )


# By name, each with its usual settings, from the highest rate and the length of the training in steps.
SCHEDULES: dict[str, Callable[[float, int], Schedule]] = {
    "constant": lambda lr, steps: Constant(lr),
    "step": lambda lr, steps: Step(lr, every=math.ceil(steps / 3)),
    "exponential": lambda lr, steps: Exponential(lr, rate=0.01, steps=steps),
    "cosine": Cosine,
    "warmup": lambda lr, steps: Warmup(Cosine(lr, max(1, steps - steps // 20)), steps=max(1, steps // 20)),
    "one_cycle": OneCycle,
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = explained(__name__)
