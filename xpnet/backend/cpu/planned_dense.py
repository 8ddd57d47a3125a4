"""A dense layer of a plan of training, with its arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np

from xpnet.backend.cpu.activation import WHOLE
from xpnet.backend.cpu.products import PRODUCT_WORK, product, rows_at_once

Array = Any
FEW = 128  # rows that BLAS adds up by itself
Product = Callable[[Array, Array, Array], Any]


def product_of(rows: int, shape: tuple[int, int], a_turned: bool, b_turned: bool) -> Product:
    """What computes out = a @ b, with so many rows of a and b (K, N), each of which lies row by row unless it is the
    transpose of what does.
    """
    K, N = shape
    if rows * K * N > 2 * PRODUCT_WORK:  # half of which takes as long as to wake a thread
        return product
    height = rows_at_once(rows, shape, not a_turned, a_turned, not b_turned, b_turned)
    if height == rows:
        return np.matmul
    if a_turned:
        return lambda a, b, out: np.matmul(a.T.reshape(K, -1, height).transpose(1, 2, 0), b, out.reshape(-1, height, N))
    return lambda a, b, out: np.matmul(a.reshape(-1, height, K), b, out.reshape(-1, height, N))


def add_gradient(parameter: Any, compute: Callable[[Array], Any]) -> None:
    """Let `compute` write the gradient where the parameter wants it; if that takes none now, it is not computed."""
    if parameter.takes_grad:
        place = parameter.lend_grad()
        if place is None:
            place = np.empty(parameter.shape, parameter.dtype)
        compute(place)
        parameter.add_grad(place)


class Dense:
    """y = act(x w^T + b) of a chain of layers.

    x (N, I) and dx lie row by row, and so do y (N, O) and dy; those that are `turned` are (I, N) and (O, N), which lie
    row by row. `image`: x comes from a convolution, which is to write it to `self.x`. The last layer's y is the user's,
    and so is the first one's dx.
    """

    def __init__(
        self, backend: Any, stage: Any, dtype: Any, turned: bool = False, image: bool = False, last: bool = False
    ) -> None:
        (N, I), (_, O) = stage.given, stage.gives
        self.backend, self.activation, self.turned = backend, stage.activation, turned
        self.weight, self.bias, self.w = stage.op.args["w"], stage.op.args["b"], stage.op.args["w"].value
        self.relu, self.columns = stage.activation == ("relu",), turned and not last  # whether y is turned
        self.shape = (O, N) if self.columns else (N, O)
        self.b = None if self.bias is None else self.bias.value.reshape((O, 1) if self.columns else (1, O))
        self.x = np.empty((I, N), dtype) if image else None
        self.dx = np.empty((I, N), dtype) if turned else None
        self.own = None if last else np.empty(self.shape, dtype)  # for y
        self.dz = np.empty(self.shape, dtype)
        whole: Any = WHOLE[dtype.itemsize]
        self.bits, self.zero = self.dz.view(whole), np.zeros(self.shape, dtype)
        self.ones = np.ones(N, dtype)
        self.shift = np.array(8 * dtype.itemsize - 1, self.bits.dtype)
        self.y: Array = None
        self.given: Array = None
        self.way_back: Any = None
        if self.columns:
            self.product = product_of(O, (I, N), False, False)
        else:
            self.product = product_of(N, (I, O), turned, True)
        self.dw_product = product_of(O, (N, I), not self.columns, turned)
        if turned:
            self.dx_product = product_of(I, (O, N), True, not self.columns)
        else:
            self.dx_product = product_of(N, (O, I), False, False)

    def forward(self, x: Array) -> Array:
        y = np.empty(self.shape, self.w.dtype) if self.own is None else self.own
        if self.columns:
            self.product(self.w, x, y)
        else:
            self.product(x.T if self.turned else x, self.w.T, y)
        if self.b is not None:
            np.add(y, self.b, y)
        if self.relu:
            np.maximum(y, self.zero, out=y)
        elif self.activation:
            y, self.way_back = self.backend.activation(y, *self.activation)
        self.given, self.y = x, y
        return y

    def _sum(self, across: Array, place: Array) -> None:
        if not self.columns:
            place[...] = self.backend.sum(across.T, 0)  # with the bits of a layer
        elif len(self.ones) <= FEW:
            np.matmul(across, self.ones, place)  # faster, but one after the other
        else:
            place[...] = self.backend.sum(across, 1)

    def back(self, dy: Array, need_dx: bool) -> Array | None:
        if self.relu:
            # The sign of 0 - y, in all bits, chooses: a product with a boolean takes four times as long. The sign of y
            # alone would take -0.0 for a number below 0.
            np.subtract(self.zero, self.y, self.dz)
            np.right_shift(self.bits, self.shift, self.bits)
            np.bitwise_and(self.bits, dy.view(self.bits.dtype), self.bits)
            dy = self.dz
        elif self.activation:
            dy = self.way_back(dy)
        across, x = dy if self.columns else dy.T, self.given.T if self.turned else self.given  # (O, N), (N, I)
        self.given = self.y = self.way_back = None
        add_gradient(self.weight, lambda place: self.dw_product(across, x, place))
        if self.bias is not None:
            add_gradient(self.bias, lambda place: self._sum(across, place))
        if not need_dx:
            return None
        if self.turned:
            self.dx_product(self.w.T, across, self.dx)
            return self.dx
        dx = np.empty_like(x)
        self.dx_product(dy, self.w, dx)
        return dx
