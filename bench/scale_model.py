"""What an exchange of gradients costs, and what that makes of a training step: arithmetic alone, nothing is measured.

A worker cuts its sum, of S bytes, into W chunks, sends each to the worker that adds it up, and gets W - 1 sums back: a
reduce-scatter and an allgather, both by direct messages. Each worker sends and gets 2 (W - 1) messages of S / W bytes
in two phases, and adds W - 1 chunks:

    t(S, W) = 2 latency + 2 (W - 1) message + 2 (W - 1) / W S byte + (W - 1) / W S add

Sources: Hockney, "The communication challenge for MPP", 1994 (a time to start, and one per byte); Thakur, Rabenseifner
and Gropp, "Optimization of collective communication operations in MPICH", 2005, section 4.5 (what this exchange moves,
the least there can be, and adds). The messages of a phase are under way at the same time: the time until the first byte
is there counts once a phase, and each message its work, the L and o of Culler et al., "LogP: towards a realistic model
of parallel computation", 1993.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Costs(NamedTuple):
    """Seconds of each part of an exchange."""

    latency: float  # of a phase, until the first byte is there
    message: float  # of a message, for the worker that sends it
    byte: float  # of a byte that is sent
    add: float  # of a byte that is added to another


class Sample(NamedTuple):
    """An exchange that was timed."""

    size: int  # bytes of the gradients
    workers: int
    seconds: float


class Link(NamedTuple):
    """What connects workers: bytes per second that arrive, one way."""

    name: str
    rate: float
    latency: float
    message: float
    most: int = 1024  # workers


class Training(NamedTuple):
    """What each worker has to do in a step."""

    network: str
    parameters: int
    batch: int  # samples of a worker
    seconds: float  # of computing, in a step
    add: float  # seconds of a byte that is added to another
    worker: str  # what a worker is


# Of 1538 bytes that Ethernet takes for a packet of 1500, TCP delivers 1448. Latencies, and the work of a message, are
# given, not measured: TCP's of usual adapters, InfiniBand's of EDR. NVLink 4 of an H100 is said to have 450 GB/s each
# way, and 380 are measured (github.com/NVIDIA/nccl/issues/1264); the start of a kernel is most of its latency, and a
# host has 8 such devices.
ETHERNET = 1448 / 1538
LINKS = (
    Link("1 Gbit/s", ETHERNET * 1e9 / 8, 50e-6, 10e-6),
    Link("10 Gbit/s", ETHERNET * 1e10 / 8, 20e-6, 5e-6),
    Link("100 Gbit/s", 0.97e11 / 8, 2e-6, 1e-6),
    Link("NVLink 4", 380e9, 10e-6, 1e-6, most=8),
)
WORKERS = tuple(2**power for power in range(1, 11))

PARAMETERS = {"DeepConvNet": 123_552, "ResNet50": 25_557_032, "VGG16": 138_357_544}
FLOPS = {"ResNet50": 6 * 4.09e9, "VGG16": 6 * 15.47e9}  # of a sample: forward, and twice that backward; 2 to a product
H100 = 7.2e12  # FLOP/s: what DeepConvNet's training reaches there, 4,096 images of 53e6 in 29.8 ms (docs/gpu.md)
H100_ADD = 3 / 3.35e12  # two bytes are read and one is written, at the rate of the device's memory
BATCH = 32  # images of a GPU, for ImageNet


def exchange_seconds(costs: Costs, size: float, workers: int, cores: int | None = None) -> float:
    """Of one exchange. Where the workers share so many `cores`, and are more, their work takes turns on them."""
    latency, message, byte, add = costs
    moved = size * (workers - 1) / workers
    return _load(workers, cores) * (2 * latency + 2 * (workers - 1) * message + moved * (2 * byte + add))


def fit_costs(samples: Sequence[Sample], add: float, cores: int | None = None) -> Costs:
    """The least squares of the relative errors; what would come out below 0 is 0. `add` is measured by itself: an
    exchange sends as many bytes as it adds, so that the two cannot be told apart.
    """
    rows, rest = [], []
    for size, workers, seconds in samples:
        moved, load = size * (workers - 1) / workers, _load(workers, cores)
        rows.append([load * each / seconds for each in (2, 2 * (workers - 1), 2 * moved)])
        rest.append(1 - load * moved * add / seconds)
    table, scale = np.array(rows), np.abs(rows).max(axis=0)
    kept, found = [0, 1, 2], np.zeros(3)
    while kept:
        part = np.linalg.lstsq(table[:, kept] / scale[kept], np.array(rest), rcond=None)[0]
        if part.min() >= 0:
            found[kept] = part / scale[kept]
            break
        kept.pop(int(part.argmin()))
    return Costs(*map(float, found), add)


def limit_rate(costs: Costs, rate: float, workers: int, cores: int) -> Costs:
    """Those where a wire carries `rate` bytes a second: bytes wait for the wire or for the processors that move them,
    whichever is slower. For `exchange_seconds` with the same workers and cores.
    """
    return costs._replace(byte=max(costs.byte, 1 / rate / _load(workers, cores)))


def step_seconds(compute: float, exchange: float, overlap: bool) -> float:
    """Of a step. With `overlap` the exchange hides behind the backward pass, two thirds of the computing; it is the
    most that could be had.
    """
    return compute / 3 + max(2 / 3 * compute, exchange) if overlap else compute + exchange


def trainings(seconds: float, batch: int, add: float) -> list[Training]:
    """Those that are predicted. `seconds` of a step of DeepConvNet on one core, of `batch` images, and `add` are
    measured; what a GPU takes is reckoned from FLOPS and H100.
    """
    rows = [Training("DeepConvNet", PARAMETERS["DeepConvNet"], batch, seconds, add, "a core of this processor")]
    for network, flops in FLOPS.items():
        rows.append(Training(network, PARAMETERS[network], BATCH, BATCH * flops / H100, H100_ADD, "an H100, assumed"))
    return rows


def predict(training: Training, link: Link, workers: int) -> dict[str, Any]:
    """Seconds of a step, and the efficiency: the share of a step in which a worker computes, 1 if the exchange took no
    time. Each worker keeps its batch and has one shard, so that W workers make W times the samples.
    """
    costs = Costs(link.latency, link.message, 1 / link.rate, training.add)
    exchange = exchange_seconds(costs, 4 * training.parameters, workers)
    none, full = (step_seconds(training.seconds, exchange, overlap) for overlap in (False, True))
    return {
        "network": training.network,
        "link": link.name,
        "workers": workers,
        "exchange_s": exchange,
        "step_s": none,
        "efficiency": training.seconds / none,
        "step_overlapped_s": full,
        "efficiency_overlapped": training.seconds / full,
    }


def predictions(rows: Sequence[Training]) -> list[dict[str, Any]]:
    """Of each training, link and number of workers that the link can have."""
    return [
        predict(training, link, workers)
        for training in rows
        for workers in WORKERS
        for link in LINKS
        if workers <= link.most
    ]


def _load(workers: int, cores: int | None) -> float:
    return max(1.0, workers / cores) if cores else 1.0
