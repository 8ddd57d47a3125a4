"""`xpnet train --recipe`: what a recipe brings, and what other options make of it."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

import xpnet
from tests.cli.helpers import Command, interrupt_after
from tests.kit.small import digits
from xpnet import networks
from xpnet.networks.recipes import LARGE, NETWORKS, RECIPES, Recipe

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_trains_its_own_network(command: Command, data: Path, tmp_path: Path, recipe: str) -> None:
    outcome = command("train", "--recipe", recipe, "--epochs", 1, "--data", data, "--out", tmp_path, "--json")
    assert outcome.status == 0
    result = json.loads(outcome.out)
    assert (result["recipe"], result["batch_size"]) == (recipe, RECIPES[recipe].batch_size)
    assert 0 < result["parameters"] <= 500_000
    model = xpnet.load(tmp_path / f"{recipe}.safetensors")
    assert model.kind == result["network"]
    assert sum(p.size for p in model.parameters()) == result["parameters"]


def test_a_recipe_for_another_network_and_with_other_settings(command: Command, data: Path, tmp_path: Path) -> None:
    words = ["--recipe", "best", "--epochs", 2, "--batch-size", 80, "--optimizer", "adamw", "--weight-decay", 0.1]
    outcome = command("train", "mlp", *words, "--data", data, "--out", tmp_path, "--json")
    assert outcome.status == 0
    result = json.loads(outcome.out)
    assert (result["network"], result["parameters"]) == ("mlp", 101_770)
    assert (result["epochs"], result["batch_size"]) == (2, 80) and len(result["history"]["loss"]) == 2
    assert (tmp_path / "mlp.safetensors").is_file()


def test_an_interrupted_recipe_goes_on(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With augmentation and averaged weights: 4 steps in an epoch."""
    options = ["mlp", "--recipe", "best", "--epochs", 3, "--data", data]
    assert command("train", *options, "--out", tmp_path / "never").status == 0
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        interrupt_after(patch, 7)
        assert command("train", *options, "--out", out, "--backup-every", 2).status == 130
    assert command("train", *options, "--out", out, "--resume").status == 0
    assert (out / "mlp.safetensors").read_bytes() == (tmp_path / "never" / "mlp.safetensors").read_bytes()
    refused = command("train", "mlp", "--epochs", 3, "--data", data, "--out", tmp_path / "never", "--resume")
    assert refused.status == 1 and "nothing to resume" in refused.error


def test_without_network_and_recipe(command: Command) -> None:
    outcome = command("train")
    assert outcome.status == 2
    assert outcome.error == (
        f"which network? Name one of {', '.join(NETWORKS)}, or choose a --recipe (see xpnet train --help)"
    )


def test_options_of_one_network_need_its_name(command: Command) -> None:
    outcome = command("train", "--recipe", "best", "--variant", "1998")
    assert outcome.status == 2 and outcome.error.startswith("--variant is for lenet5")


def test_every_setting_of_a_recipe_is_heard() -> None:
    """A run with one of them changed ends with other weights."""

    def weights(recipe: Recipe) -> bytes:
        xpnet.seed(0)
        model = recipe.make()
        x, t = digits(60)
        recipe.compile(model, len(x))
        recipe.fit(model, x, t, verbose=0)
        return b"".join(w.tobytes() for w in model.get_weights())

    plain = replace(NETWORKS["mlp"], epochs=2, batch_size=20, lr=0.01)
    usual = weights(plain)
    assert weights(plain) == usual
    changed = {
        "make": NETWORKS["lenet5"].make,
        "epochs": 3,
        "batch_size": 30,
        "lr": 0.02,
        "optimizer": "sgd",
        "schedule": "constant",
        "weight_decay": 0.1,
        "loss": xpnet.losses.SoftmaxCrossEntropy(label_smoothing=0.1),
        "augment": RECIPES["best"].augment,
        "ema": 0.9,
    }
    assert set(changed) == {field.name for field in fields(Recipe)}
    for name, value in changed.items():
        assert weights(replace(plain, **{name: value})) != usual, name


@pytest.mark.parametrize("network", ["vgg", "resnet20", "inceptionnet", "lstm", "gru"])
def test_the_networks_of_later_years_are_trained_on_digits(network: str) -> None:
    model = NETWORKS[network].make()
    assert model.input_shape == (1, 28, 28) and model.output_shape((1, 28, 28)) == (10,)
    x, t = digits(100)
    recipe = replace(NETWORKS[network], epochs=2, batch_size=20)
    recipe.compile(model, len(x))
    history = recipe.fit(model, x, t, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


@pytest.mark.parametrize("network", LARGE)
def test_large_networks_have_a_summary(command: Command, monkeypatch: pytest.MonkeyPatch, network: str) -> None:
    monkeypatch.setattr(networks, network, lambda: networks.MLP(name=network))  # the large ones take their time
    outcome = command("summary", network.lower())
    assert outcome.status == 0 and outcome.out.startswith(network)
