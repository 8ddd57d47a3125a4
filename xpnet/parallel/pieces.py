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
PART = 60_000  # bytes of a message to another host, at most
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
        self.far = wire.far
        self.sizes = [spec.size for spec in like]
        streams = make_streams(like)
        self.direct = all(stream.direct and stream.bytes > WHOLE for stream in streams)  # nothing has to be copied
        self.order = [number for stream in streams for number in stream.numbers]
        self.small = [stream for stream in streams if stream.bytes <= WHOLE]
        self.large = [stream for stream in streams if stream.bytes > WHOLE]
        self.pieces = [pieces_of(stream.length, wire.size) for stream in self.large]
        self.most = 2 * leaves.bit_length()  # roots of a worker, as its leaves are contiguous
        self.first = _aligned(8 * (1 + 2 * self.most))  # bytes of a head in front of the small streams
        self.step = sum(_aligned(stream.bytes) for stream in self.small)  # and of those of a root
        self.heads = [np.zeros(self.first + self.most * self.step, np.uint8) for _ in range(wire.size)]
        self.nodes = [head[: self.first].view(np.int64) for head in self.heads]
        self.said: list[Node] = []  # what is written in this worker's own head
        self.memory: dict[Any, Host] = {}

    def run(self, roots: Sequence[Root]) -> list[Host]:
        """The sum, in the arrays of the first root if there is one."""
        own = [self._flat(at, arrays) for at, (_, arrays) in enumerate(roots)]
        gathered = self._gather([node for node, _ in roots], own)
        sums = self._finish(gathered, gathered[0][1] if own else None)
        count = len(self.small)
        result = own[0] if own else [np.empty(stream.length, stream.dtype) for stream in self.small + self.large]
        for total, place in zip(sums[:count], result, strict=False):
            if total is not place:
                place[...] = total
        self._share_sums(sums[count:], result[count:])
        return self._unpacked(result, list(roots[0][1]) if roots else [])

    def _flat(self, at: int, arrays: Sequence[Host]) -> list[Host]:
        """The streams of root number `at`: the small ones in the head that is sent, the others as they are sent."""
        if self.direct:
            return [np.ascontiguousarray(arrays[number]) for number in self.order]
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
        if nodes != self.said:
            self.said = list(nodes)
            self.nodes[self.rank][: 1 + 2 * len(nodes)] = [len(nodes), *itertools.chain(*nodes)]
        head = self.heads[self.rank][: self.first + len(nodes) * self.step]
        arriving = [wire.receive(self.heads[rank], rank, HEAD) for rank in others]
        moving, ranks = [wire.send(head, rank, HEAD) for rank in others], list(others)
        for streams in own:
            for stream, pieces in zip(streams[count:], self.pieces, strict=True):
                for rank in others:
                    parts = self._parts(stream[pieces[rank]], rank)
                    moving += [wire.send(part, rank, PIECE) for part in parts]
                    ranks += [rank] * len(parts)
        roots = [(node, self._with_pieces(streams)) for node, streams in zip(nodes, own, strict=True)]
        wire.wait(arriving, others)
        for rank in others:
            for at, node in enumerate(self._nodes(rank)):
                arrays = self._small(rank, at)
                for number, kind in enumerate(self.large):
                    piece = self.pieces[number][self.rank]
                    arrays.append(self._kept((number, rank, at), piece.stop - piece.start, kind.dtype))
                    parts = self._parts(arrays[-1], rank)
                    moving += [wire.receive(part, rank, PIECE) for part in parts]
                    ranks += [rank] * len(parts)
                roots.append((node, arrays))
        wire.wait(moving, ranks)
        return roots

    def _nodes(self, rank: int) -> list[Node]:
        """Of the roots that a worker has, as its head says."""
        numbers = self.nodes[rank].tolist()
        return [Node(numbers[at], numbers[at + 1]) for at in range(1, 1 + 2 * numbers[0], 2)]

    def _with_pieces(self, streams: list[Host]) -> list[Host]:
        """The streams of a root of this worker's own, cut down to what it finishes."""
        count = len(self.small)
        large = zip(streams[count:], self.pieces, strict=True)
        return streams[:count] + [stream[pieces[self.rank]] for stream, pieces in large]

    def _finish(self, roots: list[Root], mine: list[Host] | None) -> Sequence[Host]:
        """The sum, which is added into `mine` as soon as that takes part."""
        tree = HostSum(self.leaves, mine)
        for node, arrays in sorted(roots, key=lambda root: root[0]):
            tree.add(node, arrays)
        return tree.finish()

    def _share_sums(self, sums: Sequence[Host], result: Sequence[Host]) -> None:
        """Everybody gets the sums of everybody's pieces."""
        moving, ranks = [], []
        for total, place, pieces in zip(sums, result, self.pieces, strict=True):
            for rank in self.others:
                theirs, own = self._parts(place[pieces[rank]], rank), self._parts(total, rank)
                moving += [self.wire.receive(part, rank, SUM) for part in theirs]
                moving += [self.wire.send(part, rank, SUM) for part in own]
                ranks += [rank] * (len(theirs) + len(own))
            if not np.may_share_memory(total, place):
                place[pieces[self.rank]] = total
        self.wire.wait(moving, ranks, FINISHING)

    def _unpacked(self, streams: list[Host], arrays: list[Host]) -> list[Host]:
        """The arrays that the streams have, written into those that are given."""
        if self.direct:
            return [streams[self.order.index(number)] for number in range(len(self.sizes))]
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

    def _parts(self, piece: Host, rank: int) -> list[Host]:
        """What is sent of it at once. By TCP Open MPI sends more than 64 KB only when the receiver has asked for it,
        and the asking waits behind what is sent the other way, so that one of two workers sends at a time. Within a
        host memory is shared, and a message should be large.
        """
        size = PART // piece.itemsize if rank in self.far else max(piece.size, 1)
        return [piece[start : start + size] for start in range(0, piece.size, size)]

    def _kept(self, key: Any, length: int, dtype: np.dtype[Any]) -> Host:
        if key not in self.memory:
            self.memory[key] = np.empty(length, dtype)
        return self.memory[key]


class HostSum(TreeSum):
    """The same bits as of any TreeSum; where they lie is another matter: in `mine`, if that has a part in them."""

    def __init__(self, leaves: int, mine: list[Host] | None) -> None:
        super().__init__(leaves)
        self.mine = mine

    def join(self, left: Sequence[Host], right: Sequence[Host]) -> Sequence[Host]:
        total = right if right is self.mine else left
        for one, other, place in zip(left, right, total, strict=True):
            np.add(one, other, out=place)
        return total


def _aligned(size: int) -> int:
    return -(-size // ALIGN) * ALIGN
