"""A callback that is made of functions."""

from collections.abc import Callable
from typing import Any

from xpnet.callback import Callback, Logs
from xpnet.errors import NonFiniteError, OptionError

AtTrain = Callable[[Logs], Any]
AtEpoch = Callable[[int, Logs], Any]
AtBatch = Callable[[int, Logs], Any]


class LambdaCallback(Callback):
    """LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"])): a function for each event.

    Each function takes what the method of `Callback` with the same name takes (without self) and is called in its
    place; what it returns counts for on_nonfinite only. Raises OptionError for what cannot be called.
    """

    def __init__(
        self,
        on_train_begin: AtTrain | None = None,
        on_train_end: AtTrain | None = None,
        on_epoch_begin: AtEpoch | None = None,
        on_epoch_end: AtEpoch | None = None,
        on_train_batch_begin: AtBatch | None = None,
        on_train_batch_end: AtBatch | None = None,
        on_nonfinite: Callable[[NonFiniteError], bool] | None = None,
    ) -> None:
        functions = {name: each for name, each in locals().items() if name.startswith("on_") and each is not None}
        for event, function in functions.items():
            if not callable(function):
                raise OptionError(f"LambdaCallback: {event} must be a function, not {function!r}")
            setattr(self, event, function)  # hides the method of the class
