"""What is said where CUDA, or a piece of it, is missing: by the backend, by `auto`, by commands and by the doctor."""

import builtins
import os
import subprocess
import sys
import types
from typing import Any

import pytest

from tests import cudasim
from xpnet.backend.cuda import device as cuda_device
from xpnet.errors import BackendError


class DriverError(RuntimeError):
    """In the place of CuPy's CUDARuntimeError."""


def fake_cupy(devices: int | str, nvrtc: Exception | None = None, runtime: int = 13020) -> Any:
    """A CuPy that finds so many devices, or this error of the driver's."""

    def count() -> int:
        if isinstance(devices, str):
            raise DriverError(devices)
        return devices

    def version() -> tuple[int, int]:
        if nvrtc:
            raise nvrtc
        return 13, 2

    found = types.SimpleNamespace(
        getDeviceCount=count,
        runtimeGetVersion=lambda: runtime,
        driverGetVersion=lambda: 13000,
        getDeviceProperties=lambda number: {"name": b"NVIDIA H100", "totalGlobalMem": 80 << 30, "major": 9, "minor": 0},
        CUDARuntimeError=DriverError,
    )
    cuda = types.SimpleNamespace(runtime=found, nvrtc=types.SimpleNamespace(getVersion=version))
    return types.SimpleNamespace(cuda=cuda, __version__="14.2.0")


@pytest.mark.parametrize(
    ("cupy", "words"),
    [
        (None, ("CuPy is not installed", 'pip install "xpnet[cuda13]"', 'pip install "xpnet[cuda12]"')),
        (fake_cupy("cudaErrorInsufficientDriver: too old"), ("no NVIDIA driver", "cudaErrorInsufficientDriver")),
        (fake_cupy("cudaErrorNoDevice: none"), ("the driver shows no device", "CUDA_VISIBLE_DEVICES")),
        (fake_cupy(0), ("the driver shows no device", "nvidia-smi")),
        (fake_cupy(1, RuntimeError("libnvrtc.so.13")), ("NVRTC", "libnvrtc", "pip install nvidia-cuda-nvrtc ")),
        (fake_cupy(1, RuntimeError("x"), 12090), ("NVRTC", "nvidia-cuda-nvrtc-cu12 nvidia-cuda-runtime-cu12")),
        (fake_cupy(1), ("cuBLAS", "libcublas", "pip install nvidia-cublas")),
    ],
    ids=["CuPy", "driver", "no device", "none", "NVRTC 13", "NVRTC 12", "cuBLAS"],
)
def test_each_missing_piece_has_its_own_error(
    monkeypatch: pytest.MonkeyPatch, cupy: Any, words: tuple[str, ...]
) -> None:
    real = builtins.__import__

    def without_cublas(name: str, *args: Any, **options: Any) -> Any:
        if name.startswith("cupy_backends"):
            raise ImportError('Failure finding "libcublas.so.13"\nin many places')
        return real(name, *args, **options)

    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(builtins, "__import__", without_cublas)
    with pytest.raises(BackendError) as caught:
        cuda_device.require_device()
    message = str(caught.value)
    assert message.startswith("backend 'cupy': ") and "\n" not in message
    assert all(word in message for word in words), message


def test_all_that_is_there_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(2))
    monkeypatch.setattr(cuda_device, "wheels", lambda: ["cupy-cuda13x"])
    found = {piece.name: piece.found for piece in cuda_device.pieces()}
    assert found["CuPy"] == "14.2.0 (cupy-cuda13x)" and found["driver"] == "CUDA 13.0" and found["NVRTC"] == "13.2"
    assert found["device 1"] == "NVIDIA H100, compute capability 9.0, 80.0 GiB"


def test_two_wheels_of_cupy_are_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_device.importlib.metadata, "version", lambda name: "14.2.0")
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(1))
    found = cuda_device.pieces()[0].found
    assert "overwrite" in found and "pip uninstall -y cupy-cuda13x cupy-cuda12x" in found and "xpnet[cuda13]" in found


def test_a_cupy_that_breaks_on_import_is_to_be_installed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def broken(name: str, *args: Any, **options: Any) -> Any:
        if name == "cupy":
            raise AttributeError("module 'numpy' has no attribute 'product'")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", broken)
    (piece,) = cuda_device.pieces()
    assert "cannot be imported" in piece.missing and "pip uninstall -y" in piece.missing


# ---- the wheel as it is installed, in a process of its own ---------------------------------------------------------

# What CuPy asks for a library that is not loaded would find a wheel of NVIDIA's that is installed beside it.
HIDE = """
import cuda.pathfinder as finder
load = finder.load_nvidia_dynamic_lib
def find(name):
    if name == {name!r}:
        raise finder.DynamicLibNotFoundError("Failure finding lib" + name + ".so")
    return load(name)
finder.load_nvidia_dynamic_lib = find
"""
STAND_IN = "from tests import cudasim; cudasim.activate()\n"
COMMAND = "import sys; from xpnet.cli import main; sys.argv[0] = 'xpnet'; main()"
MISSING = {
    "driver": ("", "no NVIDIA driver was found", "nvidia-smi"),
    "nvrtc": (HIDE.format(name="nvrtc") + STAND_IN, "NVRTC", "pip install nvidia-cuda-nvrtc nvidia-cuda-runtime"),
    "cublas": (HIDE.format(name="cublas") + STAND_IN, "cuBLAS", "pip install nvidia-cublas"),
}


def run(missing: str, backend: str, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("cupy", reason="CuPy is not installed: there is no wheel to try")
    if not cudasim.is_active():
        pytest.skip(f"the stand-in device, which has what is not missing, cannot run: {cudasim.why_not()}")
    environment = os.environ | {"XPNET_BACKEND": backend, "CUDASIM_WITHOUT": missing}
    command = [sys.executable, "-c", MISSING[missing][0] + script, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("missing", MISSING)
def test_the_backend_says_what_is_missing(missing: str) -> None:
    done = run(missing, "cupy", "import xpnet; xpnet.get_backend()")
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and last.startswith("xpnet.errors.BackendError: backend 'cupy': ")
    assert all(word in last for word in MISSING[missing][1:]), last


@pytest.mark.parametrize("missing", MISSING)
def test_auto_runs_on_numpy_and_says_why(missing: str) -> None:
    done = run(missing, "auto", "import xpnet; print(xpnet.get_backend().name)")
    assert done.stdout == "numpy\n", done.stderr
    assert done.stderr.startswith("xpnet: backend auto chose numpy (backend 'cupy': ")
    assert MISSING[missing][1] in done.stderr


@pytest.mark.parametrize("missing", MISSING)
def test_a_command_ends_in_one_line(missing: str) -> None:
    done = run(missing, "cupy", COMMAND, "summary", "mlp")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("xpnet: error: backend 'cupy': ") and done.stderr.count("\n") == 1, done.stderr
    assert MISSING[missing][2] in done.stderr


@pytest.mark.parametrize("missing", MISSING)
def test_the_doctor_lists_it_and_is_alarmed_if_it_was_asked_for(missing: str) -> None:
    done = run(missing, "", COMMAND, "doctor")
    name = {"driver": "driver", "nvrtc": "NVRTC", "cublas": "cuBLAS"}[missing]
    line = next(line for line in done.stdout.splitlines() if line.split()[:1] == [name])
    assert done.returncode == 0 and line.split()[1] == "missing:" and MISSING[missing][2] in line
    assert run(missing, "cupy", COMMAND, "doctor").returncode == 1
