"""What layers share that work along the axes behind the channels: of images, or of signals."""

import operator
from collections.abc import Callable
from typing import Any, TypeVar

from xpnet.backend import Array, Backend
from xpnet.backend.one_axis import as_image, as_signal
from xpnet.backend.reference import dtype_name
from xpnet.core.declare import Shape
from xpnet.core.layer import Back, Layer
from xpnet.errors import OptionError
from xpnet.layers.constants import constant

Value = TypeVar("Value")
Resize = Callable[[Backend, Array, int, int], tuple[Array, Back]]  # of an image, along an axis, to a length


class Spatial(Layer):
    """The base of layers of images (N, C, H, W) and, where `axes` says so, of signals (N, C, T).

    A signal is an image (N, C, 1, T), one pixel high. That is a view, so the primitives of images serve both.
    """

    axes = "HW"  # behind the channels
    rank = 2  # how many they are: 2 for images, 1 for signals

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.rank = len(cls.axes)

    @property
    def needed(self) -> str:
        """The shape of an input, for errors."""
        return f"(N, C, {', '.join(self.axes)})"

    def check_rank(self, shape: Shape, least: tuple[int, ...] = (1, 1)) -> None:
        """Raise ShapeError for what is no image, or no signal, or one that is smaller than `least`."""
        if len(shape) != 1 + self.rank or any(map(operator.lt, shape[1:], least)):
            bounds = [f"{axis} of at least {size}" for axis, size in zip(self.axes, least, strict=False) if size > 1]
            raise self.wrong_shape(shape, self.needed + (f" with {' and '.join(bounds)}" if bounds else ""))

    def as_image(self, x: Array) -> Array:
        """An input, or the gradient of an output, as an image."""
        return x if self.rank == 2 else as_image(x)

    def as_given(self, image: Array) -> Array:
        """The opposite: of the rank that the layer works on."""
        return image if self.rank == 2 else as_signal(image)

    def along_axes(self, image: Array, size: tuple[int, int], resize: Resize) -> tuple[Array, Back]:
        """Columns, then rows: where lines are not as long as `size` (OH, OW) says, `resize` makes them so."""
        y, backs = image, []
        for axis in (3, 2):
            if y.shape[axis] != size[axis - 2]:
                y, line_back = resize(self.backend, y, axis, size[axis - 2])
                backs.append(line_back)

        def back(dy: Array) -> Array:
            for line_back in reversed(backs):
                dy = line_back(dy)
            return dy

        return y, back

    def read(self, reader: Callable[..., Value], *arguments: Any) -> Value:
        """An option, as `reader` reads it; an error names the layer."""
        try:
            return reader(*arguments)
        except OptionError as error:
            raise OptionError(f"{type(self).__name__}: {error}") from None


def map_lines(backend: Backend, x: Array, matrix: Array, axis: int) -> Array:
    """Each line of x along `axis`, of L pixels, becomes one of M: that times the matrix (M, L)."""
    y = backend.xp.tensordot(x, matrix, axes=((axis,), (1,)))  # the M in the last place
    return backend.xp.moveaxis(y, -1, axis)


def take_lines(
    backend: Backend, x: Array, axis: int, places: Callable[..., list[int]], *sizes: int
) -> tuple[Array, Back]:
    """The pixels along `axis` at `places(*sizes)`; the way back sums over all that a pixel was copied to."""
    length = x.shape[axis]
    y = backend.xp.take(x, constant(backend, "int64", places, *sizes), axis=axis)

    def back(dy: Array) -> Array:
        copied = constant(backend, dtype_name(dy.dtype), _is_copied, length, places, *sizes)
        return map_lines(backend, dy, copied, axis)

    return y, back


def _is_copied(length: int, places: Callable[..., list[int]], *sizes: int) -> list[list[int]]:
    """(length, places): 1 where a pixel of the line is at that place, else 0."""
    return [[int(place == pixel) for place in places(*sizes)] for pixel in range(length)]
