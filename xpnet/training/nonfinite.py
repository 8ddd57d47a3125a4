"""Where NaN or infinity comes from, once a loss has become that."""

from typing import Any

import numpy as np

from xpnet import random
from xpnet.backend import Array
from xpnet.core.layer import Layer
from xpnet.core.outputs import leaves
from xpnet.core.watch import watched
from xpnet.errors import NonFiniteError

REMEDY = ". A smaller learning rate, clip_norm in the optimizer, or scaled inputs usually help"


def nonfinite_loss(
    model: Layer, value: Any, where: str, x: Array | None = None, t: Array | None = None
) -> NonFiniteError:
    """The error for a loss that is NaN or infinite: with where it began."""
    return NonFiniteError(f"the loss became {float(value)} in {where}: {first_nonfinite(model, x, t)}")


def first_nonfinite(model: Layer, x: Array | None, t: Array | None) -> str:
    """Where NaN or infinity comes from: the data, a parameter, or the first layer that gives it; and what to do.

    `x` and `t` are the batch whose forward pass was the last thing that happened; it is done again here, on a copy of
    the model.
    """
    backend = model.backend

    def finite(a: Array) -> bool:
        return bool(np.isfinite(backend.to_numpy(a)).all())

    for array, what in ((x, "input data"), (t, "targets")):
        if array is not None and not finite(array):
            return f"the {what} hold NaN or infinity; remove or replace these samples"
    for name, parameter in model.named_parameters():
        if not finite(parameter.value):
            return f"parameter {name} holds NaN or infinity{REMEDY}"
    first: list[str] = []

    def see(layer: Layer, y: Any) -> None:
        if not first and not all(map(finite, leaves(y))):
            first.append(f"the output of layer {layer.label} is the first that is not finite")

    if x is not None:
        with random.preserved_state(_before_forward(model, x)):
            twin = model.copy()  # a forward pass in training moves running statistics
            with watched(twin, see):
                twin.forward(x, train=True)
    return (first[0] if first else "all layers gave finite outputs, the loss itself did not") + REMEDY


def _before_forward(model: Layer, x: Array) -> random.Key:
    """The random state before the forward pass that has just been made: as many keys ago as another pass takes."""
    seed, taken = random.get_state()
    with random.preserved_state():
        model.copy().forward(x, train=True)
        return seed, 2 * taken - random.get_state()[1]
