"""The fully connected layer."""

from collections.abc import Iterable
from typing import Any

from xpnet.backend import Array
from xpnet.base.checks import whole
from xpnet.core.declare import Declared, Shape
from xpnet.core.layer import Back, Layer
from xpnet.errors import OptionError
from xpnet.layers.base import Weighted

__all__ = ["Dense"]


class Dense(Weighted):
    """y = act(x weight^T + bias): x (N, I), weight (units, I), bias (units,), y (N, units).

    Of sequences x (N, T, I), each step by itself: y (N, T, units).

    units: number of outputs.  activation: a name ("relu", ...), a layer or None.  initializer: of the weight; the bias
    starts at 0.  regularizer: of the weight: a name ("l2", ...), regularizers.L2(1e-4) or None.  tied: another layer,
    built before this one, whose weight (units, I) this one shares, such as Embedding(units, I) (Press and Wolf, 2017).

    Elsewhere: torch.nn.Linear; keras.layers.Dense; the book's Affine.
    """

    kind = "dense"
    gives = "scores"
    tied: Layer | None

    def __init__(
        self,
        units: int,
        bias: bool = True,
        activation: Any = None,
        initializer: Any = "he_normal",
        name: str | None = None,
        regularizer: Any = None,
        tied: Layer | None = None,
    ) -> None:
        super().__init__(bias, activation, initializer, regularizer, name)
        self.units = whole("Dense: units", units)
        if tied is not None and (not isinstance(tied, Layer) or regularizer is not None):
            raise OptionError(f"Dense: tied takes another layer, whose weight has its own regularizer; not {tied!r}")
        vars(self)["tied"] = tied  # a layer that stands elsewhere: it gets no name here

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) not in (1, 2):
            raise self.wrong_shape(shape, "(N, features): put a layers.Flatten() before it")
        if self._built and shape[-1] != self.weight.value.shape[1]:
            I = self.weight.shape[1]
            sequences = f", or (N, T, {I}): put a layers.Flatten() before it, unless these are sequences"
            raise self.wrong_shape(shape, f"(N, {I})" + sequences * (len(shape) - 1))
        return (*shape[:-1], self.units)

    def declare(self, shape: Shape) -> Iterable[Declared]:
        return self.weight_and_bias((self.units, shape[-1]), shape[-1], self.units, self.tied)

    def build_inside(self, output: Shape) -> None:
        super().build_inside(output[-1:])  # the activation sees the steps of sequences as rows

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        shape, x = x.shape, x if x.ndim == 2 else self.xp.reshape(x, (-1, x.shape[-1]))  # (N*T, I)
        b = self.bias.value if self.bias else None
        y = self.backend.dense(x, self.weight.value, b, self.fused)

        def back(dy: Array, need_dx: bool = True) -> Array:
            w, place = self.weight.value, self.weight.lend_grad()
            dx, dw, db = self.backend.dense_backward(dy, x, w, y, self.fused, need_dx, place, *self._take_grads)
            self._add_grads(dw, db)
            return dx

        y, rows_back = self.activated(y, back, train)
        if len(shape) == 2:
            return y, rows_back

        def steps_back(dy: Array, need_dx: bool = True) -> Array:
            dx = rows_back(self.xp.reshape(dy, (-1, self.units)), need_dx)
            return dx if dx is None else self.xp.reshape(dx, shape)

        return self.xp.reshape(y, (*shape[:2], self.units)), steps_back
