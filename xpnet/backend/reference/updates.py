"""Update steps of the optimizers. They change the parameter p and its state in place; g is the gradient."""

from collections.abc import Sequence
from typing import NamedTuple

from xpnet.backend.reference.arrays import Array, Arrays


class AdamStep(NamedTuple):
    """The settings of one step of Adam, counted from 1."""

    step: int
    lr: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    decoupled: bool


class Updates(Arrays):
    def collect(self, flat: Array, parts: Sequence[Array | None], starts: Sequence[int]) -> None:
        """Lay the parts behind one another into `flat` (1-D), each from its start; what none covers becomes zero."""
        xp, pieces = self.xp, []
        for part, start, end in zip(parts, starts, (*starts[1:], flat.shape[0]), strict=True):
            values = self.zeros((0,), flat.dtype) if part is None else xp.reshape(part, (-1,))
            pieces += [values, self.zeros((end - start - values.shape[0],), flat.dtype)]
        flat[...] = xp.concat(pieces)

    def sgd(
        self, p: Array, g: Array, v: Array | None, *, lr: float, momentum: float, nesterov: bool, weight_decay: float
    ) -> None:
        """g += weight_decay p;  v = momentum v + g;  p -= lr v  (Nesterov: p -= lr (g + momentum v))."""
        g = g + weight_decay * p if weight_decay else g
        if v is not None:
            v[...] = momentum * v + g
            g = g + momentum * v if nesterov else v
        p[...] = p - lr * g

    def adagrad(self, p: Array, g: Array, s: Array, *, lr: float, eps: float, weight_decay: float) -> None:
        """s += g**2;  p -= lr g / (sqrt(s) + eps)."""
        g = g + weight_decay * p if weight_decay else g
        s[...] = s + g * g
        p[...] = p - lr * g / (self.xp.sqrt(s) + eps)

    def rmsprop(self, p: Array, g: Array, s: Array, *, lr: float, rho: float, eps: float, weight_decay: float) -> None:
        """s = rho s + (1 - rho) g**2;  p -= lr g / (sqrt(s) + eps)."""
        g = g + weight_decay * p if weight_decay else g
        s[...] = rho * s + (1 - rho) * g * g
        p[...] = p - lr * g / (self.xp.sqrt(s) + eps)

    def adam(self, p: Array, g: Array, m: Array, v: Array, how: AdamStep) -> None:
        """m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g**2;  p -= lr (m / (1-b1**step)) / (sqrt(v / (1-b2**step)) + eps).

        Weight decay adds weight_decay p to g (Adam), or shrinks p by lr weight_decay p first (`decoupled`: AdamW).
        """
        step, lr, beta1, beta2, eps, weight_decay, decoupled = how
        if weight_decay and decoupled:
            p[...] = self.shrunk(p, lr * weight_decay)
        elif weight_decay:
            g = g + weight_decay * p
        m[...] = beta1 * m + (1 - beta1) * g
        v[...] = beta2 * v + (1 - beta2) * g * g
        p[...] = p - (lr / (1 - beta1**step)) * m / (self.xp.sqrt(v / (1 - beta2**step)) + eps)
