"""Activations that let through what is above zero, and of what is below little or nothing."""

from collections.abc import Iterable

from xpnet.backend import Array
from xpnet.base.checks import at_least_zero, finite, flag, positive
from xpnet.core.declare import Declared, Shape
from xpnet.core.layer import Back, Layer
from xpnet.core.parameter import Parameter
from xpnet.layers.elementwise import Elementwise

__all__ = ["CELU", "ELU", "GELU", "SELU", "HardSwish", "LeakyReLU", "Mish", "PReLU", "ReLU6", "SiLU", "Softplus"]


class LeakyReLU(Elementwise):
    """y = x where x > 0, else negative_slope x (Maas et al., 2013).

    Elsewhere: torch.nn.LeakyReLU; keras.layers.LeakyReLU.
    """

    kind = formula = "leaky_relu"
    gives = "scores"

    def __init__(self, negative_slope: float = 0.01, name: str | None = None) -> None:
        super().__init__(name)
        self.negative_slope = at_least_zero("LeakyReLU: negative_slope", negative_slope)
        self.constants = (self.negative_slope,)


class PReLU(Layer):
    """y = x where x > 0, else weight x, and the weight is learned (He et al., 2015).

    x (N, ...) or (N, C, ...); weight (1,), or with `per_channel` (C,), one for each entry of axis 1; it starts at
    `start`, 0.25.

    Elsewhere: torch.nn.PReLU; keras.layers.PReLU.
    """

    kind = "prelu"
    gives = "scores"
    weight: Parameter

    def __init__(self, per_channel: bool = False, start: float = 0.25, name: str | None = None) -> None:
        super().__init__(name)
        self.per_channel, self.start = flag("PReLU: per_channel", per_channel), finite("PReLU: start", start)

    def output_shape(self, shape: Shape) -> Shape:
        if self.per_channel and (not shape or (self._built and shape[0] != self.weight.shape[0])):
            raise self.wrong_shape(shape, f"(N, {self.weight.shape[0] if self._built else 'C'}, ...)")
        return shape

    def declare(self, shape: Shape) -> Iterable[Declared]:
        return (Declared("weight", shape[:1] if self.per_channel else (1,), value=self.start),)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        xp, weight = self.xp, self.weight.value
        if self.per_channel:
            weight = xp.reshape(weight, (-1,) + (1,) * (x.ndim - 2))  # (C, 1, 1)
        above = x > 0

        def back(dy: Array) -> Array:
            dweight = xp.where(above, 0, dy * x)
            axes = (0, *range(2, x.ndim)) if self.per_channel else None
            self.weight.add_grad(xp.reshape(self.backend.sum(dweight, axis=axes), (-1,)))
            return xp.where(above, dy, dy * weight)

        return xp.where(above, x, x * weight), back


class ELU(Elementwise):
    """y = x where x > 0, else alpha (exp(x) - 1) (Clevert, Unterthiner and Hochreiter, 2016).

    Elsewhere: torch.nn.ELU; keras.layers.ELU.
    """

    kind = formula = "elu"
    gives = "scores"

    def __init__(self, alpha: float = 1.0, name: str | None = None) -> None:
        super().__init__(name)
        self.alpha = finite("ELU: alpha", alpha)
        self.constants = (self.alpha, 1.0, 1.0)


class CELU(Elementwise):
    """y = x where x > 0, else alpha (exp(x / alpha) - 1), whose slope has no jump (Barron, 2017).

    Elsewhere: torch.nn.CELU; keras.activations.celu.
    """

    kind, formula = "celu", "elu"
    gives = "scores"

    def __init__(self, alpha: float = 1.0, name: str | None = None) -> None:
        super().__init__(name)
        self.alpha = positive("CELU: alpha", alpha)
        self.constants = (self.alpha, 1.0, 1 / self.alpha)


class SELU(Elementwise):
    """y = 1.0507 x where x > 0, else 1.0507 * 1.6733 (exp(x) - 1) (Klambauer et al., 2017).

    The numbers keep mean 0 and variance 1 from layer to layer, of weights that start as "lecun_normal" does.

    Elsewhere: torch.nn.SELU; keras.activations.selu.
    """

    kind, formula = "selu", "elu"
    gives = "scores"
    constants = (1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 1.0)


class ReLU6(Elementwise):
    """y = min(max(x, 0), 6) (Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010).

    Elsewhere: torch.nn.ReLU6; keras.activations.relu6.
    """

    kind, formula = "relu6", "hard_tanh"
    gives = "scores"
    constants = (0.0, 6.0)


class Softplus(Elementwise):
    """y = log(1 + exp(beta x)) / beta, a smooth ReLU; x itself where beta x > threshold (Dugas et al., 2001).

    Elsewhere: torch.nn.Softplus; keras.activations.softplus.
    """

    kind = formula = "softplus"
    gives = "scores"

    def __init__(self, beta: float = 1.0, threshold: float = 20.0, name: str | None = None) -> None:
        super().__init__(name)
        self.beta, self.threshold = positive("Softplus: beta", beta), finite("Softplus: threshold", threshold)
        self.constants = (self.beta, self.threshold)


class GELU(Elementwise):
    """y = x P(x), P(x) = (1 + erf(x / sqrt(2))) / 2 the chance that a standard normal number is below x (Hendrycks and
    Gimpel, 2016).

    With `tanh`, y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, which is near it, and is what GPT-2 has. By name
    they are "gelu" and "gelu_tanh".

    Elsewhere: torch.nn.GELU; keras.activations.gelu.
    """

    kind = "gelu"
    gives = "scores"

    def __init__(self, tanh: bool = False, name: str | None = None) -> None:
        super().__init__(name)
        self.tanh, self.formula = flag("GELU: tanh", tanh), "gelu_tanh" if tanh else "gelu"


class SiLU(Elementwise):
    """y = x sigmoid(x), also called swish (Elfwing, Uchibe and Doya, 2018; Ramachandran, Zoph and Le, 2017).

    Elsewhere: torch.nn.SiLU; keras.activations.silu.
    """

    kind = formula = "silu"
    gives = "scores"


class Mish(Elementwise):
    """y = x tanh(log(1 + exp(x))) (Misra, 2019).

    Elsewhere: torch.nn.Mish; keras.activations.mish.
    """

    kind = formula = "mish"
    gives = "scores"


class HardSwish(Elementwise):
    """y = x min(max(x / 6 + 1 / 2, 0), 1), nearly SiLU and without exp (Howard et al., "MobileNetV3", 2019).

    Elsewhere: torch.nn.Hardswish; keras.activations.hard_swish.
    """

    kind = formula = "hard_swish"
    gives = "scores"
