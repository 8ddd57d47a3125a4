"""How a layer says which parameters it is going to have, and that it is built once."""

import functools
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from xpnet.base.locks import ProcessLock
from xpnet.core.parameter import Penalty

Shape = tuple[int, ...]

building = ProcessLock(threading.RLock)  # the first use of a layer may come from two threads at once


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
        restore = self.snapshot()
        try:
            with self.drawing_weights():
                output = build(self, *shapes, **named)
        except BaseException:
            restore()  # the `build` of the base, which it had called, may have been through
            raise
        self._built = True
        shape = self.output_shape(*shapes, *named.values()) if output is None else output
        return shape

    return once
