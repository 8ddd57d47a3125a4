"""Looking into a network while it runs: every layer's output."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from xpnet.core.declare import building
from xpnet.core.layer import Back, Layer
from xpnet.errors import OptionError

Change = Callable[[Layer, Any, Back], tuple[Any, Back]]

# In the blocks around, of each layer (by its id) what its outputs go through; each thread has its own.
_changes: ContextVar[dict[int, tuple[Change, ...]]] = ContextVar("_changes", default={})  # noqa: B039 (never changed)
interceptions: dict[int, int] = {}  # of each layer (by its id), in how many blocks, of all threads, it is


@contextmanager
def intercepted(layers: Iterable[Layer], change: Change) -> Iterator[None]:
    """Within the block, and in this thread, what a forward of these layers returns goes through
    `change(layer, y, back)` first.

    Of a layer of several outputs y is the tuple of them. Blocks may nest: what the outer one makes of an output goes
    through the inner one. Other threads may use the layers meanwhile, or look into them too.
    """
    own = {id(layer): layer for layer in layers}
    known = _changes.get()
    token = _changes.set({**known, **{number: (*known.get(number, ()), change) for number in own}})
    hidden: list[Layer] = []
    try:
        for layer in own.values():
            _hide_forward(layer)
            hidden.append(layer)
        yield
    finally:
        _changes.reset(token)
        for layer in hidden:
            _show_forward(layer)


class _Intercepted:
    """The forward of a layer that asks what the blocks of the calling thread make of its output.

    It hides the method of the class. A copy of the layer, which another thread may make meanwhile, has its own.
    """

    def __init__(self, layer: Layer) -> None:
        self.layer = layer

    def __call__(self, *xs: Any, train: bool = False) -> tuple[Any, Back]:
        y, back = type(self.layer).forward(self.layer, *xs, train=train)
        for change in _changes.get().get(id(self.layer), ()):
            y, back = change(self.layer, y, back)
        return y, back


def _hide_forward(layer: Layer) -> None:
    with building.lock:
        interceptions[id(layer)] = interceptions.get(id(layer), 0) + 1
        vars(layer)["forward"] = _Intercepted(layer)


def _show_forward(layer: Layer) -> None:
    with building.lock:
        interceptions[id(layer)] -= 1
        if not interceptions[id(layer)]:
            del interceptions[id(layer)]
            vars(layer).pop("forward", None)


@contextmanager
def watched(model: Layer, see: Callable[[Layer, Any], None]) -> Iterator[None]:
    """Within the block, `see(layer, output)` is called after every forward of a layer of the model."""

    def change(layer: Layer, y: Any, back: Back) -> tuple[Any, Back]:
        see(layer, y)
        return y, back

    with intercepted(parts(model), change):
        yield


def path_of(model: Layer, layer: str | Layer) -> str:
    """The path of a layer that is given by its path or as an object; OptionError if the model does not have it."""
    for path, known in model.named_layers():
        if path and (known is layer or path == layer):
            return path
    what = repr(layer) if isinstance(layer, str) else f"such {type(layer).__name__}"
    names = ", ".join(path for path, _ in model.named_layers() if path)
    raise OptionError(f"{model.label} has no layer {what}; choose one of {names}, or give one of its layers itself")


def parts(layer: Layer) -> Iterator[Layer]:
    """The layers that a model is made of, in order; models inside it are taken apart, other layers are not."""
    if layer.composite:
        for _, child in layer.children():
            yield from parts(child)
    else:
        yield layer
