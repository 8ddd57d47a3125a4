"""The first update of an optimizer that a user wrote: a step that changes nothing is told."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np  # noqa: TID251 - once, on the host

from xpnet.core.parameter import Parameter
from xpnet.errors import OptionError

LEAST = 1e-6  # a step of this share of the largest weight cannot be lost in rounding


def changing_something(update: Callable[..., None]) -> Callable[..., None]:
    """An `update` whose first call is an error if it leaves all parameters and all state as they were, though there
    are gradients and a learning rate.
    """

    @functools.wraps(update)
    def watched(self: Any, parameters: Iterable[Parameter], *others: Any, **options: Any) -> None:
        parameters = list(parameters)
        if self.steps:
            return update(self, parameters, *others, **options)
        trained = [p for p in parameters if p.trainable and _should_move(p, self.current_lr)]
        before = [_on_host(p) for p in trained]
        update(self, parameters, *others, **options)
        state = [array for p in trained for array in self.state[p].on_host().values()]
        same = all(np.array_equal(_on_host(p), value, equal_nan=True) for p, value in zip(trained, before, strict=True))
        if trained and same and not any(np.any(array) for array in state):
            raise OptionError(
                f"the step of {type(self).__name__} changed no parameter: it must change p.value in place, as in"
                " p.value -= lr * p.grad; what it returns is not used"
            )

    return watched


def _on_host(p: Parameter) -> Any:
    return np.array(p.backend.to_numpy(p.value))


def _should_move(p: Parameter, lr: float) -> bool:
    """Whether lr times the gradient could be seen in a value; only where anything was added to the gradient."""
    if not p.has_grad or not p.size:
        return False
    grad, value = np.abs(p.backend.to_numpy(p.grad)), np.abs(p.backend.to_numpy(p.value))
    return bool(lr * grad.max() > LEAST * value.max())
