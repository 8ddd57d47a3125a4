"""Objects by their names: "adam", "softmax_cross_entropy", "relu"."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from xpnet.errors import OptionError

T = TypeVar("T")
NO_ALIASES: Mapping[str, str] = MappingProxyType({})


def lookup_name(value: Any) -> str:
    """A name as tables hold it, whatever its case; a class in the place of an object is an error that says so."""
    if isinstance(value, type):
        raise OptionError(f"give an object, not the class: {value.__name__}(...)")
    return str(value).lower()


def by_name(
    kind: str,
    asked: Any,
    table: Mapping[str, Callable[[], T]],
    otherwise: str,
    aliases: Mapping[str, str] = NO_ALIASES,
    choices: Iterable[str] = (),
) -> T:
    """The object that `table` makes for this name, with its default settings.

    `aliases` are other names of what is in the table. The error for a name that is in neither says that there is no
    such `kind`, and names the `choices`, by default those of the table, and what may be given `otherwise`.
    """
    name = lookup_name(asked)
    name = aliases.get(name, name)
    if name not in table:
        raise OptionError(f"there is no {kind} {asked!r}; choose one of {', '.join(choices or table)}, {otherwise}")
    return table[name]()
