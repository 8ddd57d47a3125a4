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
