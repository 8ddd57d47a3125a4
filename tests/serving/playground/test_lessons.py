"""Each lesson of the playground shows what it says."""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet.serving
from tests.serving.playground.findings import FINDINGS
from xpnet.errors import NonFiniteError
from xpnet.serving.playground.lab import Lab
from xpnet.serving.playground.state import read_state

FILE = Path(xpnet.serving.__file__).parent / "pages" / "playground" / "lessons.json"
LESSONS = {lesson["key"]: lesson for lesson in json.loads(FILE.read_text(encoding="utf-8"))}


def state_of(lesson: str, variant: str | None = None) -> dict[str, Any]:
    if variant is None:
        return LESSONS[lesson]["state"]
    return next(each["state"] for each in LESSONS[lesson]["variants"] if each["key"] == variant)


@functools.cache
def lab_of(state: str) -> Lab:
    return Lab(read_state(json.loads(state)))


@functools.cache
def losses_at(step: int, state: str) -> dict[str, float]:
    lab = lab_of(state)
    if lab.step > step:
        lab.begin_anew()
    while lab.step < step:
        lab.train_step()
    return lab.losses()


def losses_after(steps: int, lesson: str, variant: str | None = None, seed: int = 1) -> dict[str, float]:
    return losses_at(steps, json.dumps(state_of(lesson, variant) | {"seed": seed}, sort_keys=True))


def gradients(lesson: str, variant: str | None = None) -> list[float]:
    """The mean size of the gradients of each layer's weights at the beginning."""
    lab = Lab(read_state(state_of(lesson, variant)))
    lab.go_through("forward")
    layers = lab.go_through("backward")["layers"]
    return [float(np.abs(layer["weight_grad"]).mean()) for layer in layers]


def test_there_are_six_and_all_states_are_valid() -> None:
    assert list(LESSONS) == ["neuron", "xor", "overfitting", "rate", "vanishing", "regularization"]
    for lesson in LESSONS.values():
        for each in (lesson, *lesson["variants"]):
            read_state(each["state"])
            assert each["steps"] > 0


def test_what_was_found_is_known_of_each() -> None:
    tries = [(key, each) for key, lesson in LESSONS.items() for each in (None, *lesson["variants"])]
    assert [(key, each["key"] if each else "base") for key, each in tries] == list(FINDINGS)
    for language in ("en", "zh"):
        texts = (FILE.parent.parent / "texts" / f"{language}.js").read_text(encoding="utf-8")
        for lesson, key in FINDINGS:
            assert lesson == "neuron" or f'"playground.lesson.{lesson}.{key}.text"' in texts


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_neuron_parts_two_clouds(seed: int) -> None:
    assert losses_after(250, "neuron", None, seed)["test_accuracy"] > 0.98


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_exclusive_or_needs_a_hidden_layer(seed: int) -> None:
    none = losses_after(1000, "xor", None, seed)
    assert none["train_loss"] > 0.65 and none["test_accuracy"] < 0.65
    four = losses_after(1500, "xor", "four", seed)
    assert four["test_accuracy"] > 0.95 and four["train_loss"] < 0.1


def test_two_units_do_most_of_it() -> None:
    assert losses_after(2500, "xor", "two")["test_accuracy"] > 0.8


def test_the_product_of_the_inputs_makes_exclusive_or_easy() -> None:
    assert losses_after(100, "xor", "product")["test_accuracy"] > 0.98


def test_few_noisy_points_are_learned_by_heart() -> None:
    early, late = (losses_after(steps, "overfitting") for steps in (1000, 5000))
    assert late["train_loss"] < 0.5 * early["train_loss"]
    assert late["test_loss"] > 1.3 * early["test_loss"]


def test_many_points_are_not() -> None:
    more = losses_after(1500, "overfitting", "more")
    assert more["test_loss"] < 1.3 * more["train_loss"]


def test_learning_rates_are_too_small_good_and_too_large() -> None:
    start, steps = losses_after(0, "rate"), 1000
    small, good, large = (losses_after(steps, "rate", key)["train_loss"] for key in ("small", "good", None))
    assert start["train_loss"] - small < 0.02
    assert good < 0.15
    assert large > 0.4


def test_one_rate_makes_the_numbers_grow_without_bound() -> None:
    with pytest.raises(NonFiniteError, match=r"diverged in step \d+: .* smaller learning rate"):
        losses_after(200, "rate", "diverging")


def test_gradients_vanish_through_sigmoids() -> None:
    sigmoid, small = gradients("vanishing"), gradients("vanishing", "small")
    assert sigmoid[0] < 1e-3 * sigmoid[-1]
    assert small[0] < 1e-9 * small[-1]
    for key in ("tanh", "relu"):
        each = gradients("vanishing", key)
        assert min(each) > 1e-2 * max(each)


def test_what_vanishing_gradients_do_to_learning() -> None:
    assert losses_after(600, "vanishing")["train_loss"] > 0.68
    assert losses_after(600, "vanishing", "relu small")["train_loss"] > 0.68
    assert losses_after(1500, "vanishing", "tanh")["train_loss"] < 0.1
    assert losses_after(1500, "vanishing", "relu")["train_loss"] < 0.1


def test_regularisation_keeps_the_test_loss_down() -> None:
    without, with_l2 = (losses_after(5000, "regularization", key) for key in ("none", None))
    assert with_l2["test_loss"] < 0.75 * without["test_loss"]
    assert with_l2["train_loss"] > without["train_loss"]


def test_l1_brings_weights_to_zero_and_dropout_helps_too() -> None:
    def near_zero(variant: str) -> int:
        losses_after(5000, "regularization", variant)
        lab = lab_of(json.dumps(state_of("regularization", variant) | {"seed": 1}, sort_keys=True))
        weights = np.concatenate([np.ravel(layer["weight"]) for layer in lab.weights()])
        return int((np.abs(weights) < 0.02).sum())

    assert near_zero("L1") > 50 > near_zero("none")
    assert losses_after(2500, "regularization", "dropout")["test_loss"] < 0.6
