"""The speed of xpnet beside another implementation, in one process, alternating step by step.

    python bench/compare.py --against torch --json speed.json --picture speed.png
    python bench/compare.py --against textbook --networks deepconvnet
    python bench/compare.py --against keras --modes train --variants jit

The ratio is samples per second of xpnet over those of the other one, the median over the rounds with its quartiles: 2
means twice as fast. PyTorch is measured contiguous and channels_last, and the faster one counts. All use the same
number of threads. `train` is forward, loss, backward and Adam; `infer` a forward pass, `latency` one of a single image.
Variants of xpnet are `numpy` (NumPy alone) and, where Numba is installed, `jit`. Each variant and number of threads has
a process of its own. In a round each takes its turn: a pause, in which the threads of the one before fall asleep, steps
that are not counted, in which its own wake up, and steps that are.

With PyTorch, memory, import time and installed size are compared too, each measured in processes of their own.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

from footprint import footprint
from peers import BATCH, KERAS, TEXTBOOK, Step, keras_step, textbook_step, xpnet_step

PAUSE = 0.1  # seconds before each turn: threads of BLAS and OpenMP spin for a while after their work is done
TURN = 0.04  # seconds of steps in a turn, at least
MODES = ("train", "infer", "latency")
OTHERS = {  # the networks that each has, and what it takes: modules, and how to get them
    "textbook": (tuple(TEXTBOOK), (), ""),
    "torch": (tuple(BATCH), ("torch",), 'pip install "xpnet[oracle]"'),
    "keras": (KERAS, ("keras",), "pip install keras jax"),
}


def alternate(steps: list[Step], rounds: int) -> list[list[float]]:
    """Seconds per step of each function in each round, taken in turns."""
    times: list[list[float]] = [[] for _ in steps]
    for step in steps:
        step(), step()  # compile and warm up
    for _ in range(rounds):
        for step, seconds in zip(steps, times, strict=True):
            time.sleep(PAUSE)
            per_step(step)  # threads and caches wake up
            seconds.append(per_step(step))
    return times


def per_step(step: Step) -> float:
    """Seconds of a step, the mean of as many as a turn takes."""
    count, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < TURN:
        step()
        count += 1
    return passed / count


def compare(network: str, mode: str, against: str, rounds: int) -> dict[str, Any]:
    batch, train = 1 if mode == "latency" else BATCH[network], mode == "train"
    if against == "textbook":
        others = [textbook_step(network, batch)]
    elif against == "keras":
        others = [keras_step(network, batch, train)]
    else:
        from torch_peers import torch_step

        others = [torch_step(network, batch, channels_last, train) for channels_last in (False, True)]
    own, *rest = alternate([xpnet_step(network, batch, train), *others], rounds)
    best = min(rest, key=statistics.median)
    low, middle, high = statistics.quantiles([b / a for a, b in zip(own, best, strict=True)], n=4)
    return {
        "network": network,
        "mode": mode,
        "batch": batch,
        "threads": threads(),
        "variant": variant(),
        "xpnet_samples_per_s": round(batch / statistics.median(own), 1),
        "peer_samples_per_s": round(batch / statistics.median(best), 1),
        "ratio": round(middle, 3),
        "quartiles": [round(low, 3), round(high, 3)],
    }


def threads() -> int:
    from xpnet.backend.cpu.threads import thread_count

    return thread_count()


def variant() -> str:
    import xpnet

    backend = xpnet.get_backend()
    return "jit" if backend.jit else backend.name


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """All rows of this process's variant and threads; printed as they come, one JSON object on each line."""
    if arguments.against == "torch":
        import torch

        torch.set_num_threads(threads())
    rows = []
    for network in arguments.networks:
        for mode in arguments.modes:
            rows.append(compare(network, mode, arguments.against, arguments.rounds))
            print(json.dumps(rows[-1]), flush=True)
    return rows


def in_a_process(arguments: argparse.Namespace, kind: str, count: int) -> list[dict[str, Any]]:
    """`measure` in a process with this variant and number of threads; prints the rows as a table."""
    limits = {name: str(count) for name in ("XPNET_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    limits |= {"XPNET_BACKEND": "numpy", "XPNET_JIT": str(int(kind == "jit"))}
    if arguments.against == "keras" and count == 1:
        limits["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    words = ["--inner", "--against", arguments.against, "--rounds", str(arguments.rounds)]
    command = [sys.executable, __file__, *words, "--networks", *arguments.networks, "--modes", *arguments.modes]
    rows = []
    with subprocess.Popen(command, env=os.environ | limits, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            rows.append(row := json.loads(line))
            low, high = row["quartiles"]
            print(
                f"{row['network']:<14} {row['mode']:<8} {row['batch']:>5} {row['threads']:>7}  {row['variant']:<7}"
                f"{row['xpnet_samples_per_s']:>9,.0f} {row['peer_samples_per_s']:>9,.0f} {row['ratio']:>6.2f}"
                f"  {low:.2f} ... {high:.2f}",
                flush=True,
            )
    if process.returncode:
        sys.exit(process.returncode)
    return rows


def draw(path: str, rows: list[dict[str, Any]], against: str) -> None:
    """The ratios as bars, a panel for each variant and number of threads."""
    from matplotlib.figure import Figure

    panels = sorted({(row["variant"], row["threads"]) for row in rows})
    labels = list(dict.fromkeys(f"{row['network']}, {row['mode']} {row['batch']}" for row in rows))
    figure = Figure(figsize=(4 * len(panels) + 2, 0.3 * len(labels) + 1.2), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels, strict=True):
        for row in rows:
            if (row["variant"], row["threads"]) == panel:
                place, (low, high) = labels.index(f"{row['network']}, {row['mode']} {row['batch']}"), row["quartiles"]
                axes.barh(place, row["ratio"], color="tab:blue" if row["ratio"] >= 1 else "tab:orange")
                axes.plot([low, high], [place, place], color="black", linewidth=1)
        axes.axvline(1, color="gray", linewidth=0.8)
        axes.set(xlabel=f"samples/s, xpnet / {against}", title=f"{panel[0]}, threads: {panel[1]}")
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(len(labels) - 0.5, -0.5)
    figure.savefig(path, dpi=110)


def main() -> None:
    from xpnet.backend.cpu.threads import usable_cpus

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", choices=["textbook", "torch", "keras"], default="textbook")
    parser.add_argument("--networks", nargs="+", choices=BATCH, default=None, metavar="NETWORK")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=None, metavar="MODE")
    parser.add_argument("--variants", nargs="+", choices=["numpy", "jit"], default=None)
    parser.add_argument("--threads", nargs="+", type=int, default=None, help="default: all, and with PyTorch 1 too")
    parser.add_argument("--rounds", type=int, default=20, help="turns of each (default 20)")
    parser.add_argument("--json", metavar="FILE", help="also write the table as JSON")
    parser.add_argument("--picture", metavar="FILE", help="also draw the ratios")
    parser.add_argument("--speed-only", action="store_true", help="no memory, import time and size")
    parser.add_argument("--inner", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch = arguments.against == "torch"
    known, modules, install = OTHERS[arguments.against]
    arguments.networks = arguments.networks or known
    if missing := set(arguments.networks) - set(known):
        sys.exit(f"compare: {arguments.against} has no {', '.join(sorted(missing))}; choose of {', '.join(known)}")
    if absent := [module for module in modules if importlib.util.find_spec(module) is None]:
        sys.exit(f"compare: {absent[0]} is not installed: {install}")
    arguments.modes = arguments.modes or (["train"] if arguments.against == "textbook" else list(MODES))
    if arguments.inner:
        measure(arguments)
        return
    counts = arguments.threads or sorted({1, usable_cpus()} if torch else {usable_cpus()}, reverse=True)
    kinds = arguments.variants or (["numpy", "jit"] if importlib.util.find_spec("numba") else ["numpy"])
    print(f"xpnet against {arguments.against}, {usable_cpus()} cores, samples/s")
    head = f"{'network':<14} {'mode':<8} {'batch':>5} {'threads':>7}  {'variant':<7}{'xpnet':>9} {arguments.against:>9}"
    print(f"{head}  ratio")
    rows = [row for count in counts for kind in kinds for row in in_a_process(arguments, kind, count)]
    report: dict[str, Any] = {"rows": rows}
    if torch and not arguments.speed_only:
        report |= footprint(arguments.networks, kinds)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
    if arguments.picture:
        draw(arguments.picture, rows, arguments.against)


if __name__ == "__main__":
    main()
