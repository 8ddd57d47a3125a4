"""The playground is fast enough to watch: bench/playground.py measures it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_it_takes_sixty_steps_a_second_while_maps_come() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "playground.py"), "--seconds", "2"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True,
    )  # fmt: skip
    default, *_ = map(json.loads, done.stdout.splitlines())
    assert default["state"] == "default"
    assert default["steps_per_second"] > 60
    assert default["maps_per_second"] > 6  # 10 are aimed at; the machine may be busy
