"""What Backup promises: killed twenty times, a training ends as if nothing had happened. killed.py is the training."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import cudasim
from tests.kit.killed import KILLS

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="every leg of the training is a forked process"),
]


def killed(backend: str, folder: Path, seed: int) -> dict[str, Any]:
    where = ["-m", "tests.cudasim", "-m"] if cudasim.is_active() and backend == "cupy" else ["-m"]
    line = [sys.executable, *where, "tests.kit.killed", backend, str(folder), str(seed)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "killed/backup.safetensors: File too large" in done.stderr, "the disk was not full"
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def assert_same_end(result: dict[str, Any]) -> None:
    assert sorted(result["deaths"]) == [-signal.SIGKILL] * KILLS + [3], "not every leg ended as it should"
    assert max(result["reached"]) > 29, "all kills were at the beginning"
    never = result["never killed"]
    assert never["epochs"] == list(range(11)) and never["steps"] == 88, "EarlyStopping had nothing to do"
    assert never["files"] == ["best.safetensors", "history.csv"]
    for name in ("with a backup", "killed"):
        for what, value in never.items():
            assert result[name][what] == value, f"{name}: another {what}"


@pytest.mark.parametrize("seed", [0, 2])
def test_a_training_that_is_killed_twenty_times_ends_as_if_it_had_not_been(tmp_path: Path, seed: int) -> None:
    assert_same_end(killed("numpy", tmp_path, seed))


@pytest.mark.usefixtures("cupy")
def test_the_same_on_a_gpu_where_a_batch_is_fetched_ahead(tmp_path: Path) -> None:
    assert_same_end(killed("cupy", tmp_path, 0))
