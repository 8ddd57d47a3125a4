"""A network: a layer that joins other layers in plain Python.

A subclass writes `call`; training runs it on Vars (tape.py), which gives the way back, and inference on plain arrays.
What people do with a network (compile, fit, predict, save) is a floor above: model.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from xpnet.backend import Array, on_backend
from xpnet.base.checks import sample_shape
from xpnet.core.declare import Shape, building
from xpnet.core.layer import Back, Layer, no_arrays
from xpnet.core.tape import Tape, Var
from xpnet.errors import NotBuiltError, OptionError, TapeError, XpnetError


class Network(Layer):
    """The base of networks: a subclass makes its layers in `__init__` and joins them in `call`."""

    kind = "network"
    skips_dx = composite = True

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self.input_shape: Shape | None = None  # without the batch; of several inputs, of the first
        self.input_shapes: tuple[Shape, ...] = ()  # of each input; () until the network is built
        self._known_shapes: dict[tuple[Shape, ...], Shape] = {}  # of the output, by those of the inputs
        self._last: type[Layer] | None = None  # the class of layer that the last output came from

    def __getattr__(self, attribute: str) -> Any:
        """Only for what is not there."""
        if "input_shapes" not in vars(self) and not attribute.startswith("__"):
            raise NotBuiltError(f"{type(self).__name__}.__init__ must begin with super().__init__()")
        return super().__getattr__(attribute)

    def call(self, *xs: Any) -> Any:
        """The network in plain Python: what a subclass writes."""
        raise XpnetError(f"{type(self).__name__} has no call: write `def call(self, x)` that joins its layers")

    def forward(self, *xs: Array, train: bool = False) -> tuple[Array, Back]:
        tape = Tape(train)
        inputs = [Var(x, tape) for x in xs]
        output = self._run(*inputs)
        if not isinstance(output, Var) or output.tape is not tape:
            raise OptionError(f"{self.label}: call must return what a layer returned, not {type(output).__name__}")
        self._check_calls(tape)
        final = next((call.layer for call in tape.calls if call.output == output.index), None)
        self._last = final.ends_with() if isinstance(final, Layer) else None  # a sum ends with none
        spent = False

        def back(dy: Array, need_dx: bool = True) -> Any:
            nonlocal spent
            if spent:
                raise called_twice(self)
            spent = True
            dxs = tape.walk_back(dy, output, inputs, need_dx)
            if need_dx:  # an input that the output does not depend on has gradient zero
                dxs = [self.xp.zeros_like(x.value) if dx is None else dx for x, dx in zip(inputs, dxs, strict=True)]
            return dxs[0] if len(dxs) == 1 else tuple(dxs)

        return output.value, back

    def __call__(self, *xs: Any, train: bool | None = None) -> Any:
        if train or any(isinstance(x, Var) for x in xs):
            return super().__call__(*xs, train=train)
        with self.backend.computing():
            return self._run(*xs)

    def _run(self, *xs: Any) -> Any:
        """`call`, on the network's backend."""
        with on_backend(self.backend):
            if self._built:
                return self.call(*xs)
            if not all(hasattr(x, "shape") for x in xs):
                raise no_arrays(self)
            with self._first_use(tuple(tuple(x.shape[1:]) for x in xs)):
                return self.call(*xs)

    def _check_calls(self, tape: Tape) -> None:
        """A layer with parameters that the network does not own would never be trained."""
        own = {id(layer) for _, layer in self.named_layers()}
        for call in tape.calls:
            if id(call.layer) not in own and any(True for _ in call.layer.named_parameters()):
                raise TapeError(
                    f"{self.label}: call uses a {type(call.layer).__name__} that is not an attribute of the model, so"
                    " its parameters would not be trained; make it in __init__: self.name = ..."
                )

    # ---- first use -------------------------------------------------------------------------------------------------

    def build(self, *shapes: Shape, shape: Shape | None = None) -> Shape:
        """Make all parameters, for inputs of these shapes (without the batch), and return the output's shape."""
        shapes = tuple(sample_shape(self.label, each) for each in (shapes if shape is None else (shape,)))
        with self._first_use(shapes):
            return self.build_layers(*shapes)

    def build_layers(self, *shapes: Shape) -> Shape:
        """Build the layers inside, and return the output's shape. `call` is Python: it runs, on one sample of zeros."""
        with on_backend(self.backend):
            output = self.call(*(self.backend.zeros((1, *shape), self.dtype) for shape in shapes))
        return tuple(output.shape[1:])

    @contextmanager
    def _first_use(self, shapes: tuple[Shape, ...]) -> Iterator[None]:
        """One thread at a time; if it fails, every layer that was not built is again as it was."""
        with building:
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
            self.locate()  # layers that were made on the way

    def output_shape(self, *shapes: Shape) -> Shape:
        if shapes not in self._known_shapes:  # layers are built once only
            self._known_shapes = self._known_shapes | {shapes: self.build(*shapes)}
        return self._known_shapes[shapes]

    def parameter_count(self, *shapes: Shape) -> int:
        if not self._built:  # only running `call` tells which layers get which shapes
            raise NotBuiltError(f"{self.label}: its parameters are known when it is built: build it first")
        return super().parameter_count(*shapes)

    def last(self) -> type[Layer] | None:
        """The class of the layer that gives the output; a written model knows it after its first forward."""
        return self._last

    def ends_with(self) -> type[Layer] | None:
        return self.last()


def called_twice(network: Network) -> OptionError:
    """The error for a `back` that is called again."""
    return OptionError(
        f"{network.label}: back was called twice; run forward again (its arrays are freed on the way back)"
    )
