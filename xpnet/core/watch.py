"""Looking into a network while it runs: every layer's output."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from xpnet.core.layer import Back, Layer
from xpnet.errors import OptionError


@contextmanager
def intercepted(layers: Iterable[Layer], change: Callable[[Layer, Any, Back], tuple[Any, Back]]) -> Iterator[None]:
    """Within the block, what a forward of these layers returns goes through `change(layer, y, back)` first.

    Of a layer of several outputs y is the tuple of them.
    """
    ends = [layer.intercept(change) for layer in {id(layer): layer for layer in layers}.values()]
    try:
        yield
    finally:
        for end in ends:
            end()


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
