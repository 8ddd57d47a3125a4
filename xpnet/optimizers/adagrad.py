"""AdaGrad: each entry's step is divided by the size of all its gradients so far."""

from collections.abc import Iterable

from xpnet.base.checks import positive
from xpnet.core.flat import Flat
from xpnet.core.parameter import Parameter
from xpnet.optimizers.base import Optimizer
from xpnet.optimizers.groups import Group
from xpnet.optimizers.state import State
from xpnet.schedules import Schedule


class AdaGrad(Optimizer):
    """s += g**2;  p -= lr g / (sqrt(s) + eps)  (Duchi, Hazan and Singer, 2011).

    Elsewhere: torch.optim.Adagrad; keras.optimizers.Adagrad; the book's AdaGrad.
    """

    slots = ("squares",)
    elementwise = True

    def __init__(
        self,
        lr: float | Schedule = 0.01,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        groups: Group | Iterable[Group] = (),
    ) -> None:
        super().__init__(lr, weight_decay, clip_norm, clip_value, groups)
        self.eps = positive("eps", eps)

    def step(self, p: Parameter | Flat, state: State, lr: float) -> None:
        p.backend.adagrad(p.value, p.grad, state["squares"], lr=lr, eps=self.eps, weight_decay=self.weight_decay)
