"""Optimizers: SGD, momentum, Nesterov, AdaGrad, RMSProp, Adam, AdamW, Nadam, RAdam, Lion, Muon.

The arithmetic of a step is a backend primitive; here stand the settings and the state, which is kept per parameter
object. Every optimizer takes `lr` (a number or a schedule), `weight_decay` (an L2 penalty: g += weight_decay * p; in
AdamW, Lion and Muon it is decoupled: p -= lr weight_decay p), `clip_norm` (the gradients of all parameters together are
scaled down to at most this Euclidean norm; None: never), `clip_value` (each entry of a gradient is brought between
-clip_value and clip_value, before the norm is taken; None) and `groups` (settings of their own for some parameters:
groups=[Group("*.bias", weight_decay=0.0)]; none).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from xpnet.base.hints import explained
from xpnet.base.lookup import by_name
from xpnet.optimizers.adagrad import AdaGrad
from xpnet.optimizers.adam import Adam, AdamW
from xpnet.optimizers.base import Optimizer
from xpnet.optimizers.groups import Group, no_decay_on_vectors
from xpnet.optimizers.lion import Lion
from xpnet.optimizers.muon import Muon
from xpnet.optimizers.nadam import Nadam
from xpnet.optimizers.radam import RAdam
from xpnet.optimizers.rmsprop import RMSProp
from xpnet.optimizers.sgd import SGD, Momentum, Nesterov
from xpnet.optimizers.state import State

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Group",
    "Lion",
    "Momentum",
    "Muon",
    "Nadam",
    "Nesterov",
    "Optimizer",
    "RAdam",
    "RMSProp",
    "State",
    "get",
    "no_decay_on_vectors",
]

OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": AdaGrad,
    "rmsprop": RMSProp,
    "adam": Adam,
    "adamw": AdamW,
    "nadam": Nadam,
    "radam": RAdam,
    "lion": Lion,
    "muon": Muon,
}


def get(optimizer: str | Optimizer) -> Optimizer:
    """An optimizer from its name, with its default settings, or as it is."""
    if isinstance(optimizer, Optimizer):
        return optimizer
    return by_name("optimizer", optimizer, OPTIMIZERS, "or give an Optimizer")


if not TYPE_CHECKING:
    __getattr__, __dir__ = explained(__name__)
