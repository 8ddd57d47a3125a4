"""Workers of MPI: any number of them gets the same bits, and where one fails all end, with one message."""

import pytest

from tests.kit.workers import Run, needs_mpi, run_workers
from xpnet.errors import OptionError

pytestmark = needs_mpi
WORKER = "-m", "tests.parallel.worker"


def messages(run: Run, text: str) -> list[int]:
    """The workers that said so."""
    return [rank for rank, worker in enumerate(run.workers) if text in worker.err]


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 8])
def test_the_sum_has_the_same_bits_on_any_number_of_workers(workers: int) -> None:
    run = run_workers(workers, *WORKER, "exchange", timeout=120)
    assert run.status == 0, run
    assert [worker.out for worker in run.workers] == [f"ok {rank} {workers}\n" for rank in range(workers)], run


def test_one_that_fails_ends_all_and_speaks_alone() -> None:
    run = run_workers(3, *WORKER, "fail", "one")
    assert run.status == 1, run
    assert [worker.status for worker in run.workers] == [1, 1, 1], run
    assert messages(run, "ValueError: planned") == [1], run
    assert messages(run, "Traceback") == [1], run


def test_of_several_that_fail_the_first_speaks() -> None:
    run = run_workers(3, *WORKER, "fail", "all")
    assert run.status == 1, run
    assert [worker.status for worker in run.workers] == [1, 1, 1], run
    assert messages(run, "Traceback") == [0], run


def test_one_that_fails_without_telling_ends_all() -> None:
    run = run_workers(3, *WORKER, "fail", "silent")
    assert run.status == 1, run
    assert messages(run, "Traceback") == [1], run


def test_one_that_fails_ends_another_that_does_not_listen() -> None:
    run = run_workers(2, *WORKER, "fail", "busy")
    assert run.status not in (0, None), run
    assert run.seconds < 30, run
    assert messages(run, "ValueError: planned") == [1], run


def test_one_that_ends_too_early_is_an_error_of_the_others() -> None:
    run = run_workers(2, *WORKER, "fail", "ends")
    assert run.status == 1, run
    assert "WorkerError: worker 1" in run.workers[0].err, run
    assert "all workers must do the same" in run.workers[0].err, run


@pytest.mark.parametrize("wish", ["0", "-1", "soon", "nan", "inf"])
def test_the_time_limit_is_checked(wish: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from xpnet.parallel.wire import worker_timeout

    monkeypatch.setenv("XPNET_WORKER_TIMEOUT", wish)
    with pytest.raises(OptionError, match=rf"^XPNET_WORKER_TIMEOUT must be a number of seconds above 0, not '{wish}'$"):
        worker_timeout()


def test_the_time_limit_is_five_minutes_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    from xpnet.parallel.wire import worker_timeout

    monkeypatch.setenv("XPNET_WORKER_TIMEOUT", " ")
    assert worker_timeout() == 300
    monkeypatch.setenv("XPNET_WORKER_TIMEOUT", "2.5")
    assert worker_timeout() == 2.5
