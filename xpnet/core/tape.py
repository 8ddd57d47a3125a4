"""The tape: how a model written in plain Python finds its way back.

During training a network's inputs are wrapped in `Var`s. Calling a layer on a Var runs its forward and writes the
`back` it returned on the tape of that one forward pass; walking the tape backwards gives the gradient. A Var takes
layers and `+` and nothing else, so that a gradient cannot be lost in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from xpnet.backend.reference import dtype_name
from xpnet.base.nested import as_several, mapped
from xpnet.core.outputs import SEVERAL, Blank, gradients, gradients_for
from xpnet.core.parameter import FLOATS
from xpnet.errors import DTypeError, ShapeError, TapeError


class Recordable(Protocol):
    """What the tape must know of a layer that it records."""

    skips_dx: bool
    skips_dy: bool
    backend: Any

    @property
    def label(self) -> str: ...

    def named_parameters(self) -> Iterator[Any]: ...

    def ends_with(self) -> Any: ...


class Var:
    """A value on a tape."""

    __slots__ = ("index", "tape", "value")

    def __init__(self, value: Any, tape: Tape) -> None:
        self.value, self.tape = value, tape
        self.index = tape.count
        tape.count += 1

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> Any:
        return self.value.dtype

    def __repr__(self) -> str:
        return f"Var(shape={self.shape})"

    def __add__(self, other: Any) -> Var:
        if not isinstance(other, Var):
            raise TapeError(f"a Var can be added to another Var, not to {type(other).__name__}; {ADVICE}")
        tape = common_tape(SUM, (self, other))
        _check_sum(self, other)
        total: Var = tape.record(SUM, (self, other), self.value + other.value, lambda dy: (dy, dy))
        return total

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__") and name not in ("__array__", "__array_namespace__"):
            raise AttributeError(name)
        raise TapeError(f"a Var has no {name!r}; {ADVICE}")


ADVICE = (
    "inside a model's call use layers and + only, so that the gradient is known: layers.Add and Concat to merge,"
    " layers.Flatten to reshape, layers.ReLU and the other activations, or a layer of your own for anything else"
)


def _refuse(operation: str) -> Callable[..., Any]:
    def method(self: Var, *others: Any, **options: Any) -> Any:
        raise TapeError(f"a Var does not take {operation}; {ADVICE}")

    return method


_OPERATORS = {
    "-": ("__sub__", "__rsub__", "__neg__"), "*": ("__mul__", "__rmul__"), "/": ("__truediv__", "__rtruediv__"),
    "//": ("__floordiv__", "__rfloordiv__"), "%": ("__mod__", "__rmod__"), "**": ("__pow__", "__rpow__"),
    "@": ("__matmul__", "__rmatmul__"), "+ with an array": ("__radd__",), "indexing": ("__getitem__", "__setitem__"),
    "abs": ("__abs__",), "comparison": ("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__"),
    "bool": ("__bool__",), "float": ("__float__", "__int__"), "len": ("__len__",),
    "iteration": ("__iter__", "__contains__"),
    "NumPy functions": ("__array__", "__array_function__", "__array_ufunc__"),
}  # fmt: skip
for _symbol, _names in _OPERATORS.items():
    for _name in _names:
        setattr(Var, _name, _refuse(_symbol))


class Sum:
    """`+` on the tape, in the place of a layer."""

    skips_dx = skips_dy = False
    backend = None  # which only zeros for one of several outputs are made on
    label = "a sum"

    def named_parameters(self) -> Iterator[Any]:
        return iter(())

    def ends_with(self) -> Any:
        return None


SUM = Sum()


def _check_sum(a: Var, b: Var) -> None:
    """What layers.Add refuses; nothing is broadcast."""
    if a.shape != b.shape or a.shape[:1] in ((), (0,)):
        raise ShapeError(
            f"{SUM.label} needs two batches of one shape, at least one long; they are {a.shape}, {b.shape}"
        )
    for dtype in (dtype_name(a.dtype), dtype_name(b.dtype)):
        if dtype not in FLOATS:
            raise DTypeError(f'{SUM.label}: an input is {dtype}; convert the data with x.astype("float32")')


class Call(NamedTuple):
    """One layer call on the tape: the Vars that went in and came out, by index."""

    layer: Recordable
    back: Callable[..., Any]
    inputs: tuple[int, ...]
    dtypes: tuple[Any, ...]  # of the inputs
    outputs: tuple[int, ...]
    blanks: Any  # several outputs in their structure, as Blanks; None where there is one


class Tape:
    """The layer calls of one forward pass, in order."""

    def __init__(self, train: bool) -> None:
        self.train = train
        self.count = 0  # Vars so far
        self.calls: list[Call] = []

    def run(self, layer: Any, values: tuple[Any, ...], train: bool) -> Any:
        """What the layer makes of these values, and its way back; trace.py has a tape that does more."""
        return layer.forward(*values, train=train)

    def record(self, layer: Recordable, xs: Sequence[Var], y: Any, back: Callable[..., Any]) -> Any:
        """Write down that the layer made `y` of `xs`, and its way back: a Var, or several in the structure of `y`."""
        output = mapped(lambda value: Var(value, self), y)
        blanks = mapped(Blank, y) if isinstance(y, SEVERAL) else None
        inputs, outputs = (tuple(var.index for var in each) for each in (xs, as_several(output)))
        self.calls.append(Call(layer, back, inputs, tuple(x.dtype for x in xs), outputs, blanks))
        return output

    def walk_back(self, outputs: Sequence[Var], dys: Sequence[Any], inputs: Sequence[Var], need_dx: bool) -> list[Any]:
        """The gradients of the inputs, from those of outputs; None is one that nothing depends on, or of integers.

        Frees each call's arrays as soon as they have been used.
        """
        wanted = self._wanted(inputs if need_dx else ())
        grads: dict[int, Any] = {}
        _add(grads, [y.index for y in outputs], dys)
        while self.calls:
            layer, back, xs, dtypes, ys, blanks = self.calls.pop()
            if grads.keys().isdisjoint(ys) or wanted.isdisjoint(ys):
                continue  # nothing that reached an output came from here, or nothing here has a gradient to collect
            dys = [grads.pop(y, None) for y in ys]
            dy = dys[0] if blanks is None else gradients_for(layer, dys, blanks)
            if layer.skips_dx and wanted.isdisjoint(xs):
                back(dy, need_dx=False)
                continue
            _add(grads, xs, gradients(layer, back(dy), dtypes))
        return [grads.get(x.index) for x in inputs]

    def _wanted(self, inputs: Sequence[Var]) -> set[int]:
        """The Vars whose gradient leads to an input or to a parameter."""
        wanted = {x.index for x in inputs if dtype_name(x.dtype) in FLOATS}
        for layer, _, xs, _, ys, _ in self.calls:
            if not wanted.isdisjoint(xs) or any(True for _ in layer.named_parameters()):
                wanted.update(ys)
        return wanted


def _add(grads: dict[int, Any], indices: Sequence[int], dxs: Sequence[Any]) -> None:
    """Add the gradients that are there to those of these Vars."""
    for x, dx in zip(indices, dxs, strict=True):
        if dx is not None:
            grads[x] = grads[x] + dx if x in grads else dx


def end_of(tape: Tape, y: Var) -> Any:
    """The class of the layer that gave a Var; None for a sum and for an input."""
    for call in tape.calls:
        if y.index in call.outputs:
            kinds = call.layer.ends_with()  # a single class where a layer has several outputs and knows no better
            return as_several(kinds)[call.outputs.index(y.index)] if isinstance(kinds, (tuple, dict)) else kinds
    return None


def common_tape(layer: Recordable, xs: Sequence[Any]) -> Tape:
    """The one tape that all inputs of a call are on."""
    for x in xs:
        if not isinstance(x, Var):
            raise TapeError(
                f"{layer.label}: the inputs of a layer in training must all come from layers, one is {type(x).__name__}"
            )
    tape: Tape = xs[0].tape
    if any(x.tape is not tape for x in xs):
        raise TapeError(
            f"{layer.label}: a Var of another forward pass was used; a model must not keep Vars between calls"
        )
    return tape
