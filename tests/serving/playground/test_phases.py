"""Forward, backward and update by hand make a step, bit for bit; and their numbers are what they say."""

from typing import Any

import numpy as np
import pytest

from tests.serving.playground.states import STATES
from xpnet.errors import NonFiniteError, OptionError
from xpnet.serving.playground.lab import Lab
from xpnet.serving.playground.phases import NAMES
from xpnet.serving.playground.state import read_state


def bits(lab: Lab) -> dict[str, bytes]:
    return {name: parameter.value.tobytes() for name, parameter in lab.network.named_parameters()}


@pytest.mark.parametrize("name", STATES)
def test_three_phases_are_a_step_to_the_bit(name: str) -> None:
    by_hand, whole = (Lab(read_state(STATES[name])) for _ in range(2))
    for _ in range(4):
        for phase in NAMES:
            by_hand.go_through(phase)
        whole.train_step()
    whole.train_step()
    by_hand.train_step()  # the optimizer goes on alike
    assert bits(by_hand) == bits(whole)
    assert (by_hand.step, by_hand.epoch, by_hand.place) == (whole.step, whole.epoch, whole.place)


def test_a_step_completes_what_was_begun() -> None:
    state = read_state(STATES["norm and dropout"])
    begun, whole = Lab(state), Lab(state)
    begun.go_through("forward")
    begun.train_step()
    begun.go_through("forward")
    begun.go_through("backward")
    begun.train_step()
    whole.train_step()
    whole.train_step()
    assert bits(begun) == bits(whole) and begun.step == 2


def test_phases_have_an_order() -> None:
    lab = Lab(read_state({}))
    with pytest.raises(OptionError, match="forward is next, not 'backward'"):
        lab.go_through("backward")
    lab.go_through("forward")
    with pytest.raises(OptionError, match="backward is next, not 'forward'"):
        lab.go_through("forward")


def test_an_edit_begins_the_step_anew() -> None:
    lab = Lab(read_state({}))
    first = lab.go_through("forward")
    lab.edit(0, "bias", 1, 0, 2.0)
    again = lab.go_through("forward")
    assert again["samples"] == first["samples"] and again["outputs"] != first["outputs"]


def find(name: str) -> tuple[Lab, dict[str, Any]]:
    lab = Lab(read_state(STATES[name]))
    lab.go_through("forward")
    return lab, lab.go_through("backward")


def test_numbers_have_the_shapes_that_the_page_draws() -> None:
    lab, numbers = find("default")
    assert len(numbers["samples"]) == 10 and numbers["step"] == 0
    for what in ("outputs", "deltas"):
        assert [np.shape(layer) for layer in numbers[what]] == [(2, 10), (4, 10), (2, 10), (1, 10)]
    assert [np.shape(layer["weight_grad"]) for layer in numbers["layers"]] == [(4, 2), (2, 4), (1, 2)]
    assert [np.shape(layer["bias_grad"]) for layer in numbers["layers"]] == [(4,), (2,), (1,)]
    before = lab.weights()
    numbers = lab.go_through("update")
    for layer, old, new in zip(numbers["layers"], before, lab.weights(), strict=True):
        assert layer["weight_before"] == old["weight"] and layer["bias_before"] == old["bias"]
        np.testing.assert_allclose(
            new["weight"], np.array(old["weight"]) - 0.03 * np.array(layer["weight_grad"]), rtol=1e-5
        )


def test_outputs_and_deltas_belong_together() -> None:
    """dL/dw of a layer without activation is the sum of delta times input; L is the mean over the batch."""
    _, numbers = find("default")
    deltas, inputs = np.array(numbers["deltas"][-1]), np.array(numbers["outputs"][-2])
    np.testing.assert_allclose(numbers["layers"][-1]["weight_grad"], deltas @ inputs.T, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(numbers["layers"][-1]["bias_grad"], deltas.sum(axis=1), rtol=1e-4, atol=1e-7)
    scores, targets = np.array(numbers["outputs"][-1])[0], np.array(numbers["samples"])[:, 2]
    np.testing.assert_allclose(deltas[0], (1 / (1 + np.exp(-scores)) - targets) / 10, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["default", "L1", "L2", "three arms", "batch norm", "five blobs"])
def test_gradients_are_those_of_loss_and_penalty(name: str) -> None:
    """Against the difference quotient."""
    _, numbers = find(name)
    grad = numbers["layers"][0]["weight_grad"][1][0]

    def loss_at(step: float) -> float:
        other = Lab(read_state(STATES[name]))
        other.edit(0, "weight", 1, 0, other.weights()[0]["weight"][1][0] + step)
        numbers = other.go_through("forward")
        return float(numbers["loss"] + numbers["penalty"])

    assert (loss_at(0.01) - loss_at(-0.01)) / 0.02 == pytest.approx(grad, rel=0.02, abs=2e-4)


def test_dropout_shows_what_was_dropped() -> None:
    lab = Lab(read_state(STATES["dropout"]))
    numbers = lab.go_through("forward")
    assert 0.1 < (np.array(numbers["outputs"][1]) == 0).mean() < 0.6


def test_batch_normalisation_has_gradients_of_its_own() -> None:
    _, numbers = find("batch norm")
    norm = numbers["layers"][0]["norm"]
    assert np.shape(norm["weight_grad"]) == np.shape(norm["bias_grad"]) == (4,)


def test_a_loss_that_is_not_finite_is_one_clear_error() -> None:
    lab = Lab(read_state({"problem": "regression", "data": "plane", "hidden": []}))
    lab.network.parameters()[0].value = np.full((1, 2), 1e30, "float32")
    with pytest.raises(NonFiniteError, match="diverged in step 1"):
        lab.go_through("forward")
    with pytest.raises(NonFiniteError, match="diverged in step 1"):
        lab.train_step()
