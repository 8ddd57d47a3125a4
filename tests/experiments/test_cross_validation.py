"""Cross-validation: fresh models, nothing leaks between the parts, and one key of the caller's."""

import numpy as np
import pytest

import xpnet
from tests.kit.small import Written
from xpnet import Sequential, callbacks, layers, metrics, optimizers
from xpnet.data import KFold, Standardize
from xpnet.errors import DataError, OptionError, ShapeError
from xpnet.experiments import cross_validation

T = np.arange(60) % 3
X = (np.eye(3, 4)[T] + np.random.default_rng(0).normal(0, 0.3, (60, 4))).astype(np.float32)


def make():
    model = Sequential([layers.Dense(8, activation="relu"), layers.Dropout(0.2), layers.Dense(3)])
    model.compile(optimizer=optimizers.Adam(lr=0.02), metrics=["accuracy"])
    return model


def test_scores_mean_and_deviation():
    result = xpnet.cross_validate(make, X, T, folds=4, epochs=30, batch_size=8)
    assert set(result.scores) == {"loss", "accuracy"} and result.scores["accuracy"].shape == (4,)
    assert result.mean["accuracy"] == result.scores["accuracy"].mean() > 0.6
    assert result.std["loss"] == np.std(result.scores["loss"], ddof=1)
    assert len(result.histories) == 4 and len(result.histories[0].history["loss"]) == 30
    assert str(result).startswith("loss 0.") and str(result).endswith("(4 folds)") and " ± " in str(result)


def test_it_is_reproducible_and_takes_one_key():
    def run():
        result = xpnet.cross_validate(make, X, T, folds=3, epochs=2)
        return result.scores["loss"].tobytes()

    xpnet.seed(1)
    first = run()
    assert xpnet.random.get_state() == (1, 0, {"['cross_validation']": 1})
    second = run()
    xpnet.seed(1)
    assert run() == first != second
    xpnet.seed(1)
    with pytest.raises(OptionError, match="no_such"):
        xpnet.cross_validate(lambda: make().compile(loss="no_such"), X, T)
    assert xpnet.random.get_state() == (1, 0, {"['cross_validation']": 1})


def test_folds_are_stratified_for_class_numbers_and_can_be_chosen():
    seen = []

    class Note:
        def fit(self, x):
            seen.append(len(x))
            return self

        def transform(self, x):
            return x

    xpnet.cross_validate(make, X, T, KFold(4, seed=0), transform=Note)
    assert seen == [45] * 4
    few = np.array([0] * 57 + [1, 2, 2])  # too few of a class to be in every fold
    assert len(xpnet.cross_validate(make, X, few, folds=3).histories) == 3


@pytest.mark.parametrize(("validated", "trained"), [(0.0, 40), (0.25, 30)])
def test_the_transform_is_fitted_to_what_is_trained_on_alone(validated, trained):
    made = []

    def transform():
        made.append(Standardize())
        return made[-1]

    folds = KFold(3, seed=5)
    xpnet.cross_validate(make, X, T, folds, transform=transform, validation_split=validated)
    for (train, _), fitted in zip(folds.split(X), made, strict=True):
        np.testing.assert_allclose(fitted.mean[0], X[train[:trained]].mean(axis=0), atol=1e-6)


def test_weights_go_with_their_samples():
    """A weight of zero takes a sample out of training, and out of the score."""
    weights = (T != 2).astype("float32")
    result = xpnet.cross_validate(make, X, T, 3, epochs=40, batch_size=8, sample_weight=weights, validation_split=0.2)
    assert len(result.histories[0].history["val_loss"]) == 40
    assert result.mean["accuracy"] < 0.7, "a class without weight was learned"
    right = xpnet.cross_validate(make, X, T, 3, epochs=40, batch_size=8, sample_weight=np.ones(60))
    assert right.mean["accuracy"] > 0.9
    assert result.mean["loss"] < right.mean["loss"] + 0.1
    with pytest.raises(ShapeError, match=r"sample_weight has shape \(40,\); expected one for each of the 60"):
        xpnet.cross_validate(make, X, T, 3, sample_weight=np.ones(40))


def test_a_confusion_matrix_is_no_number():
    def counting():
        model = make()
        model.compile("adam", metrics=["accuracy", metrics.ConfusionMatrix(3)])
        return model

    result = xpnet.cross_validate(counting, X, T, 4)
    assert result.scores["confusion_matrix"].shape == (4, 3, 3) and set(result.mean) == {"loss", "accuracy"}
    assert "confusion" not in str(result)


def test_callbacks_are_made_for_each_fold():
    made = []

    def stop():
        made.append(callbacks.EarlyStopping(monitor="val_loss", patience=1))
        return [made[-1]]

    xpnet.cross_validate(make, X, T, 3, callbacks=stop, epochs=2, validation_split=0.2)
    assert len(made) == 3


def test_a_regression_is_not_stratified():
    def line():
        model = Sequential([layers.Dense(1)])
        model.compile(optimizer="sgd", loss="mse")
        return model

    result = xpnet.cross_validate(line, X, X[:, :1] * 2, folds=2)
    assert set(result.scores) == {"loss"}


def test_misuse_is_refused():
    model = make()
    with pytest.raises(OptionError, match="make_model must be a function"):
        xpnet.cross_validate(model, X, T)
    with pytest.raises(OptionError, match="must return a new Model"):
        xpnet.cross_validate(lambda: model, X, T)
    with pytest.raises(OptionError, match="must return a new Model"):
        xpnet.cross_validate(lambda: None, X, T)
    with pytest.raises(OptionError, match="callbacks must be a function"):
        xpnet.cross_validate(make, X, T, callbacks=callbacks.EarlyStopping())
    with pytest.raises(OptionError, match="holds samples out itself"):
        xpnet.cross_validate(make, X, T, validation_data=(X, T))
    with pytest.raises(DataError, match="one target for each"):
        xpnet.cross_validate(make, X, T[:9])
    with pytest.raises(DataError, match="need at least as many samples"):
        xpnet.cross_validate(make, X[:3], T[:3])
    with pytest.raises(OptionError, match="folds must be"):
        xpnet.cross_validate(make, X, T, folds=1)


def test_several_inputs_and_outputs_are_parted_together():
    def several():
        def body(m, a, b):
            h = m.one(a) + m.other(b)
            return {"kind": m.kind(h), "size": m.size(h)}

        parts = {name: layers.Dense(3) for name in ("one", "other", "kind", "size")}
        model = Written(body, **parts)
        model.compile("sgd", {"kind": "softmax_cross_entropy", "size": "mse"})
        return model

    result = xpnet.cross_validate(several, (X, X[:, :2]), {"kind": T, "size": X[:, :3]}, 3, validation_split=0.2)
    assert set(result.scores) == {"loss", "kind_loss", "size_loss"} and "val_size_loss" in result.histories[0].history
    with pytest.raises(DataError, match="expected one target for each sample"):
        xpnet.cross_validate(several, (X, X[:9]), {"kind": T, "size": X[:, :3]}, 3)


def test_each_fold_begins_with_weights_of_its_own():
    beginnings = []

    class Note(callbacks.Callback):
        def on_train_begin(self, logs):
            beginnings.append(self.model.get_weights()[0].tobytes())

    xpnet.cross_validate(make, X, T, folds=4, callbacks=Note)
    assert len(set(beginnings)) == 4


@pytest.mark.parametrize(("folds", "stratified"), [(2, True), (4, True), (5, False)])
def test_folds_are_stratified_as_far_as_each_class_has_a_sample_for_each(folds, stratified):
    chosen = cross_validation._check_folds(folds, np.array([0] * 9 + [1] * 4))
    assert (chosen.folds, chosen.stratified) == (folds, stratified)
    assert not cross_validation._check_folds(2, np.array([0.0, 1.0, 0.0, 1.0])).stratified
