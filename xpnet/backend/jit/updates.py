"""The update steps, compiled: one pass over a part of the parameters."""

import functools
from typing import Any

import numpy as np
from numba import carray

from xpnet.backend.jit.compiled import callback, compiled
from xpnet.backend.jit.kernels import BYTES
from xpnet.backend.jit.program import run
from xpnet.backend.jit.tiles import words
from xpnet.backend.jit.together import SIGNATURE, run_parts

Array = Any
OPTIONS = 8  # of Adam
LINE = 16  # entries of a cache line
NUMBERS = 7  # that a part is told: addresses of p, g, m, v and the options, how many entries there are, and parts


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


@functools.cache
def adam_part() -> Any:
    """A part of all entries; the arguments are NUMBERS."""

    @callback(SIGNATURE)
    def part_of(arguments, part):  # type: ignore[no-untyped-def]
        given = carray(words(arguments), (NUMBERS,))
        o, size = run(given[4], OPTIONS), given[5]
        lines, parts = (size + LINE - 1) // LINE, given[6]  # whole cache lines: others would be met by two loads
        first, end = part * lines // parts * LINE, min(size, (part + 1) * lines // parts * LINE)
        at, count = first * BYTES, end - first
        adam(
            run(given[0] + at, count), run(given[1] + at, count), run(given[2] + at, count), run(given[3] + at, count),
            o[0], o[1], o[2], o[3], o[4], o[5], o[6], o[7],
        )  # fmt: skip

    return part_of


@compiled()
def tell(numbers, p, g, m, v, options, parts):  # type: ignore[no-untyped-def]
    """Write the NUMBERS."""
    numbers[0], numbers[1], numbers[2], numbers[3] = p.ctypes.data, g.ctypes.data, m.ctypes.data, v.ctypes.data
    numbers[4], numbers[5], numbers[6] = options.ctypes.data, p.size, parts


def adam_in_parts(arrays: tuple[Array, ...], options: list[float], parts: int) -> None:
    """`adam` of contiguous arrays p, g, m, v on all threads; no entry asks for another."""
    numbers, given = np.empty(NUMBERS, np.int64), np.array(options, np.float32)
    tell(numbers, *arrays, given, parts)
    run_parts(adam_part().address, numbers.ctypes.data, parts)


@compiled()
def forget(x, least):  # type: ignore[no-untyped-def]
    """What is below becomes 0: a select, without a branch."""
    nothing = np.float32(0)
    for i in range(x.size):
        x[i] = nothing if abs(x[i]) < least else x[i]
