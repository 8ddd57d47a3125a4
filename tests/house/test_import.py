"""`import xpnet` is quick, and leaves alone what only some of its functions need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# One thread in BLAS: those that it starts wait by spinning, which counts as processor time and delays nobody.
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OPENBLAS_NUM_THREADS": "1"}


def python(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout


def test_packages_that_only_some_functions_need_are_not_imported() -> None:
    numbers = {"cupy", "sklearn", "torch", "threadpoolctl"}
    others = {"PIL", "click", "matplotlib", "safetensors", "tensorboardX", "tqdm"}
    found = python("import sys, xpnet; print(*sys.modules)").split()
    assert "numpy" in found and not (numbers | others) & set(found)


def test_import_takes_less_than_three_tenths_of_a_second() -> None:
    """Processor time, so that other work on the machine counts little; the best of five."""
    resource = pytest.importorskip("resource", reason="this system does not tell the processor time of a child")

    def seconds(code: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        python(code)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return float(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    assert min(seconds("import xpnet") for _ in range(5)) - min(seconds("") for _ in range(5)) < 0.3
