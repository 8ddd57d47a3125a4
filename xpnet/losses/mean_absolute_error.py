"""The loss of a network that gives numbers, some of which may be far off."""

from collections.abc import Callable

from xpnet.backend import Array, Backend
from xpnet.losses.of_entries import LossOfEntries


class MeanAbsoluteError(LossOfEntries):
    """L = mean(|y - t|);  dy = sign(y - t) / size, 0 where both are equal. y and t have one shape, any.

    Elsewhere: torch.nn.L1Loss; keras.losses.MeanAbsoluteError.
    """

    name = "mean_absolute_error"

    def of_entries(self, y: Array, t: Array, backend: Backend) -> tuple[Array, Callable[[], Array]]:
        xp, difference = backend.xp, y - t
        return xp.abs(difference), lambda: xp.sign(difference)
