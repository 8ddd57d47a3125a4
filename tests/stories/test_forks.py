"""A process is forked while its other threads are in the middle of something: the children work, and do not hang."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def forked(*arguments: str, **variables: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "XPNET_JIT": "0"} | variables
    command = [sys.executable, "-W", "ignore", "-m", "tests.kit.forked", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    return done.stdout or done.stderr


@pytest.mark.parametrize("work", ["predict", "fit", "first"])
def test_children_forked_in_the_middle_compute_the_right_bits(work: str) -> None:
    """With BLAS's threads as they were before anybody computed."""
    assert forked(work, "20") == "20 of 20; []\n"


@pytest.mark.parametrize("how", ["Pool", "ProcessPoolExecutor"])
def test_pools_of_forked_processes_compute_the_right_bits(how: str) -> None:
    assert forked("fit", "4", how) == "4 of 4; []\n"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="Numba is not installed")
def test_children_forked_while_numba_compiles_for_the_first_time_compute_the_right_bits(tmp_path: Path) -> None:
    """Nothing is kept on the disk from before: the parent imports Numba, then its registries, then compiles."""
    assert forked("first", "6", XPNET_JIT="1", NUMBA_CACHE_DIR=str(tmp_path)) == "6 of 6; []\n"


def test_a_fork_waits_for_a_lock_that_comes_while_it_waits_for_another() -> None:
    """As Numba's compiler does, where it is imported by who holds one of ours, and used at once."""
    script = """
import os, sys, threading, time, types
from xpnet.base import locks
ours, held, done = locks.ProcessLock(), threading.Event(), []

def first_use():
    compiler_lock = types.SimpleNamespace(global_compiler_lock=types.SimpleNamespace(_lock=threading.RLock()))
    with ours.lock:
        held.set()
        time.sleep(0.3)  # so that the fork has begun to wait
        compiler_lock.global_compiler_lock._lock.acquire()
        sys.modules["numba.core.compiler_lock"] = compiler_lock
    time.sleep(0.3)
    done.append(True)
    compiler_lock.global_compiler_lock._lock.release()

thread = threading.Thread(target=first_use)
thread.start()
held.wait()
child = os.fork()
if child == 0:
    os._exit(0 if done else 1)
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
