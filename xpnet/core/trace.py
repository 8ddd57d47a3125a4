"""What a network does, written down: a list of the primitives that its layers ask their backend for.

Every layer's forward runs once, on a copy of the layer whose backend is a `Recorder`: it computes what it is asked for,
as the layer's own backend does, and writes it down. So no layer says twice what it does. What is no primitive, such as
a function of the namespace on numbers, is not followed: of such a layer the list has the whole forward, in inference;
in training there is no list, for what leads back is made by whoever reads it.
"""

import functools
import inspect
import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from xpnet import random
from xpnet.backend import Array, Backend, on_backend
from xpnet.backend.reference import dtype_name
from xpnet.core.carried import Carried
from xpnet.core.fixed import held_in, is_fixed, is_library_forward
from xpnet.core.layer import Layer
from xpnet.core.parameter import Parameter
from xpnet.core.tape import Tape, Var, end_of

# What depends on its arguments alone, and returns an array of as many rows as x has, perhaps with something behind it.
PRIMITIVES = frozenset(
    (
        *("activate", "activation", "attention", "avg_pool2d", "conv2d", "conv2d_transposed", "dense", "embedding"),
        *("group_norm", "local_response_norm", "max_pool2d", "mean", "pad", "repeat2d", "running_norm", "softmax"),
        "sum",
    )
)


INDICES = {slice, int, type(None), type(...)}  # with which [] gives a view
REST = "constants"  # what a primitive calls arguments of which there may be any number


class Value(NamedTuple):
    """An array that is computed, by its number; 0 is the network's input."""

    number: int


class Part:
    """Some of a parameter's numbers, or all with an axis more: `value` is a view of those that it has now."""

    __slots__ = ("indices", "parameter")

    def __init__(self, parameter: Parameter, indices: tuple[Any, ...]) -> None:
        self.parameter, self.indices = parameter, indices  # which are taken one after the other

    @property
    def value(self) -> Any:
        return functools.reduce(operator.getitem, self.indices, self.parameter.value)

    shape = property(lambda self: tuple(self.value.shape))
    size = property(lambda self: math.prod(self.shape))


class Op(NamedTuple):
    """A call of a primitive of the backend, or of what arranges numbers: "reshape", "slice" (x[index]), "permute",
    "concat", "zeros_like"; "max" (along axes), "add" (of two arrays, or of one and what is learned) or "layer" (a whole
    forward).

    args: by the primitive's own names, defaults included: a computed array is a Value, a learned one the Parameter, or
    a Part of one, all else is as the layer gave it. outputs: the numbers of the arrays that it returned, None for what
    is no array.
    """

    name: str
    args: dict[str, Any]
    outputs: tuple[int | None, ...]

    def positional(self, value: Callable[[Any], Any]) -> list[Any]:
        """The arguments in their order, each as `value` gives it, to call the primitive with."""
        given = {name: value(each) for name, each in self.args.items()}
        rest = given.pop(REST, ())
        return [*given.values(), *rest]

    def inputs(self) -> list[int]:
        """The numbers of the arrays that it takes."""
        found = [each for value in self.args.values() for each in (value if type(value) is tuple else (value,))]
        return [each.number for each in _values(found)]


LEARNED = Parameter, Part


class Graph(NamedTuple):
    """All of a network, for inputs of one shape: shapes and data types are those of the arrays by their numbers."""

    ops: list[Op]
    shapes: list[tuple[int, ...]]
    dtypes: list[str]
    output: int

    def told(self, op: Op) -> str:
        """The operation in a line."""
        name = op.args["layer"].label if op.name == "layer" else op.name
        inputs = ", ".join(str(self.shapes[number]) for number in op.inputs())
        learned = ", ".join(f"{key} {each.shape}" for key, each in op.args.items() if isinstance(each, LEARNED))
        then = f", {op.args['activation']}" if op.args.get("activation") else ""
        return f"  {name:<20} {inputs} -> {self.shapes[op.outputs[0] or 0]}" + (f"  {learned}{then}" if learned else "")


class Untraceable(Exception):
    """What was asked for cannot be written down."""


class Traced:
    """An array, in the place of which a layer's forward has this: it may ask for the shape, and hand it on."""

    __slots__ = ("array", "number", "recorder")
    __array_ufunc__ = None  # NumPy leaves operators to it

    def __init__(self, array: Array, number: int, recorder: "Recorder") -> None:
        self.array, self.number, self.recorder = array, number, recorder

    shape = property(lambda self: self.array.shape)
    ndim = property(lambda self: self.array.ndim)
    dtype = property(lambda self: self.array.dtype)

    def __add__(self, other: Any) -> "Traced":
        like = self.shape if isinstance(other, Traced) else self.shape[1:] if isinstance(other, Learned) else None
        if like is None or like != other.shape or self.dtype != other.dtype:
            raise Untraceable("+ of what is no array like it")
        total: Traced = self.recorder.record("add", operator.add, x=self, y=other)
        return total

    def __getitem__(self, index: Any) -> "Traced":
        index = index if type(index) is tuple else (index,)
        if index[0] != slice(None) or not {*map(type, index)} <= INDICES:
            raise Untraceable("[] of the batch, or by numbers that are computed")
        taken, forward = self.array[index].shape, all((getattr(each, "step", 1) or 1) > 0 for each in index)
        if forward and math.prod(taken) == math.prod(self.shape):  # all of it: there are axes of one more, or fewer
            return self if taken == self.shape else self.recorder.xp.reshape(self, taken)
        part: Traced = self.recorder.record("slice", operator.getitem, x=self, index=index)
        return part

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise Untraceable("its numbers")


class Learned:
    """A parameter, in the place of which a layer's forward has this: its value may go to a primitive, as it is or in
    part.
    """

    __slots__ = ("noted",)
    __array_ufunc__ = None
    __array__ = Traced.__array__

    def __init__(self, noted: Parameter | Part) -> None:
        self.noted = noted

    value = property(lambda self: self)
    array = property(lambda self: self.noted.value)
    shape = property(lambda self: self.noted.shape)
    ndim = property(lambda self: len(self.noted.shape))
    dtype = property(lambda self: self.array.dtype)

    def __getitem__(self, index: Any) -> "Learned":
        if not {*map(type, index if type(index) is tuple else (index,))} <= INDICES:
            raise Untraceable("[] by numbers that are computed")
        noted = self.noted if isinstance(self.noted, Part) else Part(self.noted, ())
        return Learned(Part(noted.parameter, (*noted.indices, index)))


class Recorder:
    """A backend that does what another one does, and writes it down."""

    def __init__(self, backend: Backend, trace: "Trace") -> None:
        self._backend, self._trace = backend, trace
        self.xp = _Namespace(self)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in PRIMITIVES:
            raise Untraceable(name)
        primitive = getattr(self._backend, name)
        names, defaults, several = _signature(getattr(primitive, "__func__", primitive))

        def recorded(*args: Any, **options: Any) -> Any:
            given = defaults | dict(zip(names, args, strict=False)) | options
            if len(given) != len(names) or (len(args) > len(names) and not several):
                raise Untraceable(f"{name} with these arguments")
            inputs = {each: given[each] for each in names}
            return self.record(name, primitive, **inputs, **({REST: args[len(names) :]} if several else {}))

        return recorded

    def record(self, op: str, compute: Callable[..., Any], **args: Any) -> Any:
        """Call `compute` with the arrays, and write it down; returns what it returned, arrays as Traced."""
        *inputs, last = [_mapped(_array, value) for value in args.values()]
        result = compute(*inputs, *(last if REST in args else (last,)))
        several, new = isinstance(result, tuple), self._trace.traced
        outputs = [new(each) if hasattr(each, "shape") else each for each in (result if several else (result,))]
        numbers = tuple([each.number if isinstance(each, Traced) else None for each in outputs])
        self._trace.ops.append(Op(op, {name: _mapped(_noted, value) for name, value in args.items()}, numbers))
        return tuple(outputs) if several else outputs[0]


@functools.lru_cache(maxsize=256)
def _signature(primitive: Any) -> tuple[list[str], dict[str, Any], bool]:
    """Of a method: the names of its arguments, defaults, and whether there may be any number of arguments more."""
    _, *arguments = inspect.signature(primitive).parameters.values()
    named = [each for each in arguments if each.kind is not each.VAR_POSITIONAL]
    defaults = {each.name: each.default for each in named if each.default is not each.empty}
    return [each.name for each in named], defaults, len(named) < len(arguments)


class _Namespace:
    """The functions of an array namespace that only arrange numbers."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        xp = self._recorder._backend.xp
        return self._recorder.record("reshape", xp.reshape, x=_computed(x), shape=shape)

    def permute_dims(self, x: Any, axes: tuple[int, ...]) -> Any:
        xp = self._recorder._backend.xp
        return self._recorder.record("permute", xp.permute_dims, x=_computed(x), axes=axes)

    def zeros_like(self, x: Any) -> Any:
        return self._recorder.record("zeros_like", self._recorder._backend.xp.zeros_like, x=_computed(x))

    def max(self, x: Any, axis: tuple[int, ...]) -> Any:
        xp = self._recorder._backend.xp
        return self._recorder.record("max", lambda x, axis: xp.max(x, axis=axis), x=_computed(x), axis=axis)

    def finfo(self, dtype: Any) -> Any:
        return self._recorder._backend.xp.finfo(dtype)

    def concat(self, arrays: Any, axis: int = 0) -> Any:
        xp = self._recorder._backend.xp
        return self._recorder.record("concat", lambda xs, axis: xp.concat(xs, axis=axis), xs=tuple(arrays), axis=axis)

    def __getattr__(self, name: str) -> Any:
        raise Untraceable(name)


class Trace(Tape):
    """A tape that writes down what the layers do, and nothing of a way back."""

    def __init__(self, backend: Backend, train: bool = False) -> None:
        super().__init__(train)
        self.ops: list[Op] = []
        self.shapes: list[tuple[int, ...]] = []
        self.dtypes: list[str] = []
        self.backend, self.recorder = backend, Recorder(backend, self)
        self.last: Any = None  # the class of layer that gives the output
        self.held: list[Any] = []  # lists of layers, and what else its `call` looks into (fixed.py)

    def traced(self, array: Array) -> Traced:
        """The array with the next number."""
        self.shapes.append(tuple(array.shape))
        self.dtypes.append(_name_of(array.dtype))
        return Traced(array, len(self.shapes) - 1, self.recorder)

    def run(self, layer: Any, values: tuple[Any, ...], train: bool) -> tuple[Any, Callable[..., Any]]:
        """What a layer makes of these, written down."""
        if train != self.train or layer.backend is not self.backend or {*map(type, values)} != {Traced}:
            raise Untraceable("a call in another mode, on another backend, or with other arrays")
        y = self.called(layer, values).value if layer.composite else self._forward(layer, values)
        return y, _no_way_back

    def called(self, network: Any, values: tuple[Any, ...]) -> Var:
        """What the network's `call` makes of these."""
        output = network.call(*[Var(value, self) for value in values])
        if not isinstance(output, Var):
            raise Untraceable("several outputs")
        return output

    def _forward(self, layer: Layer, values: tuple[Any, ...]) -> Any:
        layer.check(*map(_array, values))  # by its own parameters, which a copy does not have
        done = len(self.ops), len(self.shapes)
        try:
            y, _ = self._copy(layer).forward(*values, train=self.train)
            if isinstance(y, Traced):
                return y
        except Exception:  # whatever it was: the layer's own forward tells, or has no trouble
            pass
        if self.train:
            raise Untraceable(f"{layer.label} does in training what is no list of primitives")
        del self.ops[done[0] :], self.shapes[done[1] :], self.dtypes[done[1] :]
        y = self.recorder.record("layer", lambda layer, xs: layer.forward(*xs, train=False)[0], layer=layer, xs=values)
        if not isinstance(y, Traced):
            raise Untraceable("several outputs")
        return y

    def _copy(self, layer: Layer) -> Layer:
        """A layer with the same attributes, but for its backend and its parameters."""
        copied = object.__new__(type(layer))
        for name, value in vars(layer).items():
            if isinstance(value, Parameter):
                value = Learned(value)
            elif isinstance(value, Layer):
                value = self._copy(value)
            vars(copied)[name] = value
        vars(copied)["backend"] = self.recorder
        return copied


def trace(network: Any, x: Array, train: bool = False) -> tuple[Trace, Graph | None, str]:
    """What the network does with x (N, ...): what it rests on, the list, if there is one, and why there is none."""
    written = Trace(network.backend, train)
    for path, layer in network.named_layers():
        if layer.composite and not is_fixed(layer):
            whose = f"{path}: its" if path else "its"
            return written, None, f"{whose} call may do something else the next time (core/fixed.py: what may be in it)"
        if layer.composite:
            written.held += held_in(layer)
        elif _does_more(layer):
            return written, None, f"{path} may do more than return its output, or carries a state"
    try:
        with on_backend(network.backend), network.backend.computing(), random.preserved_state():
            output = written.called(network, (written.traced(x),))
            if train:
                own = {id(layer) for _, layer in network.named_layers()}
                if not all(id(call.layer) in own for call in written.calls):
                    raise Untraceable("a layer that is no attribute of the network")
                written.last = end_of(written, output)
    except Untraceable as error:
        return written, None, str(error)
    except Exception as error:  # which it tells when it runs as it is
        return written, None, f"{type(error).__name__}: {error}"
    finally:
        del written.recorder._trace  # each holds the other, and with it layers, until the garbage collector comes
    return written, Graph(written.ops, written.shapes, written.dtypes, output.value.number), ""


_name_of = functools.lru_cache(maxsize=16)(dtype_name)


def _does_more(layer: Any) -> bool:
    return not is_library_forward(layer) or any(isinstance(value, Carried) for value in vars(layer).values())


def _no_way_back(dy: Any) -> Any:
    raise Untraceable("a way back")


def _computed(x: Any) -> Traced:
    if not isinstance(x, Traced):
        raise Untraceable("a parameter that is not handed on as it is")
    return x


def _mapped(function: Callable[[Any], Any], value: Any) -> Any:
    return tuple(map(function, value)) if type(value) is tuple else function(value)


def _array(value: Any) -> Any:
    return value.array if isinstance(value, (Traced, Learned)) else value


def _noted(value: Any) -> Any:
    if isinstance(value, Traced):
        return Value(value.number)
    return value.noted if isinstance(value, Learned) else value


def _values(values: Any) -> list[Value]:
    return [each for each in values if type(each) is Value]
