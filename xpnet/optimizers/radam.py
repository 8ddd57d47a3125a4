"""RAdam: Adam that does not trust the size of the gradients before it has seen enough of them."""

import math
from collections.abc import Iterable, Mapping

from xpnet.backend.reference import MomentStep
from xpnet.base.checks import fraction, positive
from xpnet.core.flat import Flat
from xpnet.core.parameter import Parameter
from xpnet.optimizers.base import Optimizer
from xpnet.optimizers.fading import moment_limits
from xpnet.optimizers.groups import Group
from xpnet.optimizers.state import State
from xpnet.schedules import Schedule


class RAdam(Optimizer):
    """m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g**2;  p -= lr r m' sqrt(1-b2**s) / (sqrt(v) + eps) in step s, m' = m
    without its bias to zero; p -= lr m' in the first steps.

    r = sqrt((l-4) (l-2) L / ((L-4) (L-2) l)), with l = L - 2 s b2**s / (1-b2**s) and L = 2 / (1-b2) - 1, grows to 1;
    the first steps are those with l of at most 5. decoupled (False): weight decay as in AdamW. Liu et al., 2020.

    Elsewhere: torch.optim.RAdam.
    """

    slots = ("mean", "squares")
    elementwise = True

    def __init__(
        self,
        lr: float | Schedule = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        groups: Group | Iterable[Group] = (),
    ) -> None:
        super().__init__(lr, weight_decay, clip_norm, clip_value, groups)
        self.beta1, self.beta2, self.eps = fraction("beta1", beta1), fraction("beta2", beta2), positive("eps", eps)
        self.decoupled = bool(decoupled)

    def step(self, p: Parameter | Flat, state: State, lr: float) -> None:
        r, s = self.rectified(state.steps), state.steps
        rate = lr / (1 - self.beta1**s) * (1.0 if r is None else r * (1 - self.beta2**s) ** 0.5)
        decay = (0.0, lr * self.weight_decay) if self.decoupled else (self.weight_decay, 0.0)
        how = MomentStep(0.0, rate, self.beta1, self.beta2, 1.0, r is not None, self.eps, *decay)
        p.backend.moments(p.value, p.grad, state["mean"], state["squares"], how)

    def fading(self, dtype: str) -> Mapping[str, float]:
        return moment_limits(dtype, self.eps)

    def rectified(self, step: int) -> float | None:
        """r of step 1, 2, ...; None as long as the size of the gradients is not known well enough."""
        power, limit = self.beta2**step, 2 / (1 - self.beta2) - 1
        length = limit - 2 * step * power / (1 - power)
        if length <= 5:
            return None
        return math.sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length))
