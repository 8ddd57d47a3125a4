"""The steps of recurrent layers through a sequence, and their way back.

T steps, N samples, H units. z (T, N, ...) is what the inputs give, of all steps in one product; each step adds what the
state before it gives, w times that, again one product for all gates. Arrays of states have T + 1 entries: the state to
begin with, h (N, H), comes before those of the steps. With `reverse` the steps go from T - 1 to 0, so that it comes
behind them. Where alive (T, N) is False, behind the end of a shorter sample, a step leaves the state as it was.

On the way back dhs (T, N, H) is the gradient of the states of all steps, None where nothing depends on them, and dh
(N, H) that of the last one beside it; what is returned as dh is that of the state to begin with. dw is of w.
"""

from typing import Any

from xpnet.backend.reference.arrays import Array, Arrays


def steps(T: int, reverse: bool) -> list[tuple[int, int, int]]:
    """(t, before, after) of each step in their order: where its input lies, and the states before and after it."""
    return [(t, t + 1, t) for t in reversed(range(T))] if reverse else [(t, t, t + 1) for t in range(T)]


class Recurrent(Arrays):
    # ---- SimpleRNN: Elman, 1990 ------------------------------------------------------------------------------------

    def simple_rnn(
        self, z: Array, w: Array, h: Array, nonlinearity: str, alive: Array | None = None, reverse: bool = False
    ) -> Array:
        """hs (T + 1, N, H) of h_t = act(z_t + h_{t-1} w^T), act = tanh or relu: z (T, N, H), w (H, H)."""
        xp, hs = self.xp, [h]
        for t, _, _ in steps(z.shape[0], reverse):
            a = z[t, ...] + xp.matmul(hs[-1], w.mT)
            h = xp.maximum(a, 0) if nonlinearity == "relu" else xp.tanh(a)
            hs.append(self._if_alive(alive, t, h, hs[-1]))
        return self._in_order(hs, reverse)

    def simple_rnn_backward(
        self,
        dhs: Array | None,
        dh: Array,
        hs: Array,
        w: Array,
        nonlinearity: str,
        alive: Array | None = None,
        reverse: bool = False,
    ) -> tuple[Array, Array, Array]:
        """(dz, dw, dh) of `simple_rnn`."""
        xp, dzs = self.xp, []
        for t, _, after in reversed(steps(hs.shape[0] - 1, reverse)):
            h, dh = hs[after, ...], dh if dhs is None else dh + dhs[t, ...]
            dz = xp.where(h > 0, dh, 0) if nonlinearity == "relu" else dh * (1 - h * h)
            dzs.append(self._if_alive(alive, t, dz, xp.zeros_like(dz)))
            dh = self._if_alive(alive, t, xp.matmul(dz, w), dh)
        dz = self._in_order(dzs, not reverse)
        return dz, self._of_weight(dz, hs, reverse), dh

    # ---- LSTM: Hochreiter and Schmidhuber, 1997; the forget gate f: Gers et al., 2000 --------------------------------

    def lstm(
        self, z: Array, w: Array, h: Array, c: Array, alive: Array | None = None, reverse: bool = False
    ) -> tuple[Array, Array, Array]:
        """c_t = f c_{t-1} + i g, h_t = o tanh(c_t): z (T, N, 4H), w (4H, H); gives hs, cs (T + 1, N, H) and the gates.

        i, f, g, o = sigmoid, sigmoid, tanh, sigmoid of z_t + h_{t-1} w^T, (T, N, 4H) in this order.
        """
        xp, hs, cs, gates = self.xp, [h], [c], []
        for t, _, _ in steps(z.shape[0], reverse):
            i, f, g, o = parts(z[t, ...] + xp.matmul(hs[-1], w.mT), 4)
            i, f, g, o = self._sigmoid(i), self._sigmoid(f), xp.tanh(g), self._sigmoid(o)
            c = f * cs[-1] + i * g
            h = o * xp.tanh(c)
            gates.append(xp.concat([i, f, g, o], axis=1))
            hs.append(self._if_alive(alive, t, h, hs[-1]))
            cs.append(self._if_alive(alive, t, c, cs[-1]))
        return self._in_order(hs, reverse), self._in_order(cs, reverse), self._in_order(gates, reverse)

    def lstm_backward(
        self,
        dhs: Array | None,
        dh: Array,
        dc: Array,
        hs: Array,
        cs: Array,
        gates: Array,
        w: Array,
        alive: Array | None = None,
        reverse: bool = False,
    ) -> tuple[Array, Array, Array, Array]:
        """(dz, dw, dh, dc) of `lstm`."""
        xp, dzs = self.xp, []
        for t, before, after in reversed(steps(hs.shape[0] - 1, reverse)):
            (i, f, g, o), tanh_c = parts(gates[t, ...], 4), xp.tanh(cs[after, ...])
            dh = dh if dhs is None else dh + dhs[t, ...]
            dc_t = dc + dh * o * (1 - tanh_c * tanh_c)
            dz = xp.concat(
                [
                    dc_t * g * i * (1 - i),
                    dc_t * cs[before, ...] * f * (1 - f),
                    dc_t * i * (1 - g * g),
                    dh * tanh_c * o * (1 - o),
                ],
                axis=1,
            )
            dzs.append(self._if_alive(alive, t, dz, xp.zeros_like(dz)))
            dh = self._if_alive(alive, t, xp.matmul(dz, w), dh)
            dc = self._if_alive(alive, t, dc_t * f, dc)
        dz = self._in_order(dzs, not reverse)
        return dz, self._of_weight(dz, hs, reverse), dh, dc

    # ---- GRU: Cho et al., 2014, with the reset gate r behind the product ---------------------------------------------

    def gru(
        self,
        z: Array,
        w: Array,
        b: Array | None,
        h: Array,
        alive: Array | None = None,
        reverse: bool = False,
    ) -> tuple[Array, Array]:
        """h_t = (1 - u) n + u h_{t-1}: z (T, N, 3H), w (3H, H), b (3H,) or None; gives hs (T + 1, N, H) and the gates.

        With m = h_{t-1} w^T + b, whose parts are m_r, m_u, m_n: r = sigmoid(z_r + m_r), u = sigmoid(z_u + m_u),
        n = tanh(z_n + r m_n). The gates are r, u, n and m_n, (T, N, 4H) in this order; u is what others call z.
        """
        xp, hs, gates = self.xp, [h], []
        for t, _, _ in steps(z.shape[0], reverse):
            m = xp.matmul(hs[-1], w.mT)
            (z_r, z_u, z_n), (m_r, m_u, m_n) = parts(z[t, ...], 3), parts(m if b is None else m + b, 3)
            r, u = self._sigmoid(z_r + m_r), self._sigmoid(z_u + m_u)
            n = xp.tanh(z_n + r * m_n)
            gates.append(xp.concat([r, u, n, m_n], axis=1))
            hs.append(self._if_alive(alive, t, (1 - u) * n + u * hs[-1], hs[-1]))
        return self._in_order(hs, reverse), self._in_order(gates, reverse)

    def gru_backward(
        self,
        dhs: Array | None,
        dh: Array,
        hs: Array,
        gates: Array,
        w: Array,
        alive: Array | None = None,
        reverse: bool = False,
    ) -> tuple[Array, Array, Array, Array]:
        """(dz, dw, db, dh) of `gru`."""
        xp, dzs, dms = self.xp, [], []
        for t, before, _ in reversed(steps(hs.shape[0] - 1, reverse)):
            r, u, n, m_n = parts(gates[t, ...], 4)
            dh = dh if dhs is None else dh + dhs[t, ...]
            dz_n = dh * (1 - u) * (1 - n * n)
            dz_r, dz_u = dz_n * m_n * r * (1 - r), dh * (hs[before, ...] - n) * u * (1 - u)
            dz, dm = xp.concat([dz_r, dz_u, dz_n], axis=1), xp.concat([dz_r, dz_u, dz_n * r], axis=1)
            dzs.append(self._if_alive(alive, t, dz, xp.zeros_like(dz)))
            dms.append(self._if_alive(alive, t, dm, xp.zeros_like(dm)))
            dh = self._if_alive(alive, t, dh * u + xp.matmul(dm, w), dh)
        dz, dm = self._in_order(dzs, not reverse), self._in_order(dms, not reverse)
        return dz, self._of_weight(dm, hs, reverse), self.sum(dm, axis=(0, 1)), dh

    # ---- what they share -------------------------------------------------------------------------------------------

    def _sigmoid(self, x: Array) -> Array:
        return 0.5 + 0.5 * self.xp.tanh(0.5 * x)

    def _if_alive(self, alive: Array | None, t: int, there: Array, ended: Array) -> Array:
        return there if alive is None else self.xp.where(alive[t, :, None], there, ended)

    def _in_order(self, entries: list[Array], reverse: bool) -> Array:
        return self.xp.stack(entries[::-1] if reverse else entries)

    def _of_weight(self, dm: Array, hs: Array, reverse: bool) -> Array:
        """dw of m = h_{t-1} w^T over all steps."""
        before = hs[1:, ...] if reverse else hs[:-1, ...]
        rows, states = (self.xp.reshape(a, (-1, a.shape[2])) for a in (dm, before))  # (T*N, ...)
        return self.xp.matmul(rows.mT, states)


def parts(x: Array, count: int) -> tuple[Any, ...]:
    """Of the last axis, so many parts of one size."""
    size = x.shape[-1] // count
    return tuple(x[..., k * size : (k + 1) * size] for k in range(count))
