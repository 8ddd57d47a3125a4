"""Looking into a network while it runs: every layer's output, and where NaN comes from."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from xpnet import random
from xpnet.backend import Array
from xpnet.layer import Layer


@contextmanager
def watched(model: Layer, see: Callable[[Layer, Array], None]) -> Iterator[None]:
    """Within the block, `see(layer, output)` is called after every forward of a layer of the model."""
    layers = list({id(layer): layer for layer in parts(model)}.values())
    for layer in layers:

        def forward(*xs: Array, train: bool = False, layer: Layer = layer) -> Any:
            y, back = type(layer).forward(layer, *xs, train=train)
            see(layer, y)
            return y, back

        layer.__dict__["forward"] = forward  # hides the method of the class
    try:
        yield
    finally:
        for layer in layers:
            del layer.__dict__["forward"]


def parts(layer: Layer) -> Iterator[Layer]:
    """The layers that a model is made of, in order; models inside it are taken apart, other layers are not."""
    if layer.composite:
        for _, child in layer.children():
            yield from parts(child)
    else:
        yield layer


def first_nonfinite(model: Layer, x: Array | None, state: random.Key) -> str:
    """Where NaN or infinity comes from: the data, a parameter, or the first layer that gives it.

    `x` is the batch, `state` the random state before its forward pass, which is done again here on a copy of the model.
    """
    backend = model.backend

    def finite(a: Array) -> bool:
        return bool(np.isfinite(backend.to_numpy(a)).all())

    if x is not None and not finite(x):
        return "the input data hold NaN or infinity"
    for name, parameter in model.named_parameters():
        if not finite(parameter.value):
            return f"parameter {name} holds NaN or infinity"
    first: list[str] = []

    def see(layer: Layer, y: Array) -> None:
        if not first and not finite(y):
            first.append(f"the output of layer {layer.label} is the first that is not finite")

    if x is not None:
        twin = model.copy()  # a forward pass in training moves running statistics
        with random.preserved_state(), watched(twin, see):
            random.set_state(state)
            twin.forward(x, train=True)
    return first[0] if first else "all layers gave finite outputs, the loss itself did not"
