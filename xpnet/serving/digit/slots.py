"""The networks that one page looks at: its own copies, with all that is known about each."""

from typing import Any

import numpy as np
import numpy.typing as npt

from xpnet.analysis.outputs import convolutions
from xpnet.core.parameter import Parameter
from xpnet.serving.digit.exam import Exam
from xpnet.serving.digit.look import Floats, Look, look
from xpnet.serving.digit.shelf import Entry, Shelf
from xpnet.serving.digit.training import Training

NOTHING = np.zeros((1, 28, 28), np.float32)


class Slot:
    """A network in one of the page's places."""

    def __init__(self, name: str, entry: Entry) -> None:
        self.name, self.entry = name, entry
        self.model = entry.make()
        self.lessons = 0  # that it has had here
        self.training: Training | None = None
        self.look: Look = look(self.model, NOTHING)
        self._exam: Exam | None = None

    @property
    def taught(self) -> bool:
        """Whether it is no longer as the entry says."""
        return self.lessons > 0

    def read(self, digit: Floats) -> Look:
        """Look at a digit; the result is kept."""
        self.look = look(self.model, digit)
        return self.look

    def changed(self) -> None:
        """The weights are others now."""
        self._exam = None

    def exam(self, shelf: Shelf) -> Exam:
        self._exam = self._exam or Exam(self.model, *shelf.digits("test"))
        return self._exam

    def described(self) -> dict[str, Any]:
        """As the page is told."""
        described = self.entry.described() | {"taught": self.taught}
        if self.taught:  # its accuracy was that of another network
            described["accuracy"] = None
        layers = [
            {
                "index": index,
                "path": call.path,
                "kind": call.layer.kind,
                "shape": list(call.shown.shape),
                "shown": "maps" if call.shown.ndim == 3 else "units",
                "from": call.came_from[0],
            }
            for index, call in enumerate(self.look.calls)
        ]
        return {"slot": self.name, **described, "layers": layers}

    def filters(self) -> dict[str, npt.NDArray[Any]]:
        """The kernels (O, C, KH, KW) of the first layer with weights, if that is a convolution."""
        layers = dict(self.model.named_layers())
        weighted = [path for path, layer in layers.items() if isinstance(vars(layer).get("weight"), Parameter)]
        if not weighted or weighted[0] not in convolutions(self.model):
            return {}
        weight: Any = layers[weighted[0]]
        kernels = np.array(self.model.backend.to_numpy(weight.weight.value), np.float32)
        return {"filters": kernels} if kernels.ndim == 4 else {}

    def maps(self) -> dict[str, npt.NDArray[Any]]:
        """What each layer gave for the digit that was read last, by its index."""
        return {str(index): call.shown for index, call in enumerate(self.look.calls)}
