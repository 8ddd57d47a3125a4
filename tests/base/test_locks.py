"""Locks that a fork heeds: all are taken or none, they are free afterwards, and a child has new ones."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from xpnet.base import locks


@contextlib.contextmanager
def held_elsewhere(lock: Any) -> Iterator[None]:
    """By a thread that goes on as long as the block."""
    begun, end = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            begun.set()
            end.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert begun.wait(60)
    try:
        yield
    finally:
        end.set()
        thread.join()


def free(lock: Any) -> bool:
    """Whether another thread could have it."""

    def take() -> bool:
        got = bool(lock.acquire(blocking=False))
        if got:
            lock.release()
        return got

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(take).result(60)


def test_all_are_taken() -> None:
    wanted = [threading.Lock(), threading.RLock(), threading.Lock()]
    taken = locks.take_all(wanted, time.monotonic() + 60)
    assert sorted(map(id, taken)) == sorted(map(id, wanted)) and not any(map(free, wanted))
    locks._give_back(taken)
    assert all(map(free, wanted))


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_or_none_where_one_does_not_come(missing: int) -> None:
    wanted: list[Any] = [threading.Lock(), threading.RLock(), threading.Lock()]
    with held_elsewhere(wanted[missing]):
        assert locks.take_all(wanted, time.monotonic()) == []
        assert [free(lock) for lock in wanted] == [number != missing for number in range(3)]
    assert locks.take_all([], time.monotonic()) == []


FORK = """
child = os.fork()
if child == 0:
    signal.alarm(30)
    os._exit(0 if child_is_right() else 1)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
os._exit(status or (0 if parent_is_right() else 9))
"""
BEGIN = """
import os, signal, sys, threading, types
from xpnet.base import locks
from tests.base.test_locks import free, held_elsewhere
locks._importing = lambda: []  # whatever else this process is about to import
"""
SCRIPTS = {
    "free": """
lock = locks.ProcessLock()
child_is_right = lambda: free(lock.lock)
parent_is_right = lambda: free(lock.lock) and not locks._taken
""",
    "held": """
locks.PATIENCE = 0.0
lock = locks.ProcessLock(threading.RLock)
held = held_elsewhere(lock.lock)
held.__enter__()
child_is_right = lambda: free(lock.lock)
parent_is_right = lambda: not free(lock.lock) and not held.__exit__(None, None, None) and free(lock.lock)
""",
    "of others": """
locks.PATIENCE = 0.0
theirs = sys.modules["theirs"] = types.ModuleType("theirs")
theirs.lock = threading.Lock()
locks.OTHERS = (("theirs", "lock"), ("theirs", "none"), ("nobody", "lock"))
held = held_elsewhere(theirs.lock)
held.__enter__()
child_is_right = lambda: free(theirs.lock)
parent_is_right = lambda: not free(theirs.lock) and not held.__exit__(None, None, None)
""",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_child_has_new_locks_and_the_parent_its_own(script: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", BEGIN + SCRIPTS[script] + FORK]
    assert subprocess.run(command, timeout=60).returncode == 0
