"""Two curves: the cost of an image over the batch size, and the cost of a step over the channels of a convolution.

    python bench/curves.py --picture curves.png --json curves.json
    XPNET_JIT=0 python bench/curves.py

The first is training of DeepConvNet (forward, loss, backward, Adam) at batch sizes from 32 to 1,024; flat is best. The
second is one 3x3 convolution of C -> C channels on 64 images of 14x14, forward and backward; a straight line over C * C
is best. All points are measured in turns, several rounds; a point is the least of its rounds, as other work on the
machine only ever adds to it. The deviation is that of the largest and smallest cost from their middle.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from peers import xpnet_step

import xpnet
from xpnet.backend.cpu.threads import thread_count
from xpnet.backend.window import Window

BATCHES = (32, 64, 128, 256, 512, 1024)
CHANNELS = (16, 32, 48, 64, 96, 128)
IMAGES, SIZE = 64, 14


def convolution(channels: int) -> Callable[[], Any]:
    """Forward and backward of one convolution, with bias and ReLU."""
    backend, window = xpnet.get_backend(), Window((3, 3), (1, 1), ((1, 1), (1, 1)))
    rng = np.random.default_rng(0)
    x = rng.standard_normal((IMAGES, channels, SIZE, SIZE), np.float32)
    w = rng.standard_normal((channels, channels, 3, 3), np.float32)
    b = np.zeros(channels, np.float32)

    def step() -> None:
        y = backend.conv2d(x, w, b, window, 1, "relu")
        backend.conv2d_backward(y, x, w, y, window, 1, "relu")

    # As between layers: x in the memory order in which the backend returns what it computes.
    x = backend.conv2d(x, w, b, window, 1, "relu")
    return step


def least(steps: list[Callable[[], Any]], rounds: int) -> list[float]:
    """Seconds per step of each function, the least of some rounds."""
    best = [float("inf")] * len(steps)
    for step in steps:
        step()
    for _ in range(rounds):
        for index, step in enumerate(steps):
            step()  # its memory is in the pool, its caches are warm
            start = time.perf_counter()
            step()
            best[index] = min(best[index], time.perf_counter() - start)
    return best


def spread(costs: list[float]) -> float:
    """How far the largest and the smallest lie from their middle, as a fraction of it."""
    return (max(costs) - min(costs)) / (max(costs) + min(costs))


def draw(path: str, report: dict[str, Any]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(report["batches"], report["us_per_image"], "o-")
    left.set(xscale="log", xlabel="batch size", ylabel="µs per image", title="DeepConvNet, training step")
    left.set_xticks(report["batches"], [str(batch) for batch in report["batches"]])
    left.set_ylim(0, 1.1 * max(report["us_per_image"]))
    products = [channels**2 for channels in report["channels"]]
    right.plot(products, report["ms_per_convolution"], "o-")
    right.set(xlabel="channels × channels", ylabel="ms per step", title="3×3 convolution, forward and backward")
    right.set_ylim(0, 1.1 * max(report["ms_per_convolution"]))
    right.locator_params(axis="x", nbins=5)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, metavar="BATCH")
    parser.add_argument("--channels", type=int, nargs="+", default=CHANNELS, metavar="C")
    parser.add_argument("--json", metavar="FILE", help="also write the points as JSON")
    parser.add_argument("--picture", metavar="FILE", help="also draw them")
    arguments = parser.parse_args()
    steps = least([xpnet_step("deepconvnet", batch, count=1).run for batch in arguments.batches], arguments.rounds)
    images = [1e6 * seconds / batch for seconds, batch in zip(steps, arguments.batches, strict=True)]
    layers = [1e3 * s for s in least([convolution(c) for c in arguments.channels], arguments.rounds)]
    variant = xpnet.get_backend().jit or "NumPy alone"
    print(f"{variant}, threads: {thread_count()}\n{'batch':>8} {'us per image':>13}")
    for batch, cost in zip(arguments.batches, images, strict=True):
        print(f"{batch:>8} {cost:>13.0f}")
    print(f"deviation from the middle: {spread(images):.0%}\n\n{'channels':>8} {'ms':>8} {'us / (C*C)':>11}")
    for channels, cost in zip(arguments.channels, layers, strict=True):
        print(f"{channels:>8} {cost:>8.2f} {1e3 * cost / channels**2:>11.3f}")
    report = {
        "variant": variant,
        "threads": thread_count(),
        "batches": list(arguments.batches),
        "us_per_image": images,
        "deviation": spread(images),
        "channels": list(arguments.channels),
        "ms_per_convolution": layers,
    }
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=1), encoding="utf-8")
    if arguments.picture:
        draw(arguments.picture, report)


if __name__ == "__main__":
    main()
