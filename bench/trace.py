"""Through how many files of xpnet does a training step pass, and how often does it go from one to another?

    python bench/trace.py
    python bench/trace.py --edges
    python bench/trace.py --check

One warm `train_on_batch` of Conv2D(8, 3), MaxPool2D(2), Flatten and Dense(10) with Adam, without metrics, on 32 images
of 28x28; NumPy alone, one thread. A file counts if one of its functions is called (`calls`: how often, generators that
go on included). A crossing is a call of a function in one file of xpnet straight from a function in another; the way
back is none of its own, and a call that comes through NumPy or the standard library, such as through contextlib, is
none. The bars: what a reader of the way from a batch to the updated weights should have to open at most.
`--edges` lists the crossings by caller and called; `--check` gives exit status 1 if a bar is not met.
"""

import argparse
import gc
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import paths  # noqa: F401

OUTSIDE, FILES, CROSSINGS = 18, 35, 160  # at most: files outside layers/ and backend/, files in all, crossings
BATCH = 32

Edge = tuple[str, str]  # the file that calls, the one that is called


def warm_step() -> Callable[[], Any]:
    """A training step that has been made before."""
    variables = ("XPNET_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    os.environ |= {"XPNET_BACKEND": "numpy", "XPNET_JIT": "0"} | dict.fromkeys(variables, "1")
    import numpy as np

    import xpnet
    from xpnet import layers

    xpnet.seed(0)
    model = xpnet.Sequential([layers.Conv2D(8, 3), layers.MaxPool2D(2), layers.Flatten(), layers.Dense(10)])
    model.compile("adam")
    x, t = np.random.default_rng(0).random((BATCH, 1, 28, 28), dtype=np.float32), np.arange(BATCH) % 10

    def step() -> float:
        return model.train_on_batch(x, t)

    for _ in range(3):
        step()
    return step


def trace(step: Callable[[], Any]) -> tuple[Counter[str], Counter[Edge]]:
    """Calls of functions by file, and crossings by edge; files as they are called in xpnet's folder."""
    import xpnet

    folder = os.path.join(os.path.dirname(xpnet.__file__), "")
    calls: Counter[str] = Counter()
    edges: Counter[Edge] = Counter()

    def follow(frame: FrameType, event: str, argument: Any) -> None:
        called = frame.f_code.co_filename
        if event != "call" or not called.startswith(folder):
            return
        calls[called.removeprefix(folder)] += 1
        caller = frame.f_back.f_code.co_filename if frame.f_back else ""
        if caller.startswith(folder) and caller != called:
            edges[caller.removeprefix(folder), called.removeprefix(folder)] += 1

    gc.disable()  # what it calls, it calls anywhere
    sys.setprofile(follow)
    try:
        step()
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls, edges


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", action="store_true", help="list the crossings, by caller and called, most first")
    parser.add_argument("--check", action="store_true", help="exit status 1 if a bar is not met")
    arguments = parser.parse_args()
    calls, edges = trace(warm_step())
    outside = [file for file in calls if Path(file).parts[0] not in ("layers", "backend")]
    print(f"{'file':<40} {'calls':>6}")
    for file in sorted(calls, key=lambda name: (name not in outside, name)):
        print(f"{file:<40} {calls[file]:>6}")
    if arguments.edges:
        print(f"\n{'from':<40} {'to':<40} {'crossings':>9}")
        for (caller, called), count in edges.most_common():
            print(f"{caller:<40} {called:<40} {count:>9}")
    print()
    bars = {
        "files outside layers/ and backend/": (len(outside), OUTSIDE),
        "files": (len(calls), FILES),
        "crossings between files": (edges.total(), CROSSINGS),
    }
    for name, (found, bar) in bars.items():
        print(f"{name:<40} {found:>6}  at most {bar}: {'met' if found <= bar else 'not met'}")
    if arguments.check and any(found > bar for found, bar in bars.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
