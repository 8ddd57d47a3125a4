"""How much slower is a training that is watched? Trainings with a Watch and without one, in turns.

    python bench/watch.py
    python bench/watch.py --network mlp --threads 2 --rounds 20
    python bench/watch.py --alone

A client in a process of its own reads every frame, as fast as they come; with --alone, no page is open. In a round, the
same training of a second or two is done with and without, who goes first alternates, and the ratio of their times is
kept: of the time that passed, and of that which the process had on the processor, the server's thread included, which
other work on the machine disturbs less. A row shows the medians, and the smallest and the largest of the ratios; and,
which hardly anything disturbs, the share of the training's thread that went into the callback, in processor time, and
what all other threads had beside it. The weights of both trainings must be the same bit for bit. The bar is 1.10.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

BAR = 1.10


def read(address: str) -> None:
    """Read frames until the server ends; says when it is connected, and how many there were at last."""
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    host, frames, size = address.split("/")[2], 0, 0
    with connect(f"ws://{host}/socket", origin=address.rstrip("/"), max_size=None) as socket:  # type: ignore[arg-type]
        print("connected", flush=True)
        try:
            for message in socket:
                frames, size = frames + 1, size + len(message)
        except ConnectionClosed:
            pass
    print(f"{frames} frames, {size / 1e6:.1f} MB", flush=True)


def timed(event: Callable[..., Any], spent: list[float]) -> Callable[..., Any]:
    def measured(*arguments: Any) -> Any:
        start = time.thread_time()
        try:
            return event(*arguments)
        finally:
            spent[0] += time.thread_time() - start

    return measured


def compare(name: str, rounds: int, limit: int, alone: bool) -> None:
    import xpnet
    from xpnet import datasets, serving
    from xpnet.callbacks import Callback
    from xpnet.networks.recipes import NETWORKS

    (x, t), test = datasets.mnist()
    x, t, test = x[:limit], t[:limit], (test[0][:1000], test[1][:1000])
    recipe = NETWORKS[name]

    def train(callbacks: list[Any]) -> tuple[float, float, float, list[Any]]:
        xpnet.seed(0)
        model = recipe.make()
        model.compile("adam", recipe.loss, ["accuracy"])
        wall, cpu, thread = time.perf_counter(), time.process_time(), time.thread_time()
        model.fit(x, t, recipe.batch_size, 2, 0, callbacks, validation_data=test)
        times = time.perf_counter() - wall, time.process_time() - cpu, time.thread_time() - thread
        return *times, model.get_weights()

    watch, spent = serving.Watch(0), [0.0]
    for event in [name for name in dir(Callback) if name.startswith("on_") and name != "on_nonfinite"]:
        setattr(watch, event, timed(getattr(watch, event), spent))
    address, client = watch.open(), None
    if not alone:
        line = [sys.executable, __file__, "--client", address]
        client = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
        assert client.stdout is not None
        client.stdout.readline()
    train([]), train([watch])
    walls, cpus, seconds, spent[0], threads, others = [], [], [], 0.0, 0.0, 0.0
    for number in range(rounds):
        first = train([watch] if number % 2 else [])
        second = train([] if number % 2 else [watch])
        watched, plain = (first, second) if number % 2 else (second, first)
        if any(a.tobytes() != b.tobytes() for a, b in zip(watched[3], plain[3], strict=True)):
            raise SystemExit(f"{name}: the weights of the watched training are others")
        walls.append(watched[0] / plain[0])
        cpus.append(watched[1] / plain[1])
        seconds.append(plain[0])
        threads, others = threads + watched[2], others + watched[1] - watched[2] - (plain[1] - plain[2])
    watch.close()
    read_by_client = client.communicate()[0].strip() if client else "no page"
    row = [f"{statistics.median(each):.3f} ({min(each):.2f} to {max(each):.2f})" for each in (walls, cpus)]
    share = f"{spent[0] / threads:.1%} and {others / threads:.1%}"
    verdict = "" if statistics.median(walls) <= BAR else f"  above the bar of {BAR}"
    times = f"time {row[0]}  processor {row[1]}  callback {share}"
    print(f"{name:14} {statistics.median(seconds):5.2f} s  {times}  {read_by_client}{verdict}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--network", nargs="+", default=["mlp", "lenet5", "deepconvnet"])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--limit", type=int, default=3000, help="train on this many images at most")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--alone", action="store_true", help="with no page open")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.client:
        return read(args.client)
    os.environ["XPNET_NUM_THREADS"] = str(args.threads)
    for name in args.network:
        compare(name, args.rounds, args.limit, args.alone)


if __name__ == "__main__":
    main()
