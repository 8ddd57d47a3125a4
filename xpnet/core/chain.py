"""Layers of a chain, one after the other, in training and in inference; and what they can do for each other.

The ReLU of a convolution with max pooling behind it goes back behind the pooling, where there are fewer entries: the
pixel that pooling gives a gradient to is the largest of its window, so that whether ReLU let it through can be seen
from the pooled image.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from xpnet.backend import Backend
from xpnet.core.layer import Back, Layer
from xpnet.core.plan import within


def run_chain(layers: Sequence[Layer], x: Any, train: bool, backend: Backend) -> tuple[Any, list[Back]]:
    """What the last layer gives, and the way back through each."""
    backs: list[Back] = []
    with within:
        for layer in layers:
            x, back = layer.forward(x, train=train)
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
