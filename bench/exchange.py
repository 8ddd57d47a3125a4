"""How long do workers take to add up gradients, and how long does MPI's own Allreduce of the same bytes?

    mpiexec -n 2 python bench/exchange.py
    mpiexec -n 2 python bench/exchange.py --sizes 1000 494000 --rounds 500 --network deepconvnet

Both in turns, in one run; a time is that of the slowest worker, from a barrier on. The bar is a ratio of the medians of
at most 1.3 for the gradients of DeepConvNet (494 KB) and two workers. The sum of `complete` has the same bits on any
number of workers, which Allreduce does not promise. `--network`: arrays as many and as large as its parameters, too.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

from xpnet.parallel import get_communicator
from xpnet.parallel.tree import Node, TreeSum

SIZES = 1_000, 494_000, 5_000_000, 50_000_000
BAR = 1.3
WARM = 5


def seconds_of(work: Callable[[], Any]) -> float:
    MPI.COMM_WORLD.Barrier()
    began = time.perf_counter()
    work()
    return float(MPI.COMM_WORLD.allreduce(time.perf_counter() - began, MPI.MAX))


def measure(shapes: list[int], rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of `complete` and of Allreduce, for float32 arrays of these sizes."""
    workers = get_communicator()
    arrays = [np.full(size, workers.rank + 1, np.float32) for size in shapes]
    flat, total = np.concatenate(arrays), np.empty(sum(shapes), np.float32)

    def complete() -> None:
        tree = TreeSum(1 << (workers.size - 1).bit_length())
        tree.add(Node(workers.rank, 1), arrays)
        workers.complete(tree, arrays)

    ours, theirs = [], []
    for _ in range(WARM + rounds):
        for array in arrays:
            array[...] = workers.rank + 1
        ours.append(seconds_of(complete))
        theirs.append(seconds_of(lambda: MPI.COMM_WORLD.Allreduce(flat, total)))
        assert all(np.all(array == total[0]) for array in arrays)
    return ours[WARM:], theirs[WARM:]


def row(name: str, ours: list[float], theirs: list[float]) -> str:
    (a, b, c), (d, e, f) = (np.quantile(times, [0.25, 0.5, 0.75]) * 1e6 for times in (ours, theirs))
    low, middle, high = np.quantile(np.array(ours) / np.array(theirs), [0.25, 0.5, 0.75])
    return (
        f"| {name} | {b:.0f} ({a:.0f} to {c:.0f}) | {e:.0f} ({d:.0f} to {f:.0f}) | "
        f"{statistics.median(ours) / statistics.median(theirs):.2f} | {middle:.2f} ({low:.2f} to {high:.2f}) |"
    )


def network_shapes(name: str) -> list[int]:
    from peers import xpnet_network  # beside this file

    return [parameter.value.size for parameter in xpnet_network(name).parameters()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="bytes")
    parser.add_argument("--rounds", type=int, default=200, help="of the sizes up to 1 MB; fewer for larger ones")
    parser.add_argument("--network", nargs="*", default=[], help="networks whose parameters' sizes are measured too")
    options = parser.parse_args()
    workers = get_communicator()
    if workers.size == 1:
        raise SystemExit("exchange: there is one worker only; start several: mpiexec -n 2 python bench/exchange.py")
    cases = [(f"{size / 1000:g} KB", [size // 4]) for size in options.sizes]
    cases += [(name, network_shapes(name)) for name in options.network]
    if workers.leads:
        print(f"{workers.size} workers, {getattr(workers, 'engine', '')}; microseconds: median (quartiles)\n")
        print("| float32 | complete | Allreduce | of the medians | of each round |\n|---|---|---|---|---|")
    for name, shapes in cases:
        rounds = max(10, min(options.rounds, int(options.rounds * 250_000 / sum(shapes))))
        ours, theirs = measure(shapes, rounds)
        if workers.leads:
            print(row(name, ours, theirs), flush=True)


if __name__ == "__main__":
    main()
