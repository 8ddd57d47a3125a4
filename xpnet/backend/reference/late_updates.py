"""Update steps of optimizers that came after Adam. They change the parameter p and its state in place; g is the
gradient.
"""

from typing import NamedTuple

from xpnet.backend.reference.arrays import Array, Arrays

SMALL = 1e-7  # of the norm of a matrix that is made orthogonal


class MomentStep(NamedTuple):
    """One step along the gradient and its running mean, with the rates of both."""

    gradient: float
    mean: float
    beta1: float
    beta2: float
    unbias: float  # what the running mean of the squares is divided by
    adaptive: bool  # whether it is divided by their size
    eps: float
    weight_decay: float
    shrink: float  # the share by which p is shrunk first: decoupled weight decay


class MuonStep(NamedTuple):
    lr: float
    rate: float  # lr, adjusted to the shape of the matrix
    momentum: float
    nesterov: bool
    weight_decay: float
    coefficients: tuple[float, float, float]
    iterations: int


class LateUpdates(Arrays):
    def moments(self, p: Array, g: Array, m: Array, v: Array, how: MomentStep) -> None:
        """m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g**2;  p -= (gradient g + mean m) / (sqrt(v / unbias) + eps).

        Not `adaptive`: p -= gradient g + mean m. Weight decay adds weight_decay p to g; `shrink` takes its share of p
        before.
        """
        if how.shrink:
            p[...] = self.shrunk(p, how.shrink)
        if how.weight_decay:
            g = g + how.weight_decay * p
        m[...] = how.beta1 * m + (1 - how.beta1) * g
        v[...] = how.beta2 * v + (1 - how.beta2) * g * g
        step = how.mean * m
        if how.gradient:
            step = step + how.gradient * g
        p[...] = p - (step / (self.xp.sqrt(v / how.unbias) + how.eps) if how.adaptive else step)

    def lion(self, p: Array, g: Array, m: Array, *, lr: float, beta1: float, beta2: float, weight_decay: float) -> None:
        """p -= lr (sign(b1 m + (1-b1) g) + weight_decay p);  m = b2 m + (1-b2) g."""
        step = self.xp.sign(beta1 * m + (1 - beta1) * g)
        step = step + weight_decay * self.where_finite(p) if weight_decay else step
        p[...] = p - lr * step
        m[...] = beta2 * m + (1 - beta2) * g

    def muon(self, p: Array, g: Array, m: Array, how: MuonStep) -> None:
        """m = momentum m + (1-momentum) g;  p -= lr weight_decay p + rate orthogonal(m).

        Nesterov: orthogonal(momentum m + (1-momentum) g). p (O, ...) is a matrix (O, I) of all other axes together.
        """
        m[...] = how.momentum * m + (1 - how.momentum) * g
        step = how.momentum * m + (1 - how.momentum) * g if how.nesterov else m
        step = self.orthogonal(self.xp.reshape(step, (p.shape[0], -1)), how.coefficients, how.iterations)
        if how.weight_decay:
            p[...] = self.shrunk(p, how.lr * how.weight_decay)
        p[...] = p - how.rate * self.xp.reshape(step, p.shape)

    def orthogonal(self, x: Array, coefficients: tuple[float, float, float], iterations: int) -> Array:
        """x (A, B) with its singular values brought near 1: by x = a x + (b x x' + c (x x')**2) x, so often.

        Each turn makes of a singular value s the value a s + b s**3 + c s**5. It begins with x / |x|.
        """
        xp, (a, b, c) = self.xp, coefficients
        tall = x.shape[0] > x.shape[1]
        x = x.mT if tall else x  # so that x x' is the smaller one
        x = x / xp.maximum(xp.sqrt(self.sum(x * x)), SMALL)
        for _ in range(iterations):
            square = xp.matmul(x, x.mT)
            x = a * x + xp.matmul(b * square + c * xp.matmul(square, square), x)
        return x.mT if tall else x
