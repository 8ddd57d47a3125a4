"""Whether the `call` of a network that a user wrote does the same each time, as far as its code tells.

It does if it takes nothing but its inputs, the network's layers, settings that are numbers and texts, the library's
layers, and a few functions of Python; and if it sets nothing. What it may look at beside these, such as a counter, a
module, the time or a random number, could be another the next time.
"""

import dis
import types
from collections.abc import Iterator
from typing import Any

from xpnet.base.settings import is_library
from xpnet.core.layer import Layer

BUILTINS = frozenset((dict, enumerate, len, list, max, min, range, reversed, tuple, zip))
OF_VALUES = frozenset(("dtype", "items", "keys", "ndim", "shape", "values"))
CHANGES = ("STORE_ATTR", "STORE_S", "STORE_GLOBAL", "STORE_NAME", "DELETE_", "IMPORT_", "YIELD", "SEND", "RAISE")
SETTINGS = type(None), bool, int, float, str


def is_fixed(network: Any) -> bool:
    """Whether the network's `call` is one of the library, or code that does the same each time."""
    kind = type(network)
    own = [name for name in ("forward", "__call__") if not _of_library(getattr(kind, name))]
    if own or "call" in vars(network) or "forward" in vars(network):
        return False
    return _of_library(kind.call) or _is_fixed(kind.call, network, frozenset())


def is_library_forward(layer: Any) -> bool:
    """Whether the layer is of a class of the library, with the forward that it has there."""
    kind = type(layer)
    return is_library(kind) and "forward" not in vars(layer) and _of_library(kind.forward)


def held_in(network: Any) -> Iterator[Any]:
    """The lists and dicts of layers that are attributes of the network."""
    return (value for value in vars(network).values() if isinstance(value, (list, dict)) and _has_layers_only(value))


def _of_library(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).partition(".")[0] == "xpnet"


def _is_fixed(function: Any, network: Any, seen: frozenset[Any]) -> bool:
    """The same of a function of the network's class, and of all that it calls by the network's name."""
    if not isinstance(function, types.FunctionType) or function.__closure__:
        return False
    if function in seen:
        return True
    modules = _modules(function)
    for step in _instructions(function.__code__):
        if step.opname.startswith(CHANGES):
            return False
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and not _is_known(step.argval, function):
            return False
        if step.opname in ("LOAD_ATTR", "LOAD_METHOD") and not _is_settled(
            step.argval, network, modules, seen | {function}
        ):
            return False
    return True


def _modules(function: types.FunctionType) -> list[Any]:
    """The modules that the function names, and those inside them."""
    names = function.__code__.co_names
    outer = [value for name in names if isinstance(value := function.__globals__.get(name), types.ModuleType)]
    inner = [
        value for each in outer for name in names if isinstance(value := getattr(each, name, None), types.ModuleType)
    ]
    return outer + inner


def _instructions(code: types.CodeType) -> Iterator[dis.Instruction]:
    """Those of the code and of what is defined inside it, such as comprehensions."""
    yield from dis.get_instructions(code)
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield from _instructions(each)


def _is_known(name: str, function: types.FunctionType) -> bool:
    """Whether it is the library, one of its classes, or a function of Python that only looks at its arguments."""
    builtins = getattr(function, "__builtins__", {})
    value = function.__globals__.get(name, builtins.get(name))
    return _is_module_or_layer(value) or (isinstance(value, (type, types.BuiltinFunctionType)) and value in BUILTINS)


def _is_module_or_layer(value: Any) -> bool:
    """Whether it is a module of the library, or a class of its layers."""
    if isinstance(value, types.ModuleType):
        return value.__name__.partition(".")[0] == "xpnet"
    return isinstance(value, type) and issubclass(value, Layer) and is_library(value)


def _is_settled(name: str, network: Any, modules: list[types.ModuleType], seen: frozenset[Any]) -> bool:
    """Whether an attribute of this name stays what it is, unless somebody sets it."""
    if name in OF_VALUES:
        return True
    if name in vars(network):
        value = vars(network)[name]
        alike = isinstance(value, tuple) and all(isinstance(each, (Layer, *SETTINGS)) for each in value)
        return alike or isinstance(value, (Layer, *SETTINGS)) or _has_layers_only(value)
    if (own := getattr(type(network), name, None)) is not None:
        return isinstance(own, SETTINGS) or _is_fixed(own, network, seen)
    return any(_is_module_or_layer(getattr(module, name, None)) for module in modules)


def _has_layers_only(value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, list) and all(isinstance(each, Layer) for each in value)
