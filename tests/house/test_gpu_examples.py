"""The examples of the backend `cupy`, on the card or the stand-in device; and what they say where there is none."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests import cudasim
from tests.conftest import MISSING

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def run(script: str, *arguments: object, on_device: bool = True) -> subprocess.CompletedProcess[str]:
    if on_device and (reason := MISSING.get("cupy", "left out")):
        pytest.skip(f"needs a GPU, or the stand-in device in its place: {reason}")
    device = ["-m", "tests.cudasim"] if on_device and cudasim.is_active() else []
    command = [sys.executable, "-W", "error", *device, str(ROOT / "examples" / script), *map(str, arguments)]
    path = filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path), "XPNET_BACKEND": ""}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


def same_script(*arguments: object, on_device: bool = True) -> list[dict[str, Any]]:
    done = run("same_script.py", "--json", *arguments, on_device=on_device)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("network", "steps", "optimizer"),
    [("lenet5", 10, "momentum"), ("lenet5", 5, "adam"), ("deepconvnet", 2, "momentum")],
)
def test_cupy_follows_numpy(network: str, steps: int, optimizer: str) -> None:
    """An H100 came within 2e-15 in losses and weights."""
    options = "--network", network, "--steps", steps, "--optimizer", optimizer, "--dtype", "float64"
    (report,) = same_script(*options)
    assert report["backends"] == ["numpy", "cupy"] and report["steps"] == steps and report["dtype"] == "float64"
    assert report["loss_difference"] < 1e-10
    assert report["weight_difference"] < 1e-10


def test_one_of_each_kind() -> None:
    """Dense, convolutional, residual, recurrent, a transformer and a generator."""
    kinds = ["mlp", "lenet5", "resnet20", "lstm", "vit", "dcgan"]
    reports = same_script("--network", *kinds, "--steps", 2, "--batch-size", 2, "--dtype", "float64")
    assert [report["network"] for report in reports] == kinds
    for report in reports:
        assert report["backends"] == ["numpy", "cupy"]
        assert report["loss_difference"] < 1e-9 and report["weight_difference"] < 1e-9, report


def test_in_float32_by_rounding_only(tmp_path: Path) -> None:
    """A card may add up in another order, and of two pixels that are equal but for that, another is the maximum."""
    (report,) = same_script("--steps", 8, "--out", tmp_path / "same.png")
    assert 0 < report["loss_difference"] < 1e-2
    assert 0 < report["weight_difference"] < 1e-2
    with Image.open(tmp_path / "same.png") as picture:
        assert picture.size == (770, 550)


def test_several_backends_without_a_device() -> None:
    options = "--network", "mlp", "--steps", 3, "--backends"
    reports = same_script(*options, "numpy,numpy,reference", on_device=False)
    assert [report["backends"][1] for report in reports] == ["numpy", "reference"]
    assert reports[0]["loss_difference"] == reports[0]["weight_difference"] == 0
    assert reports[1]["loss_difference"] < 1e-5


def test_several_seeds_without_a_device() -> None:
    """In float64, where nothing but a fault can part the curves, on any processor."""
    options = "--network", "lenet5", "--steps", 5, "--seeds", 3, "--dtype", "float64", "--backends", "numpy,reference"
    reports = same_script(*options, on_device=False)
    assert [report["seed"] for report in reports] == [0, 1, 2]
    assert max(report["loss_difference"] for report in reports) < 1e-10


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("same_script.py", "--backends", "numpy,abacus"), 1, "same_script: there is no backend 'abacus'"),
        (("same_script.py", "--backends", "numpy"), 2, "at least two backends"),
        (("same_script.py", "--steps", "0"), 2, "at least two backends and one step"),
        (("same_script.py", "--seeds", "2", "--out", "a.png"), 2, "one network for --out, from one seed"),
        (("same_script.py", "--network", "mlp", "vit", "--out", "a.png"), 2, "one network for --out"),
        (("gpu_deepconvnet.py", "--backend", "abacus"), 1, "gpu_deepconvnet: there is no backend 'abacus'"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_what_cannot_run_is_told_without_a_traceback(arguments: tuple[str, ...], status: int, words: str) -> None:
    done = run(*arguments, on_device=False)
    assert done.returncode == status and words in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("backend", ["cupy", "numpy"])
def test_deepconvnet_trains_with_its_gauges(backend: str, tmp_path: Path) -> None:
    out = tmp_path / "deep.safetensors"
    options = "--epochs", 1, "--batch-size", 20, "--limit", 40, "--backend", backend, "--out", out
    done = run("gpu_deepconvnet.py", *options, on_device=backend == "cupy")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    line, saved = done.stdout.splitlines()
    assert line.startswith("epoch 1: loss ") and "images/s after the first batch" in line and saved == f"saved {out}"
    assert out.stat().st_size > 490_000  # the weights
    held = float(line.split("at most ")[1].split()[0])
    assert held > 0 if backend == "cupy" else held == 0


def test_examples_of_the_gpu_are_a_page() -> None:
    for name, lines in (("same_script.py", 95), ("gpu_deepconvnet.py", 76)):
        assert len((ROOT / "examples" / name).read_text(encoding="utf-8").splitlines()) <= lines
