"""Workers that have a CUDA device each: what is large goes from device to device by NCCL, and the rest by MPI.

As in pieces.py, each worker finishes the tree for a piece of each array: a group of sends and receives brings it the
others' pieces, the device adds them, and a second group brings the sums to all.
"""

from __future__ import annotations

import socket
import struct
import time
import warnings
from collections.abc import Sequence
from typing import Any, Protocol

import array_api_compat
import numpy as np

from xpnet.backend import Array
from xpnet.parallel.device import is_cuda
from xpnet.parallel.mpi import MpiCommunicator
from xpnet.parallel.pieces import FINISHING, pieces_of
from xpnet.parallel.tree import Node, TreeSum

Message = tuple[Array, int]  # numbers that lie one behind the other, and whose they are or shall be


class Link(Protocol):
    """What moves arrays between devices."""

    def exchange(self, sent: Sequence[Message], received: Sequence[Message]) -> None:
        """All at the same time; between two workers in their order."""


class NcclLink:
    """NCCL, as CuPy has it, on the current stream."""

    def __init__(self, xp: Any, size: int, identity: tuple[int, ...], rank: int) -> None:
        self.xp, self.nccl = xp, xp.cuda.nccl
        self.types = {np.dtype(np.float32): self.nccl.NCCL_FLOAT32, np.dtype(np.float64): self.nccl.NCCL_FLOAT64}
        self.comm = self.nccl.NcclCommunicator(size, identity, rank)

    def exchange(self, sent: Sequence[Message], received: Sequence[Message]) -> None:
        stream = self.xp.cuda.get_current_stream().ptr
        self.nccl.groupStart()
        for messages, move in (sent, self.comm.send), (received, self.comm.recv):
            for array, rank in messages:
                if array.size:
                    move(array.data.ptr, array.size, self.types[array.dtype], rank, stream)
        self.nccl.groupEnd()


def sum_in_pieces(
    link: Link, rank: int, nodes: Sequence[Sequence[Node]], tree: TreeSum, like: Sequence[Array]
) -> list[Array]:
    """The whole sum. `nodes`: of the roots of each worker; `tree` has those of this one, number `rank`."""
    xp = array_api_compat.array_namespace(*like)
    own = [list(arrays) for _, arrays in tree.roots]
    pieces = [pieces_of(int(array.shape[0]), len(nodes)) for array in like]
    numbers, others = range(len(like)), [other for other in range(len(nodes)) if other != rank]
    sent = [(arrays[n][pieces[n][other]], other) for other in others for arrays in own for n in numbers]
    parts = [
        (node, [arrays[n][pieces[n][rank]] for n in numbers]) for node, arrays in zip(nodes[rank], own, strict=True)
    ]
    received = []
    for other in others:
        for node in nodes[other]:
            arrays = [xp.empty_like(like[n][pieces[n][rank]]) for n in numbers]
            parts.append((node, arrays))
            received += [(array, other) for array in arrays]
    link.exchange(sent, received)
    total = TreeSum(tree.leaves)
    for node, arrays in sorted(parts, key=lambda part: part[0]):
        total.add(node, arrays)
    sums = total.finish()
    result = own[0] if own else [xp.empty_like(array) for array in like]
    sent = [(sums[n], other) for other in others for n in numbers]
    link.exchange(sent, [(result[n][pieces[n][other]], other) for other in others for n in numbers])
    for n in numbers:
        result[n][pieces[n][rank]] = sums[n]
    return result


class NcclCommunicator(MpiCommunicator):
    """Workers of MPI; where the arrays are on CUDA devices, one for each worker, NCCL moves them.

    `engine` says so after the first sum, or why it is not so.
    """

    def __init__(self, comm: Any) -> None:
        super().__init__(comm)
        self._link: NcclLink | None = None
        self._asked = False  # whether there is NCCL for these workers

    def sum_up(self, tree: TreeSum, like: Sequence[Array]) -> Sequence[Array]:
        if not all(map(is_cuda, like)):
            return super().sum_up(tree, like)
        if not self._asked:
            self._link = self._connect(array_api_compat.array_namespace(*like))
            self._asked = True
        if self._link is None:
            return super().sum_up(tree, like)
        own = np.array([node for node, _ in tree.roots], np.int64).tobytes()
        tables = [np.frombuffer(data, np.int64).reshape(-1, 2).tolist() for data in self._wire.gather(own)]
        nodes = [[Node(*numbers) for numbers in table] for table in tables]
        result = sum_in_pieces(self._link, self.rank, nodes, tree, like)
        self._await_device(self._link.xp)
        return result

    def drop_members(self) -> None:
        """NCCL waits for ever for one that has died, unless it is told to stop."""
        super().drop_members()
        if self._link is not None:
            self._link.comm.abort()
        self._link, self._asked = None, False

    def _connect(self, xp: Any) -> NcclLink | None:
        """All workers decide the same."""
        missing = why_not(xp)
        device = "" if missing else f"{socket.gethostname()} {xp.cuda.Device().pci_bus_id}"
        answers = [data.decode().partition("\n")[::2] for data in self._wire.gather(f"{missing}\n{device}".encode())]
        devices = [device for _, device in answers]
        missing = next((reason for reason, _ in answers if reason), "")
        if not missing and len(set(devices)) < len(devices):
            missing = "some workers have the same device"
        if missing:
            self.engine = f"MPI through the host's memory ({missing})"
            return None
        identity = xp.cuda.nccl.get_unique_id() if self.leads else ()
        data = self._wire.gather(struct.pack(f"{len(identity)}b", *identity))[0]
        link = NcclLink(xp, self.size, struct.unpack(f"{len(data)}b", data), self.rank)
        self.engine = "NCCL"
        return link

    def _await_device(self, xp: Any) -> None:
        """Until the sum is there: only then is it certain that all have given their part."""
        wire, event, began = self._wire, xp.cuda.Event(disable_timing=True), time.perf_counter()
        event.record()
        while not event.done:
            wire.look()
            waited = time.perf_counter() - began
            if waited > wire.limit * FINISHING:
                raise wire.lost(f"the devices have not come through a sum in {waited:.0f} seconds")
            wire.rest(waited)


def why_not(xp: Any) -> str:
    """Why CuPy has no NCCL here, or ""."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # CuPy warns of what we say ourselves
            from cupy.cuda import nccl
    except ImportError as error:
        return f"NCCL is missing: {error}"
    if not getattr(nccl, "available", True):
        return f"NCCL is missing: pip install nvidia-nccl-cu{xp.cuda.runtime.runtimeGetVersion() // 1000}"
    return ""
