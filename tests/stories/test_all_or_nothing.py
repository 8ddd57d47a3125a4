"""What takes several arrays or settings looks at all of them before it changes the first."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from xpnet.callbacks import EMA, Callback, EarlyStopping
from xpnet.errors import FormatError, OptionError, ShapeError
from xpnet.layers import BatchNorm1D, Dense, Flatten
from xpnet.metrics import AUC, Accuracy
from xpnet.model import Sequential
from xpnet.optimizers import SGD, Adam, Group
from xpnet.schedules import Cosine
from xpnet.training.means import Means

X, T = np.ones((4, 3), "float32"), np.array([0, 1, 0, 1])


def network(units: int = 2, built: bool = True) -> Sequential:
    model = Sequential([Dense(4), BatchNorm1D(), Dense(units)])
    if built:
        model.build((3,))
    return model


def test_weights_of_which_the_last_does_not_fit_change_nothing() -> None:
    model = network()
    before, wrong = model.get_weights(), [w + 1 for w in model.get_weights()]
    for late in (np.zeros(7), np.zeros((2, 1)), "no numbers"):
        wrong[-1] = late  # type: ignore[call-overload]
        with pytest.raises((ShapeError, ValueError)):
            model.set_weights(wrong)
        for weight, kept in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(weight, kept)


def test_a_wrong_gradient_or_value_leaves_the_parameter_as_it_was() -> None:
    p = network().parameters()[0]
    with pytest.raises(ShapeError):
        p.grad = np.zeros(3)
    assert not p.has_grad


def test_a_file_that_does_not_fit_leaves_a_network_unbuilt(tmp_path: Any) -> None:
    network(5).save(tmp_path / "five.safetensors")
    model = network(built=False)
    kept = [dict(vars(layer)) for _, layer in model.named_layers()]
    with pytest.raises(FormatError, match="does not fit the network"):
        model.load_weights(tmp_path / "five.safetensors")
    assert [vars(layer) for _, layer in model.named_layers()] == kept
    assert model.build((7,)) == (2,)  # of another shape than the file's


def averaging() -> EMA:
    model, callback = network(), EMA(0.9)
    model.compile("sgd")
    model.fit(X, T, epochs=1, verbose=0, callbacks=[callback])
    return callback


def spoiled(state: dict[str, Any], spoil: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    state = copy.deepcopy(state)
    spoil(state)
    return state


def test_an_optimizer_takes_a_state_whole_or_not_at_all() -> None:
    model = network()
    model.compile(Adam(Cosine(0.1, steps=9), groups=[Group(["*.bias"], weight_decay=0)]))
    model.fit(X, T, epochs=2, verbose=0)
    optimizer, named = model.optimizer, dict(model.named_parameters())
    assert optimizer is not None
    good = copy.deepcopy(optimizer.get_state(named))
    model.fit(X, T, epochs=1, verbose=0)
    now = copy.deepcopy(optimizer.get_state(named))
    last = list(good["parameters"])[-1]
    for spoil in (
        lambda s: s["parameters"][last]["arrays"].update(m=np.ones(1)),  # NumPy would spread it
        lambda s: s["parameters"][last]["arrays"].update(m=np.ones((9, 9))),
        lambda s: s["parameters"][last]["arrays"].update(other=np.ones(2)),
        lambda s: s["parameters"][last].pop("steps"),
        lambda s: s.pop("steps"),
        lambda s: s.update(groups={"nobody": [0]}),
    ):
        with pytest.raises(Exception):  # noqa: B017 (of whichever kind)
            optimizer.set_state(spoiled(good, spoil), named)
        np.testing.assert_equal(optimizer.get_state(named), now)
    optimizer.set_state(good, named)
    np.testing.assert_equal(optimizer.get_state(named), good)


class Finding(Callback):
    """Looks for the run, which backups take the state of."""

    def __init__(self, found: list[Any]) -> None:
        super().__init__()
        self.found = found

    def on_run_begin(self, run: Any) -> None:
        self.found.append(run)


def test_a_run_takes_a_state_whole_or_not_at_all() -> None:
    found: list[Any] = []
    model = network()
    model.compile(SGD(0.1, momentum=0.9), metrics=["accuracy"])
    model.fit(X, T, epochs=1, verbose=0, callbacks=[Finding(found)])
    (run,) = found
    good = copy.deepcopy(run.get_state())
    model.set_weights([w + 1 for w in model.get_weights()])
    before = model.get_weights()
    last = list(good["weights"])[-1]
    for part in ("weights", "gradients"):
        with pytest.raises(ShapeError):
            run.set_state(spoiled(good, lambda s, part=part: s[part].update({last: np.ones((3, 3))})))  # type: ignore[misc]
        np.testing.assert_equal(model.get_weights(), before)


@pytest.mark.parametrize(
    ("make", "state"),
    [
        (Accuracy, {"total": [[1], [2, 3]], "samples": 3}),
        (AUC, {"scores": np.ones(2), "samples": 3}),
        (lambda: Means(Dense(1).backend), {"totals": {"loss": 3.0}}),
        (lambda: EarlyStopping("loss"), {"best": 1.0, "best_epoch": 2}),
        (averaging, {"steps": 3, "averages": None, "own": [np.ones(1)]}),
    ],
)
def test_metrics_means_and_callbacks_take_a_state_whole_or_not_at_all(make: Any, state: dict[str, Any]) -> None:
    each = make()
    before = dict(vars(each))
    with pytest.raises((LookupError, TypeError, ValueError, OptionError)):
        each.set_state(state)
    assert {name: value for name, value in vars(each).items() if name in before} == before


def test_layers_without_weights_too() -> None:
    assert Sequential([Flatten()]).get_weights() == []
