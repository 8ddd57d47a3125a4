"""Layers that stand one behind the other in training, where one does what the next one would, in the same pass over
memory.

A layer says by a method of its class that it can. `with_next` takes the next layer, and returns a forward that does
both, or None; the next one then hands on what it is given, both ways, so that each has its place on the tape as ever.
`with_sum` returns a forward that takes two arrays and begins with their sum, or None. Whoever looks into a layer
(watch.py) has it run by itself, with the same numbers.

The ReLU of a convolution with max pooling behind it goes back behind the pooling, where there are fewer entries: the
pixel that pooling gives a gradient to is the largest of its window, so that whether ReLU let it through can be seen
from the pooled image.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from xpnet.backend import Array, Backend
from xpnet.backend.reference import dtype_name
from xpnet.core.layer import Back
from xpnet.core.parameter import FLOATS
from xpnet.core.plan import within
from xpnet.core.tape import Tape, Var

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


def run_forward(layers: Sequence[Any], x: Any, train: bool, backend: Backend) -> tuple[Any, list[Back]]:
    """What the last layer gives, and the way back through each."""
    backs: list[Back] = []
    with within:
        for forward in forwards(layers, train):
            x, back = forward(x, train=train)
            backs.append(back)
    move_relu(backs, backend)
    return x, backs


def move_relu(backs: list[Callable[..., Any]], backend: Backend) -> None:
    """Of the `back`s of a chain, let those of pooling do what those in front of them would. A layer says by an
    attribute of its `back` that it can: `takes_relu`, or `gives_relu`; one that somebody has wrapped says nothing.
    """
    for at in range(1, len(backs) if backend.fills else 0):  # elsewhere that would be a launch more
        if getattr(backs[at], "takes_relu", False) and getattr(backs[at - 1], "gives_relu", False):
            backs[at - 1] = functools.partial(backs[at - 1], activation=None)
            backs[at] = functools.partial(backs[at], relu=True)


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
