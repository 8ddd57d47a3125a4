"""What CuPy needs to run: CuPy itself, a driver, a device, NVRTC and cuBLAS; and what to install for each of them."""

import os
from typing import Any

from xpnet.errors import BackendError, OptionError

INSTALL = 'pip install "xpnet[cuda13]"  (driver for CUDA 13)  or  pip install "xpnet[cuda12]"  (driver for CUDA 12)'


def require_device() -> None:
    """Raise BackendError, saying what is missing and how to install it, unless all is there."""
    try:
        import cupy
    except ImportError as error:
        raise BackendError(f"backend 'cupy': CuPy is not installed ({error}). Install it: {INSTALL}") from error
    runtime = cupy.cuda.runtime
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        if "NoDevice" in str(error):
            raise BackendError(_no_device()) from error
        raise BackendError(
            "backend 'cupy': no NVIDIA driver was found, or it is too old for this CuPy"
            f" ({error}). Install or update the driver (nvidia-smi shows its CUDA version), then: {INSTALL}"
        ) from error
    if count == 0:
        raise BackendError(_no_device())
    cuda = runtime.runtimeGetVersion() // 1000  # 13 for a wheel made for CUDA 13
    suffix = "" if cuda >= 13 else f"-cu{cuda}"
    try:
        cupy.cuda.nvrtc.getVersion()
    except (ImportError, RuntimeError) as error:
        raise BackendError(
            "backend 'cupy': NVRTC, which compiles the kernels, was not found"
            f" ({_first_line(error)}). Install it: pip install nvidia-cuda-nvrtc{suffix} nvidia-cuda-runtime{suffix}"
        ) from error
    try:
        import cupy_backends.cuda.libs.cublas  # noqa: F401
    except (ImportError, RuntimeError) as error:
        raise BackendError(
            "backend 'cupy': cuBLAS, which multiplies the matrices, was not found"
            f" ({_first_line(error)}). Install it: pip install nvidia-cublas{suffix}"
        ) from error


def _no_device() -> str:
    return "backend 'cupy': the driver shows no device; check nvidia-smi and CUDA_VISIBLE_DEVICES"


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
