"""Normalization and activations on a GPU: a launch forward, and one or two on the way back."""

from collections.abc import Callable

from xpnet.backend.cuda import launch
from xpnet.backend.cuda.launch import aligned, by_block, elementwise, four_axes, strides
from xpnet.backend.cuda.sums import CupySums
from xpnet.backend.reference import Array
from xpnet.backend.reference.elementwise import FORMULAS

LANES = 8  # channels of vectors whose sums one block makes: 32 bytes, which the device reads at once


_NUMBERS = {name: number for number, name in enumerate(FORMULAS)}  # by which kernels/elementwise.cu knows them


class CupyNormalization(CupySums):
    def batch_norm(self, x: Array, gamma: Array | None, beta: Array | None, eps: float) -> tuple[Array, Array, Array]:
        x4 = four_axes(x)
        gamma, beta = self._contiguous(gamma), self._contiguous(beta)
        y, mean, var = self._like(x4), self.empty(x.shape[1:2], x.dtype), self.empty(x.shape[1:2], x.dtype)
        by_block(
            "batch_norm", x.dtype, x4.shape[1:2], x4.size // x4.shape[1], x4, strides(x4), gamma, beta, y, strides(y),
            mean, var, launch.shape4(x4.shape), float(eps), size=x.size,
        )  # fmt: skip
        return y.reshape(x.shape), mean, var

    def batch_norm_backward(
        self, dy: Array, x: Array, mean: Array, var: Array, gamma: Array | None, eps: float
    ) -> tuple[Array, Array, Array]:
        x4, dy4 = four_axes(x), four_axes(dy)
        mean, var, gamma = map(self._contiguous, (mean, var, gamma))
        dx, dgamma, dbeta = self._like(x4), self.empty(x.shape[1:2], x.dtype), self.empty(x.shape[1:2], x.dtype)
        by_block(
            "batch_norm_backward", x.dtype, x4.shape[1:2], x4.size // x4.shape[1], dy4, strides(dy4), x4, strides(x4),
            mean, var, gamma, dx, strides(dx), dgamma, dbeta, launch.shape4(x4.shape), float(eps), size=x.size,
        )  # fmt: skip
        return dx.reshape(x.shape), dgamma, dbeta

    def moving_average(self, average: Array, value: Array, rate: float, weight: float) -> None:
        if not aligned(average, value):
            return super().moving_average(average, value, rate, weight)
        return elementwise(
            "moving_average", average.dtype, average.size, average, value, average.size, float(rate), float(weight)
        )

    def local_response_norm(self, x: Array, size: int, alpha: float, beta: float, k: float) -> tuple[Array, Array]:
        x4 = four_axes(x)
        y, scale = self._like(x4), self._like(x4)
        elementwise(
            "local_response_norm", x.dtype, x.size, x4, strides(x4), y, scale, strides(y), launch.shape4(x4.shape),
            size, float(alpha), float(beta), float(k),
        )  # fmt: skip
        return y.reshape(x.shape), scale.reshape(x.shape)

    def local_response_norm_backward(
        self, dy: Array, x: Array, scale: Array, size: int, alpha: float, beta: float
    ) -> Array:
        dy4, x4, scale4 = four_axes(dy), four_axes(x), four_axes(scale)
        dx = self._like(x4)
        arrays = [argument for array in (dy4, x4, scale4, dx) for argument in (array, strides(array))]
        elementwise(
            "local_response_norm_backward", x.dtype, x.size, *arrays, launch.shape4(x4.shape), size, float(alpha),
            float(beta),
        )  # fmt: skip
        return dx.reshape(x.shape)

    def group_norm(
        self, x: Array, groups: int, weight: Array | None, bias: Array | None, eps: float, centred: bool = True
    ) -> tuple[Array, Array | None, Array]:
        x4, rows, weight, bias = four_axes(x), (x.shape[0], groups), self._contiguous(weight), self._contiguous(bias)
        y, rstd = self._like(x4), self.empty(rows, x.dtype)
        mean = self.empty(rows, x.dtype) if centred else None
        by_block(
            "group_norm", x.dtype, (rstd.size,), x4.size // rstd.size, x4, strides(x4), weight, bias, y, strides(y),
            mean, rstd, launch.shape4(x4.shape), groups, float(eps), size=x.size,
        )  # fmt: skip
        return y.reshape(x.shape), mean, rstd

    def group_norm_backward(
        self, dy: Array, x: Array, groups: int, mean: Array | None, rstd: Array, weight: Array | None
    ) -> tuple[Array, Array | None, Array | None]:
        x4, dy4 = four_axes(x), four_axes(dy)
        mean, rstd, weight = map(self._contiguous, (mean, rstd, weight))
        dx, arrays, shape = self._like(x4), (dy4, strides(dy4), x4, strides(x4), mean, rstd), launch.shape4(x4.shape)
        by_block(
            "group_norm_backward", x.dtype, (rstd.size,), x4.size // rstd.size, *arrays, weight, dx, strides(dx),
            shape, groups, size=x.size,
        )  # fmt: skip
        if weight is None:
            return dx.reshape(x.shape), None, None
        C, lanes = x.shape[1], LANES if x4.size == x4.shape[0] * x4.shape[1] else 1
        dweight, dbias = self.empty((C,), x.dtype), self.empty((C,), x.dtype)
        by_block(
            "group_norm_parameters", x.dtype, (-(-C // lanes),), x4.size // C * lanes, *arrays, dweight, dbias, shape,
            groups, lanes, size=x.size,
        )  # fmt: skip
        return dx.reshape(x.shape), dweight, dbias

    def activation(self, x: Array, name: str, *constants: float) -> tuple[Array, Callable[[Array], Array]]:
        y, which, numbers = self._like(x), _NUMBERS[name], [float(each) for each in (*constants, 0, 0, 0)[:3]]
        x = self._in_order_of(y, x)
        elementwise("activation", x.dtype, x.size, x, y, x.size, which, *numbers)

        def back(dy: Array) -> Array:
            dx = self._like(x)
            dy = self._in_order_of(x, dy)
            elementwise("activation_slope", x.dtype, x.size, dy, x, dx, x.size, which, *numbers)
            return dx

        return y, back

    def _in_order_of(self, other: Array, x: Array) -> Array:
        """`x` in the memory order of another array of its shape, which has no gaps: itself, or a copy."""
        if x.strides == other.strides:
            return x
        out = self._like(other)
        out[...] = x
        return out
