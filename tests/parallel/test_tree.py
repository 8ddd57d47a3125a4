"""The tree's sum has the same bits however its leaves are shared out."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpnet.parallel.tree import Node, TreeSum, largest_subtrees, owned_leaves

POWERS = st.integers(0, 5).map(lambda exponent: 2**exponent)


def make_leaves(count: int, seed: int) -> list[list[Any]]:
    rng = np.random.default_rng(seed)
    sizes = [(rng.normal(size=17) * 10.0 ** rng.integers(-7, 8, 17)).astype(np.float32) for _ in range(count)]
    return [[array, array[:3].astype(np.float64)] for array in sizes]


def by_definition(leaves: list[list[Any]], start: int, size: int) -> list[Any]:
    """The sum of a subtree, as the drawing in tree.py has it."""
    if size == 1:
        return leaves[start]
    left = by_definition(leaves, start, size // 2)
    if start + size // 2 >= len(leaves):
        return left
    return [a + b for a, b in zip(left, by_definition(leaves, start + size // 2, size // 2), strict=True)]


@given(count=POWERS, workers=st.integers(1, 9), present=st.floats(0, 1), seed=st.integers(0, 99))
def test_any_number_of_workers_gives_the_same_bits(count: int, workers: int, present: float, seed: int) -> None:
    leaves = make_leaves(max(1, round(count * present)), seed)
    whole = TreeSum(count)
    for worker in range(workers):
        part = TreeSum(count)
        for number in owned_leaves(count, workers, worker):
            if number < len(leaves):
                part.add(Node(number, 1), [array.copy() for array in leaves[number]])
        for node, arrays in part.roots:
            whole.add(node, arrays)
    for found, expected in zip(whole.finish(), by_definition(leaves, 0, count), strict=True):
        assert found.tobytes() == expected.tobytes()


@given(count=POWERS, workers=st.integers(1, 9))
def test_workers_share_out_the_leaves(count: int, workers: int) -> None:
    shares = [owned_leaves(count, workers, worker) for worker in range(workers)]
    assert [leaf for share in shares for leaf in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(count=POWERS, edges=st.tuples(st.integers(0, 32), st.integers(0, 32)))
def test_the_largest_subtrees_are_the_roots_that_adding_leaves_gives(count: int, edges: tuple[int, int]) -> None:
    leaves = range(min(count, *edges), min(count, max(edges)))
    nodes = largest_subtrees(leaves)
    assert [leaf for node in nodes for leaf in range(node.start, node.start + node.size)] == list(leaves)
    assert all(node.start % node.size == 0 for node in nodes)
    tree = TreeSum(count)
    for leaf in leaves:
        tree.add(Node(leaf, 1), [np.zeros(1)])
    assert [node for node, _ in tree.roots] == nodes


def test_the_order_decides_the_bits() -> None:
    """Otherwise the tests above would show nothing."""
    leaves = make_leaves(8, 0)
    in_order = leaves[0][0].copy()
    for array, _ in leaves[1:]:
        in_order += array
    assert in_order.tobytes() != by_definition(leaves, 0, 8)[0].tobytes()


def test_a_sum_is_added_into_its_first_arrays() -> None:
    tree = TreeSum(2)
    first = np.ones(3)
    tree.add(Node(0, 1), [first])
    tree.add(Node(1, 1), [np.ones(3)])
    assert tree.finish()[0] is first
    assert first == pytest.approx(2)
