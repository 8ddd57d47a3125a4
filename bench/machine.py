"""What stands beside a figure: the processor it was measured on, and the versions of what was measured."""

import importlib.metadata
import os
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PEERS = {  # the packages whose versions matter, of each peer
    "textbook": (),
    "torch": ("torch",),
    "torch-compile": ("torch",),
    "onnxruntime": ("onnxruntime", "torch"),
    "keras": ("keras", "jax", "torch"),
}


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Its name as the system tells it, and its widest vectors: "AMD EPYC (family 25, model 17), AVX-512"."""
    if not cpuinfo.exists():
        return _without_cpuinfo()
    first = cpuinfo.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    says = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}
    name = says.get("model name") or says.get("Model") or platform.machine()
    for mark in ("(R)", "(TM)", "Processor", "CPU"):
        name = name.replace(mark, "")
    name = " ".join(name.split())
    if "cpu family" in says and "model" in says:  # a virtual machine may hide the rest of the name
        name += f" (family {says['cpu family']}, model {says['model']})"
    flags = says.get("flags", says.get("Features", "")).split()
    widest = {"avx512f": "AVX-512", "avx2": "AVX2", "sve": "SVE", "asimd": "NEON"}
    return ", ".join([name, *[widest[flag] for flag in widest if flag in flags][:1]])


def _without_cpuinfo() -> str:
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or platform.machine()
    return platform.processor() or platform.machine()


def watch_others(stat: Path = Path("/proc/stat")) -> Callable[[], float | None]:
    """From here on: what returns how many processors were busy with other processes; None where that is not to be told.

    More than some tenths disturb a comparison, and PyTorch most: its threads wait for one another by spinning.
    """

    def busy() -> float:
        fields = [int(field) for field in stat.read_text(encoding="utf-8").splitlines()[0].split()[1:9]]
        return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")  # all but idle and waiting for disks

    if not stat.exists():
        return lambda: None
    before, own, start = busy(), time.process_time(), time.perf_counter()

    def others() -> float:
        spent = busy() - before - (time.process_time() - own)
        return round(max(0.0, spent) / (time.perf_counter() - start), 2)

    return others


def versions(against: str, jit: bool) -> dict[str, str]:
    """Of Python, xpnet, what it computes with, and the peer."""
    import xpnet

    found = {"Python": platform.python_version(), "xpnet": xpnet.__version__}
    for package in ("numpy", *(["numba"] if jit else []), *PEERS[against]):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def in_words(found: dict[str, str]) -> str:
    return ", ".join(f"{package} {version}" for package, version in found.items())
