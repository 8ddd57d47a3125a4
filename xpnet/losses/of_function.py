"""A loss that is a function of the user's own."""

import inspect
from collections.abc import Callable
from typing import Any

from xpnet.backend import Array, Backend
from xpnet.core.written import what_came
from xpnet.errors import OptionError
from xpnet.losses.base import Loss


class OfFunction(Loss):
    """L, back = function(y, t): what `compile` makes of a function, which says both the loss and its gradient.

    L is the mean over the batch, one number, and `back()` its gradient with respect to y, of y's shape. It takes no
    sample weights, and a file does not hold it: who loads the model compiles it anew. For evaluation L alone is enough.
    """

    in_files = False

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)

    def forward(self, y: Array, t: Array, backend: Backend | None = None) -> tuple[Array, Callable[[], Array]]:
        returned = self.function(y, t)
        value, back = returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, None)
        if value is None or isinstance(value, (tuple, str)) or not (back is None or callable(back)):
            raise self._not_both(returned)
        if tuple(getattr(value, "shape", ())) != ():
            raise OptionError(
                f"loss {self.name}: the value must be one number, the mean over the batch, not an array"
                f" {tuple(value.shape)}"
            )

        def gradient() -> Array:
            if back is None:  # which is enough for evaluation
                raise self._not_both(returned)
            dy: Array = self._called(back)
            if tuple(getattr(dy, "shape", ())) != tuple(y.shape):
                raise OptionError(
                    f"loss {self.name}: back() must return the gradient with respect to y, {tuple(y.shape)}, not"
                    f" {tuple(dy.shape) if hasattr(dy, 'shape') else type(dy).__name__}"
                )
            return dy

        return value, gradient

    def _called(self, back: Callable[[], Any]) -> Any:
        try:
            return back()
        except TypeError:
            require_no_arguments(self.name, back)
            raise

    def _not_both(self, returned: Any) -> OptionError:
        return OptionError(
            f"loss {self.name}: a function that serves as a loss must return (value, back), where back() gives the"
            f" gradient with respect to y; it returned {what_came(returned)}"
        )

    def check(self, outputs: tuple[int, ...], t: Any) -> None:
        """What targets there may be, the function knows."""


def require_no_arguments(name: str, back: Callable[..., Any]) -> None:
    """Refuse a `back` that needs any: a loss is where the way back begins."""
    try:
        inspect.signature(back).bind()
    except ValueError:  # nobody can tell
        return
    except TypeError:
        raise OptionError(
            f"loss {name}: back is called with nothing, as the way back begins with it: lambda: gradient; it takes"
            f" {inspect.signature(back)}"
        ) from None
