"""Weights of classes, logarithms of probabilities, one epoch more, and the optimizer's settings in a grid."""

from typing import Any

import numpy as np
import pytest

from tests.kit.small import clusters
from xpnet import layers, optimizers, random
from xpnet.errors import DataError, NonFiniteError, OptionError
from xpnet.model import Sequential

pytest.importorskip("sklearn", reason="the extra sklearn is not installed")

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from tests.sklearn.samples import NAMES, curve, quick, trees
from xpnet.sklearn import Classifier, Regressor


def test_weights_of_classes() -> None:
    x, y = trees()
    by_hand = np.where(y == "ash", 5.0, 1.0)
    weighted = quick(class_weight={"ash": 5.0}).fit(x, y)
    np.testing.assert_array_equal(weighted.predict_proba(x), quick().fit(x, y, by_hand).predict_proba(x))
    few = np.r_[np.flatnonzero(y == "ash")[:2], np.flatnonzero(y != "ash")]
    balanced = quick(class_weight="balanced").fit(x[few], y[few])
    want = len(few) / 3 / np.unique(y[few], return_inverse=True, return_counts=True)[2][np.searchsorted(NAMES, y[few])]
    np.testing.assert_array_equal(balanced.predict_proba(x), quick().fit(x[few], y[few], want).predict_proba(x))
    both = quick(class_weight={"ash": 5.0}).fit(x, y, np.where(y == "beech", 2.0, 1.0))
    once = quick().fit(x, y, by_hand * np.where(y == "beech", 2.0, 1.0))
    np.testing.assert_array_equal(both.predict_proba(x), once.predict_proba(x))


@pytest.mark.parametrize("make", [None, lambda classes, input_shape: Sequential([layers.Dense(3), layers.Softmax()])])
def test_logarithms_of_probabilities(make: Any) -> None:
    x, y = trees()
    if make is not None:
        y = np.searchsorted(NAMES, y)
    model = quick(network=make) if make is None else quick().fit(x, y)
    model = model.fit(x, y)
    np.testing.assert_allclose(model.predict_log_proba(x), np.log(model.predict_proba(x)), rtol=1e-4, atol=1e-6)
    with np.errstate(all="raise"):
        far = model.predict_log_proba(1e4 * x)
        model.predict_proba(1e4 * x)
    assert np.isfinite(far).all() and far.min() < -200  # where the probability is 0


def test_one_epoch_more() -> None:
    x, y = trees()
    model, state = quick(), random.get_state()
    for _ in range(12):
        model.partial_fit(x, y, classes=NAMES)
    assert random.get_state() == state
    assert len(model.history_["loss"]) == 12 and model.score(x, y) > 0.9
    assert model.model_.optimizer.steps == 12 * 4  # 120 samples in batches of 32, and one optimizer
    again = quick()
    for _ in range(12):
        again.partial_fit(x, y, classes=NAMES)
    np.testing.assert_array_equal(model.predict_proba(x), again.predict_proba(x))
    again.partial_fit(x[y == "ash"], y[y == "ash"])
    assert not np.array_equal(model.predict_proba(x), again.predict_proba(x))
    fitted = quick(epochs=3).fit(x, y).partial_fit(x, y)  # goes on from what fit has learned
    assert len(fitted.history_["loss"]) == 4 and fitted.history_["loss"][3] < fitted.history_["loss"][0]
    assert len(fitted.fit(x, y).history_["loss"]) == 3


def test_each_call_draws_what_no_call_before_has_drawn() -> None:
    x, y = trees()
    model, states = quick(), []
    for _ in range(3):
        model.partial_fit(x, y, classes=NAMES)
        states.append(str(model._random))
    assert len(set(states)) == 3 and all("(0, 0" not in state[:5] for state in states)


def test_labels_that_a_call_lacks_keep_their_places() -> None:
    x, y = trees()
    model, last = quick(), y == NAMES[-1]
    for _ in range(25):
        model.partial_fit(x[last], y[last], classes=NAMES)
    assert set(model.predict(x[last])) == {NAMES[-1]}


def test_what_one_epoch_more_refuses() -> None:
    x, y = trees()
    with pytest.raises(OptionError, match="the first call of partial_fit needs classes="):
        quick().partial_fit(x, y)
    with pytest.raises(DataError, match="cedar is not among classes"):
        quick().partial_fit(x, y, classes=["ash", "beech"])
    with pytest.raises(DataError, match="other ones than in the call before"):
        quick().fit(x, y).partial_fit(x, y, classes=["ash", "beech"])
    with pytest.raises(OptionError, match="class_weight as a dict"):
        quick(class_weight="balanced").partial_fit(x, y, classes=NAMES)


def test_numbers_one_epoch_more() -> None:
    x, y = curve()
    model = Regressor(hidden=16, lr=0.01, random_state=0)
    for _ in range(40):
        model.partial_fit(x, y)
    assert model.score(x, y) > 0.8 and len(model.history_["loss"]) == 40


def test_settings_of_the_optimizer_in_a_grid() -> None:
    x, y = trees()
    grid = {"optimizer": ["sgd", optimizers.Adam()], "optimizer__lr": [1e-9, 0.02]}
    search = GridSearchCV(quick(lr=None), grid, cv=2).fit(x, y)
    assert search.best_params_["optimizer__lr"] == 0.02 and search.best_estimator_.optimizer.lr == 0.02
    given = optimizers.Momentum(0.5, momentum=0.8)
    model = quick(lr=None, optimizer=given)
    assert model.get_params()["optimizer__momentum"] == 0.8 and "optimizer__lr" not in quick().get_params()
    changed = clone(model).set_params(optimizer__lr=0.1)
    assert (changed.optimizer.lr, changed.optimizer.momentum, given.lr) == (0.1, 0.8, 0.5)
    with pytest.raises(OptionError, match="Momentum has no 'rate'; it has lr, momentum"):
        model.set_params(optimizer__rate=1)


def test_nan_is_no_label() -> None:
    """The first class was the answer."""
    x, t = clusters(30)
    classifier = Classifier(epochs=1, random_state=0).fit(x, t)
    classifier.predict(x)
    weight = classifier.model_.layers[0].weight
    value = np.array(weight.value)
    value[0] = np.nan
    weight.value = value
    with pytest.raises(NonFiniteError, match="Classifier: scores are NaN for 30 of 30 samples"):
        classifier.predict(x)
