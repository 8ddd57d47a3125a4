"""Long short-term memory."""

from collections.abc import Callable
from typing import Any

from xpnet.backend import Array
from xpnet.core.carried import Carried
from xpnet.layers.recurrent import Recurrent

__all__ = ["LSTM"]


class LSTM(Recurrent):
    """c_t = f c_{t-1} + i g, h_t = o tanh(c_t) (Hochreiter and Schmidhuber, 1997; forget gate f: Gers et al., 2000).

    a = x_t weight_ih^T + bias_ih + h_{t-1} weight_hh^T + bias_hh has four parts of `units`, and the gates are
    i, f, g, o = sigmoid(a_1), sigmoid(a_2), tanh(a_3), sigmoid(a_4). x (N, T, F); gives h_1 ... h_T (N, T, units).
    Further inputs, if there are any, are h_0 and c_0, else they are zero. Options: xpnet.layers.recurrent.Recurrent.

    Elsewhere: torch.nn.LSTM; keras.layers.LSTM; the book's TimeLSTM.
    """

    kind = "lstm"
    gives = "scores"
    gates = 4
    kinds = ("state", "cell")
    state: Carried | None
    cell: Carried | None

    def run_steps(
        self, z: Array, w: Array, b: Array | None, states: list[Array], alive: Array | None, reverse: bool
    ) -> tuple[tuple[Array, ...], Callable[..., Any]]:
        h, c = states
        hs, cs, gates = self.backend.lstm(z, w, h, c, alive, reverse)

        def back(dsequence: Array | None, dlast: list[Array]) -> Any:
            dh, dc = dlast
            dz, dw, *dfirst = self.backend.lstm_backward(dsequence, dh, dc, hs, cs, gates, w, alive, reverse)
            return dz, dw, None, dfirst

        return (hs, cs), back
