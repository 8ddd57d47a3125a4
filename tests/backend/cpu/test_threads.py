"""Our own threads and BLAS's: who computes, and with which settings."""

import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tests.kit.strategies import normal
from xpnet.backend.cpu import activation, blas, threads
from xpnet.backend.cpu.backend import NumpyBackend
from xpnet.backend.cpu.work import share_rows
from xpnet.backend.window import Window
from xpnet.errors import OptionError
from xpnet.layers import Conv2D, Dense

THREADS = 3


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three threads, whatever this machine has."""
    team = threads.Team(THREADS - 1)
    monkeypatch.setattr(threads, "thread_count", lambda: THREADS)
    monkeypatch.setattr(threads, "team", lambda: team)
    yield
    team.close()


@pytest.fixture
def one(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XPNET_NUM_THREADS", "1")
    threads.thread_count.cache_clear()
    yield
    threads.thread_count.cache_clear()


def blas_threads() -> set[int]:
    """Of NumPy's BLAS; SciPy, where something has imported it, brings another one, which computes nothing here."""
    return {library.get() for library in blas.libraries() if "scipy.libs" not in library.path}


@pytest.fixture
def two_in_blas() -> Iterator[None]:
    """BLAS is set to two threads, so that it can be seen whether the number is put back."""
    with threadpool_limits(2, user_api="blas"):
        if blas_threads() != {2}:
            pytest.skip(f"this BLAS has no number of threads to set: {blas_threads()}")
        yield


def watch_products(monkeypatch: pytest.MonkeyPatch) -> list[set[int]]:
    """The numbers of BLAS threads at every product that NumPy computes."""
    seen: list[set[int]] = []
    product = np.matmul

    def matmul(*args: Any, **options: Any) -> Any:
        seen.append(blas_threads())
        return product(*args, **options)

    monkeypatch.setattr(np, "matmul", matmul)
    return seen


@pytest.mark.parametrize("count", ["one", "three"])
def test_blas_keeps_to_one_thread_inside_a_convolution_and_gets_its_threads_back(
    count: str, two_in_blas: None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    request.getfixturevalue(count)
    layer, x = Conv2D(4, 3), normal((2, 3, 9, 9), 0, "float32")
    layer.build((3, 9, 9))
    seen = watch_products(monkeypatch)
    y, back = layer.forward(x, train=True)
    forward = len(seen)
    assert blas_threads() == {2}
    back(y)
    assert blas_threads() == {2}
    assert 0 < forward < len(seen)
    assert all(found == {1} for found in seen)


@pytest.mark.parametrize("count", ["one", "three"])
def test_blas_gets_its_threads_back_after_an_error_and_after_nested_uses(
    count: str, two_in_blas: None, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(count)
    seen: list[set[int]] = []

    def inner(i: int) -> None:
        seen.append(blas_threads())

    def outer(i: int) -> None:
        with threads.single_threaded_blas():
            inner(i)
        seen.append(blas_threads())  # the end of the inner use does not end the outer one

    def fail(i: int) -> None:
        raise ZeroDivisionError

    threads.run_tiles(outer, [(0,), (1,)])
    assert seen == [{1}] * 4
    assert blas_threads() == {2}
    with pytest.raises(ZeroDivisionError):
        threads.run_tiles(fail, [(0,), (1,), (2,)])
    assert blas_threads() == {2}


@pytest.mark.parametrize("main_ends_first", [True, False])
def test_threads_that_hold_blas_at_once_give_it_back_together(two_in_blas: None, main_ends_first: bool) -> None:
    """Whichever of them begins and ends: threadpoolctl by itself listens to one thread only."""
    begun, end = threading.Event(), threading.Event()
    seen: list[set[int]] = []

    def other() -> None:
        with threads.single_threaded_blas():
            seen.append(blas_threads())
            begun.set()
            end.wait(10)
            seen.append(blas_threads())

    thread = threading.Thread(target=other)
    if main_ends_first:
        with threads.single_threaded_blas():
            thread.start()
            begun.wait(10)
        seen.append(blas_threads())  # still held by the other one
        end.set()
        thread.join()
    else:
        thread.start()
        begun.wait(10)
        with threads.single_threaded_blas():
            end.set()
            thread.join()
            seen.append(blas_threads())  # still held by this one
    assert seen == [{1}] * 3
    assert blas_threads() == {2}


def test_all_threads_take_over_the_settings_of_numpy_for_this_work_only(three: None) -> None:
    meet = threading.Barrier(THREADS)
    found: list[tuple[int, str]] = []

    def look(i: int) -> None:
        meet.wait(10)  # every thread has a tile
        found.append((threading.get_ident(), np.geterr()["over"]))

    for setting in ("raise", "ignore", "warn"):
        found.clear()
        with np.errstate(over=setting):
            threads.run_tiles(look, [(i,) for i in range(THREADS)])
        assert len({thread for thread, _ in found}) == THREADS
        assert {over for _, over in found} == {setting}


@pytest.mark.parametrize("count", ["one", "three"])
def test_an_overflow_in_any_tile_is_an_error_where_numpy_was_told_so(
    count: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(count)
    values = np.full((8, 4), 3e38, np.float32)

    def double(i: int) -> None:
        values[i] *= 2

    with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow"):
        threads.run_tiles(double, [(i,) for i in range(8)])
    with np.errstate(over="ignore"):
        threads.run_tiles(double, [(i,) for i in range(8)])
    assert np.isinf(values).all()


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch, three: None) -> None:
    results = []
    conv, dense, x = Conv2D(5, 3, padding=1), Dense(4), normal((8, 3, 17, 17), 0, "float32")
    conv.build((3, 17, 17))
    dense.build((7,))
    for count in (THREADS, 1):
        monkeypatch.setattr(threads, "thread_count", lambda count=count: count)
        for layer, inputs in ((conv, x), (dense, normal((600, 7), 1, "float32"))):
            y, back = layer.forward(inputs, train=True)
            layer.weight.zero_grad()
            results.append([y, back(y), np.array(layer.weight.grad)])
    for one, other in zip(results[:2], results[2:], strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_threads_come_to_each_of_many_jobs(three: None) -> None:
    """None sleeps through its call, also where it comes while the thread is about to fall asleep."""
    meet, met = threading.Barrier(THREADS), list[int]()

    def tile(i: int) -> None:
        meet.wait(10)  # every thread has a tile
        met.append(i)

    for _ in range(200):
        threads.run_tiles(tile, [(i,) for i in range(THREADS)])
    assert sorted(met) == sorted([*range(THREADS)] * 200)


def test_a_thread_that_was_called_sleeps_no_more() -> None:
    team = threads.Team(0)
    helper, done = threads.Helper(team, 1), list[int]()

    def sleep() -> None:
        for _ in range(2):
            helper.sleep(team.called)
            done.append(team.called)

    helper.asleep = True
    helper.call()
    helper.call()  # which has not come yet
    sleeper = threading.Thread(target=sleep, daemon=True)
    sleeper.start()
    while not (done and helper.asleep):
        assert sleeper.is_alive()
    assert done == [0]  # one call, one time
    team.run(threads.Job(done.append, [(7,)]))
    helper.call()
    sleeper.join(10)
    helper.sleep(0)  # there has been a job
    assert sorted(done) == [0, 1, 7] and not helper.asleep


def test_a_tile_may_have_tiles_and_two_jobs_may_meet(three: None) -> None:
    """A job that finds the threads busy is done by the thread that has it."""
    done: list[tuple[str, int, int]] = []

    def outer(name: str, i: int) -> None:
        threads.run_tiles(lambda j: done.append((name, i, j)), [(j,) for j in range(3)])

    def job(name: str) -> None:
        threads.run_tiles(outer, [(name, i) for i in range(4)])

    other = threading.Thread(target=job, args=("b",))
    other.start()
    job("a")
    other.join(10)
    assert sorted(done) == [(name, i, j) for name in "ab" for i in range(4) for j in range(3)]


def test_nobody_waits_for_a_thread_that_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """The helpers of this team never come."""
    team = threads.Team(0)
    monkeypatch.setattr(threads, "thread_count", lambda: THREADS)
    monkeypatch.setattr(threads, "team", lambda: team)
    seen: list[int] = []
    threads.run_tiles(seen.append, [(i,) for i in range(5)])
    assert seen == [0, 1, 2, 3, 4]


def test_a_thread_gives_up_what_it_worked_on(three: None) -> None:
    class Big:
        pass

    big = Big()
    gone = weakref.ref(big)
    threads.run_tiles(lambda i, big=big: None, [(i,) for i in range(9)])
    del big
    until = time.monotonic() + 10
    while gone() is not None and time.monotonic() < until:
        time.sleep(0.001)
    assert gone() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_threads_of_its_own() -> None:
    script = (
        "import os, sys\nfrom xpnet.backend.cpu import threads\n"
        "threads.thread_count = lambda: 3\n"
        "seen = []\nthreads.run_tiles(seen.append, [(i,) for i in range(50)])\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    threads.run_tiles(seen.append, [(i,) for i in range(50)])\n"
        "    os._exit(0 if sorted(seen) == sorted([*range(50)] * 2) else 1)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", script], timeout=60).returncode == 0


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no thread to a processor")
@pytest.mark.parametrize("cpus", ["all", "one"])
def test_no_thread_is_bound_to_a_processor(cpus: str) -> None:
    """Children, other libraries and other processes have the processors that they had, and nobody waits awake for the
    only one."""
    script = (
        "import os, sys, threading\n"
        f"bound = sorted(os.sched_getaffinity(0))[: {None if cpus == 'all' else 1}]\n"
        "os.sched_setaffinity(0, bound)\n"
        "def refuse(*how): raise PermissionError\n"
        "os.sched_setaffinity = refuse\n"
        "from xpnet.backend.cpu import threads\n"
        f"assert {cpus == 'all'} or threads.usable_cpus() == 1\n"
        "awake, seen, meet = [], [], threading.Barrier(2)\n"
        "threads.wait_with(lambda *how: False, lambda state, seen, stay, me: bool(stay and awake.append(1)))\n"
        "def tile(i):\n    meet.wait(10)\n    seen.append((i, os.sched_getaffinity(0)))\n"
        "for _ in range(5): threads.run_tiles(tile, [(0,), (1,)])\n"
        "assert all(cpus == set(bound) for _, cpus in seen) and len(seen) == 10, seen\n"
        "assert bool(awake) == (threads.usable_cpus() > 1)\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(0 if os.sched_getaffinity(0) == set(bound) else 1)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    environment = os.environ | {"XPNET_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], timeout=60, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("awake", [False, True])
def test_what_is_done_sooner_than_a_thread_wakes_is_left_to_one(monkeypatch: pytest.MonkeyPatch, awake: bool) -> None:
    """Cut into the same tiles, so that it has the same bits; a thread that waits awake gets it."""
    jobs: list[int] = []

    class Counting(threads.Team):
        def run(self, job: threads.Job) -> None:
            jobs.append(job.count)
            super().run(job)

    monkeypatch.setattr(threads, "thread_count", lambda: 2)
    monkeypatch.setattr(threads, "team", lambda: Counting(0))
    if awake:
        monkeypatch.setattr(threads, "_spin", lambda *how: False)
    else:
        monkeypatch.setattr(threads, "_spin", threads._asleep)
    backend, window = NumpyBackend(), Window(kernel=(2, 2), stride=(2, 2))
    for rows, few in ((96, True), (512, False)):
        jobs.clear()
        x = normal((2, 16, rows, 96), 0, "float32")
        y = backend.max_pool2d(x, window)
        backend.max_pool2d_backward(y, x, y, window)
        counts = [len(share_rows(rows // 2, x.size))] * 2
        activation.before_activation(x.reshape(rows, -1, 96), x.reshape(rows, -1, 96))
        counts.append(len(share_rows(rows, x.size)))
        assert min(counts) > 1
        assert jobs == ([] if few and not awake else counts)


@pytest.mark.parametrize(("wish", "found"), [("3", 3), (" 2 ", 2), ("", None)])
def test_the_environment_names_the_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, one: None, wish: str, found: int | None
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("XPNET_NUM_THREADS", wish)
    assert threads.thread_count() == (found or threads.usable_cpus())


@pytest.mark.parametrize(("wish", "count"), [("", 3), ("5", 5), ("8", 8)])
def test_who_starts_several_processes_may_leave_each_a_share(
    monkeypatch: pytest.MonkeyPatch, one: None, wish: str, count: int
) -> None:
    monkeypatch.setattr(threads, "usable_cpus", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("XPNET_NUM_THREADS", wish)
    assert threads.thread_count() == count, "xpnet's own variable counts more"


def test_a_share_is_never_more_than_there_is(monkeypatch: pytest.MonkeyPatch, one: None) -> None:
    monkeypatch.setattr(threads, "usable_cpus", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", "16")
    monkeypatch.delenv("XPNET_NUM_THREADS")
    assert threads.thread_count() == 4


@pytest.mark.parametrize("wish", ["0", "-1", "2.5", "all"])
def test_another_number_of_threads_is_refused(monkeypatch: pytest.MonkeyPatch, one: None, wish: str) -> None:
    monkeypatch.setenv("XPNET_NUM_THREADS", wish)
    with pytest.raises(OptionError, match="XPNET_NUM_THREADS must be a whole number of at least 1"):
        threads.thread_count()


@pytest.mark.parametrize("wish", [str(64 * (os.cpu_count() or 1) + 1), "1000000", "9" * 5000])
def test_an_absurd_number_of_threads_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, one: None, wish: str
) -> None:
    monkeypatch.setenv("XPNET_NUM_THREADS", wish)
    with pytest.raises(OptionError, match=r"must be at most \d+, 64 for each core of this machine, not \S+") as found:
        threads.thread_count()
    assert len(str(found.value)) < 150
    monkeypatch.setenv("XPNET_NUM_THREADS", str(64 * (os.cpu_count() or 1)))
    assert threads.thread_count() == 64 * (os.cpu_count() or 1)


def test_no_more_threads_are_made_than_a_job_has_tiles_nor_do_they_wait_awake(monkeypatch: pytest.MonkeyPatch) -> None:
    awake: list[int] = []
    monkeypatch.setattr(threads, "_spin", lambda *how: bool(awake.append(1)))
    before, team = threading.active_count(), threads.Team(99 * threads.usable_cpus())
    done: list[int] = []
    for count in (2, 4, 3):
        team.run(threads.Job(done.append, [(i,) for i in range(count)]))
    assert sorted(done) == [0, 0, 0, 1, 1, 1, 2, 2, 3]
    assert threading.active_count() == before + 3
    assert not awake
    team.close()
