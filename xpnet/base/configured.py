"""Objects that are described by their constructor's arguments: layers, losses, optimizers, ..."""

import inspect
from typing import Any

from xpnet.base.hints import Explains
from xpnet.errors import OptionError


class Configured(Explains):
    """The constructor keeps each argument in an attribute of the same name; files and `repr` are made from these."""

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name."""
        config = {}
        for name in inspect.signature(type(self)).parameters:
            if not hasattr(self, name):
                raise OptionError(
                    f"{type(self).__name__}: its constructor takes {name!r}, but does not keep it: write"
                    f" self.{name} = {name} in __init__"
                )
            config[name] = getattr(self, name)
        return config

    def __repr__(self) -> str:
        try:
            config = self.config()
        except OptionError:
            return f"<{type(self).__name__}>"
        defaults = {name: p.default for name, p in inspect.signature(type(self)).parameters.items()}
        shown = [f"{name}={value!r}" for name, value in config.items() if repr(value) != repr(defaults[name])]
        return f"{type(self).__name__}({', '.join(shown)})"
