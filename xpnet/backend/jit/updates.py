"""The update steps, compiled: one pass over a part of the parameters."""

import numpy as np

from xpnet.backend.jit.compiled import compiled


@compiled(error_model="numpy")  # no test for division by zero, which would keep it from vectors
def adam(p, g, m, v, lr, beta1, rest1, beta2, rest2, eps, decay, shrink):  # type: ignore[no-untyped-def]
    """In one pass; `lr` and `eps` hold the bias corrections, `shrink` what decoupled decay leaves of p.

    rest1 and rest2 are 1 - beta1 and 1 - beta2, of doubles: the difference of float32 has lost most of its digits.
    """
    for i in range(p.size):
        value = shrink * p[i]
        gradient = g[i] + decay * value if decay != 0 else g[i]  # 0 times an infinite weight is NaN
        m[i] = beta1 * m[i] + rest1 * gradient
        v[i] = beta2 * v[i] + rest2 * gradient * gradient
        p[i] = value - lr * m[i] / (np.sqrt(v[i]) + eps)


@compiled()
def forget(x, least):  # type: ignore[no-untyped-def]
    """What is below becomes 0: a select, without a branch."""
    nothing = np.float32(0)
    for i in range(x.size):
        x[i] = nothing if abs(x[i]) < least else x[i]
