"""The GPU backend: CuPy on an NVIDIA device."""

from typing import Any

import numpy as np

from xpnet.backend.reference import Array, Backend
from xpnet.errors import BackendError

INSTALL = 'pip install "xpnet[cuda13]"  (driver for CUDA 13)  or  pip install "xpnet[cuda12]"  (driver for CUDA 12)'


def require_device() -> None:
    """Raise BackendError, saying what is missing, unless CuPy and a device are there."""
    try:
        import cupy
    except ImportError as error:
        raise BackendError(f"backend 'cupy': CuPy is not installed ({error}). Install it: {INSTALL}") from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise BackendError(
            "backend 'cupy': no NVIDIA driver was found, or it is too old for this CuPy"
            f" ({error}). Install or update the driver (nvidia-smi shows its CUDA version), then: {INSTALL}"
        ) from error
    if count == 0:
        raise BackendError("backend 'cupy': the driver shows no device; check nvidia-smi and CUDA_VISIBLE_DEVICES")


class CupyBackend(Backend):
    """The reference primitives on CuPy's namespace."""

    name = "cupy"
    lazy = True

    def __init__(self) -> None:
        require_device()
        import array_api_compat.cupy as xp

        super().__init__(xp)

    def to_numpy(self, x: Array) -> np.ndarray:
        import cupy

        result: np.ndarray = cupy.asnumpy(x)
        return result

    def asarray(self, x: Any, dtype: Any = None) -> Array:
        return self.xp.asarray(x, dtype=self.dtype(dtype))

    def synchronize(self) -> None:
        import cupy

        cupy.cuda.get_current_stream().synchronize()
