"""What every layer of a network makes of one digit: each call of a layer, with what went in and what came out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpnet.analysis.predictions import as_probabilities
from xpnet.base.nested import as_several, leaves
from xpnet.core.layer import Layer
from xpnet.core.network import Network
from xpnet.core.watch import parts
from xpnet.layers import Softmax

Floats = npt.NDArray[np.float32]


class Call(NamedTuple):
    """One call of a layer, of one sample, without the batch's axis and on the host."""

    layer: Layer
    path: str
    inputs: tuple[Floats, ...]
    came_from: tuple[int | None, ...]  # of each input: the number of the call that made it, -1 for the digit itself
    output: Floats

    @property
    def shown(self) -> Floats:
        """The output as maps (C, H, W), or as units (F,)."""
        y = self.output
        if y.ndim == 2:  # steps and features
            return y[None]
        return y if y.ndim in (1, 3) else y.reshape(-1)

    def place(self, channel: int, row: int = 0, column: int = 0) -> tuple[int, ...]:
        """Where in `output` the unit is that is shown there."""
        if self.output.ndim == 3:
            return channel, row, column
        if self.output.ndim == 2:
            return row, column
        return tuple(int(i) for i in np.unravel_index(channel, self.output.shape))


class Look(NamedTuple):
    """All calls in their order, and the probabilities of the classes. Where the network gives scores, the softmax that
    makes probabilities of them is the last call."""

    calls: list[Call]
    probabilities: Floats


def look(model: Network, x: npt.ArrayLike) -> Look:
    """Forward, in inference, of one sample in whatever shape. Nobody else may use the model in the meantime."""
    backend, shape = model.backend, model.input_shape or ()
    model.reset_state()
    given = backend.asarray(np.asarray(x, np.float32).reshape(1, *shape), model.dtype)
    with _recorded(model) as made:
        y = model(given)
    seen = {id(given): (-1, _host(backend, given)[0])}  # of each array: who made it, and what it is on the host
    names, uses, calls = {id(layer): path for path, layer in model.named_layers()}, dict[str, int](), list[Call]()
    for layer, inputs, output in made:
        path = names[id(layer)]
        uses[path] = uses.get(path, 0) + 1
        label = path + (f" (use {uses[path]})" if uses[path] > 1 else "")
        known = [seen.get(id(each)) or (None, _host(backend, each)[0]) for each in inputs]
        first, *others = (_host(backend, each)[0] for each in leaves(output))
        came_from, arrays = zip(*known, strict=True)
        for each, array in zip(leaves(output), (first, *others), strict=True):
            seen[id(each)] = (len(calls), array)
        calls.append(Call(layer, label, arrays, came_from, first))
    scores = _host(backend, y)
    chances = np.asarray(as_probabilities(model, scores)[0], np.float32)
    if model.last() is not Softmax:
        maker = seen.get(id(y), (None, None))[0]
        calls.append(Call(Softmax(), "softmax", (scores[0],), (maker,), chances))
    return Look(calls, chances)


@contextmanager
def _recorded(model: Network) -> Iterator[Sequence[tuple[Layer, tuple[Any, ...], Any]]]:
    """Within the block: (layer, inputs, output) of each call of a layer that the model is made of."""
    made: list[tuple[Layer, tuple[Any, ...], Any]] = []
    ends: list[Callable[[], None]] = []

    def listen(layer: Layer) -> None:
        def forward(*xs: Any, train: bool = False) -> Any:
            y, back = type(layer).forward(layer, *xs, train=train)
            made.append((layer, xs, y))
            return y, back

        # It hides the method of the class, as `intercepted` does, which sees no inputs; as an attribute that is set, so
        # that plans are not used meanwhile.
        layer.forward = forward  # type: ignore[method-assign]
        ends.append(lambda: delattr(layer, "forward"))

    for layer in {id(layer): layer for layer in parts(model)}.values():
        listen(layer)
    try:
        yield made
    finally:
        for end in ends:
            end()


def _host(backend: Any, y: Any) -> Floats:
    """As float32 on the host, in memory that is nobody else's."""
    return np.array(backend.to_numpy(as_several(y)[0]), np.float32)
