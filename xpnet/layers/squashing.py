"""Activations that squash all numbers into a range, or towards one of its ends."""

from xpnet.base.checks import finite, positive
from xpnet.errors import OptionError
from xpnet.layers.elementwise import Elementwise

__all__ = ["HardSigmoid", "HardTanh", "LogSigmoid", "Sigmoid", "Softsign", "Tanh"]


class Sigmoid(Elementwise):
    """y = 1 / (1 + exp(-x));  dx = dy y (1 - y). No overflow for any x.

    Elsewhere: torch.nn.Sigmoid; keras.activations.sigmoid; the book's Sigmoid.
    """

    kind = formula = "sigmoid"
    gives = "probabilities"


class LogSigmoid(Elementwise):
    """y = log(sigmoid(x)) = -log(1 + exp(-x));  dx = dy sigmoid(-x). No overflow for any x.

    Elsewhere: torch.nn.LogSigmoid; keras.activations.log_sigmoid.
    """

    kind = formula = "log_sigmoid"
    gives = "log_probabilities"


class Tanh(Elementwise):
    """y = amplitude * tanh(slope * x);  dx = dy slope (amplitude - y**2 / amplitude).

    LeNet-5 has amplitude 1.7159 and slope 2/3 (LeCun et al., 1998).

    Elsewhere: torch.nn.Tanh; keras.activations.tanh.
    """

    kind = formula = "tanh"
    gives = "scores"

    def __init__(self, amplitude: float = 1.0, slope: float = 1.0, name: str | None = None) -> None:
        super().__init__(name)
        self.amplitude, self.slope = positive("Tanh: amplitude", amplitude), positive("Tanh: slope", slope)
        self.constants = (self.amplitude, self.slope)


class Softsign(Elementwise):
    """y = x / (1 + |x|);  dx = dy / (1 + |x|)**2 (Turian, Bergstra and Bengio, 2009).

    Elsewhere: torch.nn.Softsign; keras.activations.softsign.
    """

    kind = formula = "softsign"
    gives = "scores"


class HardSigmoid(Elementwise):
    """y = min(max(x / 6 + 1 / 2, 0), 1) (Courbariaux, Bengio and David, 2015, with the slope of MobileNetV3).

    Elsewhere: torch.nn.Hardsigmoid; keras.activations.hard_sigmoid.
    """

    kind = formula = "hard_sigmoid"
    gives = "probabilities"


class HardTanh(Elementwise):
    """y = min(max(x, low), high) (Collobert, 2004);  dx = dy where low < x < high, else 0.

    Elsewhere: torch.nn.Hardtanh; keras.activations.hard_tanh.
    """

    kind = formula = "hard_tanh"
    gives = "scores"

    def __init__(self, low: float = -1.0, high: float = 1.0, name: str | None = None) -> None:
        super().__init__(name)
        self.low, self.high = finite("HardTanh: low", low), finite("HardTanh: high", high)
        if not self.low < self.high:
            raise OptionError(f"HardTanh: low must be below high, not {low!r} and {high!r}")
        self.constants = (self.low, self.high)
