"""A callback that is made of functions."""

from collections.abc import Callable
from typing import Any

from xpnet.callbacks.base import Callback
from xpnet.errors import OptionError


class LambdaCallback(Callback):
    """LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"])): functions by the events' names.

    Each function takes what the method of `Callback` with the same name takes (without self) and is called in its
    place; what it returns counts for on_nonfinite only. Raises OptionError for a name that is no event, and for what
    cannot be called.
    """

    def __init__(self, **functions: Callable[..., Any]) -> None:
        self.functions = functions
        events = [name for name in vars(Callback) if name.startswith("on_")]
        for event, function in functions.items():
            if event not in events:
                raise OptionError(f"LambdaCallback: there is no event {event!r}; there are {', '.join(events)}")
            if not callable(function):
                raise OptionError(f"LambdaCallback: {event} must be a function, not {function!r}")
            setattr(self, event, function)  # hides the method of the class
