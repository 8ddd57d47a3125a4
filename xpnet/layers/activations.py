"""Activations by their names, for layers that have one behind them: `Dense(10, activation="relu")`."""

from collections.abc import Callable
from typing import Any

from xpnet.base.lookup import by_name
from xpnet.core.layer import Layer
from xpnet.layers import gated, rectifiers, relu, softmax, squashing

ACTIVATIONS: dict[str, Callable[[], Layer]] = {
    "relu": relu.ReLU,
    "leaky_relu": rectifiers.LeakyReLU,
    "prelu": rectifiers.PReLU,
    "elu": rectifiers.ELU,
    "celu": rectifiers.CELU,
    "selu": rectifiers.SELU,
    "relu6": rectifiers.ReLU6,
    "softplus": rectifiers.Softplus,
    "gelu": rectifiers.GELU,
    "gelu_tanh": lambda: rectifiers.GELU(tanh=True),
    "silu": rectifiers.SiLU,
    "mish": rectifiers.Mish,
    "hard_swish": rectifiers.HardSwish,
    "sigmoid": squashing.Sigmoid,
    "log_sigmoid": squashing.LogSigmoid,
    "tanh": squashing.Tanh,
    "softsign": squashing.Softsign,
    "hard_sigmoid": squashing.HardSigmoid,
    "hard_tanh": squashing.HardTanh,
    "softmax": softmax.Softmax,
    "log_softmax": softmax.LogSoftmax,
    "glu": gated.GLU,
}


def activation_layer(activation: Any) -> Layer | None:
    """The layer for "relu", ReLU() or None."""
    if activation is None or activation == "linear":
        return None
    if isinstance(activation, Layer):
        return activation
    return by_name("activation", activation, ACTIVATIONS, "or give a layer")
