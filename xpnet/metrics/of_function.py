"""A metric that is a function of the user's own."""

from collections.abc import Callable
from typing import Any

from xpnet.backend import Array, Backend
from xpnet.errors import OptionError
from xpnet.metrics.base import Metric


class OfFunction(Metric):
    """The mean over samples of function(y, t): what `compile` makes of a function.

    It returns a number for each sample (N,), or their mean. A file does not hold it.
    """

    in_files = False

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__).strip("<>")

    def count(self, y: Array, t: Array, backend: Backend) -> Any:
        value = self.function(y, t)
        shape, samples = tuple(getattr(value, "shape", ())), int(y.shape[0])
        if shape not in ((), (samples,)) or isinstance(value, (tuple, list, str)) or value is None:
            found = f"an array {shape}" if shape else type(value).__name__
            raise OptionError(
                f"metric {self.name}: a function that serves as a metric must return one number, or one for each of"
                f" {samples} samples; it returned {found}"
            )
        xp = backend.xp
        if shape:
            return xp.sum(xp.astype(value, xp.float32) if xp.isdtype(value.dtype, "bool") else value)
        return value * samples
