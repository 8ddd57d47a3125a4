"""Squares near the target and straight lines far from it: Huber's loss, under its two names."""

from collections.abc import Callable

from xpnet.backend import Array, Backend
from xpnet.base.checks import positive
from xpnet.losses.of_entries import LossOfEntries


class Huber(LossOfEntries):
    """L = mean(l(y - t)), l(d) = d**2 / 2 where |d| <= delta, else delta (|d| - delta / 2);
    dy = min(max(d, -delta), delta) / size.

    The target that is far off pulls with no more than delta (1). y and t have one shape, any. Huber, 1964.

    Elsewhere: torch.nn.HuberLoss; keras.losses.Huber.
    """

    name = "huber"

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = positive("Huber: delta", delta)

    def of_entries(self, y: Array, t: Array, backend: Backend) -> tuple[Array, Callable[[], Array]]:
        difference = y - t
        clipped = backend.xp.clip(difference, -self.delta, self.delta)
        return clipped * (difference - clipped / 2), lambda: clipped  # both forms of l in one


class SmoothL1(Huber):
    """Huber's loss with delta = beta, divided by beta: L = mean(l(y - t)), l(d) = d**2 / (2 beta) where |d| <= beta,
    else |d| - beta / 2;  dy = min(max(d / beta, -1), 1) / size.

    Far from the target it is the mean absolute error, whatever beta (1) is; with beta = 1 it is Huber(). Girshick,
    2015.

    Elsewhere: torch.nn.SmoothL1Loss.
    """

    name = "smooth_l1"

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__(positive("SmoothL1: beta", beta))
        self.beta = self.delta

    def of_entries(self, y: Array, t: Array, backend: Backend) -> tuple[Array, Callable[[], Array]]:
        losses, derivative = super().of_entries(y, t, backend)
        return losses / self.beta, lambda: derivative() / self.beta
