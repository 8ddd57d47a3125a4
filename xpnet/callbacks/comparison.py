"""What a training run was set up with, so that another one can be held against it."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from xpnet.base.configured import Configured, arguments_of, defaults_in
from xpnet.core.layer import Layer, layers_in
from xpnet.errors import OptionError
from xpnet.files.trainable import TrainableNetwork

LOOKED_AT = 16 << 20  # bytes of an array that its fingerprint is made from, at most


class Described(dict[str, Any]):
    """What a run was set up with, by name; `defaults` names what is as it would be if nobody had chosen it.

    A file that lacks one of these, because it is older than the choice, agrees with it.
    """

    def __init__(self, values: Mapping[str, Any], defaults: Iterable[str] = ()) -> None:
        super().__init__(values)
        self.defaults = frozenset(defaults)


def checked(settings: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What can be held against what another run was given: nothing whose content is not known, such as a set."""
    if not isinstance(settings, Mapping | None) or not all(isinstance(name, str) for name in settings or ()):
        raise OptionError(f'Backup: settings must be a dict of values by name, as in {{"seed": 0}}, not {settings!r}')
    for name, value in (settings or {}).items():
        if not isinstance(value, (type(None), bool, int, float, str, list, tuple, dict, np.generic, np.ndarray)):
            raise OptionError(
                f"Backup: the setting {name!r} is {value!r}; compared are numbers, strings, None, arrays, and lists and"
                " dicts of those"
            )
    return {} if settings is None else settings


def describe(value: Any, without: Iterable[str] = ()) -> Any:
    """The value in numbers, strings, lists and dicts: an object by its class and its constructor's arguments.

    Of an array, shape, data type and a fingerprint remain, of a function its name. `without` names arguments that are
    left out. Arguments that the object does not keep, and those that are layers, are left out as well. An object that
    knows better what matters about it says so in `compared()`, a dict.
    """
    if isinstance(value, (type(None), bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "dtype": value.dtype.name, "fingerprint": fingerprint(value)}
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    if isinstance(value, dict):
        kept = value.defaults if isinstance(value, Described) else ()
        return Described({str(key): describe(item) for key, item in value.items()}, kept)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if inspect.isroutine(value) or isinstance(value, type):
        return value.__qualname__
    if hasattr(value, "compared"):
        return {"class": type(value).__name__} | describe(value.compared())
    compared = {name: argument for name, argument in arguments(value).items() if name not in without}
    described = {name: describe(argument) for name, argument in compared.items()}
    return Described({"class": type(value).__name__} | described, defaults_in(value, compared))


def arguments(value: Any) -> dict[str, Any]:
    """What the constructor of the object was given, as far as it is known, without layers and names of layers."""
    found = arguments_of(value)
    if isinstance(value, Configured):
        with contextlib.suppress(OptionError):  # an argument is not kept
            found = value.config()
    if isinstance(value, Layer):
        found.pop("name", None)
    return {name: argument for name, argument in found.items() if not any(True for _ in layers_in(name, argument))}


def describe_model(model: TrainableNetwork) -> dict[str, Any]:
    """The layers, the parameters, and what the model was compiled with."""
    return {
        "network": {path or "model": describe(layer) for path, layer in model.named_layers()},
        "parameters": {
            name: [*p.shape, str(np.dtype(model.dtype)), "trained" if p.trainable else "not trained"]
            for name, p in model.named_parameters()
        },
        "backend": model.backend.name,
        "jit": model.backend.jit or None,  # with Numba sums are rounded differently
        **{name: describe(each) for name, each in model.named_optimizers()},
        "loss": describe(model.loss or None),
        "metrics": describe(model.metrics),
    }


def fingerprint(array: np.ndarray) -> str:
    """16 hexadecimal digits that change with the content; of an array of more than 16 MB, evenly spaced rows count."""
    import hashlib

    rows = np.arange(len(array)) if array.ndim else np.arange(0)
    if array.nbytes > LOOKED_AT:
        rows = np.unique(
            np.linspace(0, len(array) - 1, max(len(array) * LOOKED_AT // array.nbytes, 2)).astype(np.int64)
        )
    content = hashlib.blake2b(digest_size=8)
    for first in range(0, max(len(rows), 1), 1024):  # copied in parts, for an array that memory does not hold
        content.update(np.asarray(array[rows[first : first + 1024]] if array.ndim else array).tobytes())
    return content.hexdigest()


def differences(then: Any, now: Any, where: str = "") -> Iterator[str]:
    """A sentence for everything in which two descriptions differ: `then` from a file, `now` of this run."""
    if isinstance(then, dict) and isinstance(now, dict):
        if then.get("class") != now.get("class"):
            yield f"{where} is {_short(then)} in the backup, {_short(now)} here"
            return
        known = getattr(now, "defaults", ())
        ignored = {"fingerprint"} if _shapes(then) != _shapes(now) else set()  # what follows from another shape
        for key in {**then, **now}:
            place = f"{where}.{key}" if where else key
            if key not in now:
                yield f"{place} is {_short(then[key])} in the backup, and is not there here"
            elif key in then and key not in ignored:
                yield from differences(then[key], now[key], place)
            elif key not in then and key not in known:
                yield f"{place} is {_short(now[key])} here, and is not there in the backup"
    elif _nested(then) and _nested(now) and len(then) == len(now):
        for index, (old, new) in enumerate(zip(then, now, strict=True)):
            yield from differences(old, new, f"{where}[{index}]")
    elif then != now and repr(then) != repr(now):  # NaN is not equal to NaN
        yield f"{where} is {_short(then)} in the backup, {_short(now)} here"


def _shapes(description: dict[str, Any]) -> tuple[Any, Any]:
    return description.get("shape"), description.get("dtype")


def _nested(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value)


def _short(value: Any) -> str:
    """The value in at most 60 characters; objects by the names of their classes."""

    def named(item: Any) -> Any:
        return item["class"] if isinstance(item, dict) and "class" in item else item

    if isinstance(value, list) and _nested(value):
        return "[" + ", ".join(str(named(item)) for item in value) + "]"
    text = named(value) if isinstance(value, dict) and "class" in value else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
