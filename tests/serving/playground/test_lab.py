"""The lab: what a change of the state builds anew, edits, the order of batches, and what it reports."""

from typing import Any

import numpy as np
import pytest

from tests.serving.playground.states import STATES
from xpnet.errors import OptionError
from xpnet.serving.playground.curves import MOST, Curves
from xpnet.serving.playground.lab import Lab
from xpnet.serving.playground.maps import LARGE, SMALL
from xpnet.serving.playground.state import read_state


def make(state: dict[str, Any], steps: int = 0) -> Lab:
    lab = Lab(read_state(state))
    for _ in range(steps):
        lab.train_step()
    return lab


def change(lab: Lab, keep: bool = True, **fields: Any) -> set[str]:
    return lab.change(read_state(lab.state.as_json() | fields), keep)


def weight(lab: Lab, layer: int) -> np.ndarray:
    return np.array(lab.weights()[layer]["weight"])


# ---- changes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "built"),
    [
        ({}, set()),
        ({"lr": 0.1}, set()),
        ({"batch": 5}, set()),
        ({"optimizer": "adam"}, set()),
        ({"show_test": True, "discrete": True}, set()),
        ({"loss": "hinge"}, {"network"}),
        ({"noise": 10}, {"points"}),
        ({"data": "xor"}, {"points"}),
        ({"train": 80}, {"points"}),
        ({"seed": 2}, {"points"}),
        ({"inputs": ["x1"]}, {"network"}),
        ({"hidden": []}, {"network"}),
        ({"regularization": "L2", "rate": 0.1}, {"network"}),
        ({"initializer": "he"}, {"network"}),
        ({"data": "blobs", "classes": 3}, {"points", "network"}),
    ],
)
def test_only_what_must_be_is_built_anew(fields: dict[str, Any], built: set[str]) -> None:
    lab = make({}, 30)
    before, points = lab.network, lab.points
    assert change(lab, **fields) == built
    assert (lab.network is before) == ("network" not in built)
    assert (lab.points is points) == ("points" not in built)
    assert (lab.step, lab.epoch) == (30, 1)
    lab.train_step()


def test_without_keep_it_begins_anew() -> None:
    lab = make({}, 30)
    change(lab, keep=False, lr=0.1)
    assert (lab.step, lab.epoch, lab.exact) == (0, 0, True)
    np.testing.assert_array_equal(weight(lab, 0), weight(make({}), 0))


def test_a_rate_that_changes_leaves_the_optimizer_its_memory() -> None:
    lab = make({"optimizer": "momentum"}, 5)
    optimizer = lab.network.optimizer
    change(lab, lr=0.001)
    assert lab.network.optimizer is optimizer and optimizer.lr == 0.001 and optimizer.steps == 5
    change(lab, optimizer="adam")
    assert type(lab.network.optimizer).__name__ == "Adam"


def test_weights_are_kept_as_far_as_both_networks_have_them() -> None:
    lab = make({"inputs": ["x1", "x2"]}, 30)
    first, second, last = (weight(lab, layer) for layer in range(3))
    change(lab, inputs=["x2", "x1x2"], hidden=[{"units": 5}, {"units": 2}])
    np.testing.assert_array_equal(weight(lab, 0)[:4, 0], first[:, 1])  # x2 is the first input now
    np.testing.assert_array_equal(weight(lab, 1)[:, :4], second)
    np.testing.assert_array_equal(weight(lab, 2), last)
    change(lab, hidden=[{"units": 3}])
    np.testing.assert_array_equal(weight(lab, 0)[:, 0], first[:3, 1])
    assert weight(lab, 1).shape == (1, 3)
    assert not lab.exact


def test_an_activation_or_a_penalty_leaves_all_weights() -> None:
    lab = make({}, 30)
    before = [weight(lab, layer) for layer in range(3)]
    change(lab, hidden=[{"units": 4, "activation": "relu"}, {"units": 2}], regularization="L1", rate=0.1)
    for layer in range(3):
        np.testing.assert_array_equal(weight(lab, layer), before[layer])


def test_before_the_first_step_a_change_is_a_beginning() -> None:
    lab = make({})
    change(lab, hidden=[{"units": 6}], noise=5, lr=0.1, seed=7)
    other = make({"hidden": [{"units": 6}], "noise": 5, "lr": 0.1, "seed": 7})
    for _ in range(3):
        assert lab.train_step() == other.train_step()
    assert lab.exact
    np.testing.assert_array_equal(weight(lab, 0), weight(other, 0))


def test_it_knows_whether_the_script_comes_to_its_numbers() -> None:
    lab = make({}, 5)
    assert lab.exact
    change(lab, show_test=True)
    assert lab.exact
    change(lab, lr=0.1)
    assert not lab.exact
    lab.begin_anew()
    assert lab.exact
    lab.edit(0, "weight", 0, 0, 1.0)
    assert not lab.exact


def test_what_concerns_the_page_alone_leaves_a_phase_and_all_else_drops_it() -> None:
    lab = make({})
    lab.go_through("forward")
    change(lab, show_test=True)
    lab.go_through("backward")
    change(lab, lr=0.5)
    assert lab.go_through("forward")["step"] == 0
    assert not lab.exact  # batch normalisation, say, has seen the batch


def test_two_labs_do_not_disturb_each_other() -> None:
    one, alone = make(STATES["dropout"]), make(STATES["dropout"])
    alone_losses = [alone.train_step() for _ in range(5)]
    losses = []
    for _ in range(5):
        losses.append(one.train_step())
        make(STATES["norm and dropout"], 2)
    assert losses == alone_losses


# ---- edits ---------------------------------------------------------------------------------------------------------


def test_an_edit_holds_at_once() -> None:
    lab = make({"hidden": []})
    before = lab.losses()["train_loss"]
    lab.edit(0, "weight", 0, 1, 2.5)
    lab.edit(0, "bias", 0, 0, -1.0)
    assert lab.weights()[0]["weight"][0][1] == 2.5 and lab.weights()[0]["bias"] == [-1.0]
    assert lab.losses()["train_loss"] != before
    row = lab.maps.draw(lab.network, lab.state, None)["output"][LARGE // 2]
    slope = 2 * np.arctanh(row[0]) + 1  # the score without its bias, at x2 = 0 and x1 = -6
    assert slope == pytest.approx(lab.weights()[0]["weight"][0][0] * -5.92, rel=1e-3)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ((3, "weight", 0, 0, 1.0), "layers are counted from 0 to 2"),
        (("0", "weight", 0, 0, 1.0), "layers are counted from 0 to 2"),
        ((0, "slope", 0, 0, 1.0), "a weight or a bias, not 'slope'"),
        ((0, "weight", 4, 0, 1.0), r"there is none at \(4, 0\)"),
        ((0, "weight", 0, -1, 1.0), r"there is none at \(0, -1\)"),
        ((0, "bias", 9, 0, 1.0), r"there is none at \(9,\)"),
    ],
)
def test_an_edit_of_what_is_not_there(edit: tuple[Any, ...], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make({}).edit(*edit)


# ---- batches and reports -------------------------------------------------------------------------------------------


def test_an_epoch_takes_each_point_once_in_an_order_of_its_own() -> None:
    lab = make({"batch": 30, "train": 50})
    orders = []
    for epoch in range(2):
        seen: list[list[float]] = []
        while lab.epoch == epoch:
            for phase in ("forward", "backward"):
                numbers = lab.go_through(phase)
            seen += numbers["samples"]
            lab.go_through("update")
        assert sorted(seen) == sorted(lab.points.train.tolist())
        orders.append(seen)
    assert orders[0] != orders[1]
    assert lab.step == 18 and lab.place == 0


def test_losses_are_means_over_all_points_without_penalties() -> None:
    lab = make({"regularization": "L2", "rate": 0.1}, 10)
    found = lab.losses()
    assert lab.penalty() > 0.01
    assert lab.network.evaluate(lab.x, lab.t) == pytest.approx(found["train_loss"] + lab.penalty(), rel=1e-5)
    assert lab.network.evaluate(lab.x_test, lab.t_test) == pytest.approx(found["test_loss"] + lab.penalty(), rel=1e-5)
    answers = lab.network.predict(lab.x_test)[:, 0] > 0
    assert found["test_accuracy"] == pytest.approx((answers == lab.points.test[:, 2]).mean())


def test_without_points_there_is_nothing_to_learn() -> None:
    lab = make({"data": "own"})
    assert lab.losses() == dict.fromkeys(["train_loss", "test_loss", "train_accuracy", "test_accuracy"])
    for train in (lab.train_step, lab.train_epoch, lambda: lab.go_through("forward")):
        with pytest.raises(OptionError, match="there are no points to learn from"):
            train()


@pytest.mark.parametrize("name", STATES)
def test_maps_are_what_each_unit_makes_of_the_plane(name: str) -> None:
    lab = make(STATES[name], 3)
    state = lab.state
    last = len(state.hidden)
    watched = (last, 0)  # of the last hidden layer, or an input
    arrays = lab.maps.draw(lab.network, state, watched)
    units = len(state.inputs) + sum(layer.units for layer in state.hidden)
    assert arrays["units"].shape == (units, SMALL, SMALL)
    assert arrays["output"].shape == ((state.classes, LARGE, LARGE) if state.outputs > 1 else (LARGE, LARGE))
    assert all(array.dtype == np.float32 for array in arrays.values())
    first = units - (state.hidden[-1].units if state.hidden else len(state.inputs))
    np.testing.assert_array_equal(arrays["watched"][1::3, 1::3], arrays["units"][first])
    if state.inputs[0] == "x1":  # from left to right
        np.testing.assert_allclose(
            arrays["units"][0][7], (np.arange(SMALL) + 0.5) * 12 / SMALL - 6, rtol=1e-5, atol=1e-5
        )
    if "x2" in state.inputs:  # from top to bottom
        np.testing.assert_allclose(
            arrays["units"][1][:, 7], 6 - (np.arange(SMALL) + 0.5) * 12 / SMALL, rtol=1e-5, atol=1e-5
        )
    if state.outputs > 1 and state.loss_name != "mean_squared_error":
        np.testing.assert_allclose(arrays["output"].sum(axis=0), 1, rtol=1e-5)
    elif state.task == "two classes":
        assert np.abs(arrays["output"]).max() <= 1


def test_layers_are_described() -> None:
    lab = make({"hidden": [{"units": 3, "activation": "relu", "batch_norm": True}], "loss": "mean_squared_error"})
    assert lab.described_layers() == [
        {"units": 3, "inputs": 2, "activation": "relu", "parameters": 15},
        {"units": 1, "inputs": 3, "activation": "tanh", "parameters": 4},
    ]
    assert set(lab.weights()[0]["norm"]) == {"weight", "bias", "mean", "variance"}


# ---- curves --------------------------------------------------------------------------------------------------------


def test_curves_stay_short_and_a_page_can_follow_them() -> None:
    curves, page = Curves(), []
    for step in range(5000):
        curves.add(step, step / 10, None)
        if step % 7 == 0 and (frame := curves.unsent()) is not None:
            page = page[: frame["first"]] + frame["steps"]
            assert frame["train"] == [each / 10 for each in frame["steps"]]
    assert page == curves.steps[: len(page)] and len(curves.steps) <= MOST
    assert np.diff(curves.steps).min() == np.diff(curves.steps).max() == 8


def test_a_step_that_is_shown_again_is_no_new_point() -> None:
    curves = Curves()
    for step in (0, 0, 1, 1):
        curves.add(step, 1.0, 1.0)
    assert curves.steps == [0, 1]
    assert curves.unsent() and curves.unsent() is None
