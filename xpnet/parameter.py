"""A learned array with an identity: its value, its gradient, and whether the optimizer may change it."""

import math
import threading
from typing import Any

from xpnet.backend import Array, Backend, get_backend
from xpnet.backend.reference import dtype_name
from xpnet.errors import DTypeError, ShapeError

FLOATS = ("float32", "float64")

_adding = threading.Lock()  # two threads may add to one gradient; one lock for all, so that parameters can be copied


class Parameter:
    """`value` and `grad` have one shape and data type; assigning to either copies into place, so that views stay valid.

    The value is a copy of what is given, in float32 unless it is an array of float64. Running statistics, which are
    saved but not learned, are parameters with `trainable=False` from the start.
    """

    def __init__(self, value: Any, name: str = "", trainable: bool = True, backend: Backend | None = None) -> None:
        self.backend = backend or get_backend()
        dtype = dtype_name(value.dtype) if hasattr(value, "dtype") else ""
        self._value = self.backend.copy(self.backend.asarray(value, dtype if dtype in FLOATS else "float32"))
        self._grad: Array | None = None
        self._grad_is_zero = True  # the array, if there is one, counts as zero until something is added
        self.name = name
        self.trainable = self.learned = trainable  # whether it may change now, and whether it ever may

    @property
    def value(self) -> Array:
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        self._copy(self._value, value)

    @property
    def grad(self) -> Array:
        if self._grad is None:
            self._grad = self.backend.zeros(self.shape, self.dtype)
        elif self._grad_is_zero:
            self._grad[...] = 0
        self._grad_is_zero = False
        return self._grad

    @grad.setter
    def grad(self, grad: Any) -> None:
        if grad is not self._grad:  # `parameter.grad += g` ends here with the array that it changed
            self._copy(self.grad, grad)

    def add_grad(self, grad: Array) -> None:
        """grad += `grad`; what a layer's `back` calls for each of its parameters."""
        if tuple(grad.shape) != self.shape:
            raise ShapeError(
                f"parameter {self.name!r} has shape {self.shape}, its gradient came with {tuple(grad.shape)}"
            )
        if grad.dtype != self.dtype:
            raise DTypeError(
                f"parameter {self.name!r} is {dtype_name(self.dtype)}, its gradient came as {dtype_name(grad.dtype)}"
            )
        with _adding:
            if self._grad is None:
                self._grad = self.backend.copy(grad)
            elif self._grad_is_zero:
                self._grad[...] = grad
            else:
                self._grad += grad
            self._grad_is_zero = False

    def zero_grad(self) -> None:
        self._grad_is_zero = True

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self._value.shape)

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> Any:
        return self._value.dtype

    def move(self, backend: Backend, dtype: Any = None) -> None:
        """Onto another backend, or to another data type; the gradient starts from zero there."""
        host = self.backend.to_numpy(self._value)
        self.backend, self._grad, self._grad_is_zero = backend, None, True
        self._value = backend.copy(backend.asarray(host, dtype or host.dtype))

    def _copy(self, target: Array, value: Any) -> None:
        value = self.backend.asarray(value, target.dtype)
        if tuple(value.shape) != self.shape:
            raise ShapeError(
                f"parameter {self.name!r} has shape {self.shape} and cannot take values of shape {tuple(value.shape)}"
            )
        target[...] = value

    def __repr__(self) -> str:
        frozen = "" if self.trainable else ", trainable=False"
        return f"Parameter({self.name!r}, shape={self.shape}, dtype={dtype_name(self.dtype)}{frozen})"
