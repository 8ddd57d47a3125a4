"""Dropout."""

from xpnet import random
from xpnet.backend import Array
from xpnet.base.checks import fraction
from xpnet.core.layer import Back, Layer


class Dropout(Layer):
    """In training y = x m, m = 0 with probability `rate`, else 1 / (1 - rate); in inference y = x (Srivastava et al.,
    2014).

    This is inverted dropout: the expectation is the same in training and inference. The mask comes from a counter-based
    generator, so that one seed gives the same masks on every backend.
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
        mask = self.backend.dropout_mask(tuple(x.shape), self.rate, random.next_key(), x.dtype)

        def back(dy: Array) -> Array:
            return dy * mask

        return x * mask, back
