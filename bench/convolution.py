"""The ways to do a convolution on a CPU beside one another: DeepConvNet's layers, forward and backward, on one thread.

    python bench/convolution.py
    python bench/convolution.py --batch 32

`columns` is cpu/columns.py, `rows` cpu/winograd.py, `compiled` the same with Numba's steps, in milliseconds: the
least of many turns, taken alternately. `rounding` is the root mean square error of `rows` in units of that of a direct
convolution, both against float64.
"""

import argparse
import functools
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import paths  # noqa: F401

from xpnet.backend import Backend
from xpnet.backend.cpu import choice
from xpnet.backend.cpu.algorithm import Algorithm, backward
from xpnet.backend.cpu.backend import NumpyBackend
from xpnet.backend.cpu.threads import single_threaded_blas
from xpnet.backend.window import Window

LAYERS = ((1, 16, 28, 1), (16, 16, 28, 1), (16, 32, 14, 1), (32, 32, 14, 2), (32, 64, 8, 1), (64, 64, 8, 1))


def least(functions: list[Callable[[], Any]], turns: int) -> list[float]:
    best = [float("inf")] * len(functions)
    for _ in range(turns):
        for i, function in enumerate(functions):
            start = time.perf_counter()
            function()
            best[i] = min(best[i], time.perf_counter() - start)
    return [1e3 * seconds for seconds in best]


def ways() -> dict[str, Algorithm]:
    found = {"columns": NumpyBackend.algorithms[choice.COLUMNS], "rows": NumpyBackend.algorithms[choice.WINOGRAD]}
    try:
        from xpnet.backend.jit.backend import JitBackend
    except ImportError:
        return found
    return found | {"compiled": JitBackend.algorithms[choice.WINOGRAD]}


def rounding(x: np.ndarray, w: np.ndarray, window: Window) -> float:
    exact = Backend().conv2d(x.astype("float64"), w.astype("float64"), None, window)
    rows = NumpyBackend.algorithms[choice.WINOGRAD]
    results = rows.forward(x, w, None, window, 1, False), Backend().conv2d(x, w, None, window)
    own, direct = (np.sqrt(np.mean((y - exact) ** 2)) for y in results)
    return float(own / direct)


def turns_of(
    kinds: dict[str, Algorithm], x: np.ndarray, w: np.ndarray, window: Window
) -> dict[str, list[Callable[[], Any]]]:
    """For each direction a function of each way, on arrays in the memory order that the way itself gives."""
    bias = np.zeros(len(w), w.dtype)
    turns: dict[str, list[Callable[[], Any]]] = {"forward": [], "backward": []}
    for kind in kinds.values():
        y = kind.forward(x, w, bias, window, 1, True)
        own = in_order_of(y, x)
        turns["forward"].append(functools.partial(kind.forward, own, w, bias, window, 1, True))
        turns["backward"].append(functools.partial(backward, kind, y, own, w, y, window, 1, True, (True, True, True)))
    return turns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--turns", type=int, default=20)
    arguments = parser.parse_args()
    os.environ["XPNET_NUM_THREADS"] = "1"  # read when the first layer computes
    rng, kinds = np.random.default_rng(0), ways()
    print(f"{'channels':<10} {'image':<7} {'direction':<9}" + "".join(f"{name:>10}" for name in kinds) + "  rounding")
    for C, O, size, padding in LAYERS:
        window = Window((3, 3), padding=((padding, padding),) * 2)
        x = rng.standard_normal((arguments.batch, C, size, size), np.float32)
        w = rng.standard_normal((O, C, 3, 3), np.float32)
        with single_threaded_blas():
            for direction, functions in turns_of(kinds, x, w, window).items():
                times = "".join(f"{ms:>10.2f}" for ms in least(functions, arguments.turns))
                error = f"{rounding(x, w, window):>10.2f}" if direction == "forward" else ""
                print(f"{f'{C} to {O}':<10} {f'{size}x{size}':<7} {direction:<9}{times}{error}", flush=True)


def in_order_of(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """x in the memory order of y."""
    axes = sorted(range(4), key=lambda axis: -y.strides[axis])
    return np.ascontiguousarray(x.transpose(axes)).transpose(np.argsort(axes))


if __name__ == "__main__":
    main()
