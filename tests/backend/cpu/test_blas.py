"""What the rest of the process sees of BLAS's number of threads while it is held to one, and finds afterwards."""

import functools
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from xpnet.backend.cpu import blas


class Stepped:
    """A thread that does one thing after the other, each when it is told to."""

    def __init__(self) -> None:
        self.todo: Callable[[], Any] | None = None
        self.go, self.done = threading.Semaphore(0), threading.Semaphore(0)
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self) -> None:
        while self.go.acquire() and self.todo is not None:
            self.todo()
            self.done.release()

    def step(self, todo: Callable[[], Any] | None) -> None:
        self.todo = todo
        self.go.release()
        if todo is not None:
            assert self.done.acquire(timeout=60)


@pytest.fixture
def others() -> Iterator[list[Stepped]]:
    threads = [Stepped() for _ in range(3)]
    yield threads
    for thread in threads:
        thread.step(None)


def real() -> set[int]:
    return {library.get() for library in blas.libraries() if "scipy.libs" not in library.path}


@functools.cache
def controllers() -> list[Any]:
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return [controller for controller in found if "scipy.libs" not in controller.filepath]


def shown() -> set[int]:
    """What threadpoolctl says."""
    return {controller.num_threads for controller in controllers()}


@pytest.fixture(autouse=True)
def two() -> Iterator[None]:
    """Two threads in force, and none that threadpoolctl would obey alone."""
    before = [library.get() for library in blas.libraries()]
    for library in blas.libraries():
        library.set(2)
    if real() != {2}:
        pytest.skip(f"needs a BLAS that takes two threads, as OpenBLAS and MKL do: this one has {real()}")
    yield
    for library, count in zip(blas.libraries(), before, strict=True):
        library.set(count)


def orders() -> list[tuple[str, ...]]:
    """All orders in which two holders and another's limit begin and end."""
    names = "one", "two", "limit"
    return sorted({order for order in itertools.permutations(names * 2) if order.index("one") < order.index("two")})


@pytest.mark.parametrize("count", [1, 3])
def test_every_order_of_two_holders_and_a_limit(others: list[Stepped], count: int) -> None:
    for order in orders():
        inside: dict[str, Any] = {}
        for name in order:
            thread = others[("one", "two", "limit").index(name)]
            if name in inside:
                thread.step(functools.partial(inside.pop(name).__exit__, None, None, None))
            elif name == "limit":
                thread.step(functools.partial(limit_in, inside, count))
            else:
                inside[name] = blas.single_threaded_blas()
                thread.step(inside[name].__enter__)
            free = count if "limit" in inside else 2
            assert shown() == {free}, (order, name)
            assert real() == {1 if inside.keys() - {"limit"} else free}, (order, name)
        assert real() == {2}, order


def limit_in(inside: dict[str, Any], count: int) -> None:
    inside["limit"] = threadpool_limits(count, user_api="blas").__enter__()


def test_what_is_set_for_good_meanwhile_stays(others: list[Stepped]) -> None:
    with blas.single_threaded_blas():
        others[0].step(lambda: threadpool_limits(3, user_api="blas"))
        assert real() == {1} and shown() == {3}
    assert real() == shown() == {3}
    with blas.single_threaded_blas():
        others[0].step(lambda: threadpool_limits(1, user_api="blas"))
    assert real() == shown() == {1}


def test_who_bypasses_threadpoolctl_keeps_what_it_sets() -> None:
    with blas.single_threaded_blas():
        for library in blas.libraries():
            library.set(3)
    assert real() == {3}


def test_who_goes_out_of_an_inner_block_holds_it_still() -> None:
    with blas.single_threaded_blas():
        with blas.single_threaded_blas():
            pass
        assert real() == {1}
    assert real() == {2}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("own", [False, True], ids=["others", "own"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a fork beside threads
def test_a_child_forgets_the_holders_that_it_does_not_have(others: list[Stepped], own: bool) -> None:
    """But for the one that forked."""
    block = blas.single_threaded_blas()
    others[0].step(block.__enter__)
    if own:
        block.__enter__()
    child = os.fork()
    if child == 0:
        try:
            right = real() == {1 if own else 2}
            if own:
                block.__exit__(None, None, None)
            os._exit(0 if right and real() == {2} else 1)
        finally:
            os._exit(2)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if own:
        block.__exit__(None, None, None)
    assert real() == {1}
    others[0].step(lambda: block.__exit__(None, None, None))
    assert real() == {2} and status == 0


def test_nested_and_known_numbers_cost_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """In all one look and one change on the way in, and the same on the way out."""
    calls: list[str] = []
    for library in blas.libraries():
        for name in ("get", "set"):
            function = getattr(library, name)
            monkeypatch.setattr(library, name, lambda *n, f=function, name=name: (calls.append(name), f(*n))[1])
    with blas.single_threaded_blas(), blas.single_threaded_blas():
        pass
    assert calls.count("set") <= 2 * len(blas.libraries()) and len(calls) <= 4 * len(blas.libraries())


class OfThread(threading.local):
    filepath, internal_api, threading_layer, number = "omp", "openblas", "openmp", 4

    def get_num_threads(self) -> int:
        return self.number

    def _real_set_num_threads(self, number: int) -> None:
        self.number = number

    set_num_threads = _real_set_num_threads


def test_a_number_of_each_thread_is_set_in_each(others: list[Stepped], monkeypatch: pytest.MonkeyPatch) -> None:
    """As OpenBLAS has it on OpenMP: who comes second finds its own, and who goes first restores its own."""
    before, own, seen = blas.libraries().copy(), OfThread(), []
    monkeypatch.setattr(blas, "libraries", lambda: before)
    try:
        blas.learn([blas.Library(own)])
        block = blas.single_threaded_blas()
        for thread in others[:2]:
            thread.step(block.__enter__)
        for thread in others[:2]:
            thread.step(lambda: seen.append(own.number))
            thread.step(lambda: block.__exit__(None, None, None))
            thread.step(lambda: seen.append(own.number))
    finally:
        blas.learn(before)
    assert seen == [1, 4, 1, 4]


def test_training_beside_scikit_learn_leaves_blas_as_it_was(others: list[Stepped]) -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    from xpnet import Sequential, layers

    x = np.random.default_rng(0).normal(0, 1, (256, 8))
    model = Sequential([layers.Dense(16, activation="relu"), layers.Dense(8)])
    model.compile("sgd", loss="mse")
    begun = threading.Barrier(2)

    def fit() -> None:
        begun.wait(60)
        cluster.KMeans(4, n_init=8, random_state=0).fit(x)

    thread = threading.Thread(target=fit)
    thread.start()
    begun.wait(60)
    while thread.is_alive():
        model.fit(x.astype("float32"), x.astype("float32"), batch_size=32, epochs=1, verbose=False)
    thread.join()
    assert real() == {2}
