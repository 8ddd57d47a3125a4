"""The benches that hold a change to the commit before it: speed in turns, and the way of one training step."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.turns import BAR, alternate, median_interval
from bench.worktree import ROOT, checked_out

pytestmark = pytest.mark.slow


def bench(script: str, *words: object) -> tuple[int, list[str]]:
    """Exit status, and the lines on stdout."""
    command = [sys.executable, str(ROOT / "bench" / script), *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1) and not done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()


# ---- turns -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n, low, high", [(1, 0, 0), (6, 0, 5), (15, 3, 11), (100, 39, 60), (2000, 955, 1044)])
def test_the_interval_of_the_median_is_that_of_the_tables(n: int, low: int, high: int) -> None:
    """Of 15 the 4th and the 12th, of 100 the 40th and the 61st."""
    values = np.random.default_rng(n).permutation(n).astype(float)
    assert median_interval(values.tolist()) == (low, (n - 1) / 2, high)


@pytest.mark.parametrize("n", [8, 40])
def test_the_interval_holds_the_median_in_95_of_100_samples(n: int) -> None:
    samples = np.random.default_rng(0).exponential(1 / np.log(2), (4000, n))  # the median is 1
    intervals = [median_interval(sample) for sample in samples.tolist()]
    assert 0.945 < np.mean([low <= 1 <= high for low, _, high in intervals]) < 0.995


def test_who_goes_first_alternates() -> None:
    order: list[str] = []

    def stepper(name: str) -> Any:
        return lambda: order.append(name) or len(order)

    times = alternate(stepper("old"), stepper("new"), 3)
    assert order == ["new", "old", "old", "new", "new", "old"]
    assert times == [(2, 1), (3, 4), (6, 5)]


@pytest.fixture
def head() -> str:
    if git("rev-parse", "--verify", "HEAD").returncode:
        pytest.skip("this is no git repository: there is no commit to compare with")
    return "HEAD"


def git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True)


def test_a_commit_is_checked_out_for_a_while(head: str) -> None:
    with checked_out(head) as tree:
        assert (tree / "xpnet" / "__init__.py").is_file() and tree != ROOT
        assert str(tree) in git("worktree", "list").stdout
    assert not tree.parent.exists()
    assert str(tree) not in git("worktree", "list").stdout


def test_two_trees_step_in_turns(head: str, tmp_path: Path) -> None:
    path = tmp_path / "turns.json"
    words = ["--network", "mlp", "--mode", "latency", "--jit", 0, "--rounds", 2, "--import", "--check", "--json", path]
    status, lines = bench("turns.py", head, *words)
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert [row["mode"] for row in rows] == ["import", "latency"] and len(lines) == 4
    for row in rows:
        low, high = row["interval"]
        assert 0 < low <= row["ratio"] <= high and row["met"] == (high <= BAR)
    assert status == (not all(row["met"] for row in rows))


# ---- trace -----------------------------------------------------------------------------------------------------------


def test_the_way_of_a_training_step_is_counted() -> None:
    status, lines = bench("trace.py", "--edges", "--check")
    ends = [index for index, line in enumerate(lines) if not line]
    files = dict(line.split() for line in lines[1 : ends[0]])
    edges = [line.split() for line in lines[ends[0] + 2 : ends[1]]]
    figures = {line[:40].strip(): int(line[40:47]) for line in lines[ends[1] + 1 :]}
    outside = [file for file in files if not file.startswith(("layers/", "backend/"))]
    assert {"layers/convolution.py", "layers/dense.py"} < files.keys() and "losses" in " ".join(outside)
    assert figures == {
        "files outside layers/ and backend/": len(outside),
        "files": len(files),
        "crossings between files": sum(int(count) for _, _, count in edges),
    }
    assert all(caller != called and int(files[called]) >= int(count) for caller, called, count in edges)
    assert status == any("not met" in line for line in lines)
