"""A network: a layer that joins other layers in plain Python.

A subclass writes `call`; training runs it on Vars (tape.py), which gives the way back, and inference on plain arrays.
What people do with a network (compile, fit, predict, save) is a floor above: model.py.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from xpnet.backend import Array, on_backend
from xpnet.backend.reference import dtype_name
from xpnet.base import budget
from xpnet.base.checks import sample_shape, whole
from xpnet.base.hints import explaining
from xpnet.base.host import native
from xpnet.base.nested import as_several, mapped
from xpnet.core.carried import states_set_aside
from xpnet.core.declare import Shape, building, overridable
from xpnet.core.inputs import INTEGERS, no_arrays
from xpnet.core.layer import Back, Layer
from xpnet.core.outputs import SEVERAL, Blank, gradients_in
from xpnet.core.parameter import FLOATS, frozen
from xpnet.core.plan import Plan, Plans, within
from xpnet.core.tape import Tape, Var, end_of
from xpnet.core.walk import refuse_depth
from xpnet.errors import NotBuiltError, OptionError, ShapeError, TapeError, XpnetError


class Network(Layer):
    """The base of networks: a subclass makes its layers in `__init__` and joins them in `call`."""

    kind = "network"
    skips_dx = skips_dy = composite = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "forward" in vars(cls) and "train" not in inspect.signature(cls.forward).parameters:
            raise OptionError(f"{cls.__name__}: what joins its layers is called call(self, x); forward is made from it")

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self.input_shape: Shape | None = None  # without the batch; of several inputs, of the first
        self.input_shapes: tuple[Shape, ...] = ()  # of each input; () until the network is built
        self.integer_inputs: tuple[bool, ...] = ()  # of each input, whether it is of integers
        self._known_shapes: dict[Any, Any] = {}  # of the output, by those of the inputs and the layers inside
        self._plans = Plans()
        self._last: Any = None  # the class of layer that the last output came from

    if not TYPE_CHECKING:  # which should know no attribute that is not there

        def __getattr__(self, attribute: str) -> Any:
            """Only for what is not there."""
            if "input_shapes" not in vars(self) and not attribute.startswith("__"):
                raise NotBuiltError(f"{type(self).__name__}.__init__ must begin with super().__init__()")
            return super().__getattr__(attribute)

    @property
    def input_dtypes(self) -> tuple[str, ...]:
        """The data type of each input, "int64" for integers; () until the network is built."""
        return tuple("int64" if integers else self.dtype for integers in self.integer_inputs)

    @overridable
    def call(self, *xs: Any) -> Any:
        """The network in plain Python: what a subclass writes.

        It returns what a layer returned (or an input): one, a tuple of several, or a dict of them by name. `forward`
        gives values in that structure, and its `back` takes gradients in it, where what is missing or None counts as
        zero.
        """
        raise XpnetError(f"{type(self).__name__} has no call: write `def call(self, x)` that joins its layers")

    @overridable
    def forward(self, *xs: Array, train: bool = False) -> tuple[Array, Back]:
        if not all(hasattr(x, "shape") for x in xs):
            raise no_arrays(self, *xs)
        if train and (planned := self._forward_by_plan(*xs)) is not None:
            return planned
        tape, was_built = Tape(train), self._built
        inputs = [Var(x, tape) for x in xs]
        with within:
            output = self._run(*inputs)
        self._check_output(output, lambda y: isinstance(y, Var) and y.tape is tape)
        self._check_calls(tape)
        if train and not was_built and (planned := self._forward_by_plan(*xs)) is not None:
            return planned  # from the first time on the same bits
        self._last = mapped(lambda y: end_of(tape, y), output)
        values, spent = mapped(lambda y: y.value, output), False
        blanks, whole = mapped(Blank, values), [dtype_name(x.dtype) not in FLOATS for x in inputs]

        def back(dy: Any, need_dx: bool = True) -> Any:
            nonlocal spent
            if spent:
                raise called_twice(self)
            dys = gradients_in(self.label, dy, blanks)
            spent = True
            dxs = tape.walk_back(as_several(output), dys, inputs, need_dx)
            if not need_dx:
                return None
            dxs = [  # an input that the output does not depend on has gradient zero
                self.xp.zeros_like(x.value) if dx is None and not integers else dx
                for x, dx, integers in zip(inputs, dxs, whole, strict=True)
            ]
            return dxs[0] if len(dxs) == 1 else tuple(dxs)

        return values, back

    @explaining
    def __call__(self, *xs: Any, train: bool | None = None) -> Any:
        if train or any(isinstance(x, Var) for x in xs):
            return super().__call__(*xs, train=train)
        xs = tuple(map(native, xs))
        plannable = len(xs) == 1 and type(xs[0]) is self.backend.planned
        if plannable and (y := self._plans.run(self, xs[0])) is not None:
            return y
        was_built = self._built
        with self.backend.computing():
            y = mapped(self.backend.handed_out, self._run(*xs))
        if plannable and not was_built:  # from the first time on the same bits
            planned = self._plans.run(self, xs[0])
            return y if planned is None else planned
        return y

    def plan(self, shape: Shape | None = None, samples: int = 1) -> Plan:
        """Prepare inference for batches of so many samples of this shape, by default that of `build`, as the first
        `predict` of such a batch does by itself. What is returned is for reading: `print(model.plan())` lists the
        operations, or says why there are none and the network runs as it is written.
        """
        if not self._built and shape is None:
            raise NotBuiltError(f"{self.label}: plan needs the shape of a sample, as in plan((1, 28, 28)), or a build")
        samples = whole("plan: samples", samples)
        shape = sample_shape(self.label, self.input_shape if shape is None else shape)
        if not self._built:
            self.build(shape)
        self.output_shape(*((shape,) if len(self.input_shapes) < 2 else self.input_shapes))
        return self._plans.make(self, self.backend.zeros((samples, *shape), self.input_dtypes[0]))

    def _forward_by_plan(self, *xs: Array) -> tuple[Array, Back] | None:
        """`forward` in training, by a plan of one list forward and one back; None if it has to run as it is."""
        plan = self._plans.training(self, *xs) if len(xs) == 1 else None
        if plan is None or plan.run is None:
            return None
        y, way_back = plan.run(*xs)
        self._last, blank, spent = plan.last, Blank(y), False

        def back(dy: Any, need_dx: bool = True) -> Any:
            nonlocal spent
            if spent:
                raise called_twice(self)
            if getattr(dy, "shape", None) != blank.shape:  # else it is as it should be
                gradients_in(self.label, dy, blank)
            spent = True
            return way_back(dy, need_dx)

        return y, back

    def _run(self, *xs: Any) -> Any:
        """`call`, on the network's backend."""
        with on_backend(self.backend):
            if not all(hasattr(x, "shape") for x in xs):
                raise no_arrays(self, *xs)
            if self._built:
                return self.call(*xs)
            whole = tuple(dtype_name(x.dtype) not in FLOATS for x in xs)
            with self._first_use(tuple(tuple(x.shape[1:]) for x in xs), whole):
                return self.call(*xs)

    def _check_output(self, output: Any, fine: Callable[[Any], bool]) -> None:
        """`call` may return what a layer returned, or a tuple or dict of that."""
        ends = as_several(output)
        named = not isinstance(output, dict) or all(isinstance(name, str) for name in output)
        if not (ends and named and all(map(fine, ends))):
            inside = ", ".join(type(y).__name__ for y in ends) or "nothing"
            found = type(output).__name__ + (f" of {inside}" if isinstance(output, SEVERAL) else "")
            raise OptionError(
                f"{self.label}: call must return what a layer returned, not {found}; several outputs are a tuple of"
                " that, or a dict by name"
            )

    def _check_calls(self, tape: Tape) -> None:
        """A layer with parameters that the network does not own would never be trained."""
        own = {id(layer) for _, layer in self.children()}
        if not own.issuperset(id(call.layer) for call in tape.calls):
            own = {id(layer) for _, layer in self.named_layers()}
        for call in tape.calls:
            if id(call.layer) not in own and any(True for _ in call.layer.named_parameters()):
                raise TapeError(
                    f"{self.label}: call uses a {type(call.layer).__name__} that is not an attribute of the model, so"
                    " its parameters would not be trained; make it in __init__: self.name = ..."
                )

    # ---- first use -------------------------------------------------------------------------------------------------

    @overridable
    def build(self, *shapes: Shape, shape: Shape | None = None, dtype: str | Sequence[str] | None = None) -> Any:
        """Make all parameters, for inputs of these shapes (without the batch), and return the output's shape.

        dtype: of the inputs, one for all or a tuple: "int64" for integers; by default the network's. The shape of
        several outputs is a tuple or a dict of shapes.
        """
        shapes = tuple(sample_shape(self.label, each) for each in (shapes if shape is None else (shape,)))
        budget.check_sample(shapes)
        takes = inspect.signature(self.call)
        try:
            takes.bind(*shapes)
        except TypeError:
            raise ShapeError(
                f"{self.label}: its call takes {', '.join(takes.parameters)}; build takes the shape of each, without"
                f" the batch, not of {len(shapes)}"
            ) from None
        integers = self._integers_of(dtype, len(shapes))
        with self._first_use(shapes, integers):
            return self.build_layers(shapes, integers)

    def build_layers(self, shapes: tuple[Shape, ...], integers: tuple[bool, ...]) -> Any:
        """Build the layers inside, and return the output's shape. `call` is Python: it runs, on one sample of zeros."""
        with on_backend(self.backend), states_set_aside(self):
            output = self.call(
                *(
                    self.backend.zeros((1, *shape), "int64" if whole else self.dtype)
                    for shape, whole in zip(shapes, integers, strict=True)
                )
            )
        self._check_output(output, lambda y: hasattr(y, "shape"))
        return mapped(lambda y: tuple(y.shape[1:]), output)

    def _integers_of(self, dtype: str | Sequence[str] | None, inputs: int) -> tuple[bool, ...]:
        """Of each input, whether it is of integers, from the `dtype` that `build` takes."""
        if dtype is None:
            if len(self.integer_inputs) == inputs:
                return self.integer_inputs
            places = {at % inputs for at in self.integers_at}  # -1 is the last
            return tuple(self.takes_integers or place in places for place in range(inputs))
        names = tuple(map(dtype_name, dtype if isinstance(dtype, (tuple, list)) else (dtype,) * inputs))
        if len(names) != inputs or not {*names} <= {*FLOATS, *INTEGERS}:
            raise OptionError(
                f'{self.label}: build takes a dtype, or one for each of {inputs} inputs: "int64" for integers, else'
                f' "{self.dtype}"; not {dtype!r}'
            )
        return tuple(name in INTEGERS for name in names)

    @contextmanager
    def _first_use(self, shapes: tuple[Shape, ...], integers: tuple[bool, ...]) -> Iterator[None]:
        """One thread at a time; if it fails, every layer that was not built is again as it was."""
        with building.lock:
            refuse_depth(self)
            self.locate()  # which stays: where a layer stands does not depend on what fails
            before = [layer.snapshot() for _, layer in self.named_layers() if not layer.is_built]
            try:
                yield
            except Exception:
                for restore in before:
                    restore()
                raise
            if not self._built:
                self.input_shape, self.input_shapes, self._built = shapes[0], shapes, True
                self.integer_inputs, self.takes_integers = integers, any(integers)
            self.locate()  # layers that were made on the way

    def output_shape(self, *shapes: Shape) -> Any:
        key = shapes, tuple(id(layer) for _, layer in self.named_layers())  # to those inside more may be added
        if key not in self._known_shapes:  # layers are built once only
            self._known_shapes = {**self._known_shapes, key: self.build(*shapes)}
        return self._known_shapes[key]

    def parameter_count(self, *shapes: Shape) -> int:
        if not self._built:  # only running `call` tells which layers get which shapes
            raise NotBuiltError(f"{self.label}: its parameters are known when it is built: build it first")
        return super().parameter_count(*shapes)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Within the block, and in this thread, no parameter takes a gradient, though gradients go through the network.

        As those of a generator's loss go through the discriminator. What counts is when `back` is called:

            with discriminator.frozen():
                y, back = discriminator.forward(images, train=True)
                ...
                dimages = back(dy)
        """
        if not self._built:
            raise NotBuiltError(f"{self.label}: it has no parameters to freeze before it is built: build it first")
        parameters = self.parameters()
        token = frozen.set(frozen.get().union(map(id, parameters)))
        try:
            yield
        finally:
            frozen.reset(token)

    def last(self) -> Any:
        """The class of the layer that gives the output; a written model knows it after its first forward.

        Of several outputs a tuple or dict of classes; None for an output that no layer gives, such as a sum.
        """
        return self._last

    def ends_with(self) -> Any:
        return self.last()


def called_twice(network: Network) -> OptionError:
    """The error for a `back` that is called again."""
    return OptionError(
        f"{network.label}: back was called twice; run forward again (its arrays are freed on the way back)"
    )
