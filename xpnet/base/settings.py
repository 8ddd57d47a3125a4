"""What may be set on an object that is made already: the settings that it has, to values that its constructor takes."""

import functools
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from xpnet.base.checks import truth
from xpnet.base.foreign_names import SETTINGS
from xpnet.base.hints import Explains, hint_for
from xpnet.errors import OptionError

# What other libraries' layers and models have: here it would be kept, and change nothing.
FOREIGN = {
    "freeze": "trainable = False",
    "frozen": "trainable = False",
    "is_frozen": "trainable = False",
    "kernel_regularizer": "regularizer=, when the layer is made",
    "learning_rate": "model.optimizer.lr",
    "requires_grad": "trainable",
    "stop_gradient": "trainable = False",
    "training": "not needed: fit knows that it trains, and predict that it does not; model.forward(x, train=True)",
}
# What a user's class may have for itself, if its constructor makes it.
FOREIGN_LATE = {
    "kernel_initializer": "initializer=, when the layer is made",
    "lr": "model.optimizer.lr",
    "weight_decay": "the optimizer's weight_decay, or regularizer=, when the layer is made",
}
FOREIGN_TO_LAYERS = SETTINGS | {"ratio": "rate"}
# What a layer's forward reads, numbers for the most part: it may change when it is built (momentum, but to None or from
# it).
HEEDED = frozenset(
    (
        *("alpha", "amplitude", "beta", "dropout", "eps", "high", "k", "low", "momentum", "negative_slope"),
        *("rate", "return_weights", "slope", "std", "threshold", "value"),
    )
)


def parameters_of(cls: type) -> Mapping[str, inspect.Parameter]:
    """The parameters of the constructor, by name; none of a class that is not written in Python."""
    try:
        return inspect.signature(cls).parameters
    except (ValueError, TypeError):
        return {}


def is_library(cls: type) -> bool:
    """Whether it is the library's, and nobody's subclass."""
    return cls.__module__.partition(".")[0] == "xpnet"


class Settled(Explains):
    """An object of the library takes no new public attribute once it is made: whoever sets one expects something of it.

    Subclasses of users take any, but for what has another name here. If `rereads`, a new value of a constructor's
    argument is read as the constructor reads it, and what follows from it changes too.
    """

    rereads = False

    def _constructed(self) -> None:
        kind: Any = type(self)
        vars(self)["_settings"] = settings_of(kind) if self.rereads else frozenset()

    def __setattr__(self, name: str, value: Any) -> None:
        own = vars(self)
        if name in own.get("_settings", ()):
            change(self, **{name: value})
            return
        if name not in own:
            refuse_unknown(self, name)
        object.__setattr__(self, name, value)

    def settings_changed(self, names: Iterable[str]) -> None:
        """Some arguments of the constructor, or what follows from them, have other values by now."""


@functools.cache
def settings_of(cls: type) -> frozenset[str]:
    """The arguments of the library's constructor by name, a user's subclass may have others; none if it is not kept."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return frozenset(name for name, each in parameters_of(_own_class(cls)).items() if each.kind in named)


def change(value: Any, /, **settings: Any) -> None:
    """Set these as the constructor would have, with what it makes of them; raises what the constructor raises."""
    cls = _own_class(type(value))
    names = settings_of(cls)
    if cls is type(value) and hasattr(value, "config"):
        now = value.config()
    else:
        now = {name: getattr(value, name) for name in names if hasattr(value, name)}
    made = dict(settings)
    if now.keys() >= names:  # else an argument is not kept, and nobody can tell what the constructor was given
        new = {name: settings[name] for name in settings if name in names}
        after, before = vars(cls(**{**now, **new})), vars(cls(**now))
        made |= {name: after[name] for name in new if name in after}
        made |= {
            name: after[name]
            for name in after.keys() & before.keys() - now.keys()
            if _plain(after[name]) and after[name] != before[name]
        }
    for name in made:
        object.__setattr__(value, name, made[name])
    value.settings_changed(made)


def refuse_unknown(value: Any, name: str) -> None:
    """For a public attribute that is new."""
    cls = type(value)
    if name.startswith("_") or hasattr(cls, name):
        return
    if is_library(cls):
        made = "_settings" in vars(value) or cls.__init__ is object.__init__
        if not made or any(name in inspect.get_annotations(each) for each in cls.__mro__):
            return
    elif name not in FOREIGN or name in parameters_of(cls):
        return
    known = [each for each in (*vars(value), *parameters_of(cls)) if not each.startswith("_")]
    known += [each for each in dir(cls) if getattr(getattr(cls, each), "fset", None)]
    hint = hint_for(name, SETTINGS, known)
    if hint or is_library(cls):
        has = ", ".join(dict.fromkeys(known)) or "none"
        raise OptionError(f"{cls.__name__} has no setting {name!r}, and would not heed it{hint}; it has {has}")


def set_on_layer(layer: Any, name: str, value: Any) -> bool:
    """What a layer asks before a public attribute is set: whether that is done here, with all that follows from it.

    Layers of the library, and nobody's subclasses, take an argument of their constructor as the constructor does until
    they are built; then HEEDED numbers alone. Composites have made their layers with it.
    """
    if name in FOREIGN or name in FOREIGN_LATE or name in FOREIGN_TO_LAYERS:
        refuse_foreign(layer, name)
    cls, made = type(layer), vars(layer).get("_settings", ())
    if name not in made and _is_parameter(vars(layer).get(name)) and not _is_parameter(value):
        raise OptionError(f"{layer.label}: {name} is a parameter; its numbers are set by layer.{name}.value = ...")
    if name not in made or name == "name" or not is_library(cls) or isinstance(getattr(cls, name, None), property):
        return False
    now = getattr(layer, name, None)
    if _is_parameter(value) or value is now or (_plain(value) and _plain(now) and _same(value, now)):
        return False  # a parameter, or nothing new
    if not layer.composite and not layer.is_built:
        _make_again(layer, name, value)
    elif not layer.composite and name in HEEDED and not (name == "momentum" and (now is None or value is None)):
        change(layer, **{name: value})
    else:
        why = "its layers were made with it" if layer.composite else "it is built, and would not heed another"
        raise OptionError(
            f"{layer.label}: {name} cannot be changed any more, {why}; make a new one, {cls.__name__}(..., {name}=...)"
        )
    return True


def _is_parameter(value: Any) -> bool:
    return hasattr(type(value), "has_grad")


def _make_again(layer: Any, name: str, value: Any) -> None:
    """Let a layer that is not built, and not composite, become what its constructor makes with this setting."""
    new = type(layer)(**{**layer.config(), name: value}).to(layer.backend).astype(layer.dtype)
    kept = "name", "_named", "_location", "_learns"
    vars(layer).update({key: each for key, each in vars(new).items() if key not in kept})
    if layer.is_frozen:
        layer.trainable = False


def refuse_foreign(layer: Any, name: str) -> None:
    """For what an argument, or something else of a layer, is called elsewhere, where it is not an argument of this
    one, nor of a user's class.
    """
    cls = type(layer)
    arguments, made = parameters_of(cls), "_settings" in vars(layer)
    if name in arguments or any(name in vars(each) for each in cls.__mro__ if not is_library(each)):
        return
    here = FOREIGN.get(name)
    if made and name not in vars(layer):
        here = here or FOREIGN_LATE.get(name)
        if is_library(cls) and not hasattr(cls, name):
            other = (each for each in FOREIGN_TO_LAYERS.get(name, "").split(" | ") if each in arguments)
            here = next(other, here)
    if here is not None:
        raise OptionError(f"{layer.label} has no setting {name!r}, and would not heed it; here it is {here}")


def _own_class(cls: type) -> type:
    """The class of the library that it is, or is derived from; else itself."""
    return next((each for each in cls.__mro__ if is_library(each)), cls)


def set_trainable(parameter: Any, trainable: Any) -> None:
    """What `parameter.trainable = ...` does."""
    vars(parameter)["_trainable"] = truth(f"trainable of {parameter.name or 'a parameter'}", trainable)


def _same(value: Any, now: Any) -> bool:
    return type(value) is type(now) and bool(value == now)


def _plain(value: Any) -> bool:
    several = value if isinstance(value, tuple) else (value,)
    return all(each is None or isinstance(each, (bool, int, float, str)) for each in several)
