"""The protocol: a layer's `forward` returns its output and the way back.

    y, back = layer.forward(x, train=True)
    dx = back(dy)               # and adds to the `grad` of the layer's parameters

What the way back needs is kept by the closure `back`, not by the layer: a layer may be used twice, shared, nested or
called from two threads, and each `back` belongs to its own `forward`. The laws that every layer keeps are stated, and
tested, in tests/laws. CONTRIBUTING.md shows how to write one.
"""

import copy
import inspect
import itertools
import math
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from xpnet import initializers
from xpnet.backend import Array, Backend, get_backend, make_backend
from xpnet.backend.reference import dtype_name
from xpnet.base import budget
from xpnet.base.checks import truth
from xpnet.base.configured import Configured
from xpnet.base.hints import explaining, no_method
from xpnet.base.quiet import quietly_both_ways
from xpnet.base.settings import set_on_layer
from xpnet.core.declare import Declared, Shape, build_once, overridable
from xpnet.core.inputs import check_inputs, check_shared, no_arrays
from xpnet.core.located import Located
from xpnet.core.parameter import FLOATS, Parameter, Penalty
from xpnet.core.tape import Var, common_tape
from xpnet.core.walk import Walked, layers_inside
from xpnet.core.written import is_own, returning_both, shape_by_trial, telling_plain_weights
from xpnet.errors import NotBuiltError, OptionError, ShapeError, XpnetError

Back = Callable[..., Any]

_shape_and_dtype = operator.attrgetter("shape", "dtype")
Self = TypeVar("Self", bound="Layer")


class Edits:
    """What tells plans that a layer was changed."""

    last = 0  # the number of the latest change of any layer
    numbers = itertools.count(1)

    @classmethod
    def next(cls) -> int:
        cls.last = next(cls.numbers)
        return cls.last


class Layer(Walked, Located, Configured):
    """The base of all layers and models.

    A subclass writes `forward` and, as far as it needs them, `output_shape` (check the shape of an input and tell that
    of the output, both without the batch) and `declare` (say which parameters it has). One whose parameters cannot be
    declared makes them in a `build` of its own. The constructor keeps each argument in an attribute of the same name:
    that is what `config`, `repr` and saved files are made from.
    """

    kind = "layer"  # the stem of automatic names: conv1, conv2, dense1, ...
    # what the outputs are, for losses that take one kind alone: "probabilities", "log_probabilities", or all else,
    # "scores"; None if it depends, as that of a sum does. It holds for the class that says it, not for its subclasses
    gives: str | None = None
    skips_dx = False  # whether `back` takes need_dx=False, for a layer whose input needs no gradient
    skips_dy = False  # whether `back` takes None for some of several outputs, on which nothing depends, or needs zeros
    takes_integers = False  # whether its inputs are integers, for which `back` returns None
    integers_at: tuple[int, ...] = ()  # else the places of those that are, as of lengths behind sequences: 1, or -1
    composite = False  # whether it is no more than the layers inside it, as a model is
    name: str | None = None
    backend: Backend  # where it runs: the backend that was current when it was made, or that `to` moved it to
    _named = False  # whether the user gave the name
    _built = False
    _dtype = "float32"
    _learns = True  # whether the optimizer may change parameters that are still to be made
    _checked: Any = None
    _edited = 0  # another number after each public attribute that was set

    def __init__(self, name: str | None = None) -> None:
        budget.count_layer()
        self.name = name
        self._place(get_backend(), self.dtype)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "forward" in vars(cls):
            cls.forward = quietly_both_ways(cls.forward)  # type: ignore[method-assign]
        writer = next(base for base in cls.__mro__ if "build" in vars(base))
        if (writer is cls or not issubclass(writer, Layer)) and not cls.composite:  # written here, or in a mixin
            cls.build = build_once(telling_plain_weights(cls.build))  # type: ignore[method-assign]
        if is_own(cls) and "forward" in vars(cls):
            cls.forward = returning_both(cls.forward)  # type: ignore[method-assign]

    # ---- what a layer writes ---------------------------------------------------------------------------------------

    @overridable
    def forward(self, *xs: Array, train: bool = False) -> tuple[Any, Back]:
        """Return the output and `back`, which takes dy and returns dx (a tuple for a layer of several inputs).

        A layer of several outputs returns a tuple of arrays, and its `back` takes one.
        """
        raise XpnetError(f"{type(self).__name__} has no forward: a layer must say how its output is made")

    @overridable
    def output_shape(self, *shapes: Shape) -> Any:
        """The output's shape for inputs of these shapes, without the batch; ShapeError for what it cannot take.

        A tuple of shapes for a layer of several outputs.
        """
        return shape_by_trial(self, shapes) if is_own(type(self)) else shapes[0]

    @overridable
    def declare(self, *shapes: Shape) -> Iterable[Declared]:
        """The parameters for inputs of these shapes (without the batch), in the order in which they are drawn."""
        return ()

    def build_inside(self, output: Any) -> None:
        """Build the layers inside, which may have parameters too; `output` is the shape that this one gives."""

    @overridable
    def build(self, *shapes: Shape, shape: Shape | None = None) -> Any:
        """Make the parameters for inputs of these shapes (without the batch) and return the output's shape.

        Happens by itself on first use, and once: a second call only tells the shape. A single shape may be named.
        """
        shapes = shapes if shape is None else (shape,)
        output = self.output_shape(*shapes)
        if not self._built:
            declared = tuple(budget.counted(self.declare(*shapes), vars(self), output))  # all, before the first is made
            for each in declared:
                self._adopt(each)
            self.build_inside(output)
            self._built = True
        return output

    def _adopt(self, p: Declared) -> None:
        """Make a declared parameter, unless it is there already, from another layer; a tied one is that layer's."""
        given = vars(self).get(p.name) if p.tied is None else getattr(p.tied, p.name)
        if isinstance(given, Parameter):
            check_shared(self, p.name, given, p.shape)
            given.trainable = given.trainable and self._learns
        setattr(self, p.name, given if isinstance(given, Parameter) else self._make(p))

    def _make(self, p: Declared) -> Parameter:
        if p.initializer is None:
            value = self.backend.zeros(p.shape, self.dtype) + p.value
        else:
            with self.drawing_weights(p.name):
                value = initializers.draw(p.initializer, p.shape, p.fan_in, p.fan_out)
        return self.parameter(value, p.trainable, p.regularizer)

    def config(self) -> dict[str, Any]:
        """The constructor's arguments; the name only if it was given, not if a model made it up."""
        config = super().config()
        return config | {"name": self.own_name} if "name" in config else config

    # ---- what a layer may use --------------------------------------------------------------------------------------

    @property
    def xp(self) -> Any:
        """The array namespace of the backend."""
        return self.backend.xp

    @property
    def dtype(self) -> str:
        """The data type that parameters are made in; `astype` changes it."""
        return self._dtype

    @property
    def label(self) -> str:
        """The layer as error messages call it."""
        return f"{self.name} ({type(self).__name__})" if self.name else type(self).__name__

    def check(self, *xs: Array) -> None:
        """Hold inputs against what the layer takes, and build it on first use: how a forward begins."""
        try:
            seen = list(map(_shape_and_dtype, xs))
        except AttributeError:
            raise no_arrays(self, *xs) from None
        if seen != self._checked:
            check_inputs(self, *xs)
            self._checked = seen

    def wrong_shape(self, got: Shape, needed: str) -> ShapeError:
        """The error for an input of shape `got` (without the batch)."""
        got_text = str(("N", *got)).replace("'", "")  # (N,) if there is no other axis
        return ShapeError(f"{self.label}: the input has shape {got_text}, needed is {needed}")

    def parameter(self, value: Any, trainable: bool = True, regularizer: Penalty | None = None) -> Parameter:
        """A parameter on the layer's backend and in its data type."""
        parameter = Parameter(self.backend.asarray(value, self.dtype), trainable=trainable, backend=self.backend)
        parameter.trainable, parameter.regularizer = trainable and self._learns, regularizer
        return parameter

    # ---- what users call -------------------------------------------------------------------------------------------

    @explaining
    def __call__(self, *xs: Any, train: bool | None = None) -> Any:
        """On arrays: the output. On a Var, inside a model's `call`: the output's Var, with the way back on the tape.

        `train` chooses between training and inference; by default arrays mean inference, and a Var what its tape is
        for.
        """
        if any(isinstance(x, Var) for x in xs):
            tape = common_tape(self, xs)
            y, back = tape.run(self, tuple([x.value for x in xs]), tape.train if train is None else train)
            return tape.record(self, xs, y, back)
        return self.forward(*xs, train=bool(train))[0]

    @property
    def is_built(self) -> bool:
        """Whether the parameters are made."""
        return self._built

    def parameter_count(self, *shapes: Shape) -> int:
        """How many numbers its parameters have, or will have for these shapes (without the batch); makes none."""
        if self._built:
            return sum(parameter.size for parameter in self.parameters())
        own, *inside = (type(each) for _, each in self.named_layers() if not each.is_built)
        known = all((kind.build, kind.declare) == (Layer.build, Layer.declare) for kind in inside)
        if own.build is not Layer.build or not known:
            raise NotBuiltError(f"{self.label}: its parameters are known when it is built: build it first")
        self.output_shape(*shapes)
        return sum(math.prod(each.shape) for each in self.declare(*shapes) if each.tied is None)

    @property
    def trainable(self) -> bool:
        """Whether the optimizer may change the layer; setting it holds for all parameters that are learned at all.

        Running statistics of norms stay, too, where it is False: such a norm does the same in training as in inference.
        """
        return any(parameter.trainable for parameter in self.parameters()) if self._built else self._learns

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        trainable = truth(f"{self.label}: trainable", trainable)
        for _, layer in self.named_layers():
            layer._learns = trainable
        for parameter in self.parameters():
            parameter.trainable = trainable and parameter.learned

    @property
    def is_frozen(self) -> bool:
        """Whether `trainable` was set to False, of it or, later than its own, of what it is in."""
        return not self._learns

    def children(self) -> Iterator[tuple[str, "Layer"]]:
        """The layers that this one is made of, by attribute name, in the order of definition."""
        for attribute, value in vars(self).items():
            if isinstance(value, HOLDERS):
                yield from layers_in(attribute, value)

    def ends_with(self) -> Any:
        """The class of the layer that gives the output: of the last one inside, such as an activation, or its own."""
        inner = [child for _, child in self.children()]
        return type(inner[-1] if inner else self)

    def named_layers(self) -> Iterator[tuple[str, "Layer"]]:
        """(path, layer) of this layer ("") and all inside it, each layer once."""
        return layers_inside(self)

    def to(self: Self, backend: str | Backend) -> Self:
        """Move the layer and all inside it to a backend, in place: model.to("cupy"). Returns the layer."""
        target = backend if isinstance(backend, Backend) else make_backend(backend)
        return self._move(target, None)

    def astype(self: Self, dtype: Any) -> Self:
        """Convert the layer and all inside it to "float32" or "float64", in place. Returns the layer."""
        name = dtype_name(dtype)
        if name not in FLOATS:
            raise OptionError(f"layers work in float32 or float64, not in {name}")
        return self._move(None, name)

    def stray(self) -> "Layer | None":
        """A layer inside that is on another backend than this one, the first if there are several."""
        return next((layer for _, layer in self.named_layers() if layer.backend is not self.backend), None)

    def _move(self: Self, backend: Backend | None, dtype: str | None) -> Self:
        for parameter in self.parameters():
            parameter.move(backend or parameter.backend, dtype)
        for _, state in self.named_states():
            state.move(backend or state.backend, dtype)
        for _, layer in self.named_layers():
            layer._place(backend or layer.backend, dtype or layer.dtype)
        return self

    def _place(self, backend: Backend, dtype: str) -> None:
        """Where the layer runs from now on, and in what; its parameters are moved by `to` and `astype`."""
        vars(self).update(backend=backend, _dtype=dtype, _checked=None, _edited=Edits.next())  # `backend = ` is refused

    def copy(self: Self) -> Self:
        """An independent copy, parameters included."""
        return copy.deepcopy(self)

    # ---- what networks do to the layers inside them ----------------------------------------------------------------

    def snapshot(self) -> Callable[[], None]:
        """What puts all attributes of the layer back, so that it is again as it is now."""
        attributes = vars(self).copy()
        return lambda: object.__setattr__(self, "__dict__", attributes)

    # ---- attributes ------------------------------------------------------------------------------------------------

    if not TYPE_CHECKING:  # which should know no attribute that is not there

        def __getattr__(self, attribute: str) -> Any:
            """Only for what is not there: a parameter that is asked for before the layer was built."""
            if attribute == "backend":  # a subclass did not call super().__init__()
                self._place(get_backend(), self.dtype)
                return self.backend
            declared = any(attribute in inspect.get_annotations(cls) for cls in type(self).__mro__)
            if declared and not self._built:
                raise NotBuiltError(
                    f"{self.label} has no {attribute!r} yet: parameters are made by layer.build(shape), with the shape"
                    " of one sample, or by the first forward"
                )
            raise no_method(type(self).__name__, attribute)

    def _set(self, attribute: str, value: Any) -> None:
        if attribute == "backend":  # it would go without the parameters
            raise OptionError(f'{self.label}: move it by to("cupy"), or another name; backend = {value!r} does not')
        if attribute[:1] != "_" and set_on_layer(self, attribute, value):
            return
        object.__setattr__(self, attribute, value)
        if attribute[:1] != "_":
            object.__setattr__(self, "_edited", Edits.next())
        if attribute == "name":
            object.__setattr__(self, "_named", value is not None)
        if isinstance(value, HOLDERS):
            for name, layer in layers_in(attribute, value):
                layer.suggest_name(name)  # errors inside a model call a layer by its attribute

    def __delattr__(self, attribute: str) -> None:
        object.__delattr__(self, attribute)
        vars(self)["_edited"] = Edits.next()

    # not by `def`, which type checkers take for a licence to set anything
    __setattr__ = _set  # type: ignore[assignment]

    @property
    def own_name(self) -> str | None:
        """The name that the user gave; None if a model made it up."""
        return self.name if self._named else None

    def suggest_name(self, name: str) -> None:
        """A name for error messages, if the user gave none."""
        if self.name is None:
            object.__setattr__(self, "name", name)


def layers_in(attribute: str, value: Any) -> Iterator[tuple[str, Layer]]:
    """The layers in an attribute: itself, or those in a list, tuple or dict ("blocks.0")."""
    if isinstance(value, Layer):
        yield attribute, value
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            if isinstance(item, HOLDERS):
                yield from layers_in(f"{attribute}.{index}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, HOLDERS):
                yield from layers_in(f"{attribute}.{key}", item)


HOLDERS = Layer, list, tuple, dict  # what `layers_in` looks into; most attributes are none of these
