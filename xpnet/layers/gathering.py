"""Statistics of the parts of a batch, which one step of training follows together."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, NamedTuple

from xpnet.backend import Array


class Statistics(NamedTuple):
    """What a layer would have its running statistics follow: `layer.follow(mean, var)`."""

    layer: Any
    mean: Array  # (C,)
    var: Array  # (C,), the biased one
    entries: int  # that they are over, of a channel


# Within a step whose batch is computed in parts: the list that takes what layers would follow.
gathering: ContextVar[list[Statistics] | None] = ContextVar("gathering", default=None)
