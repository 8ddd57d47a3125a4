"""The speed of xpnet beside another implementation, in one process, alternating step by step.

    python bench/compare.py --against torch --json speed.json --picture speed.png
    python bench/compare.py --against onnxruntime --modes latency latency8 --threads 1
    python bench/compare.py --against torch-compile --networks deepconvnet
    python bench/compare.py --against textbook --networks deepconvnet
    python bench/compare.py --against keras --modes train --variants jit

The ratio is samples per second of xpnet over those of the other one, the median over the rounds with its quartiles: 2
means twice as fast. PyTorch is measured contiguous and channels_last, and the faster one counts; torch.compile chooses
its order itself. All use the same number of threads. `train` is forward, loss, backward and Adam; `infer` a forward
pass, `latency` one of a single image, `latency8` one of 8; xpnet does them by `predict`. All go through the same 64
batches of noise in turn. PyTorch, torch.compile and ONNX Runtime have xpnet's weights, and before anything is timed it
is an error if their outputs or their first losses are not xpnet's.

Variants of xpnet are `numpy` (NumPy alone) and, where Numba is installed, `jit`. Each variant and number of threads has
a process of its own. In a round each takes its turn: a pause, in which the threads of the one before fall asleep, steps
that are not counted, in which its own wake up, and steps that are. Training begins each turn with the first weights
and a new Adam, and no turn has more than 400 steps: the first moments of a dead unit become denormal numbers after some
750, and a step then takes up to three times as long, in PyTorch, too. `others` is how many processors were busy with
other processes meanwhile: above some tenths the ratio says nothing.

With PyTorch, memory, import time and installed size are compared too, each measured in processes of their own.
bench/goals.py measures what the library promises, and says whether it is kept.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

from footprint import footprint
from machine import in_words, processor, versions, watch_others
from peers import BATCH, DRAWS, KERAS, TEXTBOOK, Step, differ, keras_step, textbook_step, xpnet_network
from peers import step_of as xpnet_step_of

PAUSE = 0.1  # seconds before each turn: threads of BLAS and OpenMP spin for a while after their work is done
TURN = 0.04  # seconds of steps in a turn, at least
WAKING, STEPS = 100, 300  # steps of training in a turn, at most: those that are not counted, and those that are
NEAR = 1e-4  # what results may differ by, relative to the largest
ALL = ("train", "infer", "latency", "latency8")
MODES = {  # those of each
    "textbook": ("train",),
    "torch": ALL,
    "torch-compile": ALL,
    "onnxruntime": ALL[1:],
    "keras": ALL,
}
OTHERS = {  # the networks that each has, and what it takes: modules, and how to get them
    "textbook": (tuple(TEXTBOOK), (), ""),
    "torch": (tuple(BATCH), ("torch",), 'pip install "xpnet[oracle]"'),
    "torch-compile": (tuple(BATCH), ("torch",), 'pip install "xpnet[oracle]"'),
    "onnxruntime": (tuple(BATCH), ("onnxruntime", "torch", "onnx", "onnxscript"), 'pip install "xpnet[peers]"'),
    "keras": (KERAS, ("keras",), "pip install keras jax"),
}


def alternate(steps: list[Step], rounds: int) -> list[list[float]]:
    """Seconds per step of each function in each round, taken in turns."""
    times: list[list[float]] = [[] for _ in steps]
    for _ in range(rounds):
        for step, seconds in zip(steps, times, strict=True):
            if step.restart:
                step.restart()
            time.sleep(PAUSE)
            per_step(step, WAKING)  # threads and caches wake up
            seconds.append(per_step(step, STEPS))
    return times


def per_step(step: Step, most: int) -> float:
    """Seconds of a step, the mean of as many as a turn takes; of training, at `most` so many."""
    run, most = step.run, most if step.restart else sys.maxsize
    count, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < TURN and count < most:
        run()
        count += 1
    return passed / count


def size_of(mode: str, network: str, batch: int | None) -> int:
    """Samples in a batch."""
    return {"latency": 1, "latency8": 8}.get(mode) or batch or BATCH[network]


def steps_of(network: str, batch: int, train: bool, against: str) -> list[Step]:
    """xpnet's, and those of the other one: several, if it has several forms."""
    model = xpnet_network(network)
    if against == "textbook":
        others = [textbook_step(network, batch)]
    elif against == "keras":
        others = [keras_step(network, batch, train)]
    elif against == "onnxruntime":
        from onnx_peers import onnx_step

        others = [onnx_step(model, network, batch, threads())]
    else:
        from torch_peers import torch_step

        compiled = against == "torch-compile"
        forms = (False,) if compiled else (False, True)
        others = [torch_step(model, network, batch, channels_last, train, compiled) for channels_last in forms]
    return [xpnet_step_of(model, network, batch, train), *others]


def check(network: str, train: bool, against: str, steps: list[Step]) -> None:
    """It is an error if the first results differ, scores or losses; those with weights of their own may differ."""
    for _ in range(2):  # the second warms up
        own, *others = [step.run() for step in steps]
        if against in ("textbook", "keras") or (train and network in DRAWS):
            continue
        for other in others:
            if (gap := differ(own, other)) > (NEAR if not train else 100 * NEAR):  # rounding grows in an update
                what = "losses" if train else "outputs"
                sys.exit(
                    f"compare: {network}'s {what} of xpnet and {against} differ by {gap:.1e}: not the same network"
                )


def compare(network: str, mode: str, against: str, rounds: int, batch: int | None = None) -> dict[str, Any]:
    size, train = size_of(mode, network, batch), mode == "train"
    steps = steps_of(network, size, train, against)
    check(network, train, against, steps)
    others = watch_others()
    own, *rest = alternate(steps, rounds)
    best = min(rest, key=statistics.median)
    low, middle, high = statistics.quantiles([b / a for a, b in zip(own, best, strict=True)], n=4, method="inclusive")
    return {
        "network": network,
        "mode": mode,
        "batch": size,
        "threads": threads(),
        "variant": variant(),
        "against": against,
        "xpnet_samples_per_s": round(size / statistics.median(own), 1),
        "peer_samples_per_s": round(size / statistics.median(best), 1),
        "ratio": round(middle, 3),
        "quartiles": [round(low, 3), round(high, 3)],
        "others": others(),
        "processor": processor(),
        "versions": versions(against, variant() == "jit"),
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
    if arguments.against not in ("textbook", "keras"):
        import torch

        torch.set_num_threads(threads())
    rows = []
    for network in arguments.networks:
        for mode in arguments.modes:
            rows.append(compare(network, mode, arguments.against, arguments.rounds, arguments.batch))
            print(json.dumps(rows[-1]), flush=True)
    return rows


def in_a_process(arguments: argparse.Namespace, kind: str, count: int) -> Iterator[dict[str, Any]]:
    """The rows of `measure` in a process with this variant and number of threads, as they come."""
    limits = {name: str(count) for name in ("XPNET_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    limits |= {"XPNET_BACKEND": "numpy", "XPNET_JIT": str(int(kind == "jit"))}
    if arguments.against == "keras" and count == 1:
        limits["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    words = ["--inner", "--against", arguments.against, "--rounds", str(arguments.rounds)]
    words += ["--batch", str(arguments.batch)] if arguments.batch else []
    command = [sys.executable, __file__, *words, "--networks", *arguments.networks, "--modes", *arguments.modes]
    with subprocess.Popen(command, env=os.environ | limits, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            yield json.loads(line)
    if process.returncode:
        sys.exit(process.returncode)


def in_a_line(row: dict[str, Any]) -> str:
    low, high = row["quartiles"]
    return (
        f"{row['network']:<14} {row['mode']:<8} {row['batch']:>5} {row['threads']:>7}  {row['variant']:<7}"
        f"{row['xpnet_samples_per_s']:>9,.0f} {row['peer_samples_per_s']:>13,.0f} {row['ratio']:>6.2f}"
        f"  {f'{low:.2f} ... {high:.2f}':<14} {'?' if row['others'] is None else row['others']:>6}"
    )


HEAD = (
    f"{'network':<14} {'mode':<8} {'batch':>5} {'threads':>7}  {'variant':<7}{'xpnet':>9} {{:>13}}  ratio"
    f"  {'quartiles':<14} {'others':>6}"
)


def draw(path: str, rows: list[dict[str, Any]], against: str) -> None:
    """The ratios as bars, a panel for each variant and number of threads."""
    from matplotlib.figure import Figure

    panels = sorted({(row["variant"], row["threads"]) for row in rows})
    labels = list(dict.fromkeys(f"{row['network']}, {row['mode']} {row['batch']}" for row in rows))
    figure = Figure(figsize=(4 * len(panels) + 2, 0.3 * len(labels) + 1.5), layout="constrained")
    figure.suptitle(f"{rows[0]['processor']}; {in_words(rows[0]['versions'])}", fontsize="small")
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


def refuse_what_is_missing(against: str, networks: Iterable[str], modes: Iterable[str]) -> None:
    known, modules, install = OTHERS[against]
    for what, asked, has in (("network", networks, known), ("mode", modes, MODES[against])):
        if missing := set(asked) - set(has):
            sys.exit(f"compare: {against} has no {what} {', '.join(sorted(missing))}; choose of {', '.join(has)}")
    if absent := [module for module in modules if importlib.util.find_spec(module) is None]:
        sys.exit(f"compare: {absent[0]} is not installed: {install}")


def main() -> None:
    from xpnet.backend.cpu.threads import usable_cpus

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", choices=OTHERS, default="textbook")
    parser.add_argument("--networks", nargs="+", choices=BATCH, default=None, metavar="NETWORK")
    parser.add_argument("--modes", nargs="+", choices=ALL, default=None, metavar="MODE")
    parser.add_argument("--variants", nargs="+", choices=["numpy", "jit"], default=None)
    parser.add_argument("--threads", nargs="+", type=int, default=None, help="default: all, and with PyTorch 1 too")
    parser.add_argument("--batch", type=int, default=None, help="of `train` and `infer`; default: one for each network")
    parser.add_argument("--rounds", type=int, default=20, help="turns of each (default 20)")
    parser.add_argument("--json", metavar="FILE", help="also write the table as JSON")
    parser.add_argument("--picture", metavar="FILE", help="also draw the ratios")
    parser.add_argument("--speed-only", action="store_true", help="no memory, import time and size")
    parser.add_argument("--inner", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rounds < 2 or (arguments.batch or 1) < 1:
        parser.error("--rounds must be at least 2, and --batch 1")
    against = arguments.against
    arguments.networks = arguments.networks or OTHERS[against][0]
    arguments.modes = arguments.modes or MODES[against]
    refuse_what_is_missing(against, arguments.networks, arguments.modes)
    if arguments.inner:
        measure(arguments)
        return
    counts = arguments.threads or sorted({1, usable_cpus()} if against == "torch" else {usable_cpus()}, reverse=True)
    kinds = arguments.variants or (["numpy", "jit"] if importlib.util.find_spec("numba") else ["numpy"])
    print(f"xpnet against {against}, {usable_cpus()} cores of {processor()}, samples/s")
    print(in_words(versions(against, "jit" in kinds)))
    print(HEAD.format(against), "processor")
    rows = []
    for count in counts:
        for kind in kinds:
            for row in in_a_process(arguments, kind, count):
                rows.append(row)
                print(in_a_line(row), row["processor"], flush=True)
    report: dict[str, Any] = {"rows": rows}
    if against == "torch" and not arguments.speed_only:
        report |= footprint(arguments.networks, kinds)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
    if arguments.picture:
        draw(arguments.picture, rows, against)


if __name__ == "__main__":
    main()
