"""A learned array with an identity: its value, its gradient, and whether the optimizer may change it."""

import math
import operator
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from typing import Any, Protocol

from xpnet.backend import Array, Backend, get_backend
from xpnet.backend.reference import dtype_name
from xpnet.base.locks import ProcessLock
from xpnet.base.settings import Settled, set_trainable
from xpnet.errors import DTypeError, ShapeError

FLOATS = ("float32", "float64")
frozen: ContextVar[frozenset[int]] = ContextVar("frozen", default=frozenset())  # ids, within `network.frozen()`
COPIED = 1 << 16  # bytes of a gradient, at most, that goes to its place when it is added: a moment, within the lock
_adding = ProcessLock()  # two threads may add to one gradient; one lock for all, so that parameters can be copied


class Penalty(Protocol):
    """What training adds to the loss for a parameter w, and its derivative; `xp` is the namespace of w."""

    def penalty(self, w: Array, xp: Any) -> Array: ...

    def gradient(self, w: Array, xp: Any) -> Array: ...


class Gradient:
    """Where the sum of what was added to a parameter's gradient is to be found; nothing is copied before it must be.

    `source` is the array that holds it now: None while it is zero; then the first array that was added, as it came;
    and from the second one on, or when somebody looks, `array`, the gradient's own, which is None until then. While
    that is `lent`, whoever adds first is writing into it.
    """

    __slots__ = ("array", "lent", "source")

    def __init__(self) -> None:
        self.array: Array | None = None
        self.source: Array | None = None
        self.lent = False

    def __getstate__(self) -> Any:
        """A copy begins with the sum alone, which it may not write to: it may be a memory map."""
        return None, {"array": None, "source": self.source, "lent": False}


class JoinedGradients:
    """What a Flat, of core/flat.py, does with gradients: all that changes the state of one stands in this file."""

    backend: Backend
    gradients: Sequence[Gradient]
    array: Array  # 1-D, of which their own arrays are parts
    starts: Sequence[int]  # where these begin
    parts: Sequence[Array]  # these

    @property
    def grad(self) -> Array:
        """Of all parameters; those that are still elsewhere are brought in, with one call where calls are dear."""
        away = [(each, part) for each, part in zip(self.gradients, self.parts, strict=True) if each.source is not part]
        if away and not self.backend.fills:
            self.backend.collect(self.array, [gradient.source for gradient in self.gradients], self.starts)
        for gradient, part in away:
            if self.backend.fills:
                part[...] = 0 if gradient.source is None else gradient.source
            gradient.array, gradient.source, gradient.lent = part, part, False
        return self.array


class Parameter(Settled):
    """`value` and `grad` have one shape and data type; assigning to either copies into place, so that views stay valid.

    The value is a copy of what is given, in float32 unless it is an array of float64. Running statistics, which are
    saved but not learned, are parameters with `trainable=False` from the start. A `regularizer` is what training adds
    to the loss for it.
    """

    def __init__(self, value: Any, name: str = "", trainable: bool = True, backend: Backend | None = None) -> None:
        self.backend = backend or get_backend()
        dtype = dtype_name(value.dtype) if hasattr(value, "dtype") else ""
        self._value = self.backend.copy(self.backend.asarray(value, dtype if dtype in FLOATS else "float32"))
        self.gradient = Gradient()
        self.flat: object | None = None  # the Flat, of core/flat.py, that it is a part of
        self.name = name
        self.regularizer: Penalty | None = None
        self.trainable = trainable  # whether it may change now
        self.learned = self.trainable  # and whether it ever may

    def _set_value(self, value: Any) -> None:
        value = self.fitting(value)
        self.writable()[...] = value

    def writable(self) -> Array:
        """The value, for who writes into it: from a memory map that is only to be read, it goes into memory first."""
        self._value = self.backend.writable(self._value)
        return self._value

    value = property(operator.attrgetter("_value"), _set_value)  # read in C: layers ask for it in every batch
    trainable = property(operator.attrgetter("_trainable"), set_trainable)

    @property
    def grad(self) -> Array:
        """Whoever asks may write to it: from then on `has_grad` is true."""
        gradient = self.gradient
        array, source = gradient.array, gradient.source
        if array is None or gradient.lent:
            array = self.backend.zeros(self.shape, self.dtype) if source is None else self.backend.copy(source)
        elif source is not array:
            array[...] = 0 if source is None else source
        gradient.array, gradient.source, gradient.lent = array, array, False
        return array

    @grad.setter
    def grad(self, grad: Any) -> None:
        if grad is not self.gradient.array:  # `parameter.grad += g` ends here with the array that it changed
            self.grad[...] = self.fitting(grad)

    @property
    def takes_grad(self) -> bool:
        """Not within `network.frozen()`."""
        return id(self) not in frozen.get()

    @property
    def has_grad(self) -> bool:
        """Whether something was added since the gradient was last zero."""
        return self.gradient.source is not None

    def add_grad(self, grad: Array) -> None:
        """grad += `grad`; what a layer's `back` calls for each of its parameters. Nobody may change `grad` later."""
        if grad.shape != self._value.shape:
            raise ShapeError(
                f"parameter {self.name!r} has shape {self.shape}, its gradient came with {tuple(grad.shape)}"
            )
        if grad.dtype != self._value.dtype:
            raise DTypeError(
                f"parameter {self.name!r} is {dtype_name(self.dtype)}, its gradient came as {dtype_name(grad.dtype)}"
            )
        if id(self) in frozen.get():  # as `takes_grad` says
            return
        with _adding.lock:
            gradient = self.gradient
            array, source = gradient.array, gradient.source
            if grad is array and gradient.lent:
                gradient.lent = False
                if source is not None and source is not array:
                    array += source
                gradient.source = array
            elif source is not None:
                total = self.grad
                total += grad
            elif array is None or gradient.lent or not self.backend.fills or grad.nbytes > COPIED:
                gradient.source = grad
            else:
                array[...] = grad
                gradient.source = array

    def lend_grad(self) -> Array | None:
        """Where whoever is about to add the first gradient may write it, to hand just this array to `add_grad`; None if
        there is no such place. If somebody looks at the gradient meanwhile, it gets another one.
        """
        gradient = self.gradient
        if not self.backend.fills or gradient.array is None or id(self) in frozen.get():
            return None
        with _adding.lock:
            if gradient.lent or gradient.source is not None:
                return None
            gradient.lent = True
            return gradient.array

    def zero_grad(self) -> None:
        self.gradient.source = None

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
        self.backend, self.gradient, self.flat = backend, Gradient(), None
        self._value = backend.copy(backend.asarray(host, dtype or host.dtype))

    def enter(self, flat: object, value: Array, grad: Array) -> None:
        """Become a part of a Flat: `value` and `grad` are views of its arrays, and hold what is here already."""
        self.flat, self._value, self.gradient.array = flat, value, grad
        if self.has_grad:
            self.gradient.source = grad

    def __getstate__(self) -> dict[str, Any]:
        """A copy, also one in another process, stands alone."""
        return vars(self) | {"flat": None}

    def fitting(self, value: Any) -> Array:
        """`value` where and as the parameter is; ShapeError if it has another shape."""
        value = self.backend.asarray(value, self.dtype)
        if tuple(value.shape) != self.shape:
            raise ShapeError(
                f"parameter {self.name!r} has shape {self.shape} and cannot take values of shape {tuple(value.shape)}"
            )
        return value

    def __repr__(self) -> str:
        frozen = "" if self.trainable else ", trainable=False"
        return f"Parameter({self.name!r}, shape={self.shape}, dtype={dtype_name(self.dtype)}{frozen})"


def zero_gradients(parameters: Iterable[Parameter]) -> None:
    """Start the gradients of all from zero."""
    for p in parameters:
        p.gradient.source = None
