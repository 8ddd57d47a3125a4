"""What a network's answers mean, and how a picture's file is read for it: kept in its own file beside the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from xpnet.base import budget
from xpnet.base.notice import notify
from xpnet.core.network import Network
from xpnet.data.image_file import Preparation
from xpnet.data.transforms import Normalize
from xpnet.errors import FormatError, OptionError


def checked_names(names: Any) -> list[str] | None:
    """Names of classes, by their numbers, all different."""
    if names is None:
        return None
    found = [] if isinstance(names, (str, bytes)) or not hasattr(names, "__iter__") else list(names)
    if not found or not all(isinstance(name, str) for name in found):
        raise OptionError(f'class_names must be a list of strings, such as ["cat", "dog"], not {names!r}')
    found = [str(name) for name in found]
    if len(set(found)) < len(found):
        raise OptionError(f"class_names must be different, and {max(found, key=found.count)!r} comes twice")
    if max(map(len, found)) > budget.NAME:
        raise OptionError(f"class_names: a name has {max(map(len, found))} characters; {budget.NAME} are possible")
    return found


def too_many(model: Network, names: list[str]) -> bool:
    """Whether there are more names than the network gives numbers; one number tells two classes apart."""
    outputs = model.output_shape(*model.input_shapes)
    is_one = isinstance(outputs, tuple) and all(isinstance(n, int) for n in outputs)
    return len(names) > (max(outputs, default=1) if is_one and outputs != (1,) else 2 if is_one else budget.NAMES)


def described(model: Network) -> dict[str, Any]:
    """Both as JSON, as far as the network has them; what no file can hold is left out, with a warning."""
    found: dict[str, Any] = {}
    names, preparation = getattr(model, "class_names", None), getattr(model, "preparation", None)
    if names is not None and too_many(model, names):
        notify(f"the file does not hold the {len(names)} class_names: they are more than {model.label} gives numbers")
    elif names is not None:
        found["class_names"] = names
    if isinstance(preparation, Preparation):
        transform = preparation.transform
        if transform is None or type(transform) is Normalize:
            found["preparation"] = preparation.config() | {"transform": transform and _numbers(transform)}
        else:
            kind = getattr(transform, "__name__", type(transform).__name__)
            notify(
                f"the file does not hold model.preparation: its transform is {kind}, and files hold data.Normalize"
                " alone; set it again on the network that is loaded"
            )
    return found


def restore(model: Any, description: Mapping[str, Any]) -> None:
    """Put back what `described` gave, or raise what a damaged description does."""
    if "class_names" in description:
        names = description["class_names"]
        if not isinstance(names, list) or too_many(model, names):
            raise FormatError("its class_names are no list, or more than the network gives numbers")
        model.class_names = names
    if "preparation" in description:
        settings = dict(description["preparation"])
        for name in ("grayscale", "normalize"):
            if not isinstance(settings[name], bool):
                raise FormatError(f"its preparation has {name} = {settings[name]!r}")
        if isinstance(settings["size"], list):
            settings["size"] = tuple(settings["size"])
        if settings["transform"] is not None:
            settings["transform"] = Normalize(**settings["transform"])
        preparation = Preparation(**settings)
        if math.prod(preparation.size or ()) > budget.SAMPLE:
            raise FormatError(f"its preparation makes pictures of {preparation.size}, which is impossible")
        model.preparation = preparation


def _numbers(transform: Normalize) -> dict[str, list[float]]:
    return {"mean": transform.mean.tolist(), "std": transform.std.tolist()}
