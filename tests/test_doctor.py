"""What the doctor finds, and when it is alarmed."""

import importlib.metadata
import json
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import xpnet
import xpnet.backend
from xpnet import cli, doctor
from xpnet.backend import Backend
from xpnet.backend.cpu import threads
from xpnet.backend.cuda.device import Piece
from xpnet.data import write_idx


@pytest.fixture(autouse=True)
def no_wishes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("XPNET_BACKEND", raising=False)
    monkeypatch.delenv("XPNET_NUM_THREADS", raising=False)
    xpnet.backend._made.clear()
    threads.thread_count.cache_clear()
    yield
    threads.thread_count.cache_clear()


NO_CUPY = Piece("CuPy", missing="CuPy is not installed (No module named 'cupy'). Install it: pip install ...")


def test_a_machine_in_order() -> None:
    report = doctor.examine()
    assert doctor.healthy(report)
    assert report["software"]["xpnet"].startswith(xpnet.__version__)
    assert report["software"]["NumPy"] == np.__version__ and "threads:" in report["software"]["BLAS"]
    assert report["backend"]["asked for"] == "numpy" and report["backend"]["state"] == "works"
    assert re.match(
        r"\d+ KiB, [\d,]+ KiB and .* a core; tiles for \d+ KiB and [\d,]+ KiB$", report["processors"]["caches"]
    )
    assert report["data"]["MNIST"] == "60,000 + 10,000 images in the box"
    assert report["optional"]["matplotlib"] == importlib.metadata.version("matplotlib")


def test_the_command_prints_what_the_report_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert cli.run(["doctor"]) == 0
    out = capsys.readouterr().out
    for name, section in report.items():
        assert f"\n{name}\n" in f"\n{out}"
        for what, finding in section.items():
            assert any(line.split() == f"{what} {finding}".split() for line in out.splitlines())
    starts = {
        len(line) - len(line[2:].split("  ", 1)[1].lstrip()) for line in out.splitlines() if line.startswith("  ")
    }
    assert len(starts) == 1, "the findings do not stand in one column"


def test_a_gpu_that_is_missing_is_a_problem_only_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "pieces", lambda: [NO_CUPY])
    monkeypatch.setattr("xpnet.backend.cuda.device.pieces", lambda: [NO_CUPY])
    assert doctor.examine()["GPU"]["CuPy"] == f"missing: {NO_CUPY.missing}"
    assert cli.run(["doctor"]) == 0
    assert cli.run(["doctor", "--backend", "cupy"]) == 1
    monkeypatch.setenv("XPNET_BACKEND", "cupy")
    assert cli.run(["doctor"]) == 1
    assert "problem: backend 'cupy': CuPy is not installed" in capsys.readouterr().out
    assert cli.run(["doctor", "--backend", "reference"]) == 0


def test_a_gpu_is_described(cupy: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPNET_TF32", "1")
    section = doctor.examine("cupy")["GPU"]
    assert set(section) >= {"CuPy", "driver", "device 0", "NVRTC", "cuBLAS", "runtime", "memory"}
    assert "compute capability" in section["device 0"] and section["runtime"].startswith("CUDA 1")
    assert "GiB free; xpnet holds" in section["memory"] and int(section["cuBLAS"]) > 100_000
    assert section["XPNET_TF32"] == "1" and section["XPNET_MEMORY_LIMIT"] == "not set"


def test_a_device_that_does_not_answer_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "pieces", lambda: [Piece("CuPy", "14.2.0")])
    monkeypatch.setitem(sys.modules, "cupy", types.SimpleNamespace())
    assert doctor.examine()["GPU"]["memory"].startswith("the device does not answer: ")


@pytest.mark.parametrize("name", ["abacus", "array_api_strict", "torch"])
def test_a_backend_that_is_unknown_or_not_installed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for module in ("array_api_strict", "array_api_compat.torch"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv("XPNET_BACKEND", name)
    report = doctor.examine()
    assert report["backend"]["state"].startswith("problem: ") and name in report["backend"]["state"]
    assert not doctor.healthy(report)


@pytest.mark.parametrize("wish", ["many", "0", "-1", "1.5", "²", "½"])
def test_an_impossible_number_of_threads_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wish: str
) -> None:
    monkeypatch.setenv("XPNET_NUM_THREADS", wish)
    assert cli.run(["doctor"]) == 1
    out, err = capsys.readouterr()
    problems = [line.split(doctor.PROBLEM)[1] for line in out.splitlines() if doctor.PROBLEM in line]
    assert problems == [f"XPNET_NUM_THREADS must be a whole number of at least 1, not {wish!r}"] and err == ""


@pytest.mark.parametrize("variable", ["XPNET_MEMORY_LIMIT", "XPNET_TF32", "XPNET_JIT"])
def test_a_variable_that_cannot_be_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "maybe")
    report = doctor.examine("reference")
    problems = [line for section in report.values() for line in section.values() if line.startswith(doctor.PROBLEM)]
    assert len(problems) == 1 and f"{variable} must be" in problems[0] and "not 'maybe'" in problems[0]
    assert not doctor.healthy(report)


def test_data_that_are_missing_or_damaged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor.datasets, "_MNIST", tmp_path)
    report = doctor.examine()
    assert report["data"]["MNIST"].startswith(f"problem: {tmp_path} holds no train-images")
    assert not doctor.healthy(report)
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.xz", np.zeros((3, 28, 28), np.uint8))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.xz", np.zeros(3, np.uint8))
    assert doctor.examine()["data"]["MNIST"] == "3 + 3 images in the box"
    (tmp_path / "t10k-labels-idx1-ubyte.xz").write_bytes(b"")
    assert doctor.examine()["data"]["MNIST"].endswith("is empty; expected an IDX file: get it again")


def test_the_doctor_unpacks_no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xpnet.data.datasets.read_idx", None)
    assert doctor.examine()["data"]["MNIST"] == "60,000 + 10,000 images in the box"


def test_a_package_that_is_missing_comes_with_its_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    optional = doctor.examine()["optional"]
    assert all(finding.startswith("not installed: pip install ") for finding in optional.values())
    assert 'pip install "xpnet[plot]"' in optional["matplotlib"]
