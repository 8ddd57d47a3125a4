"""What the README claims of memory and speed, with room to spare; the scripts in bench/ measure it closely."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kit.small import digits
from xpnet.data import write_idx

ROOT = Path(__file__).parents[2]


def bench(script: str, *arguments: object, **variables: str) -> str:
    command = [sys.executable, str(ROOT / "bench" / script), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
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
        bench(
            "compare.py",
            "--against",
            "textbook",
            "--networks",
            "simpleconvnet",
            "--rounds",
            4,
            "--json",
            path,
            "--variants",
            "numpy",
        )
        return float(json.loads(path.read_text(encoding="utf-8"))["rows"][0]["ratio"])

    assert any(ratio(attempt) > 2 for attempt in range(5))


def names(rows: list[dict[str, Any]], *keys: str) -> set[tuple[Any, ...]]:
    return {tuple(row[key] for key in keys) for row in rows}


@pytest.mark.slow
def test_the_comparison_covers_what_it_is_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason='PyTorch is not installed: pip install "xpnet[oracle]"')
    pytest.importorskip("matplotlib")
    path, picture = tmp_path / "speed.json", tmp_path / "speed.png"
    words = ["--against", "torch", "--networks", "mlp", "--rounds", 2, "--variants", "numpy", "--json", path]
    printed = bench("compare.py", *words, "--picture", picture, "--modes", "train", "latency", "--threads", 1)
    report = json.loads(path.read_text(encoding="utf-8"))
    assert names(report["rows"], "mode", "batch", "variant", "threads") == {
        ("train", 32, "numpy", 1),
        ("latency", 1, "numpy", 1),
    }
    for row in report["rows"]:
        assert row["quartiles"][0] <= row["ratio"] <= row["quartiles"][1]
        assert row["xpnet_samples_per_s"] > 0 < row["peer_samples_per_s"]
    assert 2 * report["import_s"]["xpnet"] < report["import_s"]["torch"]  # an eighth, where nothing else runs
    assert 6 * report["installed_mb"]["xpnet"] < report["installed_mb"]["torch"]
    assert names(report["memory"], "network", "variant") == {("mlp", "numpy")}
    assert picture.read_bytes()[:4] == b"\x89PNG" and "latency" in printed


@pytest.mark.slow
@pytest.mark.parametrize("network", ["mlp", "lenet5"])
@pytest.mark.parametrize("jit", [0, 1])
def test_the_profile_accounts_for_the_whole_step(network: str, jit: int, tmp_path: Path) -> None:
    if jit:
        pytest.importorskip("numba", reason='Numba is not installed: pip install "xpnet[jit]"')
    path = tmp_path / "profile.json"
    bench("profile.py", network, "--batch", 16, "--steps", 2, "--json", path, XPNET_JIT=str(jit))
    report = json.loads(path.read_text(encoding="utf-8"))
    assert sum(report["kinds_ms"].values()) == pytest.approx(report["ms"], rel=0.05)
    assert ("Numba" in report["variant"]) == bool(jit)
    found = names(report["layers"], "layer", "direction")
    assert ("output" if network == "lenet5" else "dense2", "backward") in found and len(found) > 4
    assert sum(layer["ms"] for layer in report["layers"]) < report["ms"]
    assert all(": " in words for words in report["convolutions"].values())
    assert ("c1" in report["convolutions"]) == (network == "lenet5")


@pytest.mark.slow
def test_the_curves_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path, picture = tmp_path / "curves.json", tmp_path / "curves.png"
    words = ["--batches", 4, 8, "--channels", 4, 8, "--rounds", 1]
    bench("curves.py", *words, "--json", path, "--picture", picture)
    report = json.loads(path.read_text(encoding="utf-8"))
    assert len(report["us_per_image"]) == len(report["ms_per_convolution"]) == 2
    assert 0 <= report["deviation"] < 1
    assert picture.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_the_textbook_is_right() -> None:
    """A yardstick with wrong gradients would measure nothing."""
    first = bench("textbook.py", "--network", "mlp", "--batch", 8, "--steps", 1).splitlines()[0]
    assert first.startswith("largest gradient error: ") and float(first.split()[-1]) < 1e-6


@pytest.mark.slow
def test_the_ways_of_a_convolution_are_compared() -> None:
    lines = bench("convolution.py", "--batch", "24", "--turns", "1").splitlines()
    assert lines[0].split()[:5] == ["channels", "image", "direction", "columns", "rows"]
    assert len(lines) == 13
    roundings = [float(line.split()[-1]) for line in lines[1::2]]
    assert all(0.3 < ratio < 3 for ratio in roundings)


@pytest.fixture(scope="module")
def few_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of MNIST, of which there are less: most of the time would go into 10,000 test images."""
    folder = tmp_path_factory.mktemp("digits")
    x, t = digits(1500)
    for part, kept in (("train", slice(1000)), ("t10k", slice(1000, None))):
        write_idx(folder / f"{part}-images-idx3-ubyte", (x[kept, 0] * 255).round().astype(np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte", t[kept].astype(np.uint8))
    return folder


@pytest.mark.slow
def test_the_fast_recipe_is_measured_beside_pytorch(few_digits: Path, tmp_path: Path) -> None:
    """From the same weights, with the same batches and rates, all ways end with the same network."""
    pytest.importorskip("torch", reason='PyTorch is not installed: pip install "xpnet[oracle]"')
    path = tmp_path / "fast.json"
    words = ["--seeds", 3, "--against", "torch", "--data", few_digits, "--threads", 1, "--json", path]
    printed = bench("recipes.py", "fast", *words)
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert {row["way"] for row in rows} >= {"numpy", "torch", "channels_last"} and "99 % not reached" in printed
    for row in rows:
        assert row["seconds"] == sorted(row["seconds"]) and row["to_goal_s"] is None
        assert row["accuracies"] == pytest.approx(rows[0]["accuracies"], abs=4e-3)  # two images of 500


@pytest.mark.slow
def test_the_best_recipe_is_measured(few_digits: Path, tmp_path: Path) -> None:
    path = tmp_path / "best.json"
    words = ["--seeds", 0, 1, "--limit", 300, "--data", few_digits, "--threads", 1, "--json", path]
    printed = bench("recipes.py", "best", *words)
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert [row["seed"] for row in rows] == [0, 1]
    mean = 50 * sum(row["test_accuracy"] for row in rows)
    assert f"{rows[0]['parameters']:,} parameters: mean {mean:.3f} %" in printed


@pytest.mark.slow
def test_a_drawing_is_read_before_one_notices() -> None:
    """Within 50 milliseconds, most of the time, on a machine that may be busy."""
    pytest.importorskip("uvicorn", reason='pages need a server: pip install "xpnet[web]"')

    def median() -> float:
        return float(json.loads(bench("pages.py", "--readings", 40, "--json"))["reading"]["median"])

    assert any(median() < 50 for _ in range(3))


@pytest.mark.slow
def test_a_training_that_is_watched_takes_little_longer() -> None:
    """The share of the training's thread that goes into the callback, which other work hardly disturbs."""
    pytest.importorskip("uvicorn", reason='pages need a server: pip install "xpnet[web]"')

    def share() -> float:
        printed = bench("watch.py", "--network", "lenet5", "--rounds", 2, "--limit", 2000)
        return float(re.search(r"callback ([\d.]+)%", printed)[1])  # type: ignore[index]

    assert any(share() < 10 for _ in range(3))
