"""Where NaN or infinity comes from, once a loss has become that."""

from typing import Any

import numpy as np

from xpnet import random
from xpnet.backend import Array
from xpnet.base.nested import as_several, leaves
from xpnet.core.layer import Layer
from xpnet.core.watch import watched
from xpnet.errors import NonFiniteError


class NotFinite(Exception):
    """What a step raises, for itself, when a loss is NaN or infinite; its caller knows the batch."""

    def __init__(self, value: Array) -> None:
        self.value = value


NOWHERE = "all layers gave finite outputs, the loss itself did not"
REMEDY = ". A smaller learning rate, clip_norm in the optimizer, or scaled inputs usually help"


def nonfinite_loss(model: Layer, name: str, value: Any, where: str, x: Any = None, t: Any = None) -> NonFiniteError:
    """The error for a loss that is NaN or infinite: with where it began."""
    return NonFiniteError(f"the {name} became {float(value)} in {where}: {first_nonfinite(model, x, t)}")


def first_nonfinite(model: Layer, x: Any, t: Any) -> str:
    """Where NaN or infinity comes from: the data, a parameter, or the first layer that gives it; and what to do.

    `x` and `t` are the batch whose forward pass was the last thing that happened; it is done again here, on a copy of
    the model.
    """
    backend = model.backend

    def finite(a: Array) -> bool:
        return bool(np.isfinite(backend.to_numpy(a)).all())

    for part, what in ((x, "input data"), (t, "targets")):
        if not all(array is None or finite(array) for array in leaves(part)):
            return f"the {what} hold NaN or infinity; remove or replace these samples"
    for name, parameter in model.named_parameters():
        if not finite(parameter.value):
            return f"parameter {name} holds NaN or infinity{REMEDY}"
    first: list[str] = []

    def see(layer: Layer, y: Any) -> None:
        if not first and not all(map(finite, leaves(y))):
            first.append(f"the output of layer {layer.label} is the first that is not finite")

    if x is None:  # nobody knows the batch any more, or what was done with it
        return f"all parameters are finite still{REMEDY}"
    with random.preserved_state(random.get_state()[:2]):  # a step is drawn from a key that nothing was taken from
        twin = model.copy()  # a forward pass in training moves running statistics
        with watched(twin, see):
            twin.forward(*as_several(x), train=True)
    return (first[0] if first else NOWHERE) + REMEDY
