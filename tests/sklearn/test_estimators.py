"""Networks as scikit-learn's estimators: its own checks, its tools, and what is xpnet's about them."""

import functools
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.small import clusters, digits, network
from xpnet import layers, losses, networks, optimizers, random
from xpnet.backend import use_backend
from xpnet.callbacks import EarlyStopping, LambdaCallback
from xpnet.errors import DataError, MissingExtraError, OptionError, ShapeError
from xpnet.model import Model, Sequential

pytest.importorskip("sklearn", reason="the extra sklearn is not installed")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_dataframe_column_names_consistency, check_estimator

from tests.sklearn.samples import NAMES, curve, quick, trees
from xpnet.sklearn import Classifier, Regressor

# ---- scikit-learn's own checks ---------------------------------------------------------------------------------------

# What may be skipped or fail, and why; nothing else may.
SKIPPED = {"check_array_api_input": "xpnet's estimators take NumPy arrays, and do not claim more"}
FAILED = {
    "check_sample_weight_equivalence_on_dense_data": "a sample twice is in two places of the shuffle, and one of weight"
    " 2 in one: mini-batches differ, as they do in scikit-learn's own MLPClassifier"
}


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [Classifier(), Regressor()], ids=["Classifier", "Regressor"])
def test_all_checks_of_scikit_learn_pass(estimator: Any) -> None:
    pytest.importorskip("pandas", reason="scikit-learn skips its checks with data frames without pandas")
    results = check_estimator(estimator, on_skip=None, expected_failed_checks=FAILED)  # raises where another fails
    assert len(results) > 50
    others = {result["check_name"] for result in results if result["status"] != "passed"}
    assert set(FAILED) <= others <= {*SKIPPED, *FAILED}
    check_dataframe_column_names_consistency(type(estimator).__name__, estimator)


def test_weights_weigh_and_none_is_not_there() -> None:
    x, y = trees()
    w = np.where(y == "ash", 0.0, 1.0)
    weighted, without = quick().fit(x, y, sample_weight=w), quick().fit(x[w > 0], y[w > 0])
    assert list(weighted.classes_) == list(NAMES) and "ash" not in weighted.predict(x)
    np.testing.assert_array_equal(
        quick().fit(x, y, np.ones(len(y))).predict_proba(x), quick().fit(x, y).predict_proba(x)
    )
    assert len(without.classes_) == 2
    x, t = curve()
    w = np.where(x[:, 0] > 0, 1.0, 0.0)
    settings: dict[str, Any] = {"hidden": 8, "epochs": 3, "random_state": 0}
    one, other = Regressor(**settings).fit(x, t, w), Regressor(**settings).fit(x[w > 0], t[w > 0])
    np.testing.assert_array_equal(one.predict(x), other.predict(x))
    light = Regressor(**settings, optimizer="sgd", validation_fraction=0.2)  # as boosting weighs
    losses = [light.fit(x, t, sample_weight=w).history_["val_loss"] for w in (None, np.full(len(t), 1 / len(t)))]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        quick().fit(*trees(), sample_weight=-np.ones(120))
    with pytest.raises(ValueError, match="zero"):  # scikit-learn's own words, or ours where it has none
        quick().fit(*trees(), sample_weight=np.zeros(120))


# ---- its tools -------------------------------------------------------------------------------------------------------


def test_a_grid_search_finds_the_settings_that_learn() -> None:
    x, y = trees()
    search = GridSearchCV(quick(), {"hidden": [(2,), (16, 8)], "lr": [1e-5, 0.02]}, cv=2)
    search.fit(x, y)
    assert search.best_params_["lr"] == 0.02 and search.best_score_ > 0.9
    assert search.best_estimator_.score(x, y) > 0.9
    assert list(search.classes_) == list(NAMES)


def test_cross_validation_of_a_pipeline() -> None:
    x, y = trees()
    scores = cross_val_score(make_pipeline(StandardScaler(), quick()), 1000 + 50 * x, y, cv=3)
    assert scores.min() > 0.9
    x, y = curve()
    model = Regressor(hidden=(32,), epochs=60, lr=0.01, random_state=0)
    assert cross_val_score(model, x, y, cv=3).min() > 0.9


@pytest.mark.slow
def test_estimators_work_in_other_processes() -> None:
    """The same scores from a network by settings, by a class, and by an object, also one that was trained."""
    x, y = trees()
    trained = network()
    trained.fit(x, np.unique(y, return_inverse=True)[1], epochs=2)
    for made in (None, functools.partial(networks.MLP, hidden=(5,)), network(), trained):
        model = quick(network=made, epochs=2)
        assert list(cross_val_score(model, x, y, cv=2, n_jobs=2)) == list(cross_val_score(model, x, y, cv=2))


def test_settings_can_be_read_set_and_cloned() -> None:
    model = quick(optimizer=optimizers.SGD(0.1), lr=None)
    model.set_params(epochs=3, hidden=(4, 4))
    twin = clone(model)
    assert (twin.epochs, twin.hidden, twin.optimizer.lr) == (3, (4, 4), 0.1)
    assert set(twin.get_params()) == set(model.get_params()) and repr(twin) == repr(model)
    with pytest.raises(NotFittedError):
        twin.predict(trees()[0])


# ---- what they learn -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels", [NAMES, np.array([7, -1, 30]), np.array([0.0, 1.0, 3.0]), np.array(list("abc"), "O")]
)
def test_labels_may_be_of_any_kind(labels: np.ndarray) -> None:
    x, t = clusters()
    model = quick().fit(x, list(labels[t]))
    assert list(model.classes_) == sorted(labels)
    assert model.score(x, labels[t]) > 0.95
    chances = model.predict_proba(x)
    assert chances.shape == (120, 3) and chances.dtype == np.float32
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-6)
    assert (model.classes_[chances.argmax(axis=1)] == model.predict(x)).all()


def test_a_regressor_gives_what_it_was_taught() -> None:
    x, y = curve()
    model = Regressor(epochs=60, lr=0.01, random_state=0)
    assert model.fit(x, y).score(x, y) > 0.95
    assert (model.predict(x).shape, model.predict(x).dtype) == ((200,), np.float64)
    both = np.stack([y, -y], axis=1).astype(np.float32)
    assert model.fit(x, both).score(x, both) > 0.95
    assert (model.predict(x).shape, model.predict(x).dtype) == ((200, 2), np.float32)


def test_images_are_flat_or_not() -> None:
    x, t = digits(200)
    model = Classifier(networks.LeNet5, shape=(1, 28, 28), epochs=5, lr=0.003, random_state=0)
    flat = model.fit(x.reshape(200, -1), t).predict_proba(x)
    assert model.score(x, t) > 0.9 and model.n_features_in_ == 784
    assert (model.fit(x, t).predict_proba(x.reshape(200, -1)) == flat).all()
    with pytest.raises(ShapeError, match=r"X has 784 features, which are no inputs of shape \(3, 28, 28\)"):
        model.set_params(shape=(3, 28, 28)).fit(x.reshape(200, -1), t)
    with pytest.raises(OptionError, match=r"inputs of shape \(1, 28, 28\) need a network: Classifier\(network="):
        model.set_params(shape=(1, 28, 28), network=None).fit(x, t)


def test_features_keep_their_names() -> None:
    pandas = pytest.importorskip("pandas", reason="a data frame needs pandas")
    x, y = trees()
    model = quick(epochs=1).fit(pandas.DataFrame(x, columns=["height", "width"]), y)
    assert list(model.feature_names_in_) == ["height", "width"]
    with pytest.raises(ValueError, match="feature names"):
        model.predict(pandas.DataFrame(x, columns=["width", "height"]))


# ---- networks, losses, optimizers ------------------------------------------------------------------------------------


def test_a_network_may_be_a_function_a_class_or_an_object() -> None:
    x, y = trees()

    def make(classes: int, input_shape: tuple[int, ...]) -> Model:
        assert (classes, input_shape) == (3, (2,))
        return Sequential([layers.Dense(8, activation="tanh"), layers.Dense(classes)])

    for made in (make, networks.MLP, functools.partial(networks.MLP, hidden=(8, 8)), network()):
        assert quick(network=made).fit(x, y).score(x, y) > 0.9


def test_an_object_is_copied_and_goes_on_from_the_weights_that_it_has() -> None:
    x, y = trees()
    blank, trained = network(), network(optimizers.Adam(0.02))
    trained.fit(*clusters(), epochs=10)
    before = trained.get_weights()
    assert quick(network=trained, epochs=1, lr=1e-9).fit(x, y).score(x, y) > 0.95
    assert all(np.array_equal(a, b) for a, b in zip(trained.get_weights(), before, strict=True))
    quick(network=blank).fit(x, y)
    assert not blank.is_built


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"network": "lenet5"}, OptionError, "network must be a Model, or a function or class .* 'lenet5'"),
        ({"network": lambda classes, input_shape: None}, OptionError, "it is or gives None"),
        ({"network": lambda units: None}, OptionError, "takes other arguments .*'units'"),
        (
            {"network": Sequential([layers.Dense(4)])},
            ShapeError,
            r"gives outputs of shape \(4,\), needed are 3 numbers",
        ),
        ({"optimizer": optimizers.SGD()}, OptionError, "has its own settings; leave out lr, or give"),
        ({"optimizer": "best"}, OptionError, "there is no optimizer 'best'"),
        ({"loss": "mse"}, OptionError, "the loss must be softmax_cross_entropy, not 'mse'"),
        ({"hidden": (0,)}, OptionError, "units must be an integer"),
        ({"epochs": 1.5}, OptionError, "epochs must be an integer"),
    ],
)
def test_settings_that_cannot_work_are_errors(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        quick(**settings).fit(*trees())


def test_data_that_float32_cannot_hold_are_refused() -> None:
    x, y = curve()
    with pytest.raises(ValueError, match="too large for dtype"):
        quick().fit(x * 1e300, y > 0)
    with pytest.raises(DataError, match="too large for float32; scale it"):
        Regressor().fit(x, y * 1e300)


def test_settings_of_the_training_arrive() -> None:
    x, y = trees()
    model = quick(optimizer="sgd", lr=0.5, weight_decay=0.25, dropout=0.5, activation="tanh", hidden=(4, 3))
    model.fit(x, y)
    assert type(model.model_.optimizer) is optimizers.SGD
    assert (model.model_.optimizer.lr, model.model_.optimizer.weight_decay) == (0.5, 0.25)
    kinds = [type(layer).__name__ for layer in model.model_]
    assert kinds == ["Dense", "Dropout", "Dense", "Dropout", "Dense"]
    own = optimizers.Adam(0.02)
    quick(optimizer=own, lr=None, loss=losses.SoftmaxCrossEntropy()).fit(x, y)
    assert own.steps == 0 and not own.state


def test_a_held_out_share_and_callbacks() -> None:
    x, y = trees()
    told: list[float] = []
    telling = LambdaCallback(on_epoch_end=lambda epoch, logs: told.append(epoch))
    callbacks = [EarlyStopping(patience=2, min_delta=1e-3), telling]
    model = quick(epochs=500, lr=0.1, validation_fraction=0.25, callbacks=callbacks).fit(x, y)
    assert 2 < len(model.history_["val_loss"]) == len(told) < 500
    assert "best" not in vars(callbacks[0]) or callbacks[0].best is None
    assert not hasattr(callbacks[0], "model"), "the settings are as they were"
    quick(callbacks=EarlyStopping("loss")).fit(x, y)
    with pytest.raises(OptionError, match="callbacks must be a Callback or a list of them, not 5"):
        quick(callbacks=5).fit(x, y)


# ---- random numbers, backends, processes -----------------------------------------------------------------------------


def test_the_same_random_state_gives_the_same_network_and_disturbs_nobody() -> None:
    x, y = trees()
    random.seed(11)
    state = random.get_state()
    first, again = (quick(dropout=0.2).fit(x, y).predict_proba(x) for _ in range(2))
    other = quick(dropout=0.2, random_state=1).fit(x, y).predict_proba(x)
    assert (first == again).all() and not (first == other).all()
    assert random.get_state() == state
    with pytest.raises(OptionError):
        quick(epochs=-1).fit(x, y)
    assert random.get_state() == state
    drawn = np.random.RandomState(3)
    one, two = (quick(random_state=drawn).fit(x, y).predict_proba(x) for _ in range(2))
    assert not (one == two).all(), "a RandomState goes on"


def test_threads_do_not_mix_their_random_numbers() -> None:
    x, y = trees()
    alone = [quick(random_state=i, dropout=0.2).fit(x, y).predict_proba(x) for i in range(3)]
    found: list[Any] = [None] * 3

    def fit(i: int) -> None:
        found[i] = quick(random_state=i, dropout=0.2).fit(x, y).predict_proba(x)

    threads = [threading.Thread(target=fit, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((a == b).all() for a, b in zip(alone, found, strict=True))


def test_the_backend_is_the_current_one_or_that_of_the_settings() -> None:
    x, y = trees()
    with use_backend("reference"):
        model = quick().fit(x, y)
        assert model.model_.backend.name == "reference"
        named = quick(backend="numpy").fit(x, y)
        assert named.model_.backend.name == "numpy" and xpnet.get_backend().name == "reference"
        assert quick(backend="numpy", network=network()).fit(x, y).model_.backend.name == "numpy"
    np.testing.assert_allclose(model.predict_proba(x), named.predict_proba(x), atol=1e-4)


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
def test_a_model_that_was_sent_to_another_process_can_be_trained_on(optimizer: str) -> None:
    """Its parameters lay behind one another here, and stand alone there."""
    x, t = clusters()
    model = network(optimizer)
    model.fit(x, t, epochs=2)
    twin = pickle.loads(pickle.dumps(model))
    assert twin.backend.name == model.backend.name
    for each in (model, twin):
        random.seed(1)
        each.fit(x, t, epochs=2)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), twin.get_weights(), strict=True))


def test_without_scikit_learn_the_error_says_what_to_install() -> None:
    code = "import sys; sys.modules['sklearn'] = None; import xpnet; import xpnet.sklearn"
    root = str(Path(xpnet.__file__).parent.parent)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"xpnet.errors.{MissingExtraError.__name__}: xpnet.sklearn needs")
    assert 'pip install "xpnet[sklearn]"' in done.stderr


def test_the_example_in_the_docstring_runs() -> None:
    import xpnet.sklearn as module

    x, y = trees(30)
    line = next(line for line in (module.__doc__ or "").splitlines() if "GridSearchCV(" in line)
    names: dict[str, Callable[..., Any]] = {"GridSearchCV": GridSearchCV, "Classifier": Classifier}
    exec(line.strip().replace("epochs=20", "epochs=2"), names)  # type: ignore[arg-type]
    assert names["search"].fit(x, y).best_params_  # type: ignore[attr-defined]
