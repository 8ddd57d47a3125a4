"""What initial weights make of the activations of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from xpnet import random
from xpnet.analysis.outputs import activations
from xpnet.errors import OptionError
from xpnet.initializers import Initializer
from xpnet.initializers import get as get_initializer
from xpnet.layers import Dense
from xpnet.model import Model, Sequential


def compare_initializers(
    initializers: Iterable[str | float | Initializer] = (1.0, 0.01, "xavier_normal", "he_normal"),
    activation: Any = "sigmoid",
    x: Any = None,
    network: Callable[[Any], Model] | None = None,
) -> dict[str, dict[str, np.ndarray]]:
    """The activations of one network from different initial weights: {"std 1.0": {"dense1": (N, 100), ...}, ...}.

    By default, as in the book, five dense layers of 100 units see 1,000 samples of 100 numbers, standard normal:
    weights too large drive a sigmoid to 0 and 1, weights too small leave no differences, and Xavier's (for tanh and
    sigmoid) and He's (for ReLU) keep the spread from layer to layer.

    initializers: names, standard deviations or Initializers. activation: of the default network's layers. network: a
    function that makes another network from an initializer; it needs samples `x` of its own, as for `predict`. Each
    network starts from the same random state, which is afterwards what it was before.

    Raises OptionError for an unknown initializer, for two that are the same, or for a `network` without `x`.

    Saitoh, *Deep Learning from Scratch*, 2016, chapter 6; Glorot and Bengio, 2010; He et al., 2015.
    """
    if network is not None and x is None:
        raise OptionError("compare_initializers: a network of your own needs samples x for it")

    def chain(initializer: Any) -> Model:
        return Sequential([Dense(100, activation=activation, initializer=initializer) for _ in range(5)])

    found: dict[str, dict[str, np.ndarray]] = {}
    with random.preserved_state():
        if x is None:
            x = random.generator("samples").standard_normal((1000, 100), dtype=np.float32)
        state = random.get_state()
        for initializer in initializers:
            get_initializer(initializer)  # an unknown one is an error before anything is computed
            name = f"std {initializer}" if isinstance(initializer, (int, float)) else str(initializer)
            if name in found:
                raise OptionError(f"compare_initializers: {name} was given twice")
            random.set_state(state)
            found[name] = activations((network or chain)(initializer), x)
    if not found:
        raise OptionError("compare_initializers: give one initializer or more")
    return found
