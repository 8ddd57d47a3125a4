"""What CuPy needs to run: CuPy itself, a driver, a device, NVRTC and cuBLAS; and what to install for each of them."""

import importlib.metadata
import os
from typing import Any, NamedTuple

from xpnet.errors import BackendError, OptionError

INSTALL = 'pip install "xpnet[cuda13]"  (driver for CUDA 13)  or  pip install "xpnet[cuda12]"  (driver for CUDA 12)'
# The number of a worker on its host, as Open MPI, MPICH and Intel MPI, MVAPICH and Slurm call it.
LOCAL_NUMBERS = ("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "MV2_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID")
WHEELS = ("cupy-cuda13x", "cupy-cuda12x", "cupy-cuda11x", "cupy-rocm-7-0", "cupy")  # the names CuPy goes by


class Piece(NamedTuple):
    """One of the things that are needed: what was found of it, or what is wrong and what to do."""

    name: str
    found: str = ""
    missing: str = ""


def require_device() -> None:
    """Raise BackendError, saying what is missing and how to install it, unless all is there."""
    for piece in pieces():
        if piece.missing:
            raise BackendError(f"backend 'cupy': {piece.missing}")


def own_device(devices: int) -> int:
    """The number of the device that a process takes: of several workers on a host each has its own, in turn."""
    numbers = [text for name in LOCAL_NUMBERS if (text := os.environ.get(name, "")).isdecimal()]
    return int(numbers[0]) % devices if numbers else 0


def pieces() -> list[Piece]:
    """All that is needed, in the order in which it is needed; whatever is broken, this raises nothing."""
    try:
        import cupy
    except ImportError as error:
        return [Piece("CuPy", missing=f"CuPy is not installed ({_first_line(error)}). Install it: {INSTALL}")]
    except Exception as error:
        return [Piece("CuPy", missing=f"CuPy cannot be imported ({_first_line(error)}). {_again()}")]
    runtime = cupy.cuda.runtime
    cuda = runtime.runtimeGetVersion() // 1000  # 13 for a wheel made for CUDA 13
    suffix = "" if cuda >= 13 else f"-cu{cuda}"
    return [_cupy(cupy), *_driver_and_devices(runtime), _nvrtc(cupy, suffix), _cublas(suffix)]


def wheels() -> list[str]:
    """The CuPy packages that are installed, of which there should be one."""
    names = []
    for name in WHEELS:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        names.append(name)
    return names


def _again() -> str:
    return f"Install it anew: pip uninstall -y {' '.join(wheels() or ['cupy'])}, then {INSTALL}"


def _cupy(cupy: Any) -> Piece:
    names = wheels()
    found = f"{getattr(cupy, '__version__', 'unknown')} ({', '.join(names) or 'from source'})"
    if len(names) > 1:
        found += f"; they overwrite each other's files. {_again()}"
    return Piece("CuPy", found)


def _driver_and_devices(runtime: Any) -> list[Piece]:
    nothing = "the driver shows no device; check nvidia-smi and CUDA_VISIBLE_DEVICES"
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        if "NoDevice" in str(error):
            return [Piece("driver", _version(runtime.driverGetVersion())), Piece("device", missing=nothing)]
        wanted = _version(runtime.runtimeGetVersion())
        return [
            Piece(
                "driver",
                missing=f"no NVIDIA driver was found, or it is too old for this CuPy, made for {wanted} ({error})."
                f" Install or update the driver (nvidia-smi shows its CUDA version), then: {INSTALL}",
            )
        ]
    if count == 0:
        return [Piece("driver", _version(runtime.driverGetVersion())), Piece("device", missing=nothing)]
    devices = [Piece(f"device {number}", _device(runtime, number)) for number in range(count)]
    return [Piece("driver", _version(runtime.driverGetVersion())), *devices]


def _device(runtime: Any, number: int) -> str:
    properties = runtime.getDeviceProperties(number)
    capability = f"compute capability {properties['major']}.{properties['minor']}"
    return f"{properties['name'].decode()}, {capability}, {properties['totalGlobalMem'] / 2**30:.1f} GiB"


def _nvrtc(cupy: Any, suffix: str) -> Piece:
    try:
        return Piece("NVRTC", ".".join(map(str, cupy.cuda.nvrtc.getVersion())))
    except (ImportError, RuntimeError) as error:
        install = f"pip install nvidia-cuda-nvrtc{suffix} nvidia-cuda-runtime{suffix}"
        why = f"NVRTC, which compiles the kernels, was not found ({_first_line(error)}). Install it: {install}"
        return Piece("NVRTC", missing=why)


def _cublas(suffix: str) -> Piece:
    try:
        import cupy_backends.cuda.libs.cublas  # noqa: F401
    except (ImportError, RuntimeError) as error:
        install = f"pip install nvidia-cublas{suffix}"
        why = f"cuBLAS, which multiplies the matrices, was not found ({_first_line(error)}). Install it: {install}"
        return Piece("cuBLAS", missing=why)
    return Piece("cuBLAS", "found")


def _version(version: int) -> str:
    """12080 is CUDA 12.8."""
    return f"CUDA {version // 1000}.{version % 1000 // 10}"


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def memory_limit() -> int | None:
    """XPNET_MEMORY_LIMIT in bytes: a number of megabytes (of 2**20 bytes), or None."""
    wish = os.environ.get("XPNET_MEMORY_LIMIT", "").strip()
    if not wish:
        return None
    if not wish.isdigit() or int(wish) < 1:
        raise OptionError(f"XPNET_MEMORY_LIMIT must be a whole number of megabytes, not {wish!r}")
    return int(wish) * 2**20


def wants_tf32() -> bool:
    """XPNET_TF32=1: products of float32 matrices may round their factors to 10 bits, on the tensor cores."""
    wish: Any = os.environ.get("XPNET_TF32", "").strip()
    if wish not in ("", "0", "1"):
        raise OptionError(f"XPNET_TF32 must be 0 or 1, not {wish!r}")
    return bool(wish == "1")
