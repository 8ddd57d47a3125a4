"""The simple recurrent layer."""

from collections.abc import Callable
from typing import Any

from xpnet.backend import Array
from xpnet.core.carried import Carried
from xpnet.errors import OptionError
from xpnet.layers.recurrent import Recurrent

__all__ = ["SimpleRNN"]


class SimpleRNN(Recurrent):
    """h_t = act(x_t weight_ih^T + bias_ih + h_{t-1} weight_hh^T + bias_hh), for t = 1 ... T (Elman, 1990).

    x (N, T, F); gives h_1 ... h_T (N, T, units). The parameters' names end in _l0 (see below), weight_ih_l0 (units, F),
    weight_hh_l0 (units, units), biases (units,). A further input, if there is one, is h_0, else it is zero.

    nonlinearity: act, "tanh" or "relu".  The other options stand in xpnet.layers.recurrent.Recurrent.

    Elsewhere: torch.nn.RNN; keras.layers.SimpleRNN; the book's TimeRNN.
    """

    kind = "rnn"
    gives = "scores"
    state: Carried | None

    def __init__(
        self,
        units: int,
        return_sequence: bool = True,
        return_state: bool = False,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        bias: bool = True,
        lengths: bool = False,
        stateful: bool = False,
        initializer: Any = None,
        name: str | None = None,
        nonlinearity: str = "tanh",
    ) -> None:
        super().__init__(
            units, return_sequence, return_state, layers, bidirectional, dropout, bias, lengths, stateful, initializer,
            name,
        )  # fmt: skip
        if nonlinearity not in ("tanh", "relu"):
            raise OptionError(f'SimpleRNN: nonlinearity must be "tanh" or "relu", not {nonlinearity!r}')
        self.nonlinearity = nonlinearity

    def run_steps(
        self, z: Array, w: Array, b: Array | None, states: list[Array], alive: Array | None, reverse: bool
    ) -> tuple[tuple[Array, ...], Callable[..., Any]]:
        (h,), act = states, self.nonlinearity
        hs = self.backend.simple_rnn(z, w, h, act, alive, reverse)

        def back(dsequence: Array | None, dlast: list[Array]) -> Any:
            (dh,) = dlast
            dz, dw, dh = self.backend.simple_rnn_backward(dsequence, dh, hs, w, act, alive, reverse)
            return dz, dw, None, (dh,)

        return (hs,), back
