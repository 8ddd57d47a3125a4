"""Workers that die or hang: those that are left have the sums that they would have had, and one copy of each."""

import random

import pytest

from tests.kit.workers import Run, needs_mpi, needs_ulfm, run_workers

UNITS = 12
TRAIN = "-m", "tests.parallel.worker", "train", str(UNITS)
PATIENCE = {"XPNET_WORKER_TIMEOUT": "3"}


@pytest.fixture(scope="module")
def undisturbed() -> str:
    run = run_workers(1, *TRAIN)
    assert run.status == 0, run
    return run.workers[0].out.split()[-1]


def survivors(run: Run, expected: str) -> dict[int, list[str]]:
    """What the workers that came to the end have printed, by their first number."""
    assert run.status == 0, run
    ends = {}
    for worker in run.workers:
        if worker.out:
            began, *rest, state = worker.out.split()
            assert state == expected, run
            ends[int(began)] = rest
    return ends


@needs_ulfm
@pytest.mark.parametrize(
    ("workers", "plans", "left"),
    [
        (3, ["1:SIGKILL:5"], {0, 2}),
        (4, ["0:SIGKILL:5a", "2:SIGKILL:5b"], {1, 3}),  # two at once, and the leader
        (2, ["0:SIGKILL:6b"], {1}),  # one goes on alone
        (4, ["1:SIGKILL:5d", "0:SIGKILL:5a"], {2, 3}),  # the second within the recovery
        (4, ["3:SIGKILL:2b", "0:SIGKILL:4", "1:SIGKILL:7a"], {2}),
        (3, [f"1:SIGKILL:{UNITS - 1}b"], {0, 2}),
    ],
)
def test_the_others_go_on(workers: int, plans: list[str], left: set[int], undisturbed: str) -> None:
    run = run_workers(workers, *TRAIN, *plans, ulfm=True)
    ends = survivors(run, undisturbed)
    assert ends.keys() == left, run
    assert [ends[began][:2] for began in sorted(left)] == [[f"{rank}", f"{len(left)}"] for rank in range(len(left))], (
        run
    )


@needs_ulfm
@pytest.mark.parametrize("unit", [4, 5, UNITS - 2, UNITS - 1])
def test_a_result_that_only_one_has_is_that_of_all(unit: int, undisturbed: str) -> None:
    """In even units the last exchange is `share`, in odd ones `complete`. Nobody begins that unit again: who did would
    hear of two workers in it, and the other one of three.
    """
    run = run_workers(3, *TRAIN, f"0:SIGKILL:{unit}c", ulfm=True)
    heard = {began: rest[-1] for began, rest in survivors(run, undisturbed).items()}
    assert heard == dict.fromkeys((1, 2), "3" * (unit + 1) + "2" * (UNITS - 1 - unit)), run


@needs_ulfm
@pytest.mark.parametrize("seed", range(4))
def test_deaths_at_any_moment(seed: int, undisturbed: str) -> None:
    rng = random.Random(seed)
    workers = rng.randint(2, 4)
    victims = rng.sample(range(workers), rng.randint(1, workers - 1))
    begin = rng.uniform(0, 0.2)
    plans = [f"{victim}:SIGKILL:{begin + rng.choice([0, 0.002, 0.05]) * rng.random():.4f}s" for victim in victims]
    run = run_workers(workers, *TRAIN, *plans, ulfm=True)
    assert survivors(run, undisturbed).keys() >= set(range(workers)) - set(victims), run


@needs_ulfm
def test_one_that_hangs_is_ended(undisturbed: str) -> None:
    run = run_workers(3, *TRAIN, "1:SIGSTOP:5b", ulfm=True, env=PATIENCE)
    assert survivors(run, undisturbed).keys() == {0, 2}, run


@needs_mpi
def test_one_that_stops_for_a_moment_goes_on(undisturbed: str) -> None:
    run = run_workers(3, *TRAIN, "0:PAUSE:3", "1:PAUSE:5b", env=PATIENCE)
    assert survivors(run, undisturbed).keys() == {0, 1, 2}, run


@needs_mpi
def test_one_that_hangs_ends_all_where_mpi_cannot_go_on() -> None:
    run = run_workers(3, *TRAIN, "1:SIGSTOP:5b", env=PATIENCE)
    assert run.status == 75, run
    for worker in run.workers[0], run.workers[2]:
        assert "WorkerError: worker 1 (" in worker.err, run
        assert "has not answered for 3 seconds (XPNET_WORKER_TIMEOUT)" in worker.err, run
