"""`xpnet doctor --workers`: what each worker finds, whether all are alike, and what messages between them cost."""

import importlib
import importlib.metadata
import json
import platform
import re
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import click
import numpy as np

import xpnet
from xpnet.backend.cpu.processors import usable_cpus
from xpnet.backend.cpu.threads import thread_count
from xpnet.cli.workers import Launching, start_workers
from xpnet.doctor import PROBLEM, blas, cache_sizes, jit
from xpnet.errors import XpnetError
from xpnet.parallel.launch import find_launcher

ALIKE = ("processor", "caches", "Python", "NumPy", "xpnet", "BLAS", "jit")  # what the bits depend on, or may
SMALL, LARGE = 8, 1 << 20  # bytes of a message
TURNS = {SMALL: 300, LARGE: 20}  # there and back


# ---- the launcher ----------------------------------------------------------------------------------------------------


def examine_workers(launching: Launching, threads: int | None) -> dict[str, str]:
    """A section of the doctor's report: what N workers found."""
    try:
        launcher = find_launcher()
        lines: list[str] = []
        each = launching.threads_of_each(threads)
        end = start_workers(launching, "doctor", f"--threads={each}", "--launched=0", out=lines.append)
    except XpnetError as error:
        return {"state": PROBLEM + str(error)}
    found = [json.loads(line) for line in lines if line.startswith('{"workers": ')]
    section = {"mpiexec": f"{launcher.kind or 'unknown'} {launcher.version} in {launcher.path}"}
    if not found:
        why = end.died or ("interrupted" if end.interrupted else f"mpiexec ended with status {end.status}")
        return section | {"state": f"{PROBLEM}the workers did not report: {why}"}
    return section | describe_workers(found[-1], launcher.ulfm and launching.ulfm is not False)


def describe_workers(found: dict[str, Any], ulfm: bool) -> dict[str, str]:
    """The findings: what the workers share, a line for each of them, and whether they are alike."""
    workers: list[dict[str, str]] = found["workers"]
    lost = "yes: where a worker dies, the others go on" if ulfm else "no: where a worker dies, all are started again"
    section = {"MPI": found["library"], "ULFM": lost, "mpi4py": found["mpi4py"], "NCCL": found["NCCL"]}
    for number, facts in enumerate(workers):
        versions = ", ".join(f"{name} {facts[name]}" for name in ("Python", "NumPy", "xpnet"))
        cores = f"{facts['cores']} processors, {facts['threads']} threads"
        section[f"worker {number}"] = (
            f"{facts['host']}: {facts['processor']}, {cores}; {versions}, {facts['BLAS']}, jit {facts['jit']}"
        )
    for number, (latency, bandwidth) in enumerate(found["messages"], 1):
        section[f"0 to {number}"] = (
            f"{1e6 * latency:.1f} microseconds for {SMALL} bytes, {bandwidth / 1e9:.2f} GB/s with {LARGE >> 20} MiB"
        )
    section["state"] = compare_workers(workers)
    return section


def compare_workers(workers: list[dict[str, str]]) -> str:
    """Whether all are alike, or which are the odd ones, and in what."""
    odd = []
    for name in ALIKE:
        counts = Counter(facts[name] for facts in workers)
        usual = counts.most_common(1)[0][0]
        for number, facts in enumerate(workers):
            if facts[name] != usual:
                odd.append(f"{name} of worker {number} (host {facts['host']}) is {facts[name]}, of the others {usual}")
    if odd:
        return f"{PROBLEM}the same bits hold for workers that are alike, and these are not: {'; '.join(odd)}"
    return f"all {len(workers)} workers alike" if len(workers) > 1 else "one worker"


# ---- a worker --------------------------------------------------------------------------------------------------------


def report_worker() -> None:
    """Worker 0 prints what all of them found, as one line of JSON."""
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    workers = world.gather(own_facts(), root=0)
    messages = measure_messages(world)
    if world.rank == 0:
        library = MPI.Get_library_version().strip("\0").splitlines()[0].split(", package:")[0].strip()
        versions = {"mpi4py": importlib.metadata.version("mpi4py"), "NCCL": nccl()}
        click.echo(json.dumps({"workers": workers, "library": library, **versions, "messages": messages}))


def own_facts() -> dict[str, str]:
    """What may differ among workers."""
    return {
        "host": socket.gethostname(),
        "processor": processor_model(),
        "caches": cache_sizes(),
        "cores": str(usable_cpus()),
        "threads": str(thread_count()),
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "xpnet": xpnet.__version__,
        "BLAS": re.sub(", threads: \\d+", "", blas()),  # xpnet holds it to one
        "jit": jit(),
    }


def processor_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """As the system calls it: AMD EPYC 7B13; where it does not tell, its architecture."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
        says = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in reversed(lines))}
        return says.get("model name") or says.get("Model") or platform.machine()
    except OSError:  # no Linux
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        try:
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return platform.processor() or platform.machine()


def nccl() -> str:
    """Its version, or what is missing: without it gradients of GPUs go by way of the host."""
    try:
        module = importlib.import_module("cupy_backends.cuda.libs.nccl")
        return str(module.get_build_version())
    except (ImportError, AttributeError, RuntimeError) as error:
        return f"missing: {error or type(error).__name__}"


def measure_messages(world: Any) -> list[tuple[float, float]]:
    """Between worker 0 and each other: half a round trip of a small message in seconds, and bytes a second of a large
    one. The others have nothing.
    """
    found = []
    for other in range(1, world.size):
        world.Barrier()
        if world.rank in (0, other):
            seconds = {size: _half_round_trip(world, other - world.rank, size, turns) for size, turns in TURNS.items()}
            found.append((seconds[SMALL], LARGE / seconds[LARGE]))
    world.Barrier()
    return found if world.rank == 0 else []


def _half_round_trip(world: Any, peer: int, size: int, turns: int) -> float:
    """The best of the turns."""
    message, best = np.zeros(size, np.uint8), float("inf")
    for _ in range(turns):
        begin = time.perf_counter()
        if world.rank == 0:
            world.Send(message, peer)
            world.Recv(message, peer)
        else:
            world.Recv(message, 0)
            world.Send(message, 0)
        best = min(best, (time.perf_counter() - begin) / 2)
    return best
