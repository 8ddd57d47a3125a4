"""Where an element stands in its sequence, added to it: attention alone does not know."""

import math
from collections.abc import Iterable
from typing import Any

from xpnet import initializers, regularizers
from xpnet.backend import Array, Backend
from xpnet.base.checks import whole
from xpnet.core.declare import Declared, Shape
from xpnet.core.layer import Back, Layer
from xpnet.core.parameter import Parameter

__all__ = ["LearnedPositions", "SinusoidalPositions"]


class SinusoidalPositions(Layer):
    """y = x + p, p[t, 2 i] = sin(t / 10000^(2 i / E)), p[t, 2 i + 1] = cos of the same (Vaswani et al., 2017).

    x (N, T, E) of any length T. It has no parameters.
    """

    kind = "positions"
    gives = "scores"

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self._table: tuple[Backend, Array] | None = None  # (T, E), for the last shape that came

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 2:
            raise self.wrong_shape(shape, "(N, T, E)")
        return shape

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        return x + self._positions(x.shape[1], x.shape[2], x.dtype), lambda dy: dy

    def _positions(self, T: int, E: int, dtype: Any) -> Array:
        backend, table = self._table or (None, None)
        if backend is not self.backend or table is None or table.shape != (T, E) or table.dtype != dtype:
            xp, device = self.xp, self.backend.device
            steps, pairs = (xp.arange(n, dtype=xp.float64, device=device) for n in (T, (E + 1) // 2))
            angles = steps[:, None] * xp.exp(pairs * (-2 * math.log(10000) / E))[None, :]  # (T, E/2)
            table = xp.reshape(xp.stack([xp.sin(angles), xp.cos(angles)], axis=-1), (T, -1))[:, :E]
            table = xp.astype(table, dtype)
            self._table = self.backend, table
        return table


class LearnedPositions(Layer):
    """y = x + weight[:T]: x (N, T, E), T at most `length`; weight (length, E), learned (Gehring et al., 2017).

    initializer: of the weight; the default is a standard deviation of 0.02 (Radford et al., 2018).  regularizer: of the
    weight: a name ("l2", ...), regularizers.L2(1e-4) or None.
    """

    kind = "positions"
    gives = "scores"
    weight: Parameter

    def __init__(self, length: int, initializer: Any = 0.02, name: str | None = None, regularizer: Any = None) -> None:
        super().__init__(name)
        self.length = whole("LearnedPositions: length", length)
        initializers.get(initializer)  # an unknown one is an error now, not at build
        self.initializer, self.regularizer = initializer, regularizers.get(regularizer)

    def output_shape(self, shape: Shape) -> Shape:
        E = self.weight.shape[1] if self._built else "E"
        if len(shape) != 2 or shape[0] > self.length or (self._built and shape[1] != E):
            raise self.wrong_shape(shape, f"(N, T, {E}), of at most {self.length} elements")
        return shape

    def declare(self, shape: Shape) -> Iterable[Declared]:
        fans = self.length, shape[1]
        yield Declared("weight", (self.length, shape[1]), self.initializer, *fans, regularizer=self.regularizer)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        T, E = x.shape[1:]

        def back(dy: Array) -> Array:
            dw = self.backend.sum(dy, axis=0)  # (T, E)
            unused = self.backend.zeros((self.length - T, E), self.dtype)
            self.weight.add_grad(self.xp.concat([dw, unused]) if self.length > T else dw)
            return dy

        return x + self.weight.value[:T, :], back
