"""A loss that is a function of the user's own."""

from collections.abc import Callable
from typing import Any

from xpnet.backend import Array, Backend
from xpnet.errors import OptionError
from xpnet.losses.base import Loss


class OfFunction(Loss):
    """L, back = function(y, t): what `compile` makes of a function, which says both the loss and its gradient.

    L is the mean over the batch, one number, and `back()` its gradient with respect to y, of y's shape. It takes no
    sample weights, and a file does not hold it: who loads the model compiles it anew.
    """

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)

    def forward(self, y: Array, t: Array, backend: Backend | None = None) -> tuple[Array, Callable[[], Array]]:
        returned = self.function(y, t)
        if not (isinstance(returned, tuple) and len(returned) == 2 and callable(returned[1])):
            raise OptionError(
                f"loss {self.name}: a function that serves as a loss must return (value, back), where back() gives the"
                f" gradient with respect to y; it returned {type(returned).__name__}"
            )
        value, back = returned
        if tuple(getattr(value, "shape", ())) != ():
            raise OptionError(
                f"loss {self.name}: the value must be one number, the mean over the batch, not an array"
                f" {tuple(value.shape)}"
            )

        def gradient() -> Array:
            dy: Array = back()
            if tuple(getattr(dy, "shape", ())) != tuple(y.shape):
                raise OptionError(
                    f"loss {self.name}: back() must return the gradient with respect to y, {tuple(y.shape)}, not"
                    f" {tuple(dy.shape) if hasattr(dy, 'shape') else type(dy).__name__}"
                )
            return dy

        return value, gradient

    def check(self, outputs: tuple[int, ...], t: Any) -> None:
        """What targets there may be, the function knows."""
