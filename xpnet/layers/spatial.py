"""What layers share that work along the axes behind the channels: of images, or of signals."""

from collections.abc import Callable
from typing import Any, TypeVar

from xpnet.backend import Array
from xpnet.core.declare import Shape
from xpnet.core.layer import Layer
from xpnet.errors import OptionError

Value = TypeVar("Value")


class Spatial(Layer):
    """The base of layers of images (N, C, H, W) and, where `rank` is 1, of signals (N, C, T).

    A signal is an image (N, C, 1, T), one pixel high. That is a view, so the primitives of images serve both.
    """

    rank = 2

    @property
    def axes(self) -> tuple[int, ...]:
        """Those behind the channels, counted with the batch."""
        return (2, 3) if self.rank == 2 else (2,)

    @property
    def needed(self) -> str:
        """The shape of an input, for errors."""
        return "(N, C, H, W)" if self.rank == 2 else "(N, C, T)"

    def check_rank(self, shape: Shape) -> None:
        """Raise ShapeError for what is no image, or no signal."""
        if len(shape) != 1 + self.rank:
            raise self.wrong_shape(shape, self.needed)

    def as_image(self, x: Array) -> Array:
        """An input, or the gradient of an output, as an image."""
        return x if self.rank == 2 else x[:, :, None, :]

    def as_given(self, image: Array) -> Array:
        """The opposite: of the rank that the layer works on."""
        return image if self.rank == 2 else image[:, :, 0, :]

    def read(self, reader: Callable[..., Value], *arguments: Any) -> Value:
        """An option, as `reader` reads it; an error names the layer."""
        try:
            return reader(*arguments)
        except OptionError as error:
            raise OptionError(f"{type(self).__name__}: {error}") from None
