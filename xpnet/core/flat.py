"""Parameters that lie behind one another in one array, so that what would be a call for each is one call for all.

    flat = lay_out(parameters)      # they stay what they are, but `value` and `grad` become views
    flat.value -= lr * flat.grad    # changes all of them

`find_pieces` tells what lies together; who works on the pieces need not know which of them are several parameters.
"""

from collections.abc import Iterable, Sequence

from xpnet.backend import Array
from xpnet.core.parameter import JoinedGradients, Parameter


class Flat(JoinedGradients):
    """`value` and `grad` are 1-D and hold those of all `parameters`, which have one backend and one data type.

    Every part starts at a multiple of 64 entries, because products are faster on matrices that begin at a round
    address; the gaps hold zero. A parameter that moves to another backend, or that is laid out anew with others,
    leaves: `holds` tells.
    """

    ALIGNMENT = 64

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = tuple(parameters)
        self.backend, self.dtype = parameters[0].backend, parameters[0].dtype
        self.starts, self.size = list[int](), 0
        for p in parameters:
            self.starts.append(self.size)
            self.size += -(-p.size // self.ALIGNMENT) * self.ALIGNMENT
        self.shape = (self.size,)
        self.value, values = self.lay([p.value for p in parameters])
        self.array, self.parts = self.lay([p.gradient.source for p in parameters])
        for p, value, grad in zip(parameters, values, self.parts, strict=True):
            p.enter(self, value, grad)
        self.gradients = [p.gradient for p in parameters]

    def holds(self, parameters: Sequence[Parameter]) -> bool:
        """Whether it is just these parameters, in this order, that are its parts."""
        return tuple(parameters) == self.parameters and all(p.flat is self for p in parameters)

    def lay(self, arrays: Sequence[Array | None]) -> tuple[Array, list[Array]]:
        """A new 1-D array with a part for each parameter, filled from `arrays`, and the parts: views of it."""
        whole = self.backend.zeros(self.shape, self.dtype)
        parts = []
        for p, start, array in zip(self.parameters, self.starts, arrays, strict=True):
            part = self.backend.xp.reshape(whole[start : start + p.size], p.shape)
            if array is not None:
                part[...] = array
            parts.append(part)
        return whole, parts


def lay_out(parameters: Sequence[Parameter]) -> Flat:
    """These parameters, of one backend and data type, as one: as they lie already, or laid out now."""
    flat = parameters[0].flat
    return flat if isinstance(flat, Flat) and flat.holds(parameters) else Flat(parameters)


def find_pieces(parameters: Iterable[Parameter]) -> list[Parameter | Flat]:
    """The fewest pieces that are just these parameters: Flats of which all is asked for, and the others one by one."""
    alone = dict.fromkeys(parameters)
    flats = [flat for flat in dict.fromkeys(p.flat for p in alone) if isinstance(flat, Flat)]
    whole = [flat for flat in flats if flat.holds([p for p in flat.parameters if p in alone])]
    for flat in whole:
        for p in flat.parameters:
            del alone[p]
    return [*whole, *alone]
