"""What several workers bring: measured on this machine, and predicted for more of them and for networks between them.

    python bench/scale.py --json scale.json     # measures, fits and predicts; some three minutes
    python bench/scale.py --check --json check.json     # holds the model to slow links; two minutes, Linux and root
    python bench/scale_page.py scale.json check.json    # writes what came out into docs/scale.md

First, training of DeepConvNet, 128 images to a worker, one thread each: the seconds of a step, and how many of them are
computing, exchange and waiting for others. The cases take turns, and a ratio is that of their images per second in a
round; shown are medians with quartiles. The second ratio has the same batch on both sides, and as many threads.

Then, exchanges of 1 KB to 50 MB between 2 to 8 workers. From them come the costs of a message and of a byte here
(scale_model.py has the formula), and from these costs, or those of a network, steps and efficiency for 2 to 1,024
workers. Each worker keeps its batch. What is measured and what is assumed stands above the tables.

--check lets 2, 4 and 8 workers exchange over links of 1 Gbit/s and 100 Mbit/s between network namespaces. The costs of
the processors' work are fitted where the links are not limited; predicted and measured seconds are printed side by
side. Only the exchange is measured, for 8 workers that compute would share this machine's processors.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import paths  # noqa: F401
from machine import in_words, processor, versions
from scale_hosts import MANAGER, PACKET, RATES, Hosts, NoHosts
from scale_model import (
    H100,
    LINKS,
    PARAMETERS,
    WORKERS,
    Costs,
    Sample,
    exchange_seconds,
    fit_costs,
    limit_rate,
    predictions,
    trainings,
)
from scale_worker import Workers, mpi_command

BATCH = 128  # images of a worker
GRADIENTS = 4 * PARAMETERS["DeepConvNet"]  # bytes
ADDED = 2**24  # bytes whose addition is timed: more than a cache has
SIZES = (10**3, 10**4, 10**5, GRADIENTS, 10**6, 10**7, 5 * 10**7)
COUNTS = (2, 3, 4, 6, 8)  # of workers; so that no worker has more than one subtree to send
CHECKED = (10**5, GRADIENTS, 4 * 10**6, 16 * 10**6)


class Case(NamedTuple):
    """A way to train."""

    workers: int
    threads: int
    batch: int  # of all workers
    shards: int


CASES = {
    "1 worker": Case(1, 1, BATCH, 1),
    "2 workers": Case(2, 1, 2 * BATCH, 2),
    "2 workers, 8 shards": Case(2, 1, 2 * BATCH, 8),
    "1 worker, 2 threads": Case(1, 2, 2 * BATCH, 1),
    "1 worker, batch 512": Case(1, 1, 4 * BATCH, 1),
    "1 worker, batch 512, 8 shards": Case(1, 1, 4 * BATCH, 8),
}
RATIOS = (
    ("2 workers", "1 worker"),
    ("2 workers", "1 worker, 2 threads"),
    ("2 workers, 8 shards", "2 workers"),
    ("1 worker, batch 512, 8 shards", "1 worker, batch 512"),
)


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


# ---- training --------------------------------------------------------------------------------------------------------


def train_in_turns(rounds: int, steps: int) -> dict[str, list[dict[str, float]]]:
    """Of each case and round the means of its steps: seconds, exchange and waiting of a step."""
    times: dict[str, list[dict[str, float]]] = {name: [] for name in CASES}
    with ExitStack() as stack:
        kinds = sorted({(case.workers, case.threads) for case in CASES.values()})
        groups = {
            (workers, threads): stack.enter_context(
                Workers(workers, threads, mpi_command(workers) if workers > 1 else ())
            )
            for workers, threads in kinds
        }
        for number in range(rounds + 1):  # the first warms up
            for name, case in CASES.items():
                group = groups[case.workers, case.threads]
                answers = group.ask("train", batch=case.batch, shards=case.shards, steps=steps if number else 1)
                if number:
                    every = [step for answer in answers for step in answer]
                    times[name].append({key: statistics.mean(step[key] for step in every) for key in every[0]})
    return times


def report_training(times: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    print(f"\n{'DeepConvNet, milliseconds of a step':<36} {'step':>8} {'compute':>8} {'exchange':>8} {'waiting':>8}")
    rows, ratios = [], []
    for name, case in CASES.items():
        for turn in times[name]:
            turn["compute"] = turn["seconds"] - turn["exchange"] - turn["waited"]
        names = ("seconds", "compute", "exchange", "waited")
        middle = {key: statistics.median(turn[key] for turn in times[name]) for key in names}
        shown = " ".join(f"{1e3 * middle[key]:>8.2f}" for key in names)
        print(f"{name:<36} {shown}")
        rows.append({"case": name} | case._asdict() | middle)
    print(f"\n{'images per second, ratio':<56} {'median':>7}  quartiles")
    for new, old in RATIOS:
        speeds = [[CASES[name].batch / turn["seconds"] for turn in times[name]] for name in (new, old)]
        low, middle_ratio, high = quartiles([a / b for a, b in zip(*speeds, strict=True)])
        print(f"{f'{new} / {old}':<56} {middle_ratio:>7.3f}  {low:.3f} to {high:.3f}", flush=True)
        ratios.append({"new": new, "old": old, "ratio": middle_ratio, "quartiles": [low, high]})
    return {"cases": rows, "ratios": ratios}


# ---- the exchange ----------------------------------------------------------------------------------------------------


def exchanges(group: Workers, sizes: Sequence[int], repeats: int) -> list[Sample]:
    """An exchange is over when the last worker has its sum; the median of the repeats."""
    samples = []
    for size in sizes:
        count = max(3, repeats if size <= 10**6 else repeats // 5)
        answers = group.ask("exchange", size=size, repeats=count)
        samples.append(Sample(size, group.workers, statistics.median(map(max, zip(*answers, strict=True)))))
    return samples


def adding_seconds(repeats: int) -> float:
    """Of a byte."""
    with Workers(1) as group:
        return statistics.median(group.ask("add", size=ADDED, repeats=repeats)[0]) / ADDED


def measure_exchanges(counts: Sequence[int], sizes: Sequence[int], repeats: int) -> list[Sample]:
    samples = []
    for workers in counts:
        with Workers(workers, 1, mpi_command(workers)) as group:
            samples += exchanges(group, sizes, repeats)
    return samples


def report_exchanges(samples: Sequence[Sample], costs: Costs) -> None:
    print(f"\nexchanges between workers on these {cores()} processors, measured and fitted milliseconds")
    counts = sorted({sample.workers for sample in samples})
    print(f"{'bytes':>12} " + " ".join(f"{f'{workers} workers':>18}" for workers in counts))
    for size in sorted({sample.size for sample in samples}):
        row = sorted((sample for sample in samples if sample.size == size), key=lambda sample: sample.workers)
        cells = [f"{1e3 * s.seconds:>9.3f} {1e3 * exchange_seconds(costs, *s[:2], cores()):>8.3f}" for s in row]
        print(f"{size:>12,} " + " ".join(cells))
    print(
        f"fitted: {1e6 * costs.latency:.1f} microseconds a phase, {1e6 * costs.message:.1f} a message, "
        f"{1 / costs.byte / 1e9 if costs.byte else float('inf'):.2f} GB/s sent; "
        f"measured: {1 / costs.add / 1e9:.2f} GB/s added",
        flush=True,
    )


# ---- more workers ----------------------------------------------------------------------------------------------------


def report_predictions(seconds: float, add: float) -> list[dict[str, Any]]:
    """Tables for `seconds` of a step of DeepConvNet, with BATCH images on one core."""
    every = trainings(seconds, BATCH, add)
    rows = predictions(every)
    found = {(row["network"], row["link"], row["workers"]): row for row in rows}
    print("\npredicted: milliseconds of a step and efficiency, without overlap | with the most that there can be")
    print(f"links as given in scale_model.py; an H100 is taken to make {H100 / 1e12:.1f} TFLOP/s, in float32")
    for training in every:
        print(
            f"\n{training.network}: {training.parameters:,} parameters, {training.batch} images a worker, "
            f"{1e3 * training.seconds:.1f} ms of computing ({training.worker})"
        )
        print(f"{'workers':>7} " + " ".join(f"{link.name:>27}" for link in LINKS))
        for workers in WORKERS:
            cells = [found.get((training.network, link.name, workers)) for link in LINKS]
            print(f"{workers:>7} " + " ".join(f"{in_cell(cell):>27}" for cell in cells))
    return rows


def in_cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "-"
    none, full = (
        f"{1e3 * row[f'step{which}_s']:,.1f} {100 * row[f'efficiency{which}']:.0f}%" for which in ("", "_overlapped")
    )
    return f"{none} | {full}"


# ---- the check -------------------------------------------------------------------------------------------------------


def check(counts: Sequence[int], sizes: Sequence[int], repeats: int) -> dict[str, Any]:
    """Predicted and measured exchanges over links that are limited; the costs come from links that are not."""
    add, free, limited = adding_seconds(repeats), [], []
    with Hosts(max(counts)) as hosts:
        for workers in counts:
            hosts.limit(None)
            with Workers(workers, 1, hosts.command(mpi_command(workers)), **MANAGER) as group:
                free += exchanges(group, sizes, repeats)
                for rate in RATES:
                    hosts.limit(rate)
                    limited += [(rate, sample) for sample in exchanges(group, sizes, 3)]
    costs = fit_costs(free, add, cores())
    report_exchanges(free, costs)
    heads = f"{'link':>8} {'workers':>7} {'bytes':>12} {'predicted ms':>13} {'measured ms':>12}"
    print(f"\n{heads} {'measured / predicted':>21}")
    rows = []
    for rate, (size, workers, seconds) in limited:
        slow = limit_rate(costs, PACKET * RATES[rate] / 8, workers, cores())
        predicted = exchange_seconds(slow, size, workers, cores())
        row = {"link": rate, "workers": workers, "bytes": size, "predicted_s": predicted, "measured_s": seconds}
        rows.append(row | {"ratio": seconds / predicted})
        print(
            f"{rate:>8} {workers:>7} {size:>12,} {1e3 * predicted:>13.2f} {1e3 * seconds:>12.2f} "
            f"{seconds / predicted:>21.2f}"
        )
    low, middle, high = quartiles([row["ratio"] for row in rows])
    print(f"measured / predicted: median {middle:.2f}, quartiles {low:.2f} to {high:.2f}")
    return {"costs": costs._asdict(), "unlimited": [sample._asdict() for sample in free], "check": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="hold the model to exchanges over slow links instead")
    parser.add_argument("--rounds", type=int, default=20, help="turns of each case (default 20)")
    parser.add_argument("--repeats", type=int, default=25, help="exchanges of a size up to 1 MB (default 25)")
    parser.add_argument("--quick", action="store_true", help="little of everything: whether it runs")
    parser.add_argument("--json", metavar="FILE", help="also write all of it as JSON")
    arguments = parser.parse_args()
    rounds, repeats = (1, 3) if arguments.quick else (arguments.rounds, arguments.repeats)
    if min(rounds, repeats) < 1:
        parser.error("rounds and repeats are numbers from 1 on")
    found = versions("textbook", jit=os.environ.get("XPNET_JIT") != "0")
    print(f"{processor()}, {cores()} processors; {in_words(found)}", flush=True)
    report: dict[str, Any] = {"processor": processor(), "cores": cores(), "versions": found}
    if arguments.check:
        try:
            counts, sizes = ((2,), CHECKED[:2]) if arguments.quick else ((2, 4, 8), CHECKED)
            report |= check(counts, sizes, repeats)
        except NoHosts as error:
            sys.exit(f"scale: {error}")
    else:
        times = train_in_turns(rounds, 1 if arguments.quick else 4)
        report |= report_training(times)
        add = adding_seconds(repeats)
        counts, sizes = ((2,), SIZES[:4]) if arguments.quick else (COUNTS, SIZES)
        samples = measure_exchanges(counts, sizes, repeats)
        costs = fit_costs(samples, add, cores())
        report_exchanges(samples, costs)
        report |= {"exchanges": [sample._asdict() for sample in samples], "costs": costs._asdict()}
        alone = statistics.median(turn["seconds"] for turn in times["1 worker"])
        report["predictions"] = report_predictions(alone, add)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
