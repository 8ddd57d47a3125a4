"""Memory of the pool: an ordinary array, and used again only when nobody can see it any more."""

import gc
import mmap
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.kit.helpers import in_threads
from xpnet.backend.cpu.memory_pool import PAGE, PERIOD, REGION, SMALL, STEP, Pool, copied_out
from xpnet.backend.cpu.memory_pool import pool as shared
from xpnet.layers import Dense, SimpleRNN
from xpnet.model import Sequential

SHAPE = (300, 1000)
SIZE = -(-300 * 1000 * 4 // PAGE) * PAGE


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


def test_what_was_not_used_for_a_while_goes_back(pool: Pool) -> None:
    large = [pool.empty((20, 1 << 20), "uint8") for _ in range(9)]  # of which three lie in a region
    assert pool.held == 9 * 20 << 20
    del large
    for _ in range(2 * PERIOD):
        pool.empty(SHAPE, "float32")
    assert SIZE <= pool.held <= 2 * SIZE
    for _ in range(2 * PERIOD):
        pool.empty((10,), "float32")  # too small for the pool, but time goes on
    assert pool.held == 0


def test_what_goes_back_begins_with_a_page_of_the_system() -> None:
    script = "import mmap; mmap.PAGESIZE = 1 << 16; from xpnet.backend.cpu.memory_pool import PAGE; print(PAGE)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert int(found.stdout) == 1 << 16 and PAGE % mmap.PAGESIZE == 0


def test_what_is_used_now_and_then_stays(pool: Pool) -> None:
    first = address(pool.empty((20, 1 << 20), "uint8"))
    for _ in range(5):
        pool.count(PERIOD - STEP)
        array = pool.empty((20, 1 << 20), "uint8")
        assert address(array) == first
        array[...] = 1
        del array
        assert pool.held == 20 << 20


def test_what_lies_in_a_region_stays_whatever_goes_back(pool: Pool) -> None:
    arrays = [pool.empty(SHAPE, "float32") for _ in range(6)]
    for i, array in enumerate(arrays):
        array[...] = i
    del array, arrays[1], arrays[-1]  # 0 2 3 4, with a hole between, and one behind
    for _ in range(3):
        pool.count(2 * PERIOD)
        pool.clear()
    assert [set(np.unique(array)) for array in arrays] == [{0}, {2}, {3}, {4}]
    assert pool.held == 5 * SIZE
    arrays.append(pool.empty((2000, 1000), "float32"))
    arrays[-1][...] = 7
    assert [set(np.unique(array)) for array in arrays] == [{0}, {2}, {3}, {4}, {7}]


def test_steps_of_training_and_batches_of_inference_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them once; so does what prepares them."""
    model = Sequential([Dense(2)])
    model.compile("sgd", "mse")
    counted: list[int] = []
    monkeypatch.setattr("xpnet.backend.cpu.backend.pool.count", counted.append)

    def counts(run: Callable[[Any], Any], batches: int) -> int:
        counted.clear()
        run(np.ones((2 * batches, 3), "float32"))
        assert set(counted) == {STEP}
        return len(counted)

    def fit(x: Any) -> None:
        model.fit(x, x[:, :2], batch_size=2, epochs=1, verbose=0)

    fit(np.ones((4, 3), "float32"))
    for run in (fit, lambda x: model.predict(x, batch_size=2)):
        counts(run, 1)
        assert counts(run, 7) - counts(run, 3) == 4


def test_no_line_of_python_runs_when_a_block_goes(pool: Pool) -> None:
    """A Ctrl-C that came in there would be lost: whatever is raised in a callback or a `__del__` is only printed."""
    arrays = [pool.empty(SHAPE, "float32") for _ in range(3)]
    seen: list[str] = []
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, what: seen.append(frame.f_code.co_name) if event == "call" else None)
    try:
        del arrays[1]
        arrays.clear()  # at once: nothing of it is in a circle
    finally:
        sys.setprofile(before)
    assert seen == [] and len(pool.returned) == 3


def test_ctrl_c_while_blocks_come_and_go_is_never_lost_nor_memory_with_it() -> None:
    """Raised by the alarm clock of the process, at many places of the interpreter's."""
    code = """
import itertools, signal, sys
from xpnet.backend.cpu.memory_pool import Pool

pool, caught = Pool(), 0
for turn in range(60):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005 + turn * 1e-5)
        kept = []
        for number in itertools.count():
            kept = [*kept[-2:], pool.empty((20000 + number % 7 * 9000,), "float32")]
    except KeyboardInterrupt:
        caught += 1
kept = None
arrays = [pool.empty((30000,), "float32") for _ in range(9)]
for i, array in enumerate(arrays):
    array[...] = i
assert [set(array.tolist()) for array in arrays] == [{i} for i in range(9)]
del array, arrays
pool.clear()
print(caught, pool.held, pool.used)
"""
    code = code.replace("pool, caught", "signal.signal(signal.SIGALRM, signal.default_int_handler)\npool, caught", 1)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("60 0 0\n", "")


def test_a_small_part_of_a_block_is_copied_out(pool: Pool) -> None:
    whole = pool.empty(SHAPE, "float32")
    whole[...] = 3
    parts = whole[:1], whole.T[:, :5], whole[::9]
    for part in parts:
        copied = copied_out(part)
        assert copied.base is None and (copied.strides[0] < copied.strides[1]) == (part.strides[0] < part.strides[1])
        np.testing.assert_array_equal(copied, part)
    for kept in (whole, whole[:160], whole.T, np.ones(5)[:1], 3.0, np.float32(1)):
        assert copied_out(kept) is kept


def test_the_last_state_of_a_sequence_does_not_keep_all_of_them() -> None:
    model = Sequential([SimpleRNN(32, return_sequence=False)])
    x = np.ones((64, 40, 4), "float32")
    model(x)
    shared.clear()
    before = shared.used
    outputs = [model(x) for _ in range(20)]
    shared.clear()
    assert shared.used - before <= 2 * sum(y.nbytes for y in outputs)
    assert model.forward(x)[0].tobytes() == outputs[0].tobytes()
