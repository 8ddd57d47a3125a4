"""RMSProp: each entry's step is divided by the size of its latest gradients."""

from collections.abc import Iterable, Mapping

from xpnet.base.checks import fraction, positive
from xpnet.core.flat import Flat
from xpnet.core.parameter import Parameter
from xpnet.optimizers.base import Optimizer
from xpnet.optimizers.fading import squares_limit
from xpnet.optimizers.groups import Group
from xpnet.optimizers.state import State
from xpnet.schedules import Schedule


class RMSProp(Optimizer):
    """s = rho s + (1 - rho) g**2;  p -= lr g / (sqrt(s) + eps)  (Tieleman and Hinton, 2012).

    Elsewhere: torch.optim.RMSprop; keras.optimizers.RMSprop; the book's RMSprop.
    """

    slots = ("squares",)
    elementwise = True

    def __init__(
        self,
        lr: float | Schedule = 0.001,
        rho: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        groups: Group | Iterable[Group] = (),
    ) -> None:
        super().__init__(lr, weight_decay, clip_norm, clip_value, groups)
        self.rho, self.eps = fraction("rho", rho), positive("eps", eps)

    def step(self, p: Parameter | Flat, state: State, lr: float) -> None:
        p.backend.rmsprop(
            p.value, p.grad, state["squares"], lr=lr, rho=self.rho, eps=self.eps, weight_decay=self.weight_decay
        )

    def fading(self, dtype: str) -> Mapping[str, float]:
        return {"squares": squares_limit(dtype, self.eps)}
