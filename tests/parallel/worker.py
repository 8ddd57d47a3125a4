"""python -m tests.parallel.worker WHAT ARGUMENTS...: what one of the workers does, in a test of several.

exchange: add up leaves in many ways, each as one worker alone does, share bytes, and print `ok` and the numbers.
fail HOW: `one` or `all` fail as a training does, `one` with another one that does not come to an exchange for long
    (`busy`), or without telling anybody (`silent`); or one ends too early (`ends`).
train UNITS [RANK:SIGNAL:WHEN ...]: add up leaves as a training does its gradients, unit after unit, and print its first
    number, the last one and of how many, how many it heard in each unit, and a hash of all sums. WHEN a worker sends
    itself the signal:
    `3` before unit 3; `3a` before its first exchange, `3b` before its last one; `3c` at the end of that, which only one
    other worker comes through; `3d` in a recovery after this; `0.25s` after so many seconds, wherever it is. The signal
    PAUSE stops it for a second.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
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
    assert list(workers.members) == list(range(workers.size))
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
    began, state, counts = workers.rank, hashlib.sha256(), ""
    at = _planned(workers.rank, plans)
    for unit in range(int(units)):
        at(f"{unit}")
        sums, shared = workers.together(lambda unit=unit: _unit(workers, unit, at))
        assert set(shared) == {b"%d" % unit}
        counts += str(len(shared))
        state.update(b"".join(sums))
    assert len(workers.members) == workers.size
    print(began, workers.rank, workers.size, counts, state.hexdigest(), flush=True)


def _unit(workers: Communicator, unit: int, at: Callable[[str], None]) -> tuple[list[bytes], list[bytes]]:
    """Two exchanges, and each kind is the last one now and then."""
    at(f"{unit}d")
    at(f"{unit}a")
    shared = workers.share(b"%d" % unit) if unit % 2 else []
    if unit % 2:
        at(f"{unit}b")
        at(f"{unit}c")
    sums = complete(workers, SHARDS, SHARDS - unit % 2, LARGE if unit % 4 else SMALL, unit)
    if not unit % 2:
        at(f"{unit}b")
        at(f"{unit}c")
        shared = workers.share(b"%d" % unit)
    return sums, shared


def _planned(rank: int, plans: tuple[str, ...]) -> Callable[[str], None]:
    signals: dict[str, str] = {}
    for plan in plans:
        who, name, when = plan.split(":")
        if int(who) == rank:
            signals[when] = name
            if when.endswith("s"):
                threading.Thread(target=_later, args=(float(when[:-1]), name), daemon=True).start()

    def at(moment: str) -> None:
        if moment in signals:
            {"c": _send_to_one, "d": _plan_for_recovery}.get(moment[-1], _send_signal)(signals.pop(moment))

    return at


def _send_signal(name: str) -> None:
    if name == "PAUSE":
        subprocess.Popen(["sh", "-c", f"sleep 1; kill -CONT {os.getpid()}"])
    os.kill(os.getpid(), signal.SIGSTOP if name == "PAUSE" else signal.Signals[name])


def _send_to_one(name: str) -> None:
    """In the exchange that comes, the worker after the next one gets nothing, and after it comes the signal."""
    from mpi4py import MPI

    from xpnet.parallel.wire import SHARE, SUM, Wire

    send, wait, kept = Wire.send, Wire.wait, []

    def to_next(wire: Any, data: Any, rank: int, tag: int) -> Any:
        if tag in (SHARE, SUM) and rank != wire.others[0]:
            kept.append(rank)
            return MPI.REQUEST_NULL
        return send(wire, data, rank, tag)

    def then_signal(wire: Any, requests: Any, ranks: Any, patience: float = 1.0) -> None:
        wait(wire, requests, ranks, patience)
        if kept:
            _send_signal(name)

    Wire.send, Wire.wait = to_next, then_signal  # type: ignore[method-assign]


def _plan_for_recovery(name: str) -> None:
    """The signal comes when this worker knows who is left, and the others do not know where it stands."""
    from xpnet.parallel.wire import Wire

    Wire.adopt = lambda *_: _send_signal(name)  # type: ignore[method-assign]


def _later(seconds: float, name: str) -> None:
    time.sleep(seconds)
    _send_signal(name)


if __name__ == "__main__":
    {"exchange": exchange, "fail": fail, "train": train}[sys.argv[1]](*sys.argv[2:])
