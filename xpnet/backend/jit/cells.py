"""cpu/cells.py with Numba: what is elementwise in a step, in one pass over each sample's row, for float32.

Loops are short and write one array each, because LLVM makes vectors of those alone for which it has to compare few
addresses; a row stays in the cache between them. All arrays are contiguous.
"""

from typing import Any

import numpy as np

from xpnet.backend.jit.compiled import compiled

Array = Any
ONE, HALF, NOTHING = np.float32(1), np.float32(0.5), np.float32(0)

# tanh(x) = x p(x**2) / q(x**2), the rational approximation of Eigen (Guennebaud and Jacob, 2010), to three units in the
# last place; beyond LARGEST it is 1 in float32.
LARGEST = np.float32(7.90531110763549805)
P = tuple(
    map(
        np.float32,
        (-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08, 1.48572235717979e-05,
         6.37261928875436e-04, 4.89352455891786e-03),
    )
)  # fmt: skip
Q = tuple(map(np.float32, (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)))


@compiled(error_model="numpy")
def tanh(x):  # type: ignore[no-untyped-def]
    x = LARGEST if x > LARGEST else x
    x = -LARGEST if x < -LARGEST else x
    s = x * x
    p = P[0] * s + P[1]
    p = p * s + P[2]
    p = p * s + P[3]
    p = p * s + P[4]
    p = p * s + P[5]
    p = p * s + P[6]
    q = Q[0] * s + Q[1]
    q = q * s + Q[2]
    q = q * s + Q[3]
    return x * p / q


@compiled(error_model="numpy")
def sigmoid(x):  # type: ignore[no-untyped-def]
    return HALF + HALF * tanh(HALF * x)


@compiled(error_model="numpy")
def simple_rnn_step(z, h, h_new, relu, alive):  # type: ignore[no-untyped-def]
    for row in range(len(z)):
        inputs, new = z[row], h_new[row]
        if alive is not None and not alive[row]:
            new[:] = h[row]
        elif relu:
            for k in range(new.size):
                a = new[k] + inputs[k]
                new[k] = NOTHING if a <= NOTHING else a  # NaN stays NaN
        else:
            for k in range(new.size):
                new[k] = tanh(new[k] + inputs[k])


@compiled(error_model="numpy")
def simple_rnn_step_backward(dh, h_new, dz, relu, alive):  # type: ignore[no-untyped-def]
    for row in range(len(dz)):
        d, new, out = dh[row], h_new[row], dz[row]
        if alive is not None and not alive[row]:
            out[:] = NOTHING
            continue
        if relu:
            for k in range(d.size):
                out[k] = d[k] if new[k] > NOTHING else NOTHING
        else:
            for k in range(d.size):
                out[k] = d[k] * (ONE - new[k] * new[k])
        d[:] = NOTHING


@compiled(error_model="numpy")
def lstm_step(z, gates, c, c_new, h, h_new, alive):  # type: ignore[no-untyped-def]
    H = c.shape[1]
    for row in range(len(z)):
        a, old, new, out = gates[row], c[row], c_new[row], h_new[row]
        i, f, g, o = a[:H], a[H : 2 * H], a[2 * H : 3 * H], a[3 * H :]
        first, third, last = z[row][: 2 * H], z[row][2 * H : 3 * H], z[row][3 * H :]
        for k in range(2 * H):
            a[k] = sigmoid(a[k] + first[k])  # i and f
        for k in range(H):
            g[k] = tanh(g[k] + third[k])
        for k in range(H):
            o[k] = sigmoid(o[k] + last[k])
        if alive is not None and not alive[row]:
            new[:], out[:] = old, h[row]
            continue
        for k in range(H):
            new[k] = f[k] * old[k] + i[k] * g[k]
        for k in range(H):
            out[k] = o[k] * tanh(new[k])


@compiled(error_model="numpy")
def lstm_step_backward(dh, dc, gates, c, c_new, dz, alive):  # type: ignore[no-untyped-def]
    H = c.shape[1]
    for row in range(len(dz)):
        d, dcell, out = dh[row], dc[row], dz[row]
        if alive is not None and not alive[row]:
            out[:] = NOTHING
            continue
        a, old, new = gates[row], c[row], c_new[row]
        i, f, g, o = a[:H], a[H : 2 * H], a[2 * H : 3 * H], a[3 * H :]
        dz_i, dz_f, dz_g, dz_o = out[:H], out[H : 2 * H], out[2 * H : 3 * H], out[3 * H :]
        for k in range(H):
            t = tanh(new[k])
            dz_o[k] = d[k] * t * o[k] * (ONE - o[k])
            dcell[k] += d[k] * o[k] * (ONE - t * t)
        for k in range(H):
            dz_i[k] = dcell[k] * g[k] * i[k] * (ONE - i[k])
        for k in range(H):
            dz_f[k] = dcell[k] * old[k] * f[k] * (ONE - f[k])
        for k in range(H):
            dz_g[k] = dcell[k] * i[k] * (ONE - g[k] * g[k])
        for k in range(H):
            dcell[k] *= f[k]
        d[:] = NOTHING


@compiled(error_model="numpy")
def gru_step(z, m, h, h_new, gates, alive):  # type: ignore[no-untyped-def]
    H = h.shape[1]
    for row in range(len(z)):
        inputs, given, a, old, out = z[row], m[row], gates[row], h[row], h_new[row]
        r, u, n, m_n, z_n = a[:H], a[H : 2 * H], a[2 * H : 3 * H], a[3 * H :], inputs[2 * H :]
        for k in range(2 * H):
            a[k] = sigmoid(inputs[k] + given[k])
        m_n[:] = given[2 * H :]
        for k in range(H):
            n[k] = tanh(z_n[k] + r[k] * m_n[k])
        if alive is not None and not alive[row]:
            out[:] = old
            continue
        for k in range(H):
            out[k] = n[k] + u[k] * (old[k] - n[k])


@compiled(error_model="numpy")
def gru_step_backward(dh, h, gates, dz, dm, alive):  # type: ignore[no-untyped-def]
    H = h.shape[1]
    for row in range(len(dz)):
        d, old, a, out, product = dh[row], h[row], gates[row], dz[row], dm[row]
        if alive is not None and not alive[row]:
            out[:] = NOTHING
            product[:] = NOTHING
            continue
        r, u, n, m_n = a[:H], a[H : 2 * H], a[2 * H : 3 * H], a[3 * H :]
        dz_r, dz_u, dz_n, dm_n = out[:H], out[H : 2 * H], out[2 * H :], product[2 * H :]
        for k in range(H):
            dz_n[k] = d[k] * (ONE - u[k]) * (ONE - n[k] * n[k])
        for k in range(H):
            dz_u[k] = d[k] * (old[k] - n[k]) * u[k] * (ONE - u[k])
        for k in range(H):
            dz_r[k] = dz_n[k] * m_n[k] * r[k] * (ONE - r[k])
        product[: 2 * H] = out[: 2 * H]
        for k in range(H):
            dm_n[k] = dz_n[k] * r[k]
        for k in range(H):
            d[k] *= u[k]
