"""Dropout."""

import math

from xpnet import random
from xpnet.backend import Array
from xpnet.base.checks import fraction
from xpnet.core.layer import Back, Layer

__all__ = ["Dropout"]


class Dropout(Layer):
    """In training y = x m, m = 0 with probability `rate`, else 1 / (1 - rate); in inference y = x (Srivastava et al.,
    2014).

    This is inverted dropout: the expectation is the same in training and inference. The mask comes from a counter-based
    generator, so that one seed gives the same masks on every backend, and a part of a batch its part of the mask.
    """

    kind = "dropout"
    gives = "scores"

    def __init__(self, rate: float = 0.5, name: str | None = None) -> None:
        super().__init__(name)
        self.rate = fraction("Dropout: rate", rate)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        if not train or self.rate == 0:
            return x, lambda dy: dy
        first = random.first_sample() * math.prod(x.shape[1:])  # this many elements of the batch are elsewhere
        mask = self.backend.dropout_mask(tuple(x.shape), self.rate, self.next_key(), x.dtype, first)

        def back(dy: Array) -> Array:
            return dy * mask

        return x * mask, back
