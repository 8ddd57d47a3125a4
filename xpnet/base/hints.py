"""Errors for names that are not there say what those of Keras, PyTorch and the book are called here."""

import dis
import functools
import importlib.util
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

from xpnet.base.foreign_names import ARGUMENTS, CALLED, METHODS, OTHER_THINGS
from xpnet.errors import OptionError

Function = TypeVar("Function", bound=Callable[..., Any])
SHORT = 5  # letters, in a name of fewer of which any other letter makes another name


class Explains:
    """The base of classes whose constructors say which arguments they have, when they get one that they do not have."""

    def _constructed(self) -> None:
        """The constructor is through."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = _constructing(explaining(cls.__init__))  # type: ignore[method-assign]


def explaining(function: Function) -> Function:
    """A method that says which arguments it has, when it gets one that it does not have."""

    @functools.wraps(function)
    def method(self: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return function(self, *arguments, **options)
        except TypeError as error:
            explain(type(self).__name__, function, arguments, options, error)
            raise

    return method  # type: ignore[return-value]


def _constructing(init: Callable[..., None]) -> Callable[..., None]:
    """A constructor that says when the object is made: not at the end of that of a base."""

    @functools.wraps(init)
    def __init__(self: Any, *arguments: Any, **options: Any) -> None:
        init(self, *arguments, **options)
        if type(self).__init__ is __init__:
            self._constructed()

    return __init__


def explain(
    owner: str, function: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any], error: TypeError
) -> None:
    """Raise what says more than the error of a call, if that is about its arguments."""
    what = owner if function.__name__ == "__init__" else f"{owner}.{function.__name__}"
    parameters = inspect.signature(function).parameters
    unknown = [name for name in options if name not in parameters]
    by_place = [name for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD][1:]
    for place, (name, value) in enumerate(zip(by_place, arguments, strict=False), 1):
        if name in options:
            raise TypeError(f"{what} got {name} twice: by its name, and as argument {place}, {value!r:.60}") from error
    if not unknown or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    known = [name for name, p in parameters.items() if p.kind is not p.VAR_POSITIONAL][1:]
    raise TypeError(
        f"{what} has no argument {unknown[0]!r}{hint_for(unknown[0], ARGUMENTS, known)}; it has"
        f" {', '.join(known) or 'none'}"
    ) from error


def hint_for(name: str, called: dict[str, str], known: list[str]) -> str:
    """What it is called here, if it is here, or what may have been meant."""
    for here in filter(None, called.get(name, "").split(" | ")):
        if here in known or not here.isidentifier():
            return f"; here it is {here}"
    near = _likely(name, known)
    return f"; perhaps {near} is meant" if near else ""


def _likely(name: str, known: list[str]) -> str | None:
    """A name that is spelled as this one but for a slip, which nobody else has for another thing.

    Digits are no matter of spelling: Conv3D is not Conv2D, nor ResNet101 ResNet50.
    """
    if {name, name.rstrip("123dD"), "".join(c for c in name if not c.isdigit())} & OTHER_THINGS:
        return None
    same = [key for key in known if _digits(key) == _digits(name)]
    alike = [key for key in same if _plain(key) == _plain(name)]
    return next(iter(alike or [key for key in same if _is_slip(name, key)]), None)


def _is_slip(name: str, known: str) -> bool:
    """Whether a letter inside is missing, too many, another, or has changed places with the next.

    More letters in front or behind make another name, as CReLU is not ReLU, nor AdamP Adam; so does any other letter in
    a short one. Of arguments, which have small letters, one may say one for several.
    """
    if known.islower() and {name + "s", name} & {known, known + "s"}:
        return True
    name, known = _plain(name), _plain(known)
    at = next((i for i, (a, b) in enumerate(zip(name, known, strict=False)) if a != b), min(len(name), len(known)))
    rest, right = name[at:], known[at:]
    if at == 0 or min(len(name), len(known)) < SHORT or not right:
        return False
    if not rest:
        return len(right) == 1  # the last letter is missing
    swapped = rest[:2] == right[1::-1] and rest[2:] == right[2:]
    another = rest[1:] == right[1:] != ""
    return swapped or another or rest[1:] == right or rest == right[1:]


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def _digits(name: str) -> str:
    return "".join(filter(str.isdigit, name))


def explained(module: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` of a module, which is asked for names that are not there, and its `__dir__`: its `__all__`, or
    what it defines itself.
    """

    def own() -> list[str]:
        names = vars(sys.modules[module])
        defined = [key for key, value in names.items() if getattr(value, "__module__", module) == module]
        public = [
            key
            for key in defined
            if not key.startswith("_") and key != "TYPE_CHECKING" and not isinstance(names[key], ModuleType)
        ]
        return list(names.get("__all__", public))

    def missing(name: str) -> Any:
        raise no_attribute(module, name, own())

    return missing, lambda: listed(module, own())


def listed(module: str, known: list[str]) -> list[str]:
    """What completion shows of a module: what it exports, the modules in it, and what Python itself looks for."""
    names = vars(sys.modules[module]).items()
    inside = [key for key, value in names if isinstance(value, ModuleType) and value.__name__ == f"{module}.{key}"]
    return sorted({*known, *inside, *(key for key, _ in names if key.startswith("__"))})


def no_attribute(module: str, name: str, known: list[str]) -> Exception:
    """For a name that a module does not have: what its `__getattr__` raises. In an import it is an ImportError, since
    Python drops the words of an AttributeError there.
    """
    hint = hint_for(name, CALLED.get(module, {}), known)
    if hint and _is_import(sys._getframe(2)) and not _is_module(f"{module}.{name}"):
        return ImportError(f"cannot import name {name!r} from {module!r}{hint}", name=module)
    return AttributeError(f"module {module!r} has no attribute {name!r}{hint}")


def _is_import(frame: Any) -> bool:
    """Whether a module's `__getattr__`, which this frame called, is asked on behalf of `from module import name`."""
    code = frame.f_code
    if code.co_name == "_handle_fromlist":  # of a package, by importlib
        return True
    return bool(frame.f_lasti >= 0 and dis.opname[code.co_code[frame.f_lasti]] == "IMPORT_FROM")


def _is_module(name: str) -> bool:
    """Whether it is a module of a package, which was not imported yet."""
    return hasattr(sys.modules[name.rpartition(".")[0]], "__path__") and importlib.util.find_spec(name) is not None


def no_load_data(name: str) -> Callable[[], Any]:
    """What Keras's `mnist.load_data` is here, where `mnist` is the function itself."""

    def load_data(*_: Any, **__: Any) -> Any:
        raise OptionError(f"{name} has no load_data; here it is {name}() itself: (x, t), (x_test, t_test) = {name}()")

    return load_data


def no_method(kind: str, name: str) -> AttributeError:
    """For an attribute that a layer or a model does not have."""
    hint = f"; here it is {METHODS[name]}" if name in METHODS else ""
    return AttributeError(f"{kind!r} object has no attribute {name!r}{hint}")
