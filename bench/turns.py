"""Is the working tree as fast as a commit was? Two processes, one with the xpnet of each, step in turns.

    python bench/turns.py 08cb547
    python bench/turns.py 08cb547 --network deepconvnet --mode train infer --jit 1 --threads 1 2 --rounds 300
    python bench/turns.py 08cb547 --import

The commit is checked out into a temporary worktree. In a round each process makes some steps while the other one waits,
as many as take about a thirtieth of a second, and the ratio of their times, working tree over commit, is kept; who goes
first alternates. A row shows the median of these ratios with its 95 % interval, from order statistics: of n ratios in
their order, the k-th and the k-th from the end, k such that fewer than k of n fair coins fall heads with a probability
of at most 2.5 %; no distribution is assumed. Some luck stays with a process for its life, such as where its memory
lies: the rounds are shared out over several pairs of processes. The bar is an upper end of at most 1.03.

`train` is `train_on_batch` (with Adam), `infer` a call on a batch, `latency` one on a single image; the networks and
batches are those of compare.py, from the bench/ of each tree. `--import` is the time of `import xpnet`, all that it
imports included, in processes that are fresh each time. With one thread the clock is the time that the process had on
the processor, which other work on the machine disturbs less; with several it is the time that passed.
"""

import argparse
import importlib.util
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

BAR = 1.03
TURN = 0.03  # seconds of steps in a turn, about
PAUSE = 0.005  # seconds before each turn: the threads of the process before fall asleep
PAIRS = 8  # of processes, for one case
MODES = ("train", "infer", "latency")
CLOCKS = {"cpu": time.process_time, "wall": time.perf_counter}
DEFAULT = ("mlp", "lenet5", "deepconvnet")


# ---- in the process of one tree --------------------------------------------------------------------------------------


def serve(tree: Path, network: str, mode: str, clock: Callable[[], float]) -> None:
    """For each number of steps on stdin, make as many, and answer with the seconds of one."""
    sys.path.append(str(tree / "bench"))
    from peers import BATCH, data, xpnet_network

    import xpnet

    if not Path(xpnet.__file__).is_relative_to(tree):
        raise SystemExit(f"turns: this is the xpnet of {xpnet.__file__}, and not that of {tree}")
    if network not in BATCH:
        raise SystemExit(f"turns: there is no network {network}; choose of {', '.join(BATCH)}")
    model, arrays = xpnet_network(network), data(1 if mode == "latency" else BATCH[network], network)
    model.compile("adam")
    inputs = model.backend.asarray(arrays[0])

    def step() -> Any:
        return model.train_on_batch(*arrays) if mode == "train" else model(inputs)

    for _ in range(3):
        step()
    for line in sys.stdin:
        count = int(line)
        step()  # threads and caches wake up
        start = clock()
        for _ in range(count):
            step()
        print((clock() - start) / count, flush=True)


# ---- two processes in turns ------------------------------------------------------------------------------------------


def variables(tree: Path, jit: int, threads: int) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("XPNET_")}
    own.pop("PYTHONDONTWRITEBYTECODE", None)  # an import would compile the source each time
    limits = ("XPNET_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    own |= dict.fromkeys(limits, str(threads))
    return own | {"XPNET_BACKEND": "numpy", "XPNET_JIT": str(jit), "PYTHONPATH": str(tree), "PYTHONHASHSEED": "0"}


class Stepper:
    """The process of one tree."""

    def __init__(self, tree: Path, network: str, mode: str, jit: int, threads: int, clock: str | None) -> None:
        # -P: bench/ of the working tree stays out of the other one's path
        command = [sys.executable, "-P", __file__, str(tree), "--serve", "--network", network, "--mode", mode]
        command += ["--clock", clock or ("cpu" if threads == 1 else "wall")]
        self.process = subprocess.Popen(
            command, env=variables(tree, jit, threads), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "Stepper":
        return self

    def __exit__(self, *error: object) -> None:
        self.process.communicate()  # closes its stdin, which ends it

    def step(self, count: int) -> float:
        """Seconds of a step, the mean of `count`."""
        assert self.process.stdin and self.process.stdout
        time.sleep(PAUSE)
        print(count, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"turns: a process ended with status {self.process.wait()}")
        return float(answer)


def alternate(old: Callable[[], float], new: Callable[[], float], rounds: int) -> list[tuple[float, float]]:
    """Seconds of old and new in each round; who goes first alternates."""
    times = []
    for index in range(rounds):
        first = old() if index % 2 else None
        second = new()
        times.append((old() if first is None else first, second))
    return times


def step_in_turns(trees: Sequence[Path], rounds: int, **case: Any) -> list[tuple[float, float]]:
    times = []
    pairs = min(PAIRS, rounds)
    for pair in range(pairs):
        with ExitStack() as stack:
            old, new = (stack.enter_context(Stepper(tree, **case)) for tree in trees)
            count = max(1, round(TURN / min(stepper.step(1) for stepper in (old, new, old, new))))
            share = len(range(pair, rounds, pairs))
            times += alternate(lambda o=old, n=count: o.step(n), lambda o=new, n=count: o.step(n), share)
    return times


def import_in_turns(trees: Sequence[Path], rounds: int, clock: str) -> list[tuple[float, float]]:
    script = f"from time import {CLOCKS[clock].__name__} as now; start = now(); import xpnet; print(now() - start)"

    def seconds(tree: Path) -> float:
        command = [sys.executable, "-P", "-c", script]
        done = subprocess.run(command, env=variables(tree, 0, 1), check=True, capture_output=True, text=True)
        return float(done.stdout)

    old, new = trees
    seconds(old), seconds(new)  # compiles to bytecode
    return alternate(lambda: seconds(old), lambda: seconds(new), rounds)


# ---- what it means ---------------------------------------------------------------------------------------------------


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """(low, median, high): the median with its interval, of 95 % from 6 values on."""
    ordered, n = sorted(values), len(values)
    k, below = 0, 1  # in how many of 2**n cases there are at most k heads
    while 40 * below <= 2**n:
        k += 1
        below += math.comb(n, k)
    k = max(k, 1)
    return ordered[k - 1], statistics.median(ordered), ordered[-k]


def report(name: str, case: dict[str, Any], times: list[tuple[float, float]]) -> dict[str, Any]:
    """The row of a case, printed."""
    low, middle, high = median_interval([new / old for old, new in times])
    old, new = (1e3 * statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"{name:<34} {old:>9.3f} {new:>9.3f} {middle:>7.3f}  {low:.3f} ... {high:.3f}"
        f"  {'met' if high <= BAR else 'not met'}",
        flush=True,
    )
    return case | {"old_ms": old, "new_ms": new, "ratio": middle, "interval": [low, high], "met": high <= BAR}


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("--network", nargs="+", help=f"default: {' '.join(DEFAULT)}, or none with --import")
    parser.add_argument("--mode", nargs="+", choices=MODES, default=["train"])
    parser.add_argument("--jit", nargs="+", type=int, choices=[0, 1], help="default: both, where Numba is installed")
    parser.add_argument("--threads", nargs="+", type=int, default=[1], help="default: 1")
    parser.add_argument("--rounds", type=int, default=120, help="turns of each (default 120)")
    parser.add_argument("--clock", choices=CLOCKS, help="default: cpu for one thread, wall for several")
    parser.add_argument("--import", dest="imports", action="store_true", help="also the time of import xpnet")
    parser.add_argument("--check", action="store_true", help="exit status 1 if a row does not meet the bar")
    parser.add_argument("--json", metavar="FILE", help="also write the table as JSON")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(Path(arguments.commit), *arguments.network, *arguments.mode, CLOCKS[arguments.clock])
        return
    from worktree import ROOT, checked_out

    networks = arguments.network or ([] if arguments.imports else DEFAULT)
    jits = arguments.jit or ([0, 1] if importlib.util.find_spec("numba") else [0])
    print(f"{processor()}; median ratio of times, working tree / {arguments.commit}; bar: upper end at most {BAR}")
    print(f"{'case':<34} {'old ms':>9} {'new ms':>9} {'ratio':>7}  95 % interval")
    rows = []
    with checked_out(arguments.commit) as tree:
        trees = (tree, ROOT)
        if arguments.imports:
            times = import_in_turns(trees, arguments.rounds, arguments.clock or "cpu")
            rows.append(report("import xpnet", {"mode": "import"}, times))
        cases = [
            {"network": network, "mode": mode, "jit": jit, "threads": threads}
            for jit in jits
            for network in networks
            for mode in arguments.mode
            for threads in arguments.threads
        ]
        for case in cases:
            name = "{network}, {mode}, {0}, threads: {threads}".format("Numba" if case["jit"] else "NumPy", **case)
            times = step_in_turns(trees, arguments.rounds, clock=arguments.clock, **case)
            rows.append(report(name, case, times))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    if arguments.check and not all(row["met"] for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
