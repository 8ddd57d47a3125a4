"""Layers as users write them: what is asked of their forward, and the shape of an output that they do not tell."""

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any

from xpnet import random
from xpnet.base.nested import mapped
from xpnet.base.settings import is_library
from xpnet.core.carried import states_set_aside
from xpnet.errors import TapeError

Forward = Callable[..., Any]


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


def shape_by_trial(layer: Any, shapes: tuple[Any, ...]) -> Any:
    """The output's shape of a layer without an `output_shape` of its own: its forward runs on one sample of ones.

    Where ones are no input for it, that of the input.
    """
    known = vars(layer).setdefault("_tried", {})
    if shapes not in known:
        known[shapes] = shapes[0]  # for the checks at the beginning of the forward
        restore = layer.snapshot()
        try:
            with warnings.catch_warnings(), random.preserved_state(), states_set_aside(layer):
                warnings.simplefilter("ignore")
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
