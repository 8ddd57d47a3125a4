"""The first update of an optimizer that a user wrote: a step that changes nothing is told."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np  # noqa: TID251 - once, on the host

from xpnet.base.configured import require_callable
from xpnet.base.foreign_names import SETTINGS
from xpnet.base.hints import hint_for
from xpnet.core.flat import Flat
from xpnet.core.parameter import Parameter
from xpnet.errors import OptionError

UNMADE = "steps"  # what the constructor of the base makes
LEAST = 1e-6  # a step of this share of the largest weight cannot be lost in rounding


def refuse_miswritten(optimizer: Any) -> None:
    """An optimizer whose constructor leaves out that of the base, or whose step could not be called."""
    kind = type(optimizer).__name__
    if UNMADE not in vars(optimizer):
        raise OptionError(
            f"{kind}.__init__ must call super().__init__(lr): without it, it has no state, and counts no steps"
        )
    if isinstance(optimizer.slots, str):
        raise OptionError(f"{kind}: slots is a tuple of names: slots = ({optimizer.slots!r},)")
    require_callable(optimizer, "step", "self, p, state, lr", "update")


def changing_something(update: Callable[..., None]) -> Callable[..., None]:
    """An `update` whose first call is an error if it leaves all parameters and all state as they were, though there
    are gradients and a learning rate.
    """

    @functools.wraps(update)
    def watched(self: Any, parameters: Iterable[Parameter], *others: Any, **options: Any) -> None:
        parameters = list(parameters)
        if vars(self).get(UNMADE):
            return update(self, parameters, *others, **options)
        refuse_miswritten(self)
        trained = [p for p in parameters if p.trainable and _should_move(p, self.current_lr)]
        before = [_on_host(p) for p in trained]
        try:
            update(self, parameters, *others, **options)
        except AttributeError as error:
            if isinstance(error.obj, (Parameter, Flat)):
                raise OptionError(_no_such_part(type(self).__name__, str(error.name))) from error
            raise
        state = [array for p in trained for array in self.state[p].on_host().values()]
        same = all(np.array_equal(_on_host(p), value, equal_nan=True) for p, value in zip(trained, before, strict=True))
        if trained and same and not any(np.any(array) for array in state):
            raise OptionError(
                f"the step of {type(self).__name__} changed no parameter: it must change p.value in place, as in"
                " p.value -= lr * p.grad; what it returns is not used"
            )

    return watched


def _no_such_part(kind: str, name: str) -> str:
    parts = ["value", "grad", "shape", "dtype", "trainable"]
    return (
        f"the step of {kind}: a parameter has no {name!r}{hint_for(name, SETTINGS, parts)}; it has {', '.join(parts)}"
    )


def _on_host(p: Parameter) -> Any:
    return np.array(p.backend.to_numpy(p.value))


def _should_move(p: Parameter, lr: float) -> bool:
    """Whether lr times the gradient could be seen in a value; only where anything was added to the gradient."""
    if not p.has_grad or not p.size:
        return False
    grad, value = np.abs(p.backend.to_numpy(p.grad)), np.abs(p.backend.to_numpy(p.value))
    return bool(lr * grad.max() > LEAST * value.max())
