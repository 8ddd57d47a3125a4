"""What is elementwise in a step of a recurrent layer, on NumPy: each function takes some samples, a row each, in place.

Arrays: z what the inputs give, c and h the states before the step, c_new and h_new those after it, relu whether that is
the nonlinearity. On the way back dh and dc come as the gradients of the states after the step. dc becomes that of the
one before; dh what it gets but through the product: of a GRU what passes a gate by, else nothing, for which dh may stay
as it is where all are alive, since the product takes its place. Samples that are not `alive` (None: all are) keep state
and gradient. jit/cells.py has the same functions.
"""

import functools
import math
from typing import Any

import numpy as np

from xpnet.backend.cpu.activation import pick
from xpnet.backend.cpu.threads import scratch
from xpnet.backend.reference.recurrent import parts

Array = Any
ROWS = 16  # samples whose gates an LSTM's step goes through as one row, where their number is a multiple of it


def simple_rnn_step(z: Array, h: Array, h_new: Array, relu: bool, alive: Array | None) -> None:
    """h_new comes as the product."""
    h_new += z
    if relu:
        np.maximum(h_new, 0, out=h_new)
    else:
        np.tanh(h_new, out=h_new)
    _keep(alive, (h, h_new))


def simple_rnn_step_backward(dh: Array, h_new: Array, dz: Array, relu: bool, alive: Array | None) -> None:
    if relu:
        pick(dh, h_new > 0, dz)
    else:
        np.multiply(h_new, h_new, out=dz)
        np.subtract(1, dz, out=dz)
        dz *= dh
    if alive is not None:
        dh[alive], dz[~alive] = 0, 0


def lstm_step(z: Array, gates: Array, c: Array, c_new: Array, h: Array, h_new: Array, alive: Array | None) -> None:
    """The gates come as the product."""
    n, H = c.shape
    rows = math.gcd(n, ROWS)  # NumPy is sooner done with a few long rows than with many short ones
    scale, shift = _slopes(H, rows, c.dtype)
    gates += z
    long = gates.reshape(-1, rows * 4 * H)
    long *= scale  # sigmoid(x) = tanh(x / 2) / 2 + 1 / 2: one tanh for all
    np.tanh(long, out=long)
    long *= scale
    long += shift
    i, f, g, o = parts(gates, 4)
    np.multiply(f, c, out=c_new)
    np.multiply(i, g, out=h_new)
    c_new += h_new
    np.tanh(c_new, out=h_new)
    h_new *= o
    _keep(alive, (h, h_new), (c, c_new))


def lstm_step_backward(
    dh: Array, dc: Array, gates: Array, c: Array, c_new: Array, dz: Array, alive: Array | None
) -> None:
    """The gates are taken apart first, and dz is put together last: NumPy passes fastest over what lies together."""
    kept, (n, H) = None if alive is None else (dh[~alive], dc[~alive]), c.shape
    room = scratch(9 * n * H, dz.dtype).reshape(9, n, H)
    apart, slopes, tanh_c = room[:4], room[4:8], room[8]
    np.copyto(apart, gates.reshape(n, 4, H).transpose(1, 0, 2))
    i, f, g, o = apart
    dz_i, dz_f, dz_g, dz_o = slopes
    np.multiply(apart, apart, out=slopes)  # the slopes: s - s**2 of a sigmoid, 1 - g**2 of g
    np.subtract(apart[:2], slopes[:2], out=slopes[:2])
    np.subtract(1, dz_g, out=dz_g)
    np.subtract(o, dz_o, out=dz_o)
    np.tanh(c_new, out=tanh_c)
    dz_o *= tanh_c
    dz_o *= dh
    tanh_c *= tanh_c
    np.subtract(1, tanh_c, out=tanh_c)
    tanh_c *= o
    tanh_c *= dh
    dc += tanh_c  # that of c_new
    dz_i *= g
    dz_f *= c
    dz_g *= i
    slopes[:3] *= dc
    dc *= f
    np.copyto(dz.reshape(n, 4, H), slopes.transpose(1, 0, 2))
    if kept is not None:
        ended = ~alive  # type: ignore[operator]
        dh[...] = 0
        dz[ended], dh[ended], dc[ended] = 0, *kept


def gru_step(z: Array, m: Array, h: Array, h_new: Array, gates: Array, alive: Array | None) -> None:
    """m comes as the product, with its bias."""
    H = h.shape[1]
    r, u, n, m_n = parts(gates, 4)
    both = gates[:, : 2 * H]  # r and u
    np.add(z[:, : 2 * H], m[:, : 2 * H], out=both)
    both *= 0.5
    np.tanh(both, out=both)
    both *= 0.5
    both += 0.5
    m_n[...] = m[:, 2 * H :]
    np.multiply(r, m_n, out=n)
    n += z[:, 2 * H :]
    np.tanh(n, out=n)
    np.subtract(h, n, out=h_new)
    h_new *= u
    h_new += n
    _keep(alive, (h, h_new))


def gru_step_backward(dh: Array, h: Array, gates: Array, dz: Array, dm: Array, alive: Array | None) -> None:
    """dm is the gradient of the product, that of n behind r; dz that of z."""
    kept, H = None if alive is None else dh[~alive], h.shape[1]
    r, u, n, m_n = parts(gates, 4)
    dz_r, dz_u, dz_n = parts(dz, 3)
    rest = 1 - u
    np.multiply(n, n, out=dz_n)
    np.subtract(1, dz_n, out=dz_n)
    dz_n *= rest
    dz_n *= dh
    np.subtract(h, n, out=dz_u)
    dz_u *= u
    dz_u *= rest
    dz_u *= dh
    np.subtract(1, r, out=dz_r)
    dz_r *= r
    dz_r *= m_n
    dz_r *= dz_n
    dm[:, : 2 * H] = dz[:, : 2 * H]
    np.multiply(dz_n, r, out=dm[:, 2 * H :])
    dh *= u
    if kept is not None:
        ended = ~alive  # type: ignore[operator]
        dz[ended], dm[ended], dh[ended] = 0, 0, kept


def _keep(alive: Array | None, *states: tuple[Array, Array]) -> None:
    if alive is not None:
        ended = ~alive
        for old, new in states:
            new[ended] = old[ended]


@functools.lru_cache(maxsize=64)
def _slopes(H: int, rows: int, dtype: Any) -> tuple[Array, Array]:
    """What turns tanh into the four gates of an LSTM: two vectors (4H,), each so many times behind itself."""
    each = (0.5, 0.5, 1, 0.5), (0.5, 0.5, 0, 0.5)
    scale, shift = (np.tile(np.repeat(np.array(numbers, dtype), H), rows) for numbers in each)
    return scale, shift
