"""What `xpnet train` plans from its options: network, recipe, settings, and what a resume compares."""

from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest

from xpnet.cli import training_run
from xpnet.cli.training_run import Options, plan_training, prepare_training
from xpnet.networks.recipes import NETWORKS, RECIPES

pytestmark = pytest.mark.usefixtures("no_pictures")
NONE = Options(
    network="mlp", recipe=None, epochs=None, batch_size=None, lr=None, optimizer=None, schedule=None,
    weight_decay=None, seed=0, out=None, data=None, variant=None, no_last_dropout=False, time_limit=None, limit=None,
    validation=0.0, resume=False, backup_every=None, watch=None, browser=None, quiet=True, as_json=False,
)  # fmt: skip


@pytest.fixture
def options(tmp_path: Path, data: Path) -> Options:
    return replace(NONE, out=str(tmp_path), data=str(data))


def test_without_options_the_settings_are_those_of_the_network(options: Options) -> None:
    assert plan_training(options).recipe == NETWORKS["mlp"]
    assert plan_training(replace(options, network=None, recipe="fast")).recipe == RECIPES["fast"]


def test_what_is_asked_for_takes_the_place_of_the_recipe_s(options: Options) -> None:
    asked = {"epochs": 3, "batch_size": 80, "lr": 0.5, "optimizer": "sgd", "schedule": "step", "weight_decay": 0.0}
    assert plan_training(replace(options, **asked)).recipe == replace(NETWORKS["mlp"], **asked)
    plan = plan_training(replace(options, recipe="best", epochs=2))
    own, best = NETWORKS["mlp"], RECIPES["best"]
    assert plan.recipe == replace(best, make=own.make, loss=own.loss, epochs=2)


def test_options_of_one_network_are_for_that_one(options: Options) -> None:
    assert plan_training(replace(options, network="lenet5", variant="1998")).arguments == {"variant": "1998"}
    plan = plan_training(replace(options, network="deepconvnet", no_last_dropout=True))
    assert plan.arguments == {"last_dropout": False}
    with click.Context(click.Command("train")), pytest.raises(click.UsageError, match="--variant is for lenet5"):
        plan_training(replace(options, variant="1998"))


@pytest.mark.parametrize(("schedule", "counts"), [("constant", False), ("cosine", True), ("one_cycle", True)])
def test_a_schedule_that_has_an_end_makes_epochs_a_setting(options: Options, schedule: str, counts: bool) -> None:
    """With a constant rate a training may be resumed to go on for longer."""
    plan = plan_training(replace(options, schedule=schedule, seed=7, limit=30))
    compared = plan.backup.own_settings
    assert compared is not None and ("--epochs" in compared) is counts
    assert {"--batch-size", "--lr", "--optimizer", "--seed", "--data"} <= compared.keys()
    assert (compared["--seed"], compared["--limit"], compared["--schedule"]) == (7, 30, schedule)


def test_digits_are_cut_and_parted_as_asked_for(options: Options, data: Path) -> None:
    (x, t), test = training_run.mnist(str(data))
    training = prepare_training(plan_training(replace(options, limit=50, validation=0.2)))
    for part, rows in ((training.train, slice(0, 40)), (training.held_out, slice(40, 50))):
        assert np.array_equal(part[0], x[rows]) and np.array_equal(part[1], t[rows])
    assert np.array_equal(training.test[0], test[0]) and training.labels == ("training", "validation")
    training = prepare_training(plan_training(replace(options, limit=50)))
    assert len(training.train[0]) == 50 and training.held_out[0] is training.test[0]
    assert training.labels == ("training", "test") and training.clock is None
