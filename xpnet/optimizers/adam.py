"""Adam and AdamW: a running mean of the gradients, divided by the size of the latest ones."""

from collections.abc import Iterable, Mapping

from xpnet.backend.reference import AdamStep
from xpnet.base.checks import fraction, positive
from xpnet.core.flat import Flat
from xpnet.core.parameter import Parameter
from xpnet.optimizers.base import Optimizer
from xpnet.optimizers.fading import moment_limits
from xpnet.optimizers.groups import Group
from xpnet.optimizers.state import State
from xpnet.schedules import Schedule


class Adam(Optimizer):
    """m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g**2;  p -= lr m' / (sqrt(v') + eps), m' and v' without their bias to
    zero.

    Kingma and Ba, 2015.

    Elsewhere: torch.optim.Adam; keras.optimizers.Adam; the book's Adam.
    """

    slots = ("mean", "squares")
    elementwise = True
    decoupled = False

    def __init__(
        self,
        lr: float | Schedule = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        groups: Group | Iterable[Group] = (),
    ) -> None:
        super().__init__(lr, weight_decay, clip_norm, clip_value, groups)
        self.beta1, self.beta2, self.eps = fraction("beta1", beta1), fraction("beta2", beta2), positive("eps", eps)

    def step(self, p: Parameter | Flat, state: State, lr: float) -> None:
        how = AdamStep(state.steps, lr, self.beta1, self.beta2, self.eps, self.weight_decay, self.decoupled)
        p.backend.adam(p.value, p.grad, state["mean"], state["squares"], how)

    def fading(self, dtype: str) -> Mapping[str, float]:
        return moment_limits(dtype, self.eps)


class AdamW(Adam):
    """Adam whose weight decay does not pass through the moments: p -= lr weight_decay p.

    Loshchilov and Hutter, 2019.

    Elsewhere: torch.optim.AdamW; keras.optimizers.AdamW.
    """

    decoupled = True

    def __init__(
        self,
        lr: float | Schedule = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        groups: Group | Iterable[Group] = (),
    ) -> None:
        super().__init__(lr, beta1, beta2, eps, weight_decay, clip_norm, clip_value, groups)
