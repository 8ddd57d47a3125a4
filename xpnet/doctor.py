"""What xpnet finds on this machine: versions, processors, backends, data. `xpnet doctor` prints it."""

import importlib.metadata
import os
import platform
import sys
from typing import Any

import numpy as np

import xpnet
from xpnet.backend import make_backend
from xpnet.backend.cupy_backend import INSTALL, require_device
from xpnet.backend.threads import thread_count, usable_cpus
from xpnet.data import datasets
from xpnet.errors import XpnetError

Report = dict[str, dict[str, str]]  # section -> what -> finding

PROBLEM = "problem: "  # how a finding begins that keeps xpnet from doing what it was asked to do
# Optional packages by their names at the package index; CuPy goes by several.
OPTIONAL: dict[str, tuple[tuple[str, ...], str]] = {
    "matplotlib": (("matplotlib",), 'pip install "xpnet[plot]"'),
    "torch": (("torch",), 'pip install "xpnet[oracle]"'),
    "array-api-strict": (("array-api-strict",), "pip install array-api-strict"),
    "cupy": (("cupy-cuda13x", "cupy-cuda12x", "cupy"), INSTALL),
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
            "BLAS": _blas(),
        },
        "processors": {
            "usable": f"{usable_cpus()} of {os.cpu_count() or 1}",
            "threads": _threads(),
            "XPNET_NUM_THREADS": os.environ.get("XPNET_NUM_THREADS") or "not set",
        },
        "backend": {
            "XPNET_BACKEND": os.environ.get("XPNET_BACKEND") or "not set",
            "asked for": asked,
            "state": _backend(asked),
            "GPU": _gpu(),
        },
        "data": {"MNIST": _mnist()},
        "optional": {name: _version(names, install) for name, (names, install) in OPTIONAL.items()},
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


def _blas() -> str:
    from threadpoolctl import threadpool_info

    libraries = [info for info in threadpool_info() if info["user_api"] == "blas"]
    found = {f"{info['internal_api']} {info['version']}, threads: {info['num_threads']}" for info in libraries}
    return "; ".join(sorted(found)) or "not one that threadpoolctl knows"


def _threads() -> str:
    try:
        return str(thread_count())
    except XpnetError as error:
        return PROBLEM + str(error)


def _backend(name: str) -> str:
    try:
        backend = make_backend(name)
        total: Any = backend.xp.sum(backend.asarray(np.ones(3, np.float32)))
        assert float(total) == 3.0
    except XpnetError as error:
        return PROBLEM + str(error)
    return "works" if backend.name == name else f"works ({backend.name})"


def _gpu() -> str:
    """The device that CuPy would use; without one, the reason. That is no problem unless it is asked for."""
    try:
        require_device()
    except XpnetError as error:
        return "none: " + str(error).removeprefix("backend 'cupy': ").partition(". ")[0]
    import cupy

    runtime = cupy.cuda.runtime
    properties = runtime.getDeviceProperties(0)
    memory = properties["totalGlobalMem"] / 2**30
    versions = f"driver {_cuda(runtime.driverGetVersion())}, runtime {_cuda(runtime.runtimeGetVersion())}"
    return f"{properties['name'].decode()}, {memory:.0f} GiB, CUDA {versions}"


def _cuda(version: int) -> str:
    """12080 is CUDA 12.8."""
    return f"{version // 1000}.{version % 1000 // 10}"


def _mnist() -> str:
    """From the files' headers: to unpack them all takes seconds."""
    try:
        train, test = datasets.mnist_sizes()
    except XpnetError as error:
        return PROBLEM + str(error)
    return f"{train:,} + {test:,} images in the box"


def _version(names: tuple[str, ...], install: str) -> str:
    for name in names:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return f"not installed: {install}"
