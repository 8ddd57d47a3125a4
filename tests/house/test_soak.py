"""bench/soak.py: a little of it finds nothing wrong, and what is planted it finds. .ci/run lets it run for longer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="half of the actions are forked processes")


def soak(*options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "bench" / "soak.py"), "--seed", "1", *map(str, options)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def test_random_use_by_threads_and_processes_gives_the_bits_of_each_action_alone() -> None:
    words = [
        "fit",
        "train_step",
        "shared",
        "evaluate",
        "block",
        "back_up",
        "fork_and",
        "kill_a_training",
        "kill_a_save",
    ]
    done = soak("--actions", 12, "--threads", 2, "--only", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    for each in ("fork_and_train", "kill_a_training_and_resume", "0 wrong; the same plan again:", "open files "):
        assert each in done.stdout


def test_a_wrong_bit_a_leak_and_a_file_left_open_are_found() -> None:
    done = soak("--actions", 36, "--only", "set_weights", "--plant", "bit", "leak", "file")
    assert done.returncode == 1
    assert "WRONG: set_weights (phase 0, thread " in done.stdout and ": other bits than alone: " in done.stdout
    assert "WRONG: memory grew from " in done.stdout and "WRONG: open files grew from " in done.stdout


def test_a_hang_is_ended_and_shows_where_every_thread_is() -> None:
    done = soak("--actions", 12, "--only", "set_weights", "--plant", "hang", "--patience", 2)
    assert done.returncode == 1
    assert "WRONG: set_weights (phase " in done.stdout and " hangs: no end after 4 s" in done.stdout
    assert "in wait" in done.stderr and "soak.py" in done.stderr and done.stderr.count("hread 0x") >= 3


def test_a_child_that_hangs_is_ended_too() -> None:
    done = soak("--actions", 2, "--only", "fork_and_train", "--plant", "child", "--patience", 8)
    assert done.returncode == 1
    assert "Hang: a forked child did not end" in done.stdout and "soak_processes.py" in done.stderr
