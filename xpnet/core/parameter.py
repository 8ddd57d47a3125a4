"""A learned array with an identity: its value, its gradient, and whether the optimizer may change it."""

import math
import threading
from collections.abc import Sequence
from typing import Any

from xpnet.backend import Array, Backend, get_backend
from xpnet.backend.reference import dtype_name
from xpnet.errors import DTypeError, ShapeError
from xpnet.regularizers import Regularizer

FLOATS = ("float32", "float64")

_adding = threading.Lock()  # two threads may add to one gradient; one lock for all, so that parameters can be copied


class Parameter:
    """`value` and `grad` have one shape and data type; assigning to either copies into place, so that views stay valid.

    The value is a copy of what is given, in float32 unless it is an array of float64. Running statistics, which are
    saved but not learned, are parameters with `trainable=False` from the start. A `regularizer` is what training adds
    to the loss for it.
    """

    def __init__(self, value: Any, name: str = "", trainable: bool = True, backend: Backend | None = None) -> None:
        self.backend = backend or get_backend()
        dtype = dtype_name(value.dtype) if hasattr(value, "dtype") else ""
        self._value = self.backend.copy(self.backend.asarray(value, dtype if dtype in FLOATS else "float32"))
        self._grad: Array | None = None
        self._grad_is_zero = True  # the array, if there is one, counts as zero until something is added
        self._flat: Flat | None = None  # of which `value` and `grad` are views
        self._waiting: Array | None = None  # the gradient, which belongs into `_grad` and was not copied there yet
        self.name = name
        self.regularizer: Regularizer | None = None
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
        elif self._waiting is not None:
            self._grad[...], self._waiting = self._waiting, None
        elif self._grad_is_zero:
            self._grad[...] = 0
        self._grad_is_zero = False
        return self._grad

    @grad.setter
    def grad(self, grad: Any) -> None:
        if grad is not self._grad:  # `parameter.grad += g` ends here with the array that it changed
            self._copy(self.grad, grad)

    @property
    def has_grad(self) -> bool:
        """Whether something was added since the gradient was last zero."""
        return not self._grad_is_zero

    def add_grad(self, grad: Array) -> None:
        """grad += `grad`; what a layer's `back` calls for each of its parameters. Nobody may change `grad` later."""
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
            elif self._grad_is_zero and self._flat is not None:
                self._waiting = grad  # copied with all others at once, unless somebody looks before
            elif self._grad_is_zero:
                self._grad[...] = grad
            else:
                array = self.grad
                array += grad
            self._grad_is_zero = False

    def zero_grad(self) -> None:
        self._grad_is_zero, self._waiting = True, None

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
        self.backend, self._grad, self._flat = backend, None, None
        self.zero_grad()
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


class Flat:
    """Parameters behind one another in one array: each stays what it is, but its value and its gradient become views.

    `value` and `grad` are 1-D and hold all of them, so that what would be a call for each parameter is one for all.
    Every part starts at a multiple of 64 entries, because products are faster on matrices that begin at a round
    address; the gaps hold zero. The parameters have one backend and one data type. A parameter that moves to another
    backend, or that is laid out anew with others, leaves: `holds` tells.
    """

    ALIGNMENT = 64

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = tuple(parameters)
        self.backend, self.dtype = parameters[0].backend, parameters[0].dtype
        self.starts: list[int] = []
        self.size = 0
        for p in parameters:
            self.starts.append(self.size)
            self.size += -(-p.size // self.ALIGNMENT) * self.ALIGNMENT
        self.shape = (self.size,)
        self.value, values = self.lay([p.value for p in parameters])
        self._grad, grads = self.lay([p.grad for p in parameters])
        for p, p._value, p._grad in zip(parameters, values, grads, strict=True):
            p._flat = self

    def __deepcopy__(self, memo: dict[int, Any]) -> None:
        return None  # a copied parameter stands alone

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()  # and one that was sent to another process

    def holds(self, parameters: Sequence[Parameter]) -> bool:
        """Whether it is just these parameters, in this order, that are its parts."""
        same = len(parameters) == len(self.parameters)
        return same and all(p is q and p._flat is self for p, q in zip(parameters, self.parameters, strict=True))

    def lay(self, arrays: Sequence[Array | None]) -> tuple[Array, list[Array]]:
        """A new 1-D array with a part for each parameter, filled from `arrays`, and the parts: views of it."""
        flat = self.backend.zeros(self.shape, self.dtype)
        parts = []
        for p, start, array in zip(self.parameters, self.starts, arrays, strict=True):
            part = self.backend.xp.reshape(flat[start : start + p.size], p.shape)
            if array is not None:
                part[...] = array
            parts.append(part)
        return flat, parts

    @property
    def grad(self) -> Array:
        """The gradients of all parameters; those that are still waiting elsewhere are brought in with one call."""
        if any(p._waiting is not None or p._grad_is_zero for p in self.parameters):
            parts = [
                p._waiting if p._waiting is not None else None if p._grad_is_zero else p._grad for p in self.parameters
            ]
            self.backend.collect(self._grad, parts, self.starts)
            for p in self.parameters:
                p._waiting, p._grad_is_zero = None, False
        return self._grad
