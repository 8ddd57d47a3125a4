"""Blocks of `use_backend` in threads, tasks and generators: each ends as if the others were not there."""

import asyncio
import contextlib
import contextvars
import gc
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.kit.helpers import in_threads
from xpnet import backend
from xpnet.backend import Backend, get_backend, make_backend, on_backend, set_default, use_backend
from xpnet.errors import BackendError
from xpnet.layers import Dense


@pytest.fixture(autouse=True)
def numpy() -> None:
    use_backend("numpy")


def name() -> str:
    return get_backend().name


def elsewhere(function: Callable[[], Any] = name) -> Any:
    """What it returns in another thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result(60)


def test_no_other_thread_sees_a_block_not_even_between_its_call_and_its_beginning() -> None:
    block = use_backend("reference")
    assert elsewhere() == "numpy"
    with block:
        assert (name(), elsewhere()) == ("reference", "numpy")
    assert (name(), elsewhere()) == ("numpy", "numpy")
    use_backend("array_api_strict")  # nor does it lose what holds for all
    block = use_backend("reference")
    assert elsewhere() == "array_api_strict"
    del block


def test_threads_that_need_the_first_backend_at_once_get_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    meet, found = threading.Barrier(4), list[Backend]()

    def make() -> Backend:
        time.sleep(0.01)  # so that others come meanwhile
        return Backend()

    def work(_: int) -> None:
        meet.wait(60)
        found.append(make_backend("late"))

    monkeypatch.setitem(backend._MAKERS, "late", make)
    in_threads(work, 4)
    backend._made.pop("late")
    assert len(found) == 4 and len(set(map(id, found))) == 1


def test_calls_and_beginnings_of_threads_may_come_in_any_order() -> None:
    """As they do in threads that run at once: all are called, then all begin, and the first to end began first."""
    meet = threading.Barrier(8)
    found: list[str] = []

    def work(number: int) -> None:
        for turn in range(10):
            wanted = ("reference", "array_api_strict")[(number + turn) % 2]
            block = use_backend(wanted)
            meet.wait(60)
            with block:
                meet.wait(60)
                found.extend({name(), Dense(2).backend.name, wanted} - {wanted})
            meet.wait(60)
            found.extend({name()} - {"numpy"})

    in_threads(work, 8)
    assert not found and name() == "numpy"


def test_sixteen_threads_leave_the_process_as_it_was() -> None:
    def work(number: int) -> None:
        for _ in range(50):
            with use_backend("reference" if number % 2 else "array_api_strict") as backend:
                assert get_backend() is backend
            assert name() == "numpy"

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    assert name() == "numpy"


def test_a_plain_call_whose_result_is_kept_holds_for_all() -> None:
    kept = use_backend("reference")
    assert name() == "reference" and elsewhere() == "reference"
    del kept
    assert name() == "reference" and elsewhere() == "reference"
    shown = use_backend("numpy")
    repr(shown)  # as an interactive session does, which keeps it too
    assert elsewhere() == "numpy"


def test_the_newest_plain_call_counts_whichever_result_is_kept_longest() -> None:
    kept = use_backend("reference")
    use_backend("array_api_strict")
    assert elsewhere() == "array_api_strict"
    del kept
    assert name() == elsewhere() == "array_api_strict"


def test_a_plain_call_in_another_thread_holds_for_all() -> None:
    elsewhere(lambda: use_backend("reference"))
    gc.collect()
    assert name() == "reference"


def test_an_object_can_be_entered_again_and_within_itself() -> None:
    block = use_backend("reference")
    for _ in range(2):
        with block, use_backend("array_api_strict"), block:
            assert name() == "reference"
        assert name() == elsewhere() == "numpy"
    with block:
        elsewhere(block.__enter__)  # which stays in there
        assert name() == "reference"
    assert name() == "numpy"


def test_it_may_be_entered_after_its_thread_has_used_it() -> None:
    block = use_backend("reference")
    assert Dense(2).backend.name == "reference"
    with block:
        assert name() == "reference"
    assert name() == "numpy"


def test_two_that_are_called_before_either_is_entered() -> None:
    first, second = use_backend("reference"), use_backend("array_api_strict")
    with first:
        assert name() == "reference"
        with second:
            assert name() == "array_api_strict"
        assert name() == "reference"
    assert name() == "numpy"


def test_a_call_that_fails_changes_nothing() -> None:
    for _ in range(2):
        with pytest.raises(BackendError), use_backend("numpi"):
            pass
        assert name() == elsewhere() == "numpy"
    with contextlib.ExitStack() as stack:
        stack.enter_context(use_backend("reference"))
        with pytest.raises(BackendError):
            stack.enter_context(use_backend("numpi"))
        assert name() == "reference"
    assert name() == "numpy"


def test_blocks_of_generators_end_in_any_order() -> None:
    def outputs(wanted: str) -> Iterator[str]:
        with use_backend(wanted), on_backend(make_backend(wanted)):
            yield name()

    first, second = outputs("reference"), outputs("array_api_strict")
    assert next(first) == "reference" and next(second) == "array_api_strict"
    first.close()
    second.close()
    assert name() == "numpy"
    third = outputs("reference")
    next(third)
    elsewhere(third.close)  # where nothing of it is
    assert name() == "numpy"


def test_tasks_and_copied_contexts_have_blocks_of_their_own() -> None:
    async def work(wanted: str, meet: asyncio.Barrier) -> None:
        for _ in range(3):
            with use_backend(wanted):
                await meet.wait()
                assert name() == wanted
                await meet.wait()
            assert name() == "reference", "that of the block around the task"

    async def main() -> None:
        meet = asyncio.Barrier(2)
        with use_backend("reference"):
            tasks = [asyncio.create_task(work(each, meet)) for each in ("numpy", "array_api_strict")]
            await asyncio.gather(*tasks)

    asyncio.run(main())
    assert name() == "numpy"
    with use_backend("reference"):
        context = contextvars.copy_context()
    assert (context.run(name), name()) == ("reference", "numpy")
    context.run(use_backend, "array_api_strict")  # a plain call inside a block
    assert (context.run(name), name()) == ("array_api_strict", "numpy")
    contextvars.Context().run(use_backend, "reference")  # and one outside all blocks
    assert name() == "reference"


def test_what_was_set_can_be_put_back() -> None:
    use_backend("reference")
    before = set_default(None)
    assert before is make_backend("reference")
    use_backend("array_api_strict")
    assert set_default(before) is make_backend("array_api_strict")
    assert name() == elsewhere() == "reference"
