"""The fully connected layer."""

from typing import Any

from xpnet import initializers, regularizers
from xpnet.backend import Array
from xpnet.base.checks import whole
from xpnet.core.layer import Back, Shape
from xpnet.core.parameter import Parameter
from xpnet.errors import OptionError
from xpnet.layers.activations import Activated


class Dense(Activated):
    """y = act(x weight^T + bias): x (N, I), weight (units, I), bias (units,), y (N, units).

    units: number of outputs.  activation: a name ("relu", ...), a layer or None.  initializer: of the weight; the bias
    starts at 0.  regularizer: of the weight: a name ("l2", ...), regularizers.L2(1e-4) or None.
    """

    kind = "dense"
    gives = "scores"
    skips_dx = True
    weight: Parameter
    bias: Parameter | None = None  # also where the layer has none

    def __init__(
        self,
        units: int,
        bias: bool = True,
        activation: Any = None,
        initializer: Any = "he_normal",
        name: str | None = None,
        regularizer: Any = None,
    ) -> None:
        super().__init__(activation, name)
        if not isinstance(bias, bool):
            raise OptionError(
                f'Dense: bias must be True or False, not {bias!r}; an activation is given by name: activation="relu"'
            )
        self.units, self.has_bias = whole("Dense: units", units), bias
        initializers.get(initializer)  # an unknown one is an error now, not at build
        self.initializer, self.regularizer = initializer, regularizers.get(regularizer)

    def config(self) -> dict[str, Any]:
        return super().config() | {"bias": self.has_bias}

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise self.wrong_shape(shape, "(N, features): put a layers.Flatten() before it")
        if self._built and shape[0] != self.weight.shape[1]:
            raise self.wrong_shape(shape, f"(N, {self.weight.shape[1]})")
        return (self.units,)

    def build(self, shape: Shape) -> Shape:
        output = self.output_shape(shape)
        if self._built:
            return output
        weight = initializers.draw(self.initializer, (self.units, shape[0]), shape[0], self.units)
        self.weight = self.parameter(weight, regularizer=self.regularizer)
        self.bias = self.parameter(self.backend.zeros((self.units,))) if self.has_bias else None
        self._built = True
        return output

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        b = self.bias.value if self.bias else None
        y = self.backend.dense(x, self.weight.value, b, self.fused)

        def back(dy: Array, need_dx: bool = True) -> Array:
            dx, dw, db = self.backend.dense_backward(dy, x, self.weight.value, y, self.fused, need_dx)
            self.weight.add_grad(dw)
            if self.bias:
                self.bias.add_grad(db)
            return dx

        return self.activated(y, back, train)
