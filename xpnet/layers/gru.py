"""The gated recurrent unit."""

from collections.abc import Callable
from typing import Any

from xpnet.backend import Array
from xpnet.core.carried import Carried
from xpnet.layers.recurrent import Recurrent

__all__ = ["GRU"]


class GRU(Recurrent):
    """h_t = (1 - z) n + z h_{t-1} (Cho et al., 2014), the reset gate r behind the product, as in PyTorch and Keras.

    a = x_t weight_ih^T + bias_ih and m = h_{t-1} weight_hh^T + bias_hh have three parts of `units` each, and the gates
    are r = sigmoid(a_1 + m_1), z = sigmoid(a_2 + m_2), n = tanh(a_3 + r m_3). x (N, T, F); gives h_1 ... h_T (N, T,
    units). A further input, if there is one, is h_0, else it is zero. Options:
    xpnet.layers.recurrent.Recurrent.

    Elsewhere: torch.nn.GRU; keras.layers.GRU; the book's TimeGRU.
    """

    kind = "gru"
    gives = "scores"
    gates = 3
    adds_biases = False  # that of n is behind r
    state: Carried | None

    def run_steps(
        self, z: Array, w: Array, b: Array | None, states: list[Array], alive: Array | None, reverse: bool
    ) -> tuple[tuple[Array, ...], Callable[..., Any]]:
        (h,) = states
        hs, gates = self.backend.gru(z, w, b, h, alive, reverse)

        def back(dsequence: Array | None, dlast: list[Array]) -> Any:
            (dh,) = dlast
            dz, dw, db, dh = self.backend.gru_backward(dsequence, dh, hs, gates, w, alive, reverse)
            return dz, dw, db, (dh,)

        return (hs,), back
