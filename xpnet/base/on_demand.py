"""Packages whose parts are imported when somebody asks for them, so that to import the package is quick."""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xpnet.base.hints import listed, no_attribute


def imported_on_demand(
    module: str, places: Mapping[str, tuple[str, ...]], known: list[str], shown: Sequence[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of such a package.

    `places` has the names that each of its modules holds; the modules are attributes too, by the last part of their
    own names. `known` are the names that the package exports, and `shown` others that completion shows.
    """

    def __getattr__(name: str) -> Any:
        for place, names in places.items():
            if name in names:
                return getattr(importlib.import_module(f"{module}.{place}"), name)
            if name == place.rpartition(".")[2]:
                return importlib.import_module(f"{module}.{place}")
        raise no_attribute(module, name, known)

    def __dir__() -> list[str]:
        return listed(module, [*known, *shown])

    return __getattr__, __dir__


def families_on_demand(
    module: str, families: Sequence[str], known: Sequence[str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The same for a package whose modules list in their own `__all__` what they have; its `__all__` follows from them.

    A name is looked for in one family after the other, in this order. `known` are the names that are there already.
    """

    def exported() -> list[str]:
        return [*known, *(name for family in families for name in part(family).__all__)]

    def part(family: str) -> Any:
        return importlib.import_module(f"{module}.{family}")

    def __getattr__(name: str) -> Any:
        if name == "__all__":
            return exported()
        if name in families:
            return part(name)
        for family in families:
            if name in part(family).__all__:
                return vars(sys.modules[module]).setdefault(name, getattr(part(family), name))
        raise no_attribute(module, name, exported())

    def __dir__() -> list[str]:
        return listed(module, exported())

    return __getattr__, __dir__
