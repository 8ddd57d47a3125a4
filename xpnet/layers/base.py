"""What layers have in common: an activation behind them, a weight and a bias."""

from collections.abc import Iterator
from typing import Any

from xpnet import initializers, regularizers
from xpnet.backend import Array
from xpnet.core.declare import Declared, Shape
from xpnet.core.layer import Back, Layer
from xpnet.core.parameter import Parameter, frozen
from xpnet.errors import OptionError
from xpnet.layers.activations import activation_layer
from xpnet.layers.relu import ReLU


class Activated(Layer):
    """The base of layers that take `activation`: the primitive fuses ReLU, any other runs behind it."""

    def __init__(self, activation: Any, name: str | None) -> None:
        super().__init__(name)
        self.activation = activation
        layer = activation_layer(activation)
        if layer is not None:
            layer.suggest_name("activation")
        self.fused = "relu" if type(layer) is ReLU else None
        self.then = None if self.fused else layer

    def activated(self, y: Array, back: Back, train: bool) -> tuple[Array, Back]:
        """`y` and `back` with the activation that was not fused behind them."""
        if self.then is None:
            return y, back
        y, then_back = self.then.forward(y, train=train)

        def both(dy: Array, need_dx: bool = True) -> Array:
            return back(then_back(dy), need_dx)

        return y, both

    def build_inside(self, output: Shape) -> None:
        if self.then is not None and self.then.build(output) != output:
            raise OptionError(f"{self.label}: activation={self.then!r} changes the shape: put it behind as a layer")

    def children(self) -> Iterator[tuple[str, Layer]]:
        if self.then is not None:
            yield "activation", self.then


class Weighted(Activated):
    """The base of layers with a weight that is drawn, and a bias that starts at 0 unless `bias` is False."""

    skips_dx = True
    weight: Parameter
    bias: Parameter | None = None  # also where the layer has none

    def __init__(self, bias: bool, activation: Any, initializer: Any, regularizer: Any, name: str | None) -> None:
        super().__init__(activation, name)
        if not isinstance(bias, bool):
            raise OptionError(
                f"{type(self).__name__}: bias must be True or False, not {bias!r}; an activation is given by name:"
                ' activation="relu"'
            )
        initializers.get(initializer)  # an unknown one is an error now, not at build
        self.has_bias, self.initializer, self.regularizer = bias, initializer, regularizers.get(regularizer)

    def config(self) -> dict[str, Any]:
        return super().config() | {"bias": self.has_bias}

    @property
    def _take_grads(self) -> tuple[bool, bool]:
        """Whether the gradients of weight and bias are wanted: a layer without a bias has none, and within
        `network.frozen()` nobody takes any.
        """
        taken_by_nobody, bias = frozen.get(), self.bias  # as `takes_grad` says, with fewer calls
        return id(self.weight) not in taken_by_nobody, bias is not None and id(bias) not in taken_by_nobody

    def _add_grads(self, dw: Array | None, db: Array | None) -> None:
        """Those of them that were computed."""
        if dw is not None:
            self.weight.add_grad(dw)
        if db is not None and self.bias is not None:
            self.bias.add_grad(db)

    def weight_and_bias(self, shape: Shape, fan_in: int, fan_out: int, tied: Layer | None = None) -> Iterator[Declared]:
        """A weight (outputs, ...) of this shape, that of the `tied` layer if there is one, and a bias (outputs,)."""
        yield Declared("weight", shape, self.initializer, fan_in, fan_out, regularizer=self.regularizer, tied=tied)
        if self.has_bias:
            yield Declared("bias", shape[:1])
