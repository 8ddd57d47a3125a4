"""Lion: only the sign of the gradient counts, so that all entries take steps of one size."""

from collections.abc import Iterable, Mapping

from xpnet.base.checks import fraction
from xpnet.core.flat import Flat
from xpnet.core.parameter import Parameter
from xpnet.optimizers.base import Optimizer
from xpnet.optimizers.fading import mean_limit
from xpnet.optimizers.groups import Group
from xpnet.optimizers.state import State
from xpnet.schedules import Schedule


class Lion(Optimizer):
    """p -= lr (sign(b1 m + (1-b1) g) + weight_decay p);  m = b2 m + (1-b2) g.

    It keeps one array where Adam keeps two. Its steps are larger than Adam's: lr is a third to a tenth of Adam's, and
    weight_decay so many times as much. Chen et al., 2023.

    Elsewhere: keras.optimizers.Lion.
    """

    slots = ("mean",)
    elementwise = True

    def __init__(
        self,
        lr: float | Schedule = 0.0001,
        beta1: float = 0.9,
        beta2: float = 0.99,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        groups: Group | Iterable[Group] = (),
    ) -> None:
        super().__init__(lr, weight_decay, clip_norm, clip_value, groups)
        self.beta1, self.beta2 = fraction("beta1", beta1), fraction("beta2", beta2)

    def step(self, p: Parameter | Flat, state: State, lr: float) -> None:
        options = {"beta1": self.beta1, "beta2": self.beta2, "weight_decay": self.weight_decay}
        p.backend.lion(p.value, p.grad, state["mean"], lr=lr, **options)

    def fading(self, dtype: str) -> Mapping[str, float]:
        return {"mean": mean_limit(dtype)}
