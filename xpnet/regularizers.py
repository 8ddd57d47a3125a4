"""Penalties on the weights of a layer: `layers.Dense(10, regularizer=regularizers.L2(1e-4))`.

What training minimises, and what fit and evaluate report as the loss, is the loss of the data plus the penalty of every
parameter that is trained; one that two layers share counts once. The gradient of a penalty is added to the parameter's
once in each step of the optimizer. A penalty passes through the optimizer as the rest of the gradient does; the
optimizer's own `weight_decay` holds for all parameters and is not part of the loss.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from xpnet.backend import Array
from xpnet.base.checks import at_least_zero
from xpnet.base.configured import Configured
from xpnet.base.hints import explained
from xpnet.base.lookup import by_name
from xpnet.errors import OptionError

if TYPE_CHECKING:
    from xpnet.core.parameter import Parameter


class Regularizer(Configured):
    """The base of all regularizers. `xp` is the namespace that w belongs to."""

    def penalty(self, w: Array, xp: Any) -> Array:
        """What w adds to the loss: a number on the device."""
        raise OptionError(f"{type(self).__name__} does not say what its penalty is")

    def gradient(self, w: Array, xp: Any) -> Array:
        """The derivative of the penalty with respect to w."""
        raise OptionError(f"{type(self).__name__} does not say what its gradient is")


class L1(Regularizer):
    """l1 sum(|w|);  dw = l1 sign(w), 0 where w is 0 (Tibshirani, 1996)."""

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = at_least_zero("L1: l1", l1)

    def penalty(self, w: Array, xp: Any) -> Array:
        return self.l1 * xp.sum(xp.abs(w))

    def gradient(self, w: Array, xp: Any) -> Array:
        return self.l1 * xp.sign(w)


class L2(Regularizer):
    """l2 sum(w**2);  dw = 2 l2 w. Keras's convention, without a half: `weight_decay` of 2 l2 gives SGD's same step."""

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = at_least_zero("L2: l2", l2)

    def penalty(self, w: Array, xp: Any) -> Array:
        return self.l2 * xp.sum(w * w)

    def gradient(self, w: Array, xp: Any) -> Array:
        return (2 * self.l2) * w


class L1L2(Regularizer):
    """l1 sum(|w|) + l2 sum(w**2): the sum of the two ("elastic net": Zou and Hastie, 2005)."""

    def __init__(self, l1: float = 0.01, l2: float = 0.01) -> None:
        self.l1, self.l2 = at_least_zero("L1L2: l1", l1), at_least_zero("L1L2: l2", l2)

    def penalty(self, w: Array, xp: Any) -> Array:
        return self.l1 * xp.sum(xp.abs(w)) + self.l2 * xp.sum(w * w)

    def gradient(self, w: Array, xp: Any) -> Array:
        return self.l1 * xp.sign(w) + (2 * self.l2) * w


REGULARIZERS: dict[str, type[Regularizer]] = {"l1": L1, "l2": L2, "l1_l2": L1L2}


def get(regularizer: str | Regularizer | None) -> Regularizer | None:
    """A regularizer from its name, with its default settings, or as it is."""
    if regularizer is None or isinstance(regularizer, Regularizer):
        return regularizer
    return by_name("regularizer", regularizer, REGULARIZERS, "or give an object: regularizers.L2(1e-4)")


def penalties(parameters: Iterable["Parameter"]) -> list[Array]:
    """The penalty of each parameter that has one and is trained: numbers on the device."""
    return [p.regularizer.penalty(p.value, p.backend.xp) for p in parameters if p.regularizer and p.trainable]


def add_penalty_gradients(parameters: Iterable["Parameter"], times: float = 1) -> None:
    """To the gradient of each parameter that has a penalty and is trained, add `times` that of the penalty."""
    for p in parameters:
        if p.regularizer and p.trainable:
            p.add_grad(times * p.regularizer.gradient(p.value, p.backend.xp))


if not TYPE_CHECKING:
    __getattr__, __dir__ = explained(__name__)
