"""Peak memory of training steps, above what the process had before the first one.

    python bench/memory.py --network deepconvnet --batch 100 1000

Each batch size is measured in a process of its own, on random images; the figure is the growth of the peak resident
set, in MB (10**6 bytes).
"""

import argparse
import json
import subprocess
import sys

import numpy as np

import xpnet
from xpnet.cli.results import peak_memory_mb
from xpnet.networks.recipes import NETWORKS


def peak_mb() -> float:
    peak = peak_memory_mb()
    if peak is None:
        raise SystemExit("this system does not tell how much memory a process has held")
    return peak


def measure(network: str, batch: int, steps: int) -> float:
    """MB that `steps` training steps add to the peak."""
    xpnet.seed(0)
    model = NETWORKS[network].make()
    model.compile("adam")
    rng = np.random.default_rng(0)
    x, t = rng.random((batch, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, batch)
    model.predict(x[:1])  # thread pools and libraries are there
    before = peak_mb()
    for _ in range(steps):
        model.train_on_batch(x, t)
    return peak_mb() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=NETWORKS, default="deepconvnet")
    parser.add_argument("--batch", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if len(arguments.batch) == 1:
        results = {arguments.batch[0]: measure(arguments.network, arguments.batch[0], arguments.steps)}
    else:
        results = {}
        for batch in arguments.batch:
            command = [sys.executable, __file__, "--network", arguments.network, "--batch", str(batch), "--json"]
            done = subprocess.run(
                [*command, "--steps", str(arguments.steps)], check=True, capture_output=True, text=True
            )
            results[batch] = json.loads(done.stdout)["peak_mb"][str(batch)]
    if arguments.json:
        print(json.dumps({"network": arguments.network, "peak_mb": results}))
        return
    for batch, megabytes in results.items():
        print(f"{arguments.network}, batch {batch:5}: {megabytes:6.1f} MB above the start")


if __name__ == "__main__":
    main()
