"""Any layer on each step of a sequence."""

from typing import Any

from xpnet import random
from xpnet.backend import Array
from xpnet.base.nested import mapped
from xpnet.core.declare import Shape
from xpnet.core.layer import Back, Layer
from xpnet.core.outputs import is_shape
from xpnet.errors import OptionError

__all__ = ["TimeDistributed"]


class TimeDistributed(Layer):
    """y[n, t] = layer(x[n, t]): x (N, T, ...), y (N, T, ...), with one layer, or network, for all steps.

    The layer gets all steps at once, as a batch of N*T: the statistics of a BatchNorm1D are those of all of them, and a
    Dropout leaves out other entries in each. Of several inputs all have T steps; several outputs come as the layer
    gives them. layers.Dense takes sequences as they are.

    layer: any layer, or a network such as Sequential([...]).

    Elsewhere: keras.layers.TimeDistributed.
    """

    kind = "steps"
    layer: Layer

    def __init__(self, layer: Layer, name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(layer, Layer):
            raise OptionError(f"TimeDistributed: layer must be a layer or a network, not {layer!r}")
        self.layer = layer

    # What it takes and gives depends on the layer.

    @property
    def skips_dx(self) -> bool:
        return self.layer.skips_dx

    @property
    def skips_dy(self) -> bool:
        return self.layer.skips_dy

    @property
    def takes_integers(self) -> bool:
        return self.layer.takes_integers

    @property
    def integers_at(self) -> tuple[int, ...]:
        return self.layer.integers_at

    def ends_with(self) -> Any:
        return self.layer.ends_with()

    def output_shape(self, *shapes: Shape) -> Any:
        y = self.layer.output_shape(*self._steps(shapes))
        return self._sequences(y, shapes[0][0])

    def build(self, *shapes: Shape, shape: Shape | None = None) -> Any:
        shapes = shapes if shape is None else (shape,)
        return self._sequences(self.layer.build(*self._steps(shapes)), shapes[0][0])

    def parameter_count(self, *shapes: Shape) -> int:
        return self.layer.parameter_count(*self._steps(shapes))

    def _steps(self, shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """The shapes of a step, without the batch."""
        for shape in shapes:
            if len(shape) < 1 or shape[0] < 1 or shape[0] != shapes[0][0]:
                raise self.wrong_shape(shape, "(N, T, ...), of at least one step, and of several inputs the same T")
        return tuple(shape[1:] for shape in shapes)

    def _sequences(self, y: Any, T: int) -> Any:
        """The shape of an output, or of several, of all steps."""
        if isinstance(y, dict):
            return {name: (T, *shape) for name, shape in y.items()}
        return (T, *y) if is_shape(y) else tuple((T, *shape) for shape in y)

    def forward(self, *xs: Array, train: bool = False) -> tuple[Any, Back]:
        self.check(*xs)
        xp, (N, T) = self.xp, xs[0].shape[:2]

        def joined(x: Array) -> Array:
            return xp.reshape(x, (N * T, *x.shape[2:]))

        def parted(x: Array | None) -> Array | None:
            return None if x is None else xp.reshape(x, (N, T, *x.shape[1:]))

        with random.samples_of_steps(T):
            y, layer_back = self.layer.forward(*map(joined, xs), train=train)

        def back(dy: Any, **options: Any) -> Any:  # need_dx, if the layer takes it
            return mapped(
                parted, layer_back(mapped(lambda each: None if each is None else joined(each), dy), **options)
            )

        return mapped(parted, y), back
