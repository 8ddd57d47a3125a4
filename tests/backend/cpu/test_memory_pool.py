"""Memory of the pool: an ordinary array, and used again only when nobody can see it any more."""

import gc

import numpy as np
import pytest

from tests.kit.helpers import in_threads
from xpnet.backend.cpu.memory_pool import REGION, SMALL, Pool

SHAPE = (300, 1000)
SIZE = -(-300 * 1000 * 4 // 4096) * 4096


@pytest.fixture
def pool() -> Pool:
    return Pool()


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_an_array_of_the_pool_is_an_ordinary_one(pool: Pool) -> None:
    for shape, dtype in ((SHAPE, "float32"), ((0, 5), "float64"), ((), "int64"), ((7, 3), "float32"), ((99999,), "f8")):
        array = pool.empty(shape, dtype)
        assert type(array) is np.ndarray and array.shape == shape and array.dtype == dtype
        assert array.flags.c_contiguous and array.flags.writeable
        array[...] = 1
        assert array.sum() == np.prod(shape)


def test_memory_comes_back_when_the_last_view_is_gone(pool: Pool) -> None:
    array = pool.empty(SHAPE, "float32")
    first, view = address(array), array[::2].T.reshape(-1)[5:].view("int32")
    view = array.T[3:]
    del array
    assert address(pool.empty(SHAPE, "float32")) != first  # still seen
    del view
    gc.collect()
    assert address(pool.empty(SHAPE, "float32")) == first


def test_a_hole_that_is_a_page_too_small_is_left_alone(pool: Pool) -> None:
    pages = 4096 // 4
    small, after = pool.empty((20 * pages,), "float32"), pool.empty((20 * pages,), "float32")
    hole = address(small)
    del small
    gc.collect()
    larger, fitting = pool.empty((21 * pages,), "float32"), pool.empty((20 * pages,), "float32")
    assert address(larger) != hole == address(fitting)
    assert not np.shares_memory(larger, after) and not np.shares_memory(larger, fitting)


def test_no_two_arrays_share_memory(pool: Pool) -> None:
    arrays = [pool.empty(SHAPE, "float32") for _ in range(4)]
    del arrays[1]
    arrays += [pool.empty(SHAPE, "float32") for _ in range(3)]
    for i, array in enumerate(arrays):
        array[...] = i
    assert [set(np.unique(array)) for array in arrays] == [{i} for i in range(6)]


def test_what_is_held_is_what_was_once_in_use(pool: Pool) -> None:
    for length in range(100, 400, 7):
        arrays = [pool.empty((length, 1000), "float32") for _ in range(3)]
        del arrays
    assert pool.used <= 3 * 400 * 1000 * 4 and pool.held <= 3 * 400 * 1000 * 4
    held = pool.empty(SHAPE, "float32")
    assert pool.used == SIZE
    pool.clear()  # the region stays: something lies in it
    assert pool.held >= SIZE
    del held
    pool.clear()
    assert pool.held == 0 and pool.used == 0


def test_holes_beside_one_another_are_one(pool: Pool) -> None:
    arrays = [pool.empty(SHAPE, "float32") for _ in range(5)]
    first, held = address(arrays[1]), pool.held
    for index in (2, 1, 3):  # joined to the one behind, to the one before, and then to nothing
        arrays[index] = None
    assert address(pool.empty((900, 1000), "float32")) == first
    assert pool.held == held


def test_an_array_larger_than_a_region_has_one_of_its_own(pool: Pool) -> None:
    small = pool.empty(SHAPE, "float32")
    large = pool.empty((REGION + 1,), "uint8")
    first = address(large)
    del large
    assert address(pool.empty((REGION + 2,), "uint8")) == first  # a page has room for it
    del small
    larger = pool.empty((2 * REGION,), "uint8")  # the idle regions are too small, and given back
    assert pool.held == larger.nbytes


def test_a_small_array_is_not_worth_it(pool: Pool) -> None:
    pool.empty((SMALL // 4 - 1,), "float32")
    assert pool.used == 0


def test_threads_may_take_and_give_back_at_once(pool: Pool) -> None:
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(200):
            array = pool.empty((20_000,), "float32")
            array[...] = number
            if array[0] != number or array[-1] != number:
                wrong.append(number)

    in_threads(work)
    assert not wrong
    pool.empty((20_000,), "float32")
    assert pool.held <= 2 * 4 * 81_920  # a thread asks before its last one is gone
