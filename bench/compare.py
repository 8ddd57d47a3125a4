"""Training speed of xpnet beside another implementation, in one process, alternating step by step.

    python bench/compare.py --against textbook
    python bench/compare.py --against torch --networks deepconvnet lenet5 --json speed.json

The ratio is images per second of xpnet over those of the other one, the median over the steps with its quartiles: 2
means twice as fast. PyTorch is measured contiguous and channels_last, and the faster one counts. All use the same
number of threads.
"""

import argparse
import json
import os
import statistics
import time

from peers import BATCH, Step, textbook_step, torch_step, xpnet_step

PAUSE = 0.1  # seconds before each step: threads of BLAS and OpenMP spin for a while after their work is done


def alternate(steps: list[Step], rounds: int) -> list[list[float]]:
    """Seconds of each step function in each round, taken in turns."""
    times: list[list[float]] = [[] for _ in steps]
    for step in steps:
        step(), step()  # warm up
    for _ in range(rounds):
        for step, seconds in zip(steps, times, strict=True):
            time.sleep(PAUSE)
            start = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - start)
    return times


def compare(network: str, against: str, rounds: int) -> dict[str, object]:
    batch = BATCH[network]
    if against == "textbook":
        others = [textbook_step(network, batch)]
    else:
        others = [torch_step(network, batch, channels_last) for channels_last in (False, True)]
    own, *rest = alternate([xpnet_step(network, batch), *others], rounds)
    best = min(rest, key=statistics.median)
    low, middle, high = statistics.quantiles([b / a for a, b in zip(own, best, strict=True)], n=4)
    return {
        "network": network,
        "mode": "train",
        "batch": batch,
        "threads": threads(),
        "variant": "numpy",
        "xpnet_images_per_s": round(batch / statistics.median(own), 1),
        "peer_images_per_s": round(batch / statistics.median(best), 1),
        "ratio": round(middle, 3),
        "quartiles": [round(low, 3), round(high, 3)],
    }


def threads() -> int:
    from xpnet.backend.threads import thread_count

    return thread_count()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", choices=["textbook", "torch"], default="textbook")
    parser.add_argument("--networks", nargs="+", choices=BATCH, default=list(BATCH), metavar="NETWORK")
    parser.add_argument("--rounds", type=int, default=20, help="steps of each, in turns (default 20)")
    parser.add_argument("--json", metavar="FILE", help="also write the table as JSON")
    arguments = parser.parse_args()
    if arguments.against == "torch":
        import torch

        torch.set_num_threads(threads())
    print(f"xpnet against {arguments.against}, {threads()} threads of {os.cpu_count()} cores, training step, images/s")
    print(f"{'network':<14} {'batch':>5} {'xpnet':>9} {arguments.against:>9} {'ratio':>6}  quartiles")
    rows = []
    for network in arguments.networks:
        row = compare(network, arguments.against, arguments.rounds)
        rows.append(row)
        low, high = row["quartiles"]  # type: ignore[misc]
        print(
            f"{network:<14} {row['batch']:>5} {row['xpnet_images_per_s']:>9,.0f} {row['peer_images_per_s']:>9,.0f}"
            f" {row['ratio']:>6.2f}  {low:.2f} ... {high:.2f}",
            flush=True,
        )
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
