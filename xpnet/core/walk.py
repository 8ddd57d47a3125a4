"""Walking through a layer: the layers inside it, their parameters and their states, each once, by path."""

import sys
from collections.abc import Iterator
from typing import Any, TypeVar

from xpnet.core.carried import Carried
from xpnet.core.parameter import Parameter
from xpnet.errors import OptionError

Kind = TypeVar("Kind")
HARMLESS = 32  # layers, one in another: few enough for any limit
CALLS = 7  # that a layer in another takes, one in another: a copy takes most
RESERVE = 50  # calls that are left for others


def layers_inside(layer: Any) -> Iterator[tuple[str, Any]]:
    """(path, layer) of a layer ("") and of all inside it, in the order of definition."""
    found: dict[int, tuple[str, Any]] = {id(layer): ("", layer)}
    open_ones = [("", layer.children())]  # from the layer inwards; by no recursion, which Python allows so deep only
    while open_ones:
        path, children = open_ones[-1]
        for name, child in children:
            if id(child) not in found:
                inner = f"{path}.{name}" if path else name
                found[id(child)] = inner, child
                open_ones.append((inner, child.children()))
                break
        else:
            open_ones.pop()
    return iter(found.values())


def refuse_depth(layer: Any) -> None:
    """OptionError where layers lie within one another deeper than Python's recursion goes, for whatever is done."""
    depth, seen, open_ones = 0, {id(layer)}, [layer.children()]
    while open_ones:
        depth = max(depth, len(open_ones))
        child = next((child for _, child in open_ones[-1] if id(child) not in seen), None)
        if child is None:
            open_ones.pop()
        else:
            seen.add(id(child))
            open_ones.append(child.children())
    if depth <= HARMLESS:
        return
    frame, calls = sys._getframe(), RESERVE
    while frame.f_back is not None:
        frame, calls = frame.f_back, calls + 1
    limit = sys.getrecursionlimit()
    if calls + CALLS * depth > limit:
        raise OptionError(
            f"{layer.label}: layers lie {depth} deep in it, one in another, and Python's recursion limit of {limit}"
            f" allows {max(limit - calls, 0) // CALLS} here: put them side by side in one Sequential, or allow more, by"
            f" sys.setrecursionlimit({-(-(calls + CALLS * depth) // 100) * 100})"
        )


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

    def __reduce_ex__(self, protocol: Any) -> Any:
        """How a copy is made, and a pickle: of each layer inside the one that it is in."""
        refuse_depth(self)
        return super().__reduce_ex__(protocol)

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
