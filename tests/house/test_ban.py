"""NumPy is banned where code must run on every namespace, and free everywhere else."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BANNED = [
    "core/x.py",
    "layers/x.py",
    "losses/x.py",
    "metrics/x.py",
    "optimizers/x.py",
    "regularizers.py",
    "callbacks/ema.py",
]
FREE = ["model.py", "training/x.py", "callbacks/x.py", "backend/cpu/x.py", "data/augment/x.py", "initializers.py"]


@pytest.mark.parametrize("path", [*BANNED, *FREE])
def test_numpy_is_refused_where_it_is_banned(path: str) -> None:
    pytest.importorskip("ruff", reason='ruff is not installed: pip install "xpnet[dev]"')
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--select",
        "TID251",
        "--quiet",
        "--stdin-filename",
        f"xpnet/{path}",
    ]
    done = subprocess.run([*command, "-"], cwd=ROOT, input="import numpy\n", capture_output=True, text=True, timeout=60)
    assert done.returncode == (path in BANNED), done.stdout + done.stderr
