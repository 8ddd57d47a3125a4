"""Which pieces go to which device, with arrays of the host in the place of theirs; and NCCL itself, with one device."""

import queue
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.kit.workers import needs_mpi
from tests.parallel.worker import LARGE, SHARDS, SMALL, Sizes, add_leaves, alone
from xpnet.parallel.tree import largest_subtrees, owned_leaves

pytestmark = needs_mpi


class Letters:
    """Moves arrays between threads: what one sends to another in a group is what the other receives in its group."""

    def __init__(self, rank: int, boxes: dict[tuple[int, int], Any]) -> None:
        self.rank, self.boxes = rank, boxes

    def exchange(self, sent: Sequence[tuple[Any, int]], received: Sequence[tuple[Any, int]]) -> None:
        for array, to in sent:
            self.boxes[self.rank, to].put(array.copy())
        for array, source in received:
            letter = self.boxes[source, self.rank].get(timeout=30)
            assert letter.shape == array.shape
            assert letter.dtype == array.dtype
            array[...] = letter


@pytest.mark.parametrize("sizes", [SMALL, LARGE])
@pytest.mark.parametrize(("workers", "present"), [(1, 8), (2, 8), (3, 8), (3, 4), (5, 2)])
def test_devices_add_the_same_tree(workers: int, present: int, sizes: Sizes) -> None:
    from xpnet.parallel.nccl import sum_in_pieces

    boxes = {(a, b): queue.Queue[Any]() for a in range(workers) for b in range(workers)}
    shares = [owned_leaves(SHARDS, workers, rank) for rank in range(workers)]
    nodes = [largest_subtrees(range(share.start, max(share.start, min(share.stop, present)))) for share in shares]
    like = [np.zeros(size, dtype) for size, dtype in sizes]
    found: dict[int, list[bytes]] = {}

    def work(rank: int) -> None:
        tree = add_leaves(SHARDS, present, shares[rank], sizes, 0)
        found[rank] = [array.tobytes() for array in sum_in_pieces(Letters(rank, boxes), rank, nodes, tree, like)]

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = alone(SHARDS, present, sizes)
    assert found == dict.fromkeys(range(workers), expected)
    assert all(box.empty() for box in boxes.values())


@pytest.mark.gpu
def test_nccl_brings_a_message_to_its_own_device() -> None:
    cupy = pytest.importorskip("cupy", reason="needs CuPy")
    from xpnet.parallel.nccl import NcclLink, why_not

    if reason := why_not(cupy):
        pytest.skip(f"devices exchange arrays by NCCL: {reason}")
    link = NcclLink(cupy, 1, cupy.cuda.nccl.get_unique_id(), 0)
    sent = [cupy.arange(1000, dtype=cupy.float32), cupy.arange(64, dtype=cupy.float64), cupy.zeros(0, cupy.float32)]
    received = [cupy.empty_like(array) for array in sent]
    link.exchange([(array, 0) for array in sent], [(array, 0) for array in received])
    for one, other in zip(sent, received, strict=True):
        assert (one == other).all()
