"""Strided convolutions beside PyTorch's: shapes drawn at random, forward and backward, on one thread.

    python bench/strided.py
    python bench/strided.py --shapes 30 --way numpy

A shape is a kernel of 1 to 16, a stride of 1 to 16 (at most the kernel and one more), padding, channels, an image and a
batch of 1 to 128, as large as some 10^8 multiplications. Each is timed in turns, the least of a few; every way gets
arrays in the memory order that it gives itself. Printed are the worst ratios of time to PyTorch's, the median, and how
many lie above 2 and 3. `compiled` has Numba's steps. On a busy machine the worst ones are chance: they are measured
again, with more turns, before they are told.
"""

import argparse
import functools
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import paths  # noqa: F401
import torch
from convolution import in_order_of, least

from xpnet.backend.cpu.backend import NumpyBackend
from xpnet.backend.cpu.threads import single_threaded_blas
from xpnet.backend.jit.backend import JitBackend
from xpnet.backend.window import Window

WAYS = {"numpy": NumpyBackend, "compiled": JitBackend}
WORK = 1e8  # multiplications of a forward pass, at most


class Shape(NamedTuple):
    N: int
    C: int
    O: int
    size: int
    kernel: int
    stride: int
    pad: int

    @property
    def output(self) -> int:
        return (self.size + 2 * self.pad - self.kernel) // self.stride + 1

    @property
    def work(self) -> float:
        return float(self.N * self.C * self.O * self.kernel**2 * self.output**2)

    def __str__(self) -> str:
        return (
            f"batch {self.N:3} channels {self.C:3} to {self.O:3} image {self.size:3} kernel {self.kernel:2}"
            f" stride {self.stride:2} pad {self.pad}"
        )


def drawn(count: int, seed: int) -> list[Shape]:
    """The first is a vision transformer's first layer."""
    rng, shapes = np.random.default_rng(seed), [Shape(8, 3, 192, 224, 16, 16, 0)]
    while len(shapes) < count:
        kernel = int(rng.choice([1, 2, 3, 3, 4, 5, 5, 7, 8, 11, 16]))
        stride = int(rng.integers(1, kernel + 2))
        shape = Shape(
            int(rng.choice([1, 2, 4, 8, 16, 32, 64, 128])), int(rng.choice([1, 3, 8, 16, 32, 64])),
            int(rng.choice([4, 8, 16, 32, 64, 128])), int(rng.integers(max(8, kernel), 113)), kernel, stride,
            int(rng.integers(0, kernel // 2 + 1)),
        )  # fmt: skip
        if 1e5 < shape.work < WORK:
            shapes.append(shape)
    return shapes


def turns_of(shape: Shape, ways: list[str]) -> dict[str, list[Callable[[], Any]]]:
    """For each direction a function of each way, PyTorch's last."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((shape.N, shape.C, shape.size, shape.size), np.float32)
    w = rng.standard_normal((shape.O, shape.C, shape.kernel, shape.kernel), np.float32)
    b = np.zeros(shape.O, np.float32)
    window = Window((shape.kernel,) * 2, (shape.stride,) * 2, ((shape.pad,) * 2,) * 2)
    turns: dict[str, list[Callable[[], Any]]] = {"forward": [], "backward": []}
    for way in ways:
        backend = WAYS[way]()
        y = backend.conv2d(x, w, b, window)
        own = in_order_of(y, x)
        turns["forward"].append(functools.partial(backend.conv2d, own, w, b, window))
        turns["backward"].append(functools.partial(backend.conv2d_backward, y, own, w, y, window, need_dx=True))
    t_x, t_w, t_b = (torch.from_numpy(each).requires_grad_() for each in (x, w, b))
    convolve = functools.partial(torch.nn.functional.conv2d, t_x, t_w, t_b, shape.stride, shape.pad)
    t_y = convolve()
    dy = t_y.detach().clone()

    def forward() -> None:
        with torch.no_grad():
            convolve()

    turns["forward"].append(forward)
    turns["backward"].append(lambda: torch.autograd.grad(t_y, (t_x, t_w, t_b), dy, retain_graph=True))
    return turns


def measured(shape: Shape, ways: list[str], turns: int) -> list[tuple[float, str, str, float, float, Shape]]:
    """For each way and direction: the ratio, the way, the direction, both times in milliseconds, the shape."""
    found = []
    for direction, functions in turns_of(shape, ways).items():
        *own, other = least(functions, turns)
        found += [(ms / other, way, direction, ms, other, shape) for way, ms in zip(ways, own, strict=True)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--worst", type=int, default=10, help="how many are told of")
    parser.add_argument("--way", choices=list(WAYS), help="one of them alone")
    arguments = parser.parse_args()
    os.environ["XPNET_NUM_THREADS"] = "1"  # read when the first layer computes
    torch.set_num_threads(1)
    ways = [arguments.way] if arguments.way else list(WAYS)
    results = []
    with single_threaded_blas():
        for shape in drawn(arguments.shapes, arguments.seed):
            results += measured(shape, ways, arguments.turns)
        results.sort(reverse=True, key=lambda result: result[0])
        again = {result[5] for result in results[: 2 * arguments.worst] if result[0] > 2}
        results = [result for result in results if result[5] not in again]
        for shape in again:
            results += measured(shape, ways, 4 * arguments.turns)
    results.sort(reverse=True, key=lambda result: result[0])
    for way in ways:
        for direction in ("forward", "backward"):
            ratios = np.array([ratio for ratio, *kind, _, _, _ in results if kind == [way, direction]])
            print(
                f"{way:<9} {direction:<9} median {np.median(ratios):.2f}, above 2: {(ratios > 2).sum()},"
                f" above 3: {(ratios > 3).sum()} of {len(ratios)}"
            )
    print("the worst:")
    for ratio, way, direction, ms, other, shape in results[: arguments.worst]:
        print(f"{ratio:6.2f} {way:<9} {direction:<9} {ms:8.2f} ms against {other:8.2f}  {shape}", flush=True)


if __name__ == "__main__":
    main()
