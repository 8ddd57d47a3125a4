"""What layers need where a step of training computes a batch in parts: statistics that the parts follow together, and
sums over all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

from xpnet.backend import Array


class Statistics(NamedTuple):
    """What a layer would have its running statistics follow: `layer.follow(mean, var)`."""

    layer: Any
    mean: Array  # (C,)
    var: Array  # (C,), the biased one
    entries: int  # that they are over, of a channel


class Parts(Protocol):
    """The parts of a batch, as one of them sees them."""

    @property
    def weight(self) -> Any:
        """What the part counts in the mean over the batch, once its loss is known."""

    def add_up(self, arrays: Sequence[Array]) -> Sequence[Array]:
        """The sums of these 1-D arrays over all parts, which must all ask for them. What is given is used up."""


# Within such a step: the list that takes what layers would follow.
gathering: ContextVar[list[Statistics] | None] = ContextVar("gathering", default=None)
# And the parts, if they wait for one another; None: there is but one, or they do not.
joined: ContextVar[Parts | None] = ContextVar("joined", default=None)
