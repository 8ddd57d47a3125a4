"""Compiled jobs on several threads: each part is done once, whoever comes, and who opened the job waits for all."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from xpnet.backend.cpu import threads

pytestmark = pytest.mark.slow

jit_backend = pytest.importorskip("xpnet.backend.jit.backend", reason='needs Numba: pip install "xpnet[jit]"')
from numba import carray  # noqa: E402

from xpnet.backend.jit import together  # noqa: E402
from xpnet.backend.jit.compiled import callback  # noqa: E402
from xpnet.backend.jit.tiles import words  # noqa: E402

JIT = jit_backend.JitBackend()
PARTS = 200


@callback(together.SIGNATURE)
def count(arguments, part):  # type: ignore[no-untyped-def]
    """One more at the part's place, after some work."""
    places = carray(words(arguments), (PARTS,))
    total = 0
    for i in range(2000 * (1 + part % 3)):
        total += i * part % 7
    places[part] += 1 if total >= 0 else 0


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> Iterator[threads.Team]:
    team = threads.Team(2)
    team._may_spin = True
    monkeypatch.setattr(together, "thread_count", lambda: 3)
    monkeypatch.setattr(together, "team", lambda: team)
    yield team
    team.close()


def counted() -> np.ndarray:
    places = np.zeros(PARTS, np.int64)
    together.run_parts(count.address, places.ctypes.data, PARTS)
    return places


def test_each_part_once(three: threads.Team) -> None:
    for _ in range(200):
        assert (counted() == 1).all()
    assert three.state[together.OPEN] == three.state[together.INSIDE] == 0


def test_helpers_take_parts(three: threads.Team) -> None:
    """Who comes at all is up to the system, so that it is tried until somebody did."""
    counted()  # makes the helpers

    @callback(together.SIGNATURE)
    def wait(arguments, part):  # type: ignore[no-untyped-def]
        """Part 0 ends when part 1 was begun: one thread alone would stay there, for a while."""
        places = carray(words(arguments), (2,))
        if part == 1:
            together.put(arguments + 8, 1)
        for _ in range(500_000_000):
            if together.look(arguments + 8):
                break
        places[0] += together.look(arguments + 8)

    for _ in range(50):
        places = np.zeros(2, np.int64)
        together.run_parts(wait.address, places.ctypes.data, 2)
        if places.tolist() == [2, 1]:
            return
    raise AssertionError("no other thread has come")


def test_two_threads_with_jobs_at_once(three: threads.Team) -> None:
    """One has the helpers, the other one works alone."""
    found: list[bool] = []

    def work() -> None:
        for _ in range(50):
            found.append(bool((counted() == 1).all()))

    both = [threading.Thread(target=work) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert found == [True] * 100


def test_jobs_of_both_kinds_in_turn(three: threads.Team) -> None:
    places = np.zeros(PARTS, np.int64)

    def count_part(part: int) -> None:
        places[part] += 1

    for _ in range(50):
        places[:] = counted()
        three.run(threads.Job(count_part, [(i,) for i in range(PARTS)]))
        assert (places == 2).all()


def test_helpers_that_have_fallen_asleep_are_woken(three: threads.Team) -> None:
    counted()
    three._may_spin = False  # from their next job on they fall asleep at once
    end = time.monotonic() + 60
    while sum(helper.asleep for helper in three._helpers) < 2:
        three.run(threads.Job(lambda part: None, [(0,), (1,), (2,)]))
        assert time.monotonic() < end
    for _ in range(20):
        assert (counted() == 1).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is what is tested, and this system has none")
def test_a_forked_child_has_helpers_of_its_own() -> None:
    code = (
        "import os\n"
        "import tests.backend.jit.test_together as t\n"
        "t.together.thread_count = lambda: 3\n"
        "assert (t.counted() == 1).all()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(0 if (t.counted() == 1).all() else 3)\n"
        "assert os.waitpid(child, 0)[1] == 0 and (t.counted() == 1).all()\n"
    )
    environment = {**os.environ, "XPNET_NUM_THREADS": "3", "XPNET_JIT": "1"}
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=root, env=environment, check=True, timeout=300)


def test_one_part_needs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "team", None)
    places = np.zeros(PARTS, np.int64)
    together.run_parts(count.address, places.ctypes.data, 1)
    assert places[0] == 1 and places.sum() == 1
