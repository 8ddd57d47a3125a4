"""Does the working tree train to the same bits as a commit did?

    python -m tests.house.same_bits 08cb547
    python -m tests.house.same_bits 08cb547 --networks mlp lenet5 --backends numpy

Each training of `trainings.py` runs with the xpnet of the commit, in a temporary worktree, and with that of the working
tree, from one seed and on one thread: every network, then ways to fit, optimizers, losses and commands. A row says
whether names, weights, history, outputs and the number of random keys are the same, and if not, which of these differ.
Backends: NumPy alone, Numba (where it is installed) and the reference. Exit status 1 if any row differs.

Hashes are of this processor and these versions of NumPy and Numba: they are compared, and not kept.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.worktree import ROOT, checked_out
from tests.house.trainings import NETWORKS, TRAININGS

BACKENDS = {
    "numpy": {"XPNET_BACKEND": "numpy", "XPNET_JIT": "0"},
    "numba": {"XPNET_BACKEND": "numpy", "XPNET_JIT": "1"},
    "reference": {"XPNET_BACKEND": "reference"},
}
ONE_THREAD = dict.fromkeys(("XPNET_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Digests = dict[str, dict[str, str]]  # by training, by part


def train(tree: Path, backend: str, names: list[str]) -> Digests:
    """What comes of these trainings with the xpnet of this tree, in a process of its own."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("XPNET_")}
    variables |= ONE_THREAD | BACKENDS[backend] | {"PYTHONPATH": str(tree)}
    command = [sys.executable, str(Path(__file__).with_name("trainings.py")), "--tree", str(tree), *names]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"same_bits: the trainings failed with {tree}, backend {backend}:\n{done.stderr}")
    rows = map(json.loads, done.stdout.splitlines())
    return {row["name"]: row["parts"] for row in rows}


def verdict(before: dict[str, str], after: dict[str, str]) -> str:
    different = [part for part in before if before[part] != after[part]]
    return f"DIFFERENT: {', '.join(different)}" if different else "same"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, help="these alone, and none of the other trainings")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS)
    arguments = parser.parse_args()
    backends = arguments.backends or [b for b in BACKENDS if b != "numba" or importlib.util.find_spec("numba")]
    names = arguments.networks or list(TRAININGS)
    differ = 0
    with checked_out(arguments.commit) as tree, ThreadPoolExecutor(2) as both:
        for backend in backends:
            before, after = both.map(lambda place, b=backend: train(place, b, names), (tree, ROOT))
            for name in names:
                said = verdict(before[name], after[name])
                differ += said != "same"
                print(f"{backend:<10} {name:<28} {said}", flush=True)
    print(f"{differ} of {len(backends) * len(names)} differ from {arguments.commit}")
    sys.exit(bool(differ))


if __name__ == "__main__":
    main()
