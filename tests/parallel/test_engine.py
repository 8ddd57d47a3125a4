"""What a process knows of how it was started, and how its errors come out."""

import pytest

from xpnet.parallel import Communicator, use_communicator
from xpnet.parallel.engine import SIZES, SLURM_SIZES, launched_workers
from xpnet.training import choose_shards, failing_together

VARIABLES = (*SIZES, *SLURM_SIZES, "PMIX_RANK")


@pytest.mark.parametrize(
    ("environment", "workers"),
    [
        ({}, 1),
        ({"OMPI_COMM_WORLD_SIZE": "3", "PMIX_RANK": "1"}, 3),
        ({"PMI_SIZE": "4"}, 4),
        ({"PMIX_RANK": "0", "SLURM_STEP_NUM_TASKS": "8"}, 8),  # srun --mpi=pmix
        ({"SLURM_STEP_NUM_TASKS": "8"}, 1),  # a plain process of a job of many
        ({"PMI_SIZE": "some"}, 1),
    ],
)
def test_how_many_workers_were_started(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], workers: int
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert launched_workers() == workers


@pytest.mark.parametrize(("began", "shards"), [(1, 1), (2, 8), (8, 8), (9, 16), (16, 16), (17, 32)])
def test_who_has_died_does_not_change_the_usual_shards(began: int, shards: int) -> None:
    alone = Communicator()
    alone.began = began
    with use_communicator(alone):
        assert choose_shards(None) == shards


def test_an_error_keeps_what_led_to_it() -> None:
    with pytest.raises(ValueError, match="second") as caught, failing_together():
        try:
            raise KeyError("first")
        except KeyError:
            raise ValueError("second")  # noqa: B904 (what is under way is to be shown)
    assert isinstance(caught.value.__context__, KeyError) and not caught.value.__suppress_context__
