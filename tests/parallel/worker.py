"""python -m tests.parallel.worker WHAT ARGUMENTS...: what one of the workers does, in a test of several.

exchange: add up leaves in many ways, each as one worker alone does, share bytes, and print `ok` and the numbers.
fail HOW: `one` or `all` fail as a training does, `one` with another one that does not come to an exchange for long
    (`busy`), or without telling anybody (`silent`); or one ends too early (`ends`).
train UNITS [RANK:SIGNAL:WHEN ...]: add up leaves as a training does its gradients, unit after unit, and print a hash of
    all sums. A worker sends itself the signal in unit WHEN (`3` before it begins, `3a` within it before its first
    exchange, `3b` between its exchanges), or after so many seconds (`0.25s`), wherever it is then.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from xpnet.parallel import Communicator, get_communicator
from xpnet.parallel.tree import Node, TreeSum, owned_leaves

Sizes = list[tuple[int, str]]
SMALL: Sizes = [(10, "f4"), (3, "f8")]
LARGE: Sizes = [(20_000, "f4"), (7, "f4"), (5, "f8"), (10_000, "f8"), (0, "f4"), (15_000, "f4"), (9_000, "f4")]
SHARDS = 8


def make_leaf(number: int, sizes: Sizes, seed: int) -> list[Any]:
    """Arrays whose numbers are of very different size: each order of adding gives other bits."""
    rng = np.random.default_rng([seed, number])
    return [(rng.normal(size=size) * 10.0 ** rng.integers(-6, 6, size)).astype(dtype) for size, dtype in sizes]


def add_leaves(leaves: int, present: int, owned: range, sizes: Sizes, seed: int) -> TreeSum:
    tree = TreeSum(leaves)
    for number in owned:
        if number < present:
            tree.add(Node(number, 1), make_leaf(number, sizes, seed))
    return tree


def complete(workers: Communicator, leaves: int, present: int, sizes: Sizes, seed: int = 0) -> list[bytes]:
    """The bits of the sum of all leaves."""
    tree = add_leaves(leaves, present, owned_leaves(leaves, workers.size, workers.rank), sizes, seed)
    found = workers.complete(tree, [np.zeros(size, dtype) for size, dtype in sizes])
    bits = [np.asarray(array).tobytes() for array in found]
    for array in found:
        array += 1  # it is the caller's
    return bits


def alone(leaves: int, present: int, sizes: Sizes, seed: int = 0) -> list[bytes]:
    """The same by one worker that has all of them."""
    tree = add_leaves(leaves, present, range(leaves), sizes, seed)
    return [array.tobytes() for array in tree.finish()]


def exchange() -> None:
    workers = get_communicator()
    for leaves, present in (8, 8), (8, 5), (8, 1), (16, 16), (4, 3):
        for sizes in SMALL, LARGE, LARGE[:1]:
            for seed in range(2):
                assert complete(workers, leaves, present, sizes, seed) == alone(leaves, present, sizes, seed)
    text = bytes([workers.rank]) * (workers.rank * 5000)  # more than what goes in one message, and nothing at all
    assert workers.share(text) == [bytes([rank]) * (rank * 5000) for rank in range(workers.size)]
    assert workers.any(workers.rank == workers.size - 1)
    assert not workers.any(False)
    assert workers.of_leader(b"%d" % workers.rank) == b"0"
    assert workers.together(lambda: workers.together(lambda: workers.share(b""))) == [b""] * workers.size
    assert getattr(workers, "original_ranks", [0]) == list(range(workers.size))
    assert (workers.waited > 0) == (workers.size > 1)
    workers.close()
    print("ok", workers.rank, workers.size)


def fail(how: str) -> None:
    workers = get_communicator()
    workers.share(b"")
    if how == "ends" and workers.rank == 1:
        return
    if how == "silent" and workers.rank == 1:
        raise ValueError("planned")
    if how == "busy" and workers.rank == 0:
        time.sleep(60)
    try:
        if how == "all" or workers.rank == 1:
            raise ValueError("planned")
        complete(workers, SHARDS, SHARDS, LARGE)
    except BaseException as error:
        raise workers.fail(error) from None


def train(units: str, *plans: str) -> None:
    workers = get_communicator()
    at = _planned(workers.rank, plans)
    began = workers.rank
    state = hashlib.sha256()
    for unit in range(int(units)):
        at(f"{unit}")

        def attempt(unit: int = unit) -> tuple[list[bytes], list[bytes]]:
            at(f"{unit}a")
            sums = complete(workers, SHARDS, SHARDS - unit % 2, LARGE if unit % 4 else SMALL, unit)
            at(f"{unit}b")
            return sums, workers.share(b"%d" % unit)

        sums, shared = workers.together(attempt)
        assert set(shared) == {b"%d" % unit}
        state.update(b"".join(sums))
    print(began, workers.rank, workers.size, state.hexdigest(), flush=True)


def _planned(rank: int, plans: tuple[str, ...]) -> Callable[[str], None]:
    signals: dict[str, signal.Signals] = {}
    for plan in plans:
        who, name, when = plan.split(":")
        if int(who) == rank:
            signals[when] = signal.Signals[name]
            if when.endswith("s"):
                threading.Thread(target=_later, args=(float(when[:-1]), signals[when]), daemon=True).start()
    return lambda moment: os.kill(os.getpid(), signals[moment]) if moment in signals else None


def _later(seconds: float, number: signal.Signals) -> None:
    time.sleep(seconds)
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    {"exchange": exchange, "fail": fail, "train": train}[sys.argv[1]](*sys.argv[2:])
