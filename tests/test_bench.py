"""What the README claims of memory and speed, with room to spare; the scripts in bench/ measure it closely."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def bench(script: str, *arguments: object) -> str:
    command = [sys.executable, str(ROOT / "bench" / script), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_memory_of_training_is_bounded() -> None:
    pytest.importorskip("resource", reason="this system does not tell how much memory a process has held")
    peak = json.loads(bench("memory.py", "--batch", 100, 1000, "--steps", 2, "--json"))["peak_mb"]
    assert 0 < peak["100"] < 250
    assert peak["100"] < peak["1000"] < 600


@pytest.mark.slow
def test_training_is_faster_than_the_textbook(tmp_path: Path) -> None:
    """Other work on the machine disturbs both, so one of a few tries is enough."""

    def ratio(attempt: int) -> float:
        path = tmp_path / f"{attempt}.json"
        bench("compare.py", "--against", "textbook", "--networks", "simpleconvnet", "--rounds", 4, "--json", path)
        return float(json.loads(path.read_text(encoding="utf-8"))["rows"][0]["ratio"])

    assert any(ratio(attempt) > 2 for attempt in range(5))


@pytest.mark.slow
def test_the_textbook_is_right() -> None:
    """A yardstick with wrong gradients would measure nothing."""
    first = bench("textbook.py", "--network", "mlp", "--batch", 8, "--steps", 1).splitlines()[0]
    assert first.startswith("largest gradient error: ") and float(first.split()[-1]) < 1e-6
