"""What a row of the table of layers says, and the shapes that many rows have."""

from collections.abc import Callable
from typing import NamedTuple

from xpnet.core.layer import Layer

Shape = tuple[int, ...]
Shapes = tuple[Shape, ...]  # of several inputs, without the batch


class LayerCase(NamedTuple):
    """A layer, and the shapes of inputs for it, without the batch."""

    name: str
    make: Callable[[], Layer]
    shapes: Shapes
    # of each input that is of integers, how many numbers there are, and 0 for one that is not; () if none is
    integers: tuple[int, ...] = ()
    has_kinks: bool = False  # where the derivative jumps: inputs without ties and zeros are needed
    wrong: tuple[Shapes, ...] = ()  # inputs that the layer cannot take once it is built

    @property
    def counts(self) -> tuple[int, ...]:
        """Of each input, how many numbers there are, from 0 on; 0 for one of floating point numbers."""
        return self.integers or (0,) * len(self.shapes)


VECTOR, IMAGE = ((6,),), ((4, 6, 5),)
SEQUENCE = ((5, 6),)  # (N, T, F)
SIGNAL = ((4, 7),)  # (N, C, T), of what moves along an axis behind the channels
CHANNELS = ((6, 2, 3),)  # of a normalization across them

NO_IMAGE: tuple[Shapes, ...] = (((4,),), ((4, 6),), ((1, 4, 6, 5),))
NO_SIGNAL: tuple[Shapes, ...] = (((4,),), ((1, 4, 7),))
OTHER_CHANNELS: tuple[Shapes, ...] = (((3, 6, 5),), ((8, 6, 5),))
