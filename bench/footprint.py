"""What xpnet takes besides time, beside PyTorch: memory of training, time of the import, and size on the disk.

    python bench/footprint.py
    python bench/footprint.py --networks deepconvnet --json

Memory is the growth of the peak resident set over some training steps, above what the process had after a step with a
batch of 16, in MB (10**6 bytes); import time is that of a process that imports and ends, less that of one that only
ends, the median of several; size is that of all files of the package and of what it needs, in MB.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from peers import BATCH, xpnet_step

STEPS = 5
CACHED = (".pyc", ".nbi", ".nbc")  # made on first use


def peak_mb(network: str, batch: int, peer: str) -> float:
    """In this process: MB that training steps add to the peak."""
    from xpnet.cli.results import peak_memory_mb

    def step(size: int, train: bool) -> Any:
        if peer == "xpnet":
            return xpnet_step(network, size, train, count=1).run
        from torch_peers import step_of, torch_network

        return step_of(torch_network(network), network, size, peer == "channels_last", train, count=1).run

    step(16, True)()  # libraries, kernels and threads are there
    train = step(batch, True)
    before = peak_memory_mb()
    for _ in range(STEPS):
        train()
    after = peak_memory_mb()
    if before is None or after is None:
        raise SystemExit("footprint: this system does not tell how much memory a process has held")
    return after - before


def memory(network: str, batch: int, peer: str, jit: bool) -> float:
    """`peak_mb` in a process of its own."""
    command = [sys.executable, __file__, "--inner", network, str(batch), peer]
    variables = os.environ | {"XPNET_JIT": str(int(jit)), "XPNET_BACKEND": "numpy"}
    done = subprocess.run(command, env=variables, check=True, capture_output=True, text=True)
    return float(done.stdout)


def import_seconds(module: str, runs: int = 7) -> float:
    def median(script: str) -> float:
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", script], check=True)
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    return median(f"import {module}") - median("")


def installed_mb(package: str) -> float:
    """The package's files and those of all that it needs, extras not counted; of xpnet itself, its folder."""
    names, sizes = [package], {}
    while names:
        name = re.split(r"[^\w.-]", names.pop())[0].lower().replace("_", "-")
        if name in sizes:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another system
        if name == "xpnet":
            import xpnet

            files = list(Path(xpnet.__file__).parent.rglob("*"))
        else:
            files = [Path(str(file.locate())) for file in distribution.files or ()]
        files = [path for path in files if path.is_file() and path.suffix not in CACHED]
        sizes[name] = sum(path.stat().st_size for path in files)
        names += [line for line in distribution.requires or () if "extra ==" not in line]
    return sum(sizes.values()) / 1e6


def footprint(networks: list[str], kinds: list[str]) -> dict[str, Any]:
    """All of it, printed and returned."""
    print(f"\n{'peak memory of training, MB':<34} {'xpnet':>8} {'torch':>8}")
    rows = []
    for network in networks:
        batch = BATCH[network]
        peer = min(memory(network, batch, form, False) for form in ("contiguous", "channels_last"))
        for kind in kinds:
            own = memory(network, batch, "xpnet", kind == "jit")
            rows.append({"network": network, "batch": batch, "variant": kind, "xpnet_mb": own, "peer_mb": peer})
            print(f"{f'{network}, batch {batch}, {kind}':<34} {own:>8.0f} {peer:>8.0f}", flush=True)
    seconds = {module: round(import_seconds(module), 3) for module in ("xpnet", "torch")}
    size = {package: round(installed_mb(package)) for package in ("xpnet", "torch", "numba")}  # 0: not there
    print(f"import: xpnet {seconds['xpnet']:.2f} s, torch {seconds['torch']:.2f} s")
    jit = size["xpnet"] + size["numba"]
    print(f"installed: xpnet {size['xpnet']} MB (with the extra jit {jit}), torch {size['torch']} MB")
    return {"memory": rows, "import_s": seconds, "installed_mb": size}


def main() -> None:
    if sys.argv[1:2] == ["--inner"]:
        network, batch, peer = sys.argv[2:]
        print(peak_mb(network, int(batch), peer))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=BATCH, default=list(BATCH), metavar="NETWORK")
    parser.add_argument("--json", metavar="FILE", help="also write it as JSON")
    arguments = parser.parse_args()
    kinds = ["numpy", "jit"] if importlib.util.find_spec("numba") else ["numpy"]
    report = footprint(arguments.networks, kinds)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
