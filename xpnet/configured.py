"""Objects that are described by their constructor's arguments: layers, losses, optimizers, ..."""

import inspect
from typing import Any


class Configured:
    """The constructor keeps each argument in an attribute of the same name; files and `repr` are made from these."""

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def __repr__(self) -> str:
        defaults = {name: p.default for name, p in inspect.signature(type(self)).parameters.items()}
        shown = [f"{name}={value!r}" for name, value in self.config().items() if value != defaults[name]]
        return f"{type(self).__name__}({', '.join(shown)})"
