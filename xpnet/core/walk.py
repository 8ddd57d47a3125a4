"""Walking through a layer: the layers inside it, their parameters and their states, each once, by path."""

from collections.abc import Iterator
from typing import Any, TypeVar

from xpnet.core.carried import Carried
from xpnet.core.parameter import Parameter

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


def held(layer: Any, kind: type[Kind]) -> list[tuple[str, Kind]]:
    """(path, object) of the objects of a kind that are attributes of the layer and of those inside it, each once."""
    found: dict[int, tuple[str, Kind]] = {}
    for path, inside in layers_inside(layer):
        for attribute, value in vars(inside).items():
            if isinstance(value, kind) and id(value) not in found:
                found[id(value)] = f"{path}.{attribute}" if path else attribute, value
    return list(found.values())


class Walked:
    """What layers have of this file."""

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """(path, parameter), each parameter once, in the order of definition: ("conv1.weight", Parameter(...))."""
        found = held(self, Parameter)
        for path, parameter in found:
            if parameter.name != path:
                parameter.name = path
        return iter(found)

    def parameters(self) -> list[Parameter]:
        """All parameters, each once, in the order of definition."""
        return [parameter for _, parameter in self.named_parameters()]

    def named_states(self) -> Iterator[tuple[str, Carried]]:
        """(path, state) of what layers inside carry from batch to batch: ("rnn.state", Carried(...))."""
        return iter(held(self, Carried))

    def reset_state(self, rows: Any = None) -> None:
        """Forget what layers carry from batch to batch; with `rows`, a mask of booleans (N,), of those rows alone."""
        for _, state in self.named_states():
            state.reset(rows)
