"""How a layer says which parameters it is going to have, and that it is built once."""

import functools
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from xpnet.base.locks import ProcessLock
from xpnet.core.parameter import Penalty

Shape = tuple[int, ...]
Returned = TypeVar("Returned")

building = ProcessLock(threading.RLock)  # the first use of a layer may come from two threads at once


def overridable(method: Callable[..., Returned]) -> Callable[..., Returned]:
    """For type checkers: a subclass may name its inputs, as in forward(self, x), or leave some out."""
    return method


class Declared(NamedTuple):
    """A parameter that a layer is going to have: enough to count it, and to make it.

    With an initializer it is drawn, from `fan_in` and `fan_out`; without one it starts as `value` everywhere.
    """

    name: str  # of the layer's attribute
    shape: Shape
    initializer: Any = None
    fan_in: int = 0
    fan_out: int = 0
    value: float = 0.0
    trainable: bool = True
    regularizer: Penalty | None = None
    tied: Any = None  # the layer whose parameter of this name it is


def build_once(build: Callable[..., Shape]) -> Callable[..., Shape]:
    """A `build` that a subclass wrote, which need not know that a layer is built once, nor say so when it is."""

    @functools.wraps(build)
    def once(self: Any, *shapes: Shape, **named: Shape) -> Shape:
        shape: Shape
        if self._built:
            shape = self.output_shape(*shapes, *named.values())
            return shape
        restore, before = self.snapshot(), [layer for _, layer in self.named_layers()]
        try:
            with self.drawing_weights():
                output = build(self, *shapes, **named)
        except BaseException:
            restore()  # the `build` of the base, which it had called, may have been through
            raise
        self._built = True
        vars(self).pop("_tried", None)  # shapes that were found out with what is inside it made once more
        for layer in [layer for _, layer in self.named_layers() if layer not in before]:
            layer.to(self.backend).astype(self.dtype)  # made here, like all others when they are made
        shape = self.output_shape(*shapes, *named.values()) if output is None else output
        return shape

    return once
