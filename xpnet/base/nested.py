"""One value, several in a tuple, or several by name in a dict: what goes into a network, and what comes out of it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

Key = str | int  # of one among several: its name in a dict, its place in a tuple


def leaves(value: Any) -> list[Any]:
    """The values that are neither tuples nor dicts, in order."""
    if isinstance(value, (tuple, dict)):
        inside = value.values() if isinstance(value, dict) else value
        return [leaf for item in inside for leaf in leaves(item)]
    return [value]


def first_leaf(value: Any) -> Any:
    """The first value that is neither a tuple nor a dict."""
    while isinstance(value, (tuple, dict)):
        value = next(iter(value.values() if isinstance(value, dict) else value))
    return value


def arranged_like(value: Any, new: Iterable[Any]) -> Any:
    """As many new leaves, in the structure of the value."""
    return _arranged(value, iter(new))


def _arranged(value: Any, new: Iterator[Any]) -> Any:
    if isinstance(value, dict):
        return {name: _arranged(item, new) for name, item in value.items()}
    if isinstance(value, tuple):
        return tuple(_arranged(item, new) for item in value)
    return next(new)


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """What the function makes of each leaf, in the structure of the value."""
    if not isinstance(value, (tuple, dict)):
        return function(value)
    return arranged_like(value, map(function, leaves(value)))


def as_several(value: Any) -> tuple[Any, ...]:
    """The values themselves: one alone, or those of a tuple or a dict."""
    if isinstance(value, dict):
        return tuple(value.values())
    return value if isinstance(value, tuple) else (value,)


def keys_of(value: Any) -> list[Key]:
    """The names of a dict, or the places of a tuple or list; nothing for one value alone."""
    if isinstance(value, dict):
        return list(value)
    return list(range(len(value))) if isinstance(value, (tuple, list)) else []
