"""Walking through a layer: the layers inside it and what they hold, each once, by path."""

from collections.abc import Iterator
from typing import Any, TypeVar

Kind = TypeVar("Kind")


def layers_inside(layer: Any) -> Iterator[tuple[str, Any]]:
    """(path, layer) of a layer ("") and of all inside it, in the order of definition."""
    found: dict[int, tuple[str, Any]] = {}

    def walk(path: str, layer: Any) -> None:
        found[id(layer)] = path, layer
        for name, child in layer.children():
            if id(child) not in found:
                walk(f"{path}.{name}" if path else name, child)

    walk("", layer)
    return iter(found.values())


def held(layer: Any, kind: type[Kind]) -> Iterator[tuple[str, Kind]]:
    """(path, object) of the objects of a kind that are attributes of the layer and of those inside it."""
    seen: set[int] = set()
    for path, inside in layers_inside(layer):
        for attribute, value in vars(inside).items():
            if isinstance(value, kind) and id(value) not in seen:
                seen.add(id(value))
                yield f"{path}.{attribute}" if path else attribute, value
