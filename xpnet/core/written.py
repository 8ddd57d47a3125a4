"""Layers and losses as users write them: what is asked of their forward, and of what shape an output is if untold."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from xpnet import random
from xpnet.base.budget import on_trial
from xpnet.base.nested import mapped
from xpnet.base.notice import notify, unheard
from xpnet.base.settings import is_library
from xpnet.core.carried import states_set_aside
from xpnet.errors import OptionError, TapeError

Forward = Callable[..., Any]
WEIGHTS = "w", "W", "b", "weight", "weights", "kernel", "bias", "biases"  # what parameters are called


def is_own(cls: type) -> bool:
    """Whether a user wrote the class."""
    return not is_library(cls)


def returning_both(forward: Forward) -> Forward:
    """A `forward` that a subclass wrote: one that returns y alone, or does not take `train`, says what is missing."""
    takes = inspect.signature(forward).parameters
    takes_train = "train" in takes or any(p.kind is p.VAR_KEYWORD for p in takes.values())

    @functools.wraps(forward)
    def both(self: Any, *xs: Any, **options: Any) -> Any:
        if "train" in options and not takes_train:
            raise TapeError(f"{self.label}: forward must take train, as in forward(self, x, train=False)")
        returned = forward(self, *xs, **options)
        if type(returned) is tuple and len(returned) == 2:
            back = returned[1]
            if callable(back) or (back is None and not options.get("train")):  # in inference there is no way back
                return returned
        found = f"a tuple of {len(returned)}" if isinstance(returned, tuple) else type(returned).__name__
        raise TapeError(
            f"{self.label}: forward must return (y, back), the output and a function that takes dy and returns dx, as"
            f" in `return y, back`; it returned {found}"
        )

    return both


def returning_value_and_back(forward: Forward) -> Forward:
    """A `forward` of a loss that a subclass wrote: one that returns the value alone, say, tells what is missing."""

    @functools.wraps(forward)
    def both(self: Any, *arguments: Any, **options: Any) -> Any:
        returned = forward(self, *arguments, **options)
        if isinstance(returned, tuple) and len(returned) == 2 and callable(returned[1]):
            return returned
        raise OptionError(
            f"{type(self).__name__}.forward must return (value, back), the mean loss and a function that gives its"
            f" gradient with respect to y; it returned {what_came(returned)}"
        )

    return both


def what_came(returned: Any) -> str:
    """What a loss returned, in words."""
    if not isinstance(returned, tuple):
        return type(returned).__name__
    kinds = ", ".join(type(each).__name__ for each in returned)
    if len(returned) != 2:
        return f"({kinds})"
    return f"({kinds}), and back must be a function: return value, lambda: gradient"


def telling_plain_weights(build: Forward) -> Forward:
    """A `build` that a subclass wrote: one that makes no parameter, and keeps what is called as one as an array, gets a
    warning.
    """

    @functools.wraps(build)
    def telling(self: Any, *shapes: Any, **named: Any) -> Any:
        before = {*vars(self)}
        output = build(self, *shapes, **named)
        arrays = [name for name in WEIGHTS if name not in before and _is_floats(vars(self).get(name))]
        if arrays and is_own(type(self)) and not self.parameters():
            name = arrays[0]
            notify(
                f"{self.label}: {name} is a plain array, which is neither trained nor saved: write self.{name} ="
                f" self.parameter(...), or call what stays as it is self._{name}"
            )
        return output

    return telling


def _is_floats(value: Any) -> bool:
    """Whether it is an array of floats, and no parameter or state, which can be moved."""
    return "float" in str(getattr(value, "dtype", "")) and bool(value.shape) and not hasattr(value, "move")


def shape_by_trial(layer: Any, shapes: tuple[Any, ...]) -> Any:
    """The output's shape of a layer without an `output_shape` of its own: its forward runs on one sample of ones.

    Where ones are no input for it, that of the input.
    """
    known = vars(layer).setdefault("_tried", {})
    if shapes not in known:
        known[shapes] = shapes[0]  # for the checks at the beginning of the forward
        restore = layer.snapshot()
        try:
            with unheard(), random.preserved_state(), states_set_aside(layer), on_trial(shapes):
                y = layer.forward(*_ones(layer, shapes), train=False)[0]
            known[shapes] = mapped(lambda each: tuple(each.shape[1:]), y)
        except TapeError:  # of `returning_both`
            del known[shapes]
            raise
        except Exception:  # the forward itself will tell
            return known.pop(shapes)
        finally:
            restore()
    return known[shapes]


def _ones(layer: Any, shapes: tuple[Any, ...]) -> list[Any]:
    whole = {at % len(shapes) for at in layer.integers_at}
    kinds = ["int64" if layer.takes_integers or at in whole else layer.dtype for at in range(len(shapes))]
    return [layer.backend.zeros((1, *shape), kind) + 1 for shape, kind in zip(shapes, kinds, strict=True)]
