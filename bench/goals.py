"""What xpnet promises of its speed beside others, measured, and whether it is kept.

    python bench/goals.py --json goals.json
    python bench/goals.py --only lenet5 latency --rounds 5

A line is one network, mode, batch, peer and number of threads, and what the ratio of bench/compare.py must be at least,
with NumPy alone and with Numba. `--only` measures those in which all of the words occur: networks, modes, peers,
variants. What the file of `--json` has from an earlier run on the same processor is not measured again, so that a run
may be ended and gone on with; name another file to measure anew. A line that was measured while other processes kept
the machine busy does not count, and is not written there. The exit status is 1 if a ratio is below its bar, or does not
count.

On a quiet machine with two cores all of it takes about a quarter of an hour. That a training step takes a fifth less
time than at a commit is shown by `python bench/turns.py COMMIT`.
"""

import argparse
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import compare
from machine import in_words, processor, versions
from peers import BATCH


class Goal(NamedTuple):
    """One ratio of the table, of one variant of xpnet."""

    network: str
    mode: str
    batch: int
    threads: int
    against: str
    variant: str
    bar: float

    @property
    def key(self) -> tuple[Any, ...]:
        return self[:-1]


TABLE: tuple[tuple[str, str, str, int, float, float], ...] = (  # mode, networks, peer, threads, bars of numpy and jit
    ("latency", "mlp", "onnxruntime", 1, 0.8, 1.3),
    ("latency", "lenet5", "onnxruntime", 1, 0.5, 1.0),
    ("latency", "deepconvnet", "onnxruntime", 1, 0.4, 0.8),
    ("infer", "lenet5 deepconvnet mlp", "torch", 2, 1.0, 1.5),
    ("train", "mlp", "torch", 2, 2.0, 4.0),
    ("train", "lenet5", "torch", 2, 1.6, 3.0),
    ("train", "simpleconvnet", "torch", 2, 1.4, 2.5),
    ("train", "deepconvnet resnet20", "torch", 2, 0.8, 1.4),
    ("train", "vgg lstm gpt mobilenet dcgan", "torch", 2, 1.0, 1.2),
)
QUIET = 0.3  # processors that other processes may keep busy
INFER = 100  # samples in a batch of `infer`


def goals() -> Iterator[Goal]:
    for mode, networks, against, threads, *bars in TABLE:
        for network in networks.split():
            batch = {"latency": 1, "infer": INFER}.get(mode, BATCH[network])
            for variant, bar in zip(("numpy", "jit"), bars, strict=True):
                yield Goal(network, mode, batch, threads, against, variant, bar)


def measured(goal: Goal, rounds: int) -> dict[str, Any]:
    """The row of bench/compare.py, from a process of its own."""
    words = {"networks": [goal.network], "modes": [goal.mode], "against": goal.against, "batch": goal.batch}
    (row,) = compare.in_a_process(argparse.Namespace(rounds=rounds, **words), goal.variant, goal.threads)
    return row


def key_of(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[field] for field in Goal._fields[:-1])


def earlier(path: Path | None) -> list[dict[str, Any]]:
    """The rows of a file that an earlier run began on this processor."""
    if path is None or not path.exists():
        return []
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return [row for row in rows if row["processor"] == processor()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="lines in which all of these occur")
    parser.add_argument("--rounds", type=int, default=20, help="turns of each (default 20)")
    parser.add_argument("--json", metavar="FILE", help="write the rows, as they come, and go on with those it has")
    arguments = parser.parse_args()
    if arguments.rounds < 2:
        parser.error("--rounds must be at least 2")
    path = Path(arguments.json) if arguments.json else None
    numba = importlib.util.find_spec("numba") is not None
    chosen = [goal for goal in goals() if {*map(str, goal)} >= {*arguments.only} and (numba or goal.variant != "jit")]
    if not chosen:
        sys.exit(f"goals: no line has all of the words {' '.join(arguments.only)}")
    for goal in chosen:
        compare.refuse_what_is_missing(goal.against, [goal.network], [goal.mode])
    rows, left = earlier(path), []
    print(f"on {processor()}; {in_words(versions('onnxruntime', numba))}")
    print(compare.HEAD.format("peer"), f"{'against':<12} {'at least':>8}")
    for goal in chosen:
        row = next((row for row in rows if key_of(row) == goal.key), None)
        remark = ", measured before"
        if row is None:
            row, remark = measured(goal, arguments.rounds), ""
            if (row["others"] or 0) > QUIET:
                remark = ", but the machine was not quiet"
            else:
                rows.append(row)
        if row["ratio"] < goal.bar or "not" in remark:
            left.append(goal)
        verdict = "kept" if row["ratio"] >= goal.bar else "BELOW"
        print(compare.in_a_line(row), f"{goal.against:<12} {goal.bar:>8.2f}  {verdict}{remark}", flush=True)
        if path:
            path.write_text(json.dumps({"rows": rows}, indent=1), encoding="utf-8")
    print(f"{len(chosen) - len(left)} of {len(chosen)} are kept")
    sys.exit(1 if left else 0)


if __name__ == "__main__":
    main()
