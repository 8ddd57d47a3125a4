"""The benches of the backend `cupy` run, and their counts are what the backend promises."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import cudasim

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def run(*command: object) -> subprocess.CompletedProcess[str]:
    path = filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
    words = [sys.executable, *map(str, command)]
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400)


def on_device(*command: object) -> str:
    if not cudasim.is_active():
        pytest.skip(f"there is no device to run it on: {cudasim.why_not()}")
    done = run(*command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(network: str, batch: int) -> dict[str, dict[str, Any]]:
    out = on_device("bench/launches.py", "--networks", network, "--batch", batch, "--json")
    return {row["backend"]: row for row in json.loads(out)["rows"]}


def test_a_step_of_deepconvnet_stays_within_its_launches() -> None:
    """Launches do not depend on the batch: a small one is quicker here."""
    own, plain = (rows("deepconvnet", 4)[name] for name in ("cupy", "reference"))
    assert own["launches"] + own["library_calls"] <= 80
    assert own["synchronizations"] == own["device_to_host"] == 0
    assert own["host_to_device"] == 1 and own["host_to_device_bytes"] >= 4 * 784 * 4
    assert plain["launches"] > 10 * own["launches"] and plain["peak_bytes"] > own["peak_bytes"]


def test_launches_as_a_table_with_names() -> None:
    out = on_device("bench/launches.py", "--networks", "mlp", "--batch", 8, "--by-name")
    head, own = out.splitlines()[1:3]
    assert head.split()[:4] == ["network", "backend", "launches", "library"] and own.split()[:2] == ["mlp", "cupy"]
    assert "adam" in out and "cublas" in out.lower()


def test_the_table_of_a_gpu(tmp_path: Path) -> None:
    options = "--networks", "mlp", "--batch", 4, "--rounds", 2, "--steps", 1
    files = "--out", tmp_path / "gpu.md", "--json", tmp_path / "gpu.json"
    on_device("-m", "tests.cudasim", "bench/gpu.py", *options, "--peers", "none", *files)
    text = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    assert "these times say nothing about a GPU" in text and "| mlp | train | 4 | " in text
    report = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert [row["mode"] for row in report["rows"]] == ["train", "infer"]
    assert all(row["samples_per_s"]["xpnet"] > 0 for row in report["rows"])
    assert report["about"]["peers"] == "measured alone, as asked for"


def test_calls_and_steps_are_taken_apart() -> None:
    options = "--networks", "mlp", "--batches", 4, "--rounds", 1, "--steps", 1, "--peers", "none"
    out = on_device("-m", "tests.cudasim", "bench/gpu_calls.py", *options)
    assert "these times say nothing about a GPU" in out and "| launch of a RawKernel | " in out
    assert "| network | mode | batch | xpnet, device (clock) |" in out
    assert "| mlp | train | 4 | " in out and "| mlp | infer | 4 | " in out


@pytest.mark.oracle
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason='needs PyTorch: pip install "xpnet[oracle]"')
def test_pytorch_stands_beside_it() -> None:
    """On the CPU here; compiling takes a C++ compiler and half a minute, and is left to the machine with a GPU."""
    options = "--networks", "mlp", "--batch", 4, "--rounds", 3, "--steps", 1
    torch = "--torch-device", "cpu", "--variants", "eager", "channels_last"
    out = on_device("-m", "tests.cudasim", "bench/gpu.py", *options, *torch)
    assert "eager, samples/s (MB) | channels_last, samples/s (MB) | ratio" in out and "**on the CPU**" in out


@pytest.mark.parametrize("script", ["launches.py", "gpu.py", "gpu_calls.py"])
def test_an_unknown_network_is_told(script: str) -> None:
    done = run(f"bench/{script}", "--networks", "resnet")
    assert done.returncode == 2 and "there is no network resnet; choose of mlp" in done.stderr


@pytest.mark.parametrize("script", ["gpu", "gpu_calls"])
def test_without_a_device_there_is_one_line(script: str) -> None:
    done = run(f"bench/{script}.py", "--networks", "mlp", "--rounds", 1, "--steps", 1, "--peers", "none")
    if done.returncode == 0:
        pytest.skip("this machine has a GPU")
    assert done.stderr.startswith(f"{script}: backend 'cupy': ") and done.stderr.count("\n") == 1
