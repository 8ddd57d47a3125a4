"""What one training step asks of a GPU: launches, library calls, waits, copies and bytes; counted, not timed.

    python bench/launches.py
    python bench/launches.py --networks deepconvnet --by-name
    python bench/launches.py --json

xpnet's backend `cupy` stands beside the plain reference, the same code on CuPy's namespace without any kernel of its
own. A step is what `fit` does for a batch: staging, forward, loss, backward, Adam, and accuracy; of a GAN, both
updates. It is counted on the stand-in device (tests/cudasim), after steps that compile and warm up; the numbers are
those of a GPU, times are not. The networks are those of compare.py.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from peers import BATCH, data, xpnet_network

from tests import cudasim

COLUMNS = {  # counter -> head of its column
    "launches": "launches",
    "library_calls": "library",
    "synchronizations": "waits",
    "device_to_host": "to host",
    "host_to_device": "to device",
    "host_to_device_bytes": "bytes",
    "device_to_device": "on device",
    "allocations": "arrays",
    "peak_bytes": "peak bytes",
}


def count(
    network: str, plain: bool, batch: int, warm: int = 2, steps: int = 2
) -> tuple[dict[str, int], dict[str, int]]:
    """The counters of one step in `fit`, and the calls by name."""
    import xpnet
    from xpnet.backend.cuda.arrays import CupyArrays
    from xpnet.backend.cuda.backend import CupyBackend

    found: list[tuple[dict[str, int], dict[str, int]]] = []

    class Watch(xpnet.callbacks.Callback):
        def on_train_batch_end(self, step: int, logs: dict[str, object]) -> None:
            if step >= warm:
                found.append((cudasim.counters(), cudasim.calls()))
            cudasim.reset()

    arrays = data(batch * (warm + steps + 1), network)  # the last step has no batch to copy ahead
    with xpnet.use_backend(CupyArrays() if plain else CupyBackend()):
        model = xpnet_network(network)
        if not model.has_own_step:
            model.compile("adam", metrics=["accuracy"])
        model.fit(*arrays, batch_size=batch, verbose=0, callbacks=[Watch()])
    first, second = found[:steps]
    same = set(COLUMNS) - {"peak_bytes"}
    assert all(first[0][name] == second[0][name] for name in same), "the steps differ"
    return {name: second[0][name] for name in COLUMNS}, second[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["mlp", "lenet5", "simpleconvnet", "deepconvnet"])
    parser.add_argument("--batch", type=int, default=100, help="default: 100")
    parser.add_argument("--by-name", action="store_true", help="also list kernels and library functions")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if unknown := set(arguments.networks) - set(BATCH):
        parser.error(f"there is no network {', '.join(sorted(unknown))}; choose of {', '.join(BATCH)}")
    try:
        cudasim.activate()
    except cudasim.Unavailable as why:
        sys.exit(f"launches: the stand-in device, which counts, cannot run: {why}")
    rows = []
    if not arguments.json:
        print(f"one training step, batch {arguments.batch}, counted on the stand-in device")
        print(f"{'network':<14} {'backend':<10}" + "".join(f" {head:>12}" for head in COLUMNS.values()))
    for network in arguments.networks:
        for plain in (False, True):
            counts, calls = count(network, plain, arguments.batch)
            name = "reference" if plain else "cupy"
            rows.append({"network": network, "batch": arguments.batch, "backend": name, **counts})
            if not arguments.json:
                print(f"{network:<14} {name:<10}" + "".join(f" {value:>12,.0f}" for value in counts.values()))
            if arguments.by_name:
                rows[-1]["calls"] = calls
                lines = [] if arguments.json else sorted(calls.items(), key=lambda item: -item[1])
                print(*(f"    {number:>6}  {call}" for call, number in lines), sep="\n", end="\n" if lines else "")
    if arguments.json:
        print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
