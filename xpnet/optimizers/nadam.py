"""Nadam: Adam that looks ahead, as Nesterov's momentum does."""

import math
from collections.abc import Iterable, Mapping

from xpnet.backend.reference import MomentStep
from xpnet.base.checks import at_least_zero, fraction, positive
from xpnet.core.flat import Flat
from xpnet.core.parameter import Parameter
from xpnet.optimizers.base import Optimizer
from xpnet.optimizers.fading import moment_limits
from xpnet.optimizers.groups import Group
from xpnet.optimizers.state import State
from xpnet.schedules import Schedule


class Nadam(Optimizer):
    """m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g**2;  p -= lr (c g + d m) / (sqrt(v / (1-b2**s)) + eps) in step s.

    c = (1-u(s)) / (1 - u(1) ... u(s)) and d = u(s+1) / (1 - u(1) ... u(s+1)) with u(s) = b1 (1 - 0.96**(s k) / 2), so
    that the momentum, which begins with half of b1, comes to all of it as fast as k, momentum_decay, says. decoupled
    (False): weight decay as in AdamW. Dozat, 2016; k is PyTorch's, as all defaults are.

    Elsewhere: torch.optim.NAdam; keras.optimizers.Nadam.
    """

    slots = ("mean", "squares")
    elementwise = True

    def __init__(
        self,
        lr: float | Schedule = 0.002,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 0.004,
        decoupled: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        groups: Group | Iterable[Group] = (),
    ) -> None:
        super().__init__(lr, weight_decay, clip_norm, clip_value, groups)
        self.beta1, self.beta2, self.eps = fraction("beta1", beta1), fraction("beta2", beta2), positive("eps", eps)
        self.momentum_decay, self.decoupled = at_least_zero("momentum_decay", momentum_decay), bool(decoupled)
        self._products: dict[int, float] = {}  # u(1) ... u(s) of the latest steps s

    def step(self, p: Parameter | Flat, state: State, lr: float) -> None:
        s, now, then = state.steps, self.momentum_in(state.steps), self.momentum_in(state.steps + 1)
        product = self._product_up_to(s)
        rates = lr * (1 - now) / (1 - product), lr * then / (1 - product * then)
        decay = (0.0, lr * self.weight_decay) if self.decoupled else (self.weight_decay, 0.0)
        how = MomentStep(*rates, self.beta1, self.beta2, 1 - self.beta2**s, True, self.eps, *decay)
        p.backend.moments(p.value, p.grad, state["mean"], state["squares"], how)

    def fading(self, dtype: str) -> Mapping[str, float]:
        return moment_limits(dtype, self.eps)

    def momentum_in(self, step: int) -> float:
        """u of step 1, 2, ..."""
        return self.beta1 * (1 - math.pow(0.96, step * self.momentum_decay) / 2)

    def _product_up_to(self, step: int) -> float:
        """u(1) ... u(step), from the one before if it is known."""
        if step not in self._products:
            product = self._products.pop(step - 1, None)
            if product is None:
                product = 1.0
                for before in range(1, step):
                    product *= self.momentum_in(before)
            self._products[step] = product * self.momentum_in(step)
        return self._products[step]
