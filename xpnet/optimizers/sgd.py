"""Down the gradient, with or without momentum: SGD, Momentum, Nesterov."""

from collections.abc import Iterable, Mapping

from xpnet.base.checks import fraction
from xpnet.core.flat import Flat
from xpnet.core.parameter import Parameter
from xpnet.errors import OptionError
from xpnet.optimizers.base import Optimizer
from xpnet.optimizers.fading import mean_limit
from xpnet.optimizers.groups import Group
from xpnet.optimizers.state import State
from xpnet.schedules import Schedule


class SGD(Optimizer):
    """v = momentum v + g;  p -= lr v.  With nesterov: p -= lr (g + momentum v).

    Polyak, 1964; Sutskever et al., 2013.

    Elsewhere: torch.optim.SGD; keras.optimizers.SGD; the book's SGD.
    """

    elementwise = True

    def __init__(
        self,
        lr: float | Schedule = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        groups: Group | Iterable[Group] = (),
    ) -> None:
        super().__init__(lr, weight_decay, clip_norm, clip_value, groups)
        self.momentum, self.nesterov = fraction("momentum", momentum), bool(nesterov)
        if nesterov and not momentum:
            raise OptionError("nesterov needs a momentum above 0; 0.9 is usual")
        self.slots = ("velocity",) if momentum else ()

    def step(self, p: Parameter | Flat, state: State, lr: float) -> None:
        v, momentum, nesterov = state.get("velocity"), self.momentum, self.nesterov
        p.backend.sgd(p.value, p.grad, v, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=self.weight_decay)

    def fading(self, dtype: str) -> Mapping[str, float]:
        return {"velocity": mean_limit(dtype)}


class Momentum(SGD):
    """SGD with momentum 0.9 (Polyak, 1964).

    Elsewhere: torch.optim.SGD (momentum=0.9); keras.optimizers.SGD (momentum=0.9); the book's Momentum.
    """

    def __init__(
        self,
        lr: float | Schedule = 0.01,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        groups: Group | Iterable[Group] = (),
    ) -> None:
        super().__init__(lr, momentum, False, weight_decay, clip_norm, clip_value, groups)


class Nesterov(SGD):
    """SGD with Nesterov's momentum 0.9 (Nesterov, 1983).

    Elsewhere: torch.optim.SGD (nesterov=True); keras.optimizers.SGD (nesterov=True); the book's Nesterov.
    """

    def __init__(
        self,
        lr: float | Schedule = 0.01,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        groups: Group | Iterable[Group] = (),
    ) -> None:
        super().__init__(lr, momentum, True, weight_decay, clip_norm, clip_value, groups)
