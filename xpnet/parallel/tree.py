"""A sum as a fixed binary tree: its bits do not depend on who adds which part of it.

A batch is cut into V *shards*, V a power of two. Each shard gives a leaf, a list of arrays, and the leaves are added in
pairs, these in pairs, and so on. Floating point addition is not associative, so that the order decides the bits; here
it is the tree's, however many workers there are: a worker adds the subtrees whose leaves it has, and what is left of
the tree is finished from their roots (Li et al., "EasyScale", SC 2023, has workers of its own for each shard).

              [0, 4)                   two workers: the first has leaves 0 and 1, adds [0, 2),
             /      \\                  the second has 2 and 3, adds [2, 4); both finish the sum
        [0, 2)      [2, 4)
        /    \\      /    \\
       0      1    2      3
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from xpnet.backend import Array


class Node(NamedTuple):
    """The subtree of `size` leaves, a power of two, from number `start` on, a multiple of it."""

    start: int
    size: int


def owned_leaves(leaves: int, workers: int, worker: int) -> range:
    """Those of one worker: contiguous, and of no worker more than one beyond those of another."""
    return range(leaves * worker // workers, leaves * (worker + 1) // workers)


def largest_subtrees(leaves: range) -> list[Node]:
    """The fewest nodes that have just these leaves."""
    nodes, start = [], leaves.start
    while start < leaves.stop:
        size = 1
        while start % (2 * size) == 0 and start + 2 * size <= leaves.stop:
            size *= 2
        nodes.append(Node(start, size))
        start += size
    return nodes


class TreeSum:
    """The sum over `leaves` leaves, a power of two, of which the last may be missing: what is missing is not added.

    Nodes are given in their order, and are added as soon as their sibling is there. Arrays that are given belong to the
    sum from then on, which adds into them.
    """

    def __init__(self, leaves: int) -> None:
        self.leaves = leaves
        self.roots: list[tuple[Node, Sequence[Array]]] = []

    def add(self, node: Node, arrays: Sequence[Array]) -> None:
        """One node more, behind those that are there."""
        self.roots.append((node, arrays))
        while len(self.roots) > 1 and self._are_siblings(self.roots[-2][0], self.roots[-1][0]):
            self._join_last()

    def finish(self) -> Sequence[Array]:
        """The sum of all leaves, if those that are missing are the last: a node without a sibling takes the place of
        the one above it.
        """
        while True:
            node, arrays = self.roots[-1]
            if node.size == self.leaves:
                return arrays
            if node.start % (2 * node.size) == 0:
                self.roots[-1] = Node(node.start, 2 * node.size), arrays
            else:
                self._join_last()

    def _are_siblings(self, left: Node, right: Node) -> bool:
        return left.size == right.size and left.start % (2 * left.size) == 0 and left.start + left.size == right.start

    def _join_last(self) -> None:
        (left, sums), (_, others) = self.roots[-2:]
        for total, other in zip(sums, others, strict=True):
            total += other
        self.roots[-2:] = [(Node(left.start, 2 * left.size), sums)]
