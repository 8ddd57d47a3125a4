"""A process is forked while its other threads are in the middle of something: the children work, and do not hang."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.mark.parametrize("work", ["predict", "fit", "first"])
def test_children_forked_in_the_middle_compute_the_right_bits(work: str) -> None:
    """With BLAS's threads as they were before anybody computed."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "XPNET_JIT": "0"}
    command = [sys.executable, "-W", "ignore", "-m", "tests.kit.forked", work, "20"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.stdout == "20 of 20; []\n", done.stderr
