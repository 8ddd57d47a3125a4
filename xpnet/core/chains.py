"""Layers that stand one behind the other in training, where one does what the next one would, in the same pass over
memory.

A layer says by a method of its class that it can. `with_next` takes the next layer, and returns a forward that does
both, or None; the next one then hands on what it is given, both ways, so that each has its place on the tape as ever.
`with_sum` returns a forward that takes two arrays and begins with their sum, or None. Whoever looks into a layer
(watch.py) has it run by itself, with the same numbers.
"""

from collections.abc import Callable, Sequence
from typing import Any

from xpnet.backend import Array
from xpnet.backend.reference import dtype_name
from xpnet.core.layer import Back
from xpnet.core.parameter import FLOATS
from xpnet.core.relu import move_relu
from xpnet.core.tape import Tape, Var

__all__ = ["add_and", "forwards", "move_relu", "run_chain"]

Forward = Callable[..., tuple[Any, Back]]


def forwards(layers: Sequence[Any], train: bool) -> list[Forward]:
    """What runs the layers in turn: the forward of each, unless, in training, it does what the next one would."""
    found: list[Forward] = [layer.forward for layer in layers]
    for at in range(1, len(layers) if train else 0):
        with_next = getattr(type(layers[at - 1]), "with_next", None)
        both = with_next and with_next(layers[at - 1], layers[at])
        if both:
            found[at - 1], found[at] = both, _hand_on
    return found


def run_chain(layers: Sequence[Any], x: Any) -> Any:
    """x through the layers in turn, as by calling them."""
    if not _is_trained(x):
        for layer in layers:
            x = layer(x)
        return x
    for layer, forward in zip(layers, forwards(layers, train=True), strict=True):
        own = forward == layer.forward
        x = layer(x) if own else x.tape.record(layer, (x,), *forward(x.value, train=True))
    return x


def add_and(then: Any, x: Any, y: Any) -> Any:
    """then(x + y)."""
    with_sum = getattr(type(then), "with_sum", None)
    alike = _is_trained(x) and _is_trained(y) and x.tape is y.tape and (x.shape, x.dtype) == (y.shape, y.dtype)
    if with_sum and alike and x.shape and x.shape[0] and dtype_name(x.dtype) in FLOATS:
        both = with_sum(then)
        if both:
            return x.tape.record(then, (x, y), *both(x.value, y.value))
    return then(x + y)


def _is_trained(x: Any) -> bool:
    """Whether it is on the tape of a forward pass in training, and not on one that writes down what layers ask for."""
    return type(x) is Var and type(x.tape) is Tape and x.tape.train


def _hand_on(x: Array, train: bool = False) -> tuple[Array, Back]:
    return x, _as_it_is


def _as_it_is(dy: Array) -> Array:
    return dy
