"""The fully connected layer."""

from collections.abc import Iterable
from typing import Any

from xpnet.backend import Array
from xpnet.base.checks import whole
from xpnet.core.declare import Declared, Shape
from xpnet.core.layer import Back
from xpnet.layers.base import Weighted


class Dense(Weighted):
    """y = act(x weight^T + bias): x (N, I), weight (units, I), bias (units,), y (N, units).

    units: number of outputs.  activation: a name ("relu", ...), a layer or None.  initializer: of the weight; the bias
    starts at 0.  regularizer: of the weight: a name ("l2", ...), regularizers.L2(1e-4) or None.
    """

    kind = "dense"
    gives = "scores"

    def __init__(
        self,
        units: int,
        bias: bool = True,
        activation: Any = None,
        initializer: Any = "he_normal",
        name: str | None = None,
        regularizer: Any = None,
    ) -> None:
        super().__init__(bias, activation, initializer, regularizer, name)
        self.units = whole("Dense: units", units)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise self.wrong_shape(shape, "(N, features): put a layers.Flatten() before it")
        if self._built and shape[0] != self.weight.value.shape[1]:
            raise self.wrong_shape(shape, f"(N, {self.weight.shape[1]})")
        return (self.units,)

    def declare(self, shape: Shape) -> Iterable[Declared]:
        return self.weight_and_bias((self.units, shape[0]), fan_in=shape[0], fan_out=self.units)

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
