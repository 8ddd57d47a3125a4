"""What the recipes reach on MNIST: the accuracy of `best`, and the seconds of `fast` to 99 %, beside PyTorch.

    python bench/recipes.py best --seeds 0 1 2
    python bench/recipes.py fast --seeds 0 1 2 3 4 --against torch

Each run is a process of its own, and they follow one another, taking turns. `fast` counts the seconds of training from
the first step on, without the looks at the test images after each epoch, which say when 99 % are reached. PyTorch
trains the same network from the same initial weights, on the same batches, with the same learning rates and the same
average of the weights, contiguous and channels_last. Numba has compiled before the first step.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paths  # noqa: F401

import xpnet
from xpnet.data import datasets
from xpnet.networks.recipes import RECIPES, Recipe

GOAL = 0.99
WAYS = {
    "numpy": "xpnet, NumPy alone",
    "jit": "xpnet, Numba",
    "torch": "PyTorch",
    "channels_last": "PyTorch, channels_last",
}


class Clock(xpnet.callbacks.Callback):
    """The seconds of training up to the end of each epoch, and the accuracy on the test images there."""

    rank = -1  # after the average's weights are in the model, before other work

    def __init__(self, test: Any) -> None:
        self.test, self.total = test, 0.0
        self.seconds: list[float] = []
        self.accuracies: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        self.total += time.perf_counter() - self.start
        self.seconds.append(self.total)
        self.accuracies.append(self.model.evaluate(*self.test, return_dict=True)["accuracy"])


def in_xpnet(recipe: Recipe, seed: int, train: Any, test: Any) -> dict[str, Any]:
    xpnet.seed(seed)
    model = recipe.make()
    recipe.compile(model, len(train[0]))
    warm = model.copy()
    warm.compile("adam")
    warm.train_on_batch(*(part[: recipe.batch_size] for part in train))  # threads and caches wake up
    xpnet.seed(seed)
    clock = Clock(test)
    recipe.fit(model, *train, verbose=0, callbacks=[clock])
    return {"seconds": clock.seconds, "accuracies": clock.accuracies}


def run(recipe: Recipe, way: str, seed: int, limit: int | None, data: str | None) -> dict[str, Any]:
    """One training, in this process."""
    (x, t), test = datasets.mnist(data)
    train = x[:limit], t[:limit]
    if way in ("numpy", "jit"):
        return in_xpnet(recipe, seed, train, test)
    from torch_recipe import in_torch

    return in_torch(recipe, seed, train, test, channels_last=way == "channels_last")


def processes(words: list[str], ways: list[str], seeds: list[int], threads: int) -> Iterator[tuple[str, int, Any]]:
    """The results of a run for each seed and way; the ways take turns."""
    for seed in seeds:
        for way in ways:
            limits = {name: str(threads) for name in ("XPNET_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
            environment = os.environ | limits | {"XPNET_BACKEND": "numpy", "XPNET_JIT": str(int(way == "jit"))}
            command = [sys.executable, __file__, *words, "--one", way, "--seeds", str(seed)]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            yield way, seed, json.loads(done.stdout)


def fast(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    import importlib.util

    ways = ["numpy", *(["jit"] if importlib.util.find_spec("numba") else [])]
    if arguments.against:
        ways += ["torch", "channels_last"]
    words = ["fast", *(["--limit", str(arguments.limit)] if arguments.limit else [])]
    words += ["--data", arguments.data] if arguments.data else []
    rows: list[dict[str, Any]] = []
    for way, seed, result in processes(words, ways, arguments.seeds, arguments.threads):
        reached = (s for s, accuracy in zip(result["seconds"], result["accuracies"], strict=True) if accuracy >= GOAL)
        rows.append({"way": way, "seed": seed, "to_goal_s": next(reached, None)} | result)
        last = f"{result['seconds'][-1]:.1f} s, {100 * result['accuracies'][-1]:.2f} %"
        to_goal = rows[-1]["to_goal_s"]
        reached_it = f"99 % after {to_goal:.1f} s" if to_goal else "99 % not reached"
        print(f"{WAYS[way]:24} seed {seed}: {reached_it}; at the end {last}", flush=True)
    for way in ways:
        own = [row for row in rows if row["way"] == way]
        times = [row["to_goal_s"] for row in own if row["to_goal_s"] is not None]
        text = f"{statistics.median(times):.1f} s (from {min(times):.1f} to {max(times):.1f})" if times else "-"
        ends = [100 * row["accuracies"][-1] for row in own]
        print(
            f"{WAYS[way]:24} to 99 %: {text}, {len(times)} of {len(own)} runs;"
            f" at the end {statistics.mean(ends):.2f} % after {statistics.median(r['seconds'][-1] for r in own):.1f} s"
        )
    return rows


def best(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """`xpnet train --recipe best`, as a user calls it."""
    rows = []
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder:
            words = ["--recipe", "best", "--seed", str(seed), "--out", folder, "--quiet", "--json"]
            words += ["--limit", str(arguments.limit), "--epochs", "1"] if arguments.limit else []
            words += ["--data", arguments.data] if arguments.data else []
            command = [sys.executable, "-m", "xpnet", "train", *words]
            environment = os.environ | {"XPNET_NUM_THREADS": str(arguments.threads)}
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        rows.append(row := json.loads(done.stdout.splitlines()[-1]))
        print(f"seed {seed}: {100 * row['test_accuracy']:.2f} % after {row['seconds'] / 60:.1f} minutes", flush=True)
    found = [100 * row["test_accuracy"] for row in rows]
    spread = f", standard deviation {statistics.stdev(found):.3f}" if len(found) > 1 else ""
    print(f"{rows[0]['parameters']:,} parameters: mean {statistics.mean(found):.3f} %{spread}")
    print(f"from {min(found):.2f} to {max(found):.2f} %")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--against", choices=["torch"], help="of fast: what to run beside it")
    parser.add_argument("--limit", type=int, help="train on so many images only, and best for one epoch: a quick try")
    parser.add_argument("--data", metavar="FOLDER", help="IDX files to take in the place of MNIST")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the rows go")
    parser.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(
            json.dumps(
                run(RECIPES[arguments.recipe], arguments.one, arguments.seeds[0], arguments.limit, arguments.data)
            )
        )
        return
    if arguments.against and arguments.recipe != "fast":
        parser.error("--against is of fast")
    rows = fast(arguments) if arguments.recipe == "fast" else best(arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
