"""Objects that are described by their constructor's arguments: layers, losses, optimizers, ..."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import numpy as np

from xpnet.base.notice import notify
from xpnet.base.settings import Settled
from xpnet.base.settings import parameters_of as parameters_of
from xpnet.errors import OptionError

PLAIN = type(None), bool, int, float, str, np.integer, np.floating  # what files hold


def arguments_of(value: Any) -> dict[str, Any]:
    """The arguments that the object's constructor was given, as far as it keeps them in attributes of their names."""
    return {name: getattr(value, name) for name in parameters_of(type(value)) if hasattr(value, name)}


def defaults_in(value: Any, arguments: Mapping[str, Any]) -> list[str]:
    """The names of those arguments that are as the constructor has them if nobody gives another."""
    parameters = parameters_of(type(value))
    return [name for name in arguments if name in parameters and _is_same(arguments[name], parameters[name].default)]


def _is_same(value: Any, default: Any) -> bool:
    """Whether they are written alike. What holds other objects is written only where it may be: each of these would
    write its own again, and a network in a network in a network take twice as long for each of them.
    """
    if isinstance(value, (list, tuple, dict, Configured)) and type(value) is not type(default):
        return False
    if isinstance(value, (list, tuple, dict)) and len(value) != len(default):
        return False
    return repr(value) == repr(default)


def require_kept(*values: Any) -> None:
    """What a file would miss of these is an error now, and not behind the training, when they are saved.

    What no file can hold is a warning: not everybody saves.
    """
    found: list[str] = []
    for value in values:
        if isinstance(value, Configured):
            value.config()
            found += _not_for_files(value)
    if found:
        notify(
            f"{found[0]} can be trained, but model.save will refuse it: files hold numbers, strings, lists of these and"
            " objects of xpnet's; model.save_weights takes it"
        )


def _not_for_files(value: Any) -> list[str]:
    """Which arguments of its constructor, and of those of what it is made of, no file can hold."""
    if not value.in_files:
        return []
    found = list[str]()
    several = [(name, given) for name, given in value.config().items()]
    for name, given in several:
        if isinstance(given, (list, tuple)):
            several += [(name, each) for each in given]
        elif isinstance(given, Configured):
            found += _not_for_files(given) if given is not value else []
        elif not isinstance(given, PLAIN):
            found.append(f"{type(value).__name__}(..., {name}={given!r:.60})")
    return found


def require_callable(value: Any, method: str, form: str, caller: str | None = None) -> None:
    """Refuse an object of a user's class whose `method` cannot be called with what `form` has: "self, y, t".

    Who writes the `caller` anew, a method too, knows what it calls.
    """
    if caller and not getattr(type(value), caller).__module__.startswith("xpnet."):
        return
    given = [name.partition("=")[0] for name in form.split(", ")][1:]
    function = getattr(value, method)
    try:
        inspect.signature(function).bind(*given)
    except ValueError:  # nobody can tell
        return
    except TypeError:
        has = ", ".join(["self", *map(str, inspect.signature(function).parameters.values())])
        raise OptionError(
            f"{type(value).__name__}.{method} is called with {', '.join(given) or 'nothing'}: write def"
            f" {method}({form}), not {method}({has})"
        ) from None


def is_function(value: Any) -> TypeGuard[Callable[..., Any]]:
    """Whether a user's function is meant, or an object that is called as one: not a class, nor what has its own place,
    such as a layer.
    """
    return callable(value) and not isinstance(value, (type, Configured))


class Configured(Settled):
    """The constructor keeps each argument in an attribute of the same name; files and `repr` are made from these."""

    rereads = True
    in_files = True  # whether a file of the network holds it, as it does no loss that is a function

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name."""
        config = arguments_of(self)
        for name in parameters_of(type(self)):
            if name not in config:
                raise OptionError(
                    f"{type(self).__name__}: its constructor takes {name!r}, but does not keep it: write"
                    f" self.{name} = {name} in __init__"
                )
        return config

    def __repr__(self) -> str:
        try:
            config = self.config()
            defaults = defaults_in(self, config)
            shown = [f"{name}={value!r}" for name, value in config.items() if name not in defaults]
        except (OptionError, RecursionError):  # one in another, deeper than Python goes: what is further in is not told
            return f"<{type(self).__name__}>"
        return f"{type(self).__name__}({', '.join(shown)})"
