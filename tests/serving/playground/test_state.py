"""The state: its defaults, its checks and its normal form."""

import json
from typing import Any

import pytest

from tests.serving.playground.states import STATES
from xpnet.errors import OptionError
from xpnet.serving.playground.state import State, read_state


def test_the_default_is_that_of_tensorflow_playground() -> None:
    state = read_state({})
    assert state == State()
    assert (state.problem, state.data, state.inputs, state.lr, state.batch, state.train) == (
        "classification", "circle", ("x1", "x2"), 0.03, 10, 50,
    )  # fmt: skip
    assert [(layer.units, layer.activation) for layer in state.hidden] == [(4, "tanh"), (2, "tanh")]


@pytest.mark.parametrize("name", STATES)
def test_a_state_survives_json(name: str) -> None:
    state = read_state(STATES[name])
    assert read_state(json.loads(json.dumps(state.as_json()))) == state
    assert read_state(state) == state


def test_the_normal_form() -> None:
    state = read_state({"inputs": ["x2", "x1", "x2"], "classes": 5, "data": "xor"})
    assert state.inputs == ("x1", "x2")
    assert state.classes == 2
    assert read_state({"data": "blobs", "classes": 5}).outputs == 5
    assert read_state({"data": "own", "points": [[0, 0, 3]]}).classes == 4
    assert read_state({"data": "own", "points": [[0, 0, 0]], "classes": 3}).classes == 3
    assert read_state({"problem": "regression", "data": "plane", "classes": 4}).outputs == 1


WRONG: list[tuple[Any, str]] = [
    (3, "the state must be an object"),
    ({"colour": 1}, "the state has no field 'colour'"),
    ({"problem": "sorting"}, "problem must be one of classification, regression, not 'sorting'"),
    ({"data": "plane"}, "data must be one of circle, .* for a classification, not 'plane'"),
    ({"data": ["circle"]}, "data must be one of"),
    ({"problem": "regression"}, "data must be one of plane, multigauss, own for a regression"),
    ({"classes": 7, "data": "blobs"}, "classes must be an integer from 2 to 6, not 7"),
    ({"classes": 2.5}, "classes must be an integer"),
    ({"noise": 51}, "noise must be a number from 0 to 50, not 51"),
    ({"noise": "much"}, "noise must be a finite number"),
    ({"noise": float("nan")}, "noise must be a finite number"),
    ({"train": 5}, "train must be a number from 10 to 90, not 5"),
    ({"batch": 31}, "batch must be an integer from 1 to 30"),
    ({"batch": True}, "batch must be an integer"),
    ({"seed": -1}, "seed must be an integer"),
    ({"inputs": []}, "inputs must be a list of at least one"),
    ({"inputs": "x1"}, "inputs must be a list"),
    ({"inputs": ["x3"]}, "an input must be one of x1, .*, not 'x3'"),
    ({"hidden": [{}] * 7}, "6 hidden layers at most, not 7"),
    ({"hidden": 4}, "hidden must be a list of layers"),
    ({"hidden": [{}, 4]}, "hidden layer 2 must be an object"),
    ({"hidden": [{"unit": 4}]}, "hidden layer 1 has no field 'unit'"),
    ({"hidden": [{"units": 9}]}, "units of hidden layer 1 must be an integer from 1 to 8, not 9"),
    ({"hidden": [{}, {"activation": "relu6"}]}, "activation of hidden layer 2 must be one of"),
    ({"hidden": [{"batch_norm": 1}]}, "batch_norm of hidden layer 1 must be True or False"),
    ({"hidden": [{"dropout": 0.9}]}, "dropout of hidden layer 1 must be a number from 0 to 0.8"),
    ({"loss": "huber"}, "the loss of two classes must be auto, binary_cross_entropy, .*, not 'huber'"),
    ({"loss": "focal"}, "loss must be one of auto"),
    ({"loss": "hinge", "data": "blobs", "classes": 3}, "the loss of several classes must be"),
    ({"loss": "hinge", "problem": "regression", "data": "plane"}, "the loss of regression must be"),
    ({"optimizer": "adamax"}, "optimizer must be one of sgd"),
    ({"lr": 0}, "lr must be a positive number"),
    ({"lr": None}, "lr must be a positive number"),
    ({"regularization": "l2"}, "regularization must be one of none, L1, L2"),
    ({"rate": -1}, "rate must be a number of at least 0"),
    ({"initializer": "lecun"}, "initializer must be one of xavier"),
    ({"show_test": "yes"}, "show_test must be True or False"),
    ({"points": [[1, 2]]}, r"a point must be \[x1, x2, target\]"),
    ({"points": [[1, 7, 0]]}, "a point must lie between -6 and 6"),
    ({"points": [[1, None, 0]]}, "each number of a point must be a finite number"),
    ({"points": [[0, 0, 0]] * 1001}, "1000 points of your own at most"),
    ({"points": [[0, 0, 0.5]], "data": "own"}, "the number of its class, 0 to 5; it is 0.5"),
    ({"points": [[0, 0, 6]], "data": "own"}, "the number of its class, 0 to 5; it is 6"),
    ({"points": [[0, 0, 2]], "data": "own", "problem": "regression"}, "must lie between -1 and 1 in a regression"),
]


@pytest.mark.parametrize(("given", "message"), WRONG)
def test_each_wrong_field_has_an_error_that_says_so(given: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        read_state(given)
