"""Arrays in any memory order, seen as sums over some entries for each of the others: no entry is lost or met twice."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from xpnet.backend.cpu import view as views
from xpnet.backend.cpu.layouts import memory_axes
from xpnet.backend.cpu.view import View, view_of


@given(
    shape=st.lists(st.integers(1, 6), min_size=2, max_size=4).map(tuple),
    kept=st.sampled_from([(1,), (0, 1)]),
    short=st.booleans(),
    order=st.permutations(range(4)),
)
@example((2, 3, 4, 5), (0, 1), False, [0, 2, 1, 3])  # samples and channels apart, with pixels between and behind them
@example((2, 3, 4, 5), (0, 1), True, [3, 1, 2, 0])
@example((2, 3, 4, 5), (1,), False, [2, 3, 1, 0])  # an order that is not its own inverse
def test_what_is_seen_is_the_array(
    shape: tuple[int, ...], kept: tuple[int, ...], short: bool, order: list[int]
) -> None:
    """Sums of cells are those of the axes that are kept; numbers of cells come beside the entries that they are of."""
    axes = [axis for axis in order if axis < len(shape)]
    rest = tuple(axis for axis in range(len(shape)) if axis not in kept)
    whole = np.arange(np.prod(shape), dtype="float64").reshape(shape)
    x = whole.transpose(axes).copy().transpose(np.argsort(axes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "SHORT", 2 if short else 32)
        view = View(x.shape, x.dtype, memory_axes(x), kept)  # a new one
    seen = view.see(x)
    assert seen.shape == view.shape and seen.shape[0] * seen.shape[2] == view.counts
    np.testing.assert_array_equal(view.as_given(seen), x)
    np.testing.assert_array_equal(view.of_cells(seen.sum(axis=(0, 2))).sum(axis=-1), x.sum(axis=rest))
    numbers = x.max(axis=rest)
    beside = np.broadcast_to(view.to_cells(numbers)[:, None], seen.shape)
    np.testing.assert_array_equal(view.as_given(beside), np.broadcast_to(np.expand_dims(numbers, rest), shape))


@pytest.mark.parametrize("shape", [(3, 2, 5, 4), (50, 7), (2, 90, 3), (1, 1, 1, 40)], ids=str)
@pytest.mark.parametrize("order", ["C", "F"])
def test_tiles_cover_each_entry_once(order: Any, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "BAND", 12)
    monkeypatch.setattr(views, "LANES", 4)
    for kept in ((1,), (0, 1)):
        x = np.zeros(shape, order=order)
        view = View(x.shape, x.dtype, memory_axes(x), kept)
        A, P, _, L = view.shape
        met = np.zeros((A, P, L), int)
        for number, a0, a1, p0, p1, l0, l1 in view.tiles(24):
            assert view.bands(24)[number] == (a0, a1)
            met[a0:a1, p0:p1, l0:l1] += 1
        assert (met == 1).all()


def test_arrays_that_lie_alike_are_seen_alike() -> None:
    x = np.zeros((3, 4, 5), "float32")
    assert view_of(x, (1,)) is view_of(x + 1, (1,))
    others = [x[:2], x.astype("float64"), np.asfortranarray(x), x.swapaxes(1, 2)]
    assert len({id(view_of(each, kept)) for each in (x, *others) for kept in ((1,), (0, 1))}) == 10
