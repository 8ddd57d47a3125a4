"""Where the time of a training step goes: by layer and direction, and by kind of work; so that the next gain is seen.

    python bench/profile.py deepconvnet
    XPNET_JIT=0 python bench/profile.py simpleconvnet --batch 200 --json profile.json

On one thread. Kinds: `products` (matrix products, and the compiled convolutions), `copies` (columns, combined rows,
other memory orders, packing), `elementwise` (pooling, activations, updates and other passes over arrays), and `python`
(all that is left: the interpreter, small NumPy calls). GFLOP/s counts a multiplication and an addition as two, those of
a direct convolution and those with padding too, and stands beside what one large product reaches here. `MB` are the
arrays that a layer reads and writes at least. Layers that are measured do nothing for the next one, as a batch
normalization does in training for the ReLU behind it (core/chains.py). Below stands which algorithm each convolution
takes, and why.
"""

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from peers import BATCH, data, xpnet_network
from threadpoolctl import threadpool_limits

import xpnet
from xpnet.backend.cpu import backend as cpu_backend
from xpnet.backend.cpu import choice, columns
from xpnet.layers import Conv2D, Dense

KINDS = ("products", "copies", "elementwise", "python")


class Clock:
    """Time by kind, each moment once: what is not Python counts with all that it calls."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside = ["python"]
        self._last = time.perf_counter()

    def restart(self) -> float:
        """Count from now on, and say when that is."""
        self.seconds.clear()
        self._last = time.perf_counter()
        return self._last

    def switch(self) -> None:
        now = time.perf_counter()
        self.seconds[self._inside[-1]] += now - self._last
        self._last = now

    def timed(self, kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            if self._inside[-1] != "python":
                return function(*args, **options)
            self.switch()
            self._inside.append(kind)
            try:
                return function(*args, **options)
            finally:
                self.switch()
                self._inside.pop()

        return run

    def patch(self, owner: Any, names: str, kind: str) -> None:
        for name in names.split():
            setattr(owner, name, self.timed(kind, getattr(owner, name)))

    def patch_factory(self, owner: Any, name: str, kind: str) -> None:
        """A function that returns the function to be timed."""
        make = getattr(owner, name)
        setattr(owner, name, lambda *args: self.timed(kind, make(*args)))


def watch(backend: Any) -> Clock:
    """A clock that knows the backend's work by its kinds."""
    clock = Clock()
    clock.patch(np, "matmul", "products")
    clock.patch(np, "ascontiguousarray", "copies")
    clock.patch(columns.Walk, "fill", "copies")
    clock.patch(columns, "before_activation", "elementwise")
    winograd = type(backend.algorithms[choice.WINOGRAD])
    clock.patch(winograd, "combine_inputs combine_gradients", "copies")
    clock.patch(winograd, "finish before_activation", "elementwise")
    clock.patch(cpu_backend, "pad", "copies")
    names = "max_pool2d max_pool2d_backward avg_pool2d avg_pool2d_backward softmax_cross_entropy dropout_mask"
    clock.patch(
        backend, f"{names} activate activate_backward activation adam batch_norm batch_norm_backward", "elementwise"
    )
    if backend.jit:
        from xpnet.backend.jit import kernels, registers

        for name in ("convolution", "weight_gradient"):
            clock.patch_factory(kernels, name, "products")
        for name in ("correlation", "gradient"):
            clock.patch_factory(registers, name, "products")
        clock.patch_factory(kernels, "before_activation", "elementwise")
        clock.patch(kernels, "pack", "copies")
    return clock


class Meter:
    """Seconds, floating point operations and bytes of one layer in one direction, and the shape that came in."""

    def __init__(self) -> None:
        self.seconds, self.operations, self.bytes = 0.0, 0, 0
        self.shape: tuple[int, ...] = ()


def parts(path: str, layer: Any) -> Iterator[tuple[str, Any]]:
    """The layers that a network is made of, with their paths; those that only join others are gone into."""
    for name, child in layer.children():
        inside = f"{path}{name}"
        if child.composite:
            yield from parts(f"{inside}.", child)
        else:
            yield inside, child


def meter(name: str, layer: Any, meters: dict[tuple[str, str], Meter], first: bool) -> None:
    """Measure each forward of the layer, and each way back. `first`: nobody asks for the gradient of its input."""
    forward = layer.forward

    def count(direction: str, start: float, arrays: list[Any], y: Any, products: int) -> None:
        found = meters[name, direction]
        found.seconds += time.perf_counter() - start
        found.shape = arrays[0].shape
        found.bytes += sum(a.nbytes for a in arrays if a is not None)
        if isinstance(layer, (Conv2D, Dense)):
            found.operations += 2 * products * y.size * (layer.weight.value.size // layer.weight.shape[0])

    def measured(*xs: Any, train: bool = False) -> Any:
        start, weights = time.perf_counter(), [p.value for p in layer.parameters()]
        y, back = forward(*xs, train=train)
        count("forward", start, [*xs, y, *weights], y, 1)

        def measured_back(dy: Any, **options: Any) -> Any:
            start = time.perf_counter()
            dx = back(dy, **options)
            count("backward", start, [dy, *xs, y, *weights, dx, *weights], y, 1 if first else 2)
            return dx

        return y, measured_back

    layer.forward = measured


def large_product() -> float:
    """GFLOP/s of one product of two matrices of 2048 x 2048."""
    a = np.random.default_rng(0).standard_normal((2048, 2048), np.float32)
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    return float(2 * 2048**3 / best / 1e9)


def profile(arguments: argparse.Namespace) -> None:
    peak = large_product()
    batch = arguments.batch or BATCH[arguments.network]
    model, arrays = xpnet_network(arguments.network), data(batch, arguments.network)
    model.compile("adam")
    train_step, backend = model.make_step(), xpnet.get_backend()

    def step() -> None:
        train_step(backend.batch(arrays, model.dtype), "the profile")

    for _ in range(2):
        step()
    clock = watch(backend)
    meters: dict[tuple[str, str], Meter] = defaultdict(Meter)
    inside = dict(parts("", model))
    for index, (path, layer) in enumerate(inside.items()):
        meter(type(layer).__name__ if arguments.by_class else path, layer, meters, index == 0)
    start = clock.restart()
    for _ in range(arguments.steps):
        step()
    clock.switch()
    total = (time.perf_counter() - start) / arguments.steps
    kinds = {kind: clock.seconds[kind] / arguments.steps for kind in KINDS}

    variant = backend.jit or "NumPy alone"
    print(f"{arguments.network}, batch {batch}, one thread, {variant}: {1e3 * total:.2f} ms a step")
    print(f"one large product reaches {peak:.0f} GFLOP/s\n")
    width = max(12, *(len(name) for name, _ in meters))
    heads = f"{'ms':>7} {'share':>6} {'GFLOP/s':>8} {'of large':>8} {'MB':>7} {'GB/s':>6}"
    print(f"{'layer':<{width}} {'direction':<9} {heads}")
    rows = []
    for (name, direction), found in meters.items():
        ms, rate = 1e3 * found.seconds / arguments.steps, found.operations / found.seconds / 1e9
        megabytes = found.bytes / arguments.steps / 1e6
        rows.append({"layer": name, "direction": direction, "ms": ms, "gflops": rate, "mb": megabytes})
        flops = f"{rate:>8.1f} {rate / peak:>8.0%}" if rate else f"{'':>8} {'':>8}"
        print(
            f"{name:<{width}} {direction:<9} {ms:>7.2f} {ms / total / 1e3:>6.1%} {flops} {megabytes:>7.1f}"
            f" {megabytes / ms:>6.1f}"
        )
    shapes = {} if arguments.by_class else {name: meters[name, "forward"].shape for name in inside}
    convolutions = {name: layer for name, layer in inside.items() if name in shapes and isinstance(layer, Conv2D)}
    chosen = {name: backend.explain(layer, shapes[name]) for name, layer in convolutions.items()}
    print("", *(f"{name:<{width}} {words}" for name, words in chosen.items()), sep="\n")
    print("\n" + ", ".join(f"{kind} {1e3 * kinds[kind]:.2f} ms ({kinds[kind] / total:.0%})" for kind in KINDS))
    if arguments.json:
        report = {"network": arguments.network, "batch": batch, "variant": variant, "ms": 1e3 * total}
        report |= {
            "layers": rows,
            "convolutions": chosen,
            "kinds_ms": {kind: 1e3 * kinds[kind] for kind in KINDS},
            "large_product_gflops": peak,
        }
        Path(arguments.json).write_text(json.dumps(report, indent=1), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=BATCH, nargs="?", default="deepconvnet")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--by-class", action="store_true", help="sums over the layers of a class")
    parser.add_argument("--json", metavar="FILE", help="also write it as JSON")
    arguments = parser.parse_args()
    os.environ["XPNET_NUM_THREADS"] = "1"  # read when the first layer computes
    with threadpool_limits(1):
        profile(arguments)


if __name__ == "__main__":
    main()
