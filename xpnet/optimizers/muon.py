"""Muon: momentum whose matrix is made orthogonal, so that all directions take steps of one size."""

import math
from collections.abc import Iterable, Mapping

from xpnet.backend.reference import AdamStep, MuonStep
from xpnet.base.checks import fraction, positive, whole
from xpnet.core.flat import Flat
from xpnet.core.parameter import Parameter
from xpnet.errors import OptionError
from xpnet.optimizers.base import Optimizer
from xpnet.optimizers.fading import mean_limit, moment_limits
from xpnet.optimizers.groups import Group
from xpnet.optimizers.state import State
from xpnet.schedules import Schedule


class Muon(Optimizer):
    """m = momentum m + (1-momentum) g;  p -= lr weight_decay p + lr f orthogonal(momentum m + (1-momentum) g).

    orthogonal(x) = U V' of x = U S V', all but: `iterations` (5) turns of Newton's and Schulz's iteration x = a x +
    (b x x' + c (x x')**2) x with the `coefficients` (3.4445, -4.775, 2.0315) bring the singular values S near 1.
    nesterov=False: orthogonal(m). It is for matrices, and for the kernels of convolutions (O, C, KH, KW) as matrices
    (O, C KH KW); all other parameters, such as biases, are updated by AdamW with beta1, beta2, eps and the same lr and
    weight_decay. So may be matrices that are none by nature, embeddings and last layers:
    groups=[Group(["embedding.*", "head.*"], orthogonal=False)].

    match_adam (True): f = 0.2 sqrt(max(rows, columns)), with which a learning rate that is good for AdamW is good here
    (Liu et al., 2025); False: f = sqrt(max(1, rows / columns)), as in PyTorch. Jordan et al., 2024.

    Elsewhere: torch.optim.Muon (of matrices alone); keras.optimizers.Muon.
    """

    def __init__(
        self,
        lr: float | Schedule = 0.001,
        momentum: float = 0.95,
        nesterov: bool = True,
        weight_decay: float = 0.1,
        match_adam: bool = True,
        iterations: int = 5,
        coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        orthogonal: bool = True,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        groups: Group | Iterable[Group] = (),
    ) -> None:
        super().__init__(lr, weight_decay, clip_norm, clip_value, groups)
        self.momentum, self.nesterov = fraction("momentum", momentum), bool(nesterov)
        self.match_adam, self.orthogonal = bool(match_adam), bool(orthogonal)
        self.iterations, self.coefficients = whole("Muon: iterations", iterations), tuple(map(float, coefficients))
        self.beta1, self.beta2, self.eps = fraction("beta1", beta1), fraction("beta2", beta2), positive("eps", eps)
        if len(self.coefficients) != 3:
            raise OptionError(f"Muon: coefficients must be three numbers, not {coefficients!r}")

    def slots_of(self, p: Parameter) -> tuple[str, ...]:
        return ("mean", "squares") if self.is_elementwise(p) else ("velocity",)

    def is_elementwise(self, p: Parameter) -> bool:
        """Whether AdamW updates it."""
        return len(p.shape) < 2 or not self.orthogonal

    def step(self, p: Parameter | Flat, state: State, lr: float) -> None:
        if "velocity" in state:
            rate, (a, b, c) = lr * self.factor(p.shape), self.coefficients
            how = MuonStep(lr, rate, self.momentum, self.nesterov, self.weight_decay, (a, b, c), self.iterations)
            p.backend.muon(p.value, p.grad, state["velocity"], how)
        else:
            adam = AdamStep(state.steps, lr, self.beta1, self.beta2, self.eps, self.weight_decay, decoupled=True)
            p.backend.adam(p.value, p.grad, state["mean"], state["squares"], adam)

    def fading(self, dtype: str) -> Mapping[str, float]:
        return {"velocity": mean_limit(dtype), **moment_limits(dtype, self.eps)}

    def factor(self, shape: tuple[int, ...]) -> float:
        """f for a parameter of this shape."""
        rows, columns = shape[0], math.prod(shape[1:])
        return 0.2 * math.sqrt(max(rows, columns)) if self.match_adam else math.sqrt(max(1.0, rows / columns))
