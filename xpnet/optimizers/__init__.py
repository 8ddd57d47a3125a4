"""Optimizers: SGD, momentum, Nesterov, AdaGrad, RMSProp, Adam, AdamW.

The arithmetic of a step is a backend primitive; here stand the settings and the state, which is kept per parameter
object. Every optimizer takes `lr` (a number or a schedule), `weight_decay` (an L2 penalty: g += weight_decay * p; in
AdamW it is decoupled) and `clip_norm` (the gradients of all parameters together are scaled down to at most this
Euclidean norm; None: never).
"""

from collections.abc import Callable

from xpnet.base.hints import explained
from xpnet.base.lookup import by_name
from xpnet.optimizers.adagrad import AdaGrad
from xpnet.optimizers.adam import Adam, AdamW
from xpnet.optimizers.base import Optimizer, State
from xpnet.optimizers.rmsprop import RMSProp
from xpnet.optimizers.sgd import SGD, Momentum, Nesterov

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Momentum",
    "Nesterov",
    "Optimizer",
    "RMSProp",
    "State",
    "get",
]

OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": AdaGrad,
    "rmsprop": RMSProp,
    "adam": Adam,
    "adamw": AdamW,
}


def get(optimizer: str | Optimizer) -> Optimizer:
    """An optimizer from its name, with its default settings, or as it is."""
    if isinstance(optimizer, Optimizer):
        return optimizer
    return by_name("optimizer", optimizer, OPTIMIZERS, "or give an Optimizer")


__getattr__ = explained(__name__)
