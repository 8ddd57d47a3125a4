"""How the sum of a tree's leaves is shared out: each worker finishes the tree for a piece of the numbers.

The arrays of a leaf are taken for a few *streams*: a large array is one of its own, sent from where it lies; those
below `DIRECT` bytes are packed, all of a data type one behind the other. Each worker sends to each other one

    head:   how many roots, for each root its node, and of each root the small streams, whole
    pieces: for each root and each other stream the piece that the receiver has to finish

so that everybody finishes the small streams, and his piece of the others. Then he sends the sum of his piece to all.
Each worker sends each number about twice, which is the least that is possible (Thakur, Rabenseifner and Gropp,
"Optimization of Collective Communication Operations in MPICH", IJHPCA 2005), and it is added in the tree's order.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from xpnet.parallel.device import Host, Spec
from xpnet.parallel.tree import Node, TreeSum
from xpnet.parallel.wire import HEAD, PIECE, SUM, Wire

DIRECT = 2**16  # bytes from which an array is sent from where it lies
WHOLE = 2**14  # bytes up to which a stream is sent whole to all
ALIGN = 64  # a piece begins at a multiple of so many entries
FINISHING = 2.0  # time limits that sums may take: who does not send them may himself wait for another
Root = tuple[Node, list[Host]]


class Stream(NamedTuple):
    """Arrays one behind the other, by their numbers. `direct`: it is one array, which is not copied."""

    dtype: np.dtype[Any]
    length: int
    numbers: list[int]
    direct: bool

    @property
    def bytes(self) -> int:
        return self.length * self.dtype.itemsize


def make_streams(like: Sequence[Spec]) -> list[Stream]:
    large = [number for number, spec in enumerate(like) if spec.size * spec.dtype.itemsize >= DIRECT]
    streams = [Stream(like[number].dtype, like[number].size, [number], True) for number in large]
    for dtype in sorted({spec.dtype for spec in like}, key=str):
        numbers = [number for number, spec in enumerate(like) if spec.dtype == dtype and number not in large]
        if numbers:
            streams.append(Stream(dtype, sum(like[i].size for i in numbers), numbers, False))
    return streams


def pieces_of(length: int, workers: int) -> list[slice]:
    """Who finishes which entries."""
    blocks = -(-length // ALIGN)
    edges = [min(length, blocks * worker // workers * ALIGN) for worker in range(workers + 1)]
    return [slice(start, stop) for start, stop in itertools.pairwise(edges)]


class Exchange:
    """What one set of workers needs for leaves of the same shapes; its memory is kept from one sum to the next."""

    def __init__(self, wire: Wire, like: Sequence[Spec], leaves: int) -> None:
        self.wire, self.leaves = wire, leaves
        self.rank, self.others = wire.rank, wire.others
        self.sizes = [spec.size for spec in like]
        streams = make_streams(like)
        self.small = [stream for stream in streams if stream.bytes <= WHOLE]
        self.large = [stream for stream in streams if stream.bytes > WHOLE]
        self.pieces = [pieces_of(stream.length, wire.size) for stream in self.large]
        self.most = 2 * leaves.bit_length()  # roots of a worker, as its leaves are contiguous
        self.first = _aligned(8 * (1 + 2 * self.most))  # bytes of a head in front of the small streams
        self.step = sum(_aligned(stream.bytes) for stream in self.small)  # and of those of a root
        self.heads = [np.zeros(self.first + self.most * self.step, np.uint8) for _ in range(wire.size)]
        self.nodes = [head[: self.first].view(np.int64) for head in self.heads]
        self.memory: dict[Any, Host] = {}

    def run(self, roots: Sequence[Root]) -> list[Host]:
        """The sum, in the arrays of the first root if there is one."""
        own = [self._flat(at, arrays) for at, (_, arrays) in enumerate(roots)]
        sums = self._finish(self._gather([node for node, _ in roots], own))
        count = len(self.small)
        result = own[0] if own else [np.empty(stream.length, stream.dtype) for stream in self.small + self.large]
        for total, place in zip(sums[:count], result, strict=False):
            if total is not place:
                place[...] = total
        self._share_sums(sums[count:], result[count:])
        return self._unpacked(result, list(roots[0][1]) if roots else [])

    def _flat(self, at: int, arrays: Sequence[Host]) -> list[Host]:
        """The streams of root number `at`: the small ones in the head that is sent, the others as they are sent."""
        streams = [*self._small(self.rank, at)]
        for number, stream in enumerate(self.large):
            if stream.direct:
                streams.append(np.ascontiguousarray(arrays[stream.numbers[0]]))
            else:
                streams.append(self._kept((number, self.rank, at), stream.length, stream.dtype))
        for place, stream in zip(streams, self.small + self.large, strict=True):
            if not (stream.direct and stream in self.large):
                np.concatenate([arrays[number] for number in stream.numbers], out=place)
        return streams

    def _gather(self, nodes: Sequence[Node], own: list[list[Host]]) -> list[Root]:
        """All roots, with the small streams and this worker's pieces of the others."""
        wire, others, count = self.wire, self.others, len(self.small)
        table = self.nodes[self.rank]
        table[0] = len(nodes)
        table[1 : 1 + 2 * len(nodes)] = np.array(nodes, np.int64).reshape(-1)
        head = self.heads[self.rank][: self.first + len(nodes) * self.step]
        arriving = [wire.receive(self.heads[rank], rank, HEAD) for rank in others]
        moving, ranks = [wire.send(head, rank, HEAD) for rank in others], list(others)
        for streams in own:
            for stream, pieces in zip(streams[count:], self.pieces, strict=True):
                moving += [wire.send(stream[pieces[rank]], rank, PIECE) for rank in others]
                ranks += others
        roots = [(node, self._with_pieces(streams)) for node, streams in zip(nodes, own, strict=True)]
        wire.wait(arriving, others)
        for rank in others:
            for at, node in enumerate(self._nodes(rank)):
                arrays = self._small(rank, at)
                for number, kind in enumerate(self.large):
                    piece = self.pieces[number][self.rank]
                    arrays.append(self._kept((number, rank, at), piece.stop - piece.start, kind.dtype))
                    moving.append(wire.receive(arrays[-1], rank, PIECE))
                    ranks.append(rank)
                roots.append((node, arrays))
        wire.wait(moving, ranks)
        return roots

    def _nodes(self, rank: int) -> list[Node]:
        """Of the roots that a worker has, as its head says."""
        count, *numbers = self.nodes[rank].tolist()
        return [Node(*numbers[2 * at : 2 * at + 2]) for at in range(count)]

    def _with_pieces(self, streams: list[Host]) -> list[Host]:
        """The streams of a root of this worker's own, cut down to what it finishes."""
        count = len(self.small)
        large = zip(streams[count:], self.pieces, strict=True)
        return streams[:count] + [stream[pieces[self.rank]] for stream, pieces in large]

    def _finish(self, roots: list[Root]) -> Sequence[Host]:
        tree = TreeSum(self.leaves)
        for node, arrays in sorted(roots, key=lambda root: root[0]):
            tree.add(node, arrays)
        return tree.finish()

    def _share_sums(self, sums: Sequence[Host], result: Sequence[Host]) -> None:
        """Everybody gets the sums of everybody's pieces."""
        moving = []
        for total, place, pieces in zip(sums, result, self.pieces, strict=True):
            moving += [self.wire.receive(place[pieces[rank]], rank, SUM) for rank in self.others]
            moving += [self.wire.send(total, rank, SUM) for rank in self.others]
            if not np.may_share_memory(total, place):
                place[pieces[self.rank]] = total
        self.wire.wait(moving, self.others * (2 * len(sums)), FINISHING)

    def _unpacked(self, streams: list[Host], arrays: list[Host]) -> list[Host]:
        """The arrays that the streams have, written into those that are given."""
        found: dict[int, Host] = {}
        for place, stream in zip(streams, self.small + self.large, strict=True):
            if stream.direct and stream in self.large:
                found[stream.numbers[0]] = place
                continue
            start = 0
            for number in stream.numbers:
                part = place[start : start + self.sizes[number]]
                start += self.sizes[number]
                found[number] = arrays[number] if arrays else part.copy()
                found[number][...] = part
        return [found[number] for number in range(len(self.sizes))]

    def _small(self, rank: int, at: int) -> list[Host]:
        """The small streams of a worker's root number `at`, in its head."""
        found, start = [], self.first + at * self.step
        for stream in self.small:
            found.append(self.heads[rank][start : start + stream.bytes].view(stream.dtype))
            start += _aligned(stream.bytes)
        return found

    def _kept(self, key: Any, length: int, dtype: np.dtype[Any]) -> Host:
        if key not in self.memory:
            self.memory[key] = np.empty(length, dtype)
        return self.memory[key]


def _aligned(size: int) -> int:
    return -(-size // ALIGN) * ALIGN
