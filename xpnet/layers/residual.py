"""A block with a shortcut around it."""

from collections.abc import Iterator, Sequence
from typing import Any

from xpnet.core.chains import add_and, run_chain
from xpnet.core.layer import Layer, layers_in
from xpnet.core.network import Network
from xpnet.errors import OptionError, ShapeError
from xpnet.layers.activations import activation_layer

__all__ = ["Residual"]


class Residual(Network):
    """y = activation(block(x) + shortcut(x)) (He et al., "Deep residual learning", 2016).

    block: a layer, or a list of layers that run in turn.  shortcut: the same; None is x itself, for a block that keeps
    the shape.  activation: a name ("relu", ...), a layer or None.

    The gradient of x is that of both ways, added. Names of the weights: block.0.weight, ..., shortcut.weight.

        Residual([Conv2D(16, 3, padding="same", activation="relu"), Conv2D(16, 3, padding="same")], activation="relu")
    """

    kind = "residual"

    def __init__(
        self,
        block: Layer | Sequence[Layer],
        shortcut: Layer | Sequence[Layer] | None = None,
        activation: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.block, self.activation = _path("block", block), activation
        self.shortcut = None if shortcut is None else _path("shortcut", shortcut)
        self.then = activation_layer(activation)
        if self.then is not None:
            self.then.suggest_name("activation")

    def children(self) -> Iterator[tuple[str, Layer]]:
        yield from layers_in("block", self.block)
        yield from layers_in("shortcut", self.shortcut)
        yield from layers_in("activation", self.then)

    def call(self, x: Any) -> Any:
        y, around = _run(self.block, x), _run(self.shortcut, x)
        if y.shape != around.shape:
            gives, is_here = (f"(N, {', '.join(map(str, each.shape[1:]))})" for each in (y, around))
            raise ShapeError(
                f"{self.label}: the block gives {gives}, the shortcut {is_here}: give a shortcut that changes the shape"
                f" too, such as shortcut=Conv2D({y.shape[1] if y.ndim > 1 else 1}, 1, stride=2)"
            )
        return y + around if self.then is None else add_and(self.then, y, around)


def _path(option: str, path: Any) -> Layer | list[Layer]:
    layers = list(path) if isinstance(path, (tuple, list)) else [path]
    if not layers or not all(isinstance(layer, Layer) for layer in layers):
        raise OptionError(f"Residual: {option} must be a layer or a list of layers, not {path!r}")
    return layers if isinstance(path, (tuple, list)) else layers[0]


def _run(path: Layer | list[Layer] | None, x: Any) -> Any:
    return run_chain(path if isinstance(path, list) else [] if path is None else [path], x)
