"""What of an estimator goes to another process: settings, arrays, and classes by name."""

import copy
import functools
import inspect
import io
import pickle
import pickletools
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from tests.kit.small import clusters, digits, network
from xpnet import callbacks, initializers, layers, losses, networks, optimizers, random, regularizers, schedules
from xpnet.cli.layer_cases import LAYER_CASES, LayerCase
from xpnet.model import Model, Sequential

pytest.importorskip("sklearn", reason="the extra sklearn is not installed")

from sklearn.base import clone

from tests.sklearn.samples import NAMES, curve, quick, trees
from xpnet.sklearn import Classifier, Regressor
from xpnet.sklearn.exchange import DescribedModel, described, restored


def globals_of(data: bytes) -> set[tuple[str, str]]:
    """(module, name) of all that the opcodes of a pickle take from modules."""
    found, strings, memo, top = set[tuple[str, str]](), list[str](), list[Any](), None
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "MEMOIZE":
            memo.append(top)
            continue
        if opcode.name == "STACK_GLOBAL":
            found.add((strings[-2], strings[-1]))
        elif opcode.name in ("GLOBAL", "INST"):
            module, _, name = argument.partition(" ")
            found.add((module, name))
        top = argument if "UNICODE" in opcode.name else None
        if opcode.name in ("BINGET", "LONG_BINGET") and argument < len(memo):
            top = memo[argument]
        strings += [top] if isinstance(top, str) else []
    return found


def require_plain(value: Any) -> bytes:
    """The pickle, in which nothing but NumPy, builtins and classes of xpnet's is named."""
    data = pickle.dumps(value, protocol=5)
    for module, name in globals_of(data):
        assert module.partition(".")[0] in ("numpy", "builtins", "xpnet"), f"{module}.{name}"
        if module.startswith("xpnet"):
            named = functools.reduce(getattr, name.split("."), import_module(module))
            assert inspect.isclass(named), f"{module}.{name} is no class"
    return data


def everything() -> dict[str, Any]:
    """Settings, objects wherever one may be."""
    rate = schedules.Warmup(schedules.Cosine(0.01, steps=100), steps=5)
    groups = [optimizers.Group("*.bias", weight_decay=0.0)]
    return {
        "optimizer": optimizers.AdamW(rate, groups=groups),
        "lr": None,
        "loss": losses.SoftmaxCrossEntropy(label_smoothing=0.1),
        "activation": layers.LeakyReLU(0.2),
        "callbacks": [callbacks.EarlyStopping(monitor="loss"), callbacks.EMA()],
        "class_weight": {"ash": 2.0},
        "random_state": np.random.RandomState(3),
        "dropout": 0.25,
    }


def small_network() -> Sequential:
    hidden = layers.Dense(6, activation="tanh", initializer=initializers.HeUniform(), regularizer=regularizers.L2(1e-3))
    return Sequential([hidden, layers.BatchNorm1D(), layers.Dropout(0.5), layers.Dense(3)])


# ---- what is in a pickle ---------------------------------------------------------------------------------------------


def test_the_names_in_a_pickle_are_found() -> None:
    """By the opcodes, as Python's own reader finds them."""

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            seen.add((module, name))
            return super().find_class(module, name)

    x, y = trees()
    for value in (quick(**everything()), quick().fit(x, y), [len, np.zeros(2), random.seed, small_network()]):
        for protocol in (2, 4, 5):
            seen: set[tuple[str, str]] = set()
            data = pickle.dumps(value, protocol=protocol)
            Reader(io.BytesIO(data)).load()
            names = {pair for pair in globals_of(data) if protocol > 2 or pair[0].startswith("xpnet")}
            assert names <= seen and {pair for pair in seen if pair[0].startswith("xpnet")} <= names


@pytest.mark.parametrize("value", [random.seed, network().backend, network().forward])
def test_a_function_of_ours_would_be_noticed(value: Any) -> None:
    with pytest.raises(AssertionError, match="is no class"):
        require_plain([value])


def test_an_estimator_that_is_not_fitted_is_settings_alone() -> None:
    data = require_plain(Classifier())
    assert globals_of(data) == {("xpnet.sklearn.classifier", "Classifier")} and len(data) < 500
    for estimator in (quick(**everything()), quick(network=small_network()), Regressor(loss=losses.Huber(2.0))):
        assert len(require_plain(estimator)) < 8000
    require_plain(quick(network=networks.LeNet5))  # a class
    require_plain(quick(network=network()))


def test_one_that_is_fitted_is_settings_and_arrays() -> None:
    x, y = trees()
    for settings in (everything() | {"random_state": 0}, {"network": small_network()}, {"optimizer": "momentum"}):
        fitted = quick(**settings).fit(x, y)
        fitted.predict_proba(x)  # by a plan
        numbers = sum(w.size for w in fitted.model_.get_weights())
        assert len(require_plain(fitted)) < 8000 + 3 * 4 * numbers  # and the optimizer's two arrays
    require_plain(Regressor(hidden=4, epochs=1).fit(*curve()))


def test_settings_of_a_grid_are_plain_too() -> None:
    """A search sends them beside the estimator, as they are; a layer has its backend, which is made by its name."""
    grid = everything()
    data = pickle.dumps(grid.pop("activation"))
    assert {pair for pair in globals_of(data) if pair[0] == "xpnet.backend"} == {("xpnet.backend", "make_backend")}
    require_plain(grid | {"random_state": 0})


# ---- there and back --------------------------------------------------------------------------------------------------


def sent(value: Any) -> Any:
    return pickle.loads(require_plain(value))


def test_settings_come_back_as_they_were() -> None:
    settings = everything()
    model = quick(**settings)
    twin = sent(model)
    assert [type(each) for each in twin.callbacks] == [callbacks.EarlyStopping, callbacks.EMA]
    unnamed = {"callbacks": None, "random_state": None}
    assert repr(clone(twin).set_params(**unnamed)) == repr(clone(model).set_params(**unnamed))
    assert twin.optimizer.config().keys() == model.optimizer.config().keys()
    assert (twin.optimizer.lr(3), twin.loss.label_smoothing) == (settings["optimizer"].lr(3), 0.1)
    assert twin.random_state.randint(1000) == settings["random_state"].randint(1000)
    same = quick(optimizer=settings["optimizer"], lr=None, loss=settings["loss"])
    both = sent([same, same])
    assert both[0] is both[1]


@pytest.mark.parametrize("settings", [{}, everything(), {"network": small_network()}, {"optimizer": "momentum"}])
def test_one_that_was_sent_predicts_and_goes_on_with_the_same_bits(settings: dict[str, Any]) -> None:
    x, y = trees()
    model = quick(**settings).fit(x, y)
    state = random.get_state()
    twin = sent(model)
    assert random.get_state() == state, "to read it draws nothing"
    assert twin.history_ == model.history_ and twin.model_.backend.name == model.model_.backend.name
    assert twin.model_.history.history == model.model_.history.history
    assert list(twin.classes_) == list(NAMES) and twin.n_features_in_ == 2
    for _ in range(2):
        np.testing.assert_array_equal(twin.predict_proba(x), model.predict_proba(x))
        for each in (model, twin):
            each.partial_fit(x, y)
    assert twin.model_.optimizer.steps == model.model_.optimizer.steps
    copied = copy.deepcopy(model)
    np.testing.assert_array_equal(copied.predict_proba(x), model.predict_proba(x))
    copied.partial_fit(x, y)
    assert not np.array_equal(copied.predict_proba(x), model.predict_proba(x)), "a copy is trained alone"


def test_a_layer_among_the_settings_is_not_changed_by_training() -> None:
    x, y = trees()
    curved = layers.PReLU()
    model = quick(activation=curved, hidden=(8, 4)).fit(x, y)
    assert not curved.is_built and "PReLU" in repr(model.model_.layers[0])
    twin = sent(model)
    np.testing.assert_array_equal(twin.predict_proba(x), model.predict_proba(x))
    np.testing.assert_array_equal(twin.fit(x, y).predict_proba(x), model.fit(x, y).predict_proba(x))


def test_a_regressor_comes_back() -> None:
    x, y = curve()
    model = Regressor(hidden=8, epochs=2, random_state=0).fit(x, y)
    np.testing.assert_array_equal(sent(model).partial_fit(x, y).predict(x), model.partial_fit(x, y).predict(x))


def test_a_network_for_images_comes_back() -> None:
    x, t = digits(64)
    model = Classifier(networks.LeNet5, shape=(1, 28, 28), epochs=1, random_state=0).fit(x, t)
    np.testing.assert_array_equal(sent(model).predict_proba(x), model.predict_proba(x))


@pytest.mark.parametrize("built", [False, True])
def test_a_network_among_the_settings_gives_the_same_bits(built: bool) -> None:
    x, y = trees()
    model = small_network()
    if built:
        model.build((2,))
        model.layers[0].trainable = False
    estimator = quick(network=model, epochs=2)
    twin = sent(estimator)
    assert twin.network.is_built == built and [layer.is_frozen for layer in twin.network] == [
        built,
        False,
        False,
        False,
    ]
    np.testing.assert_array_equal(twin.fit(x, y).predict_proba(x), estimator.fit(x, y).predict_proba(x))


@pytest.mark.parametrize("case", [case for case in LAYER_CASES if not case.integers and len(case.shapes) == 1])
def test_every_layer_is_described(case: LayerCase) -> None:
    random.seed(1)
    model = Sequential([case.make()])
    assert isinstance(described(model), DescribedModel)
    located()  # so that it is not the first network
    model.build(*case.shapes)
    found = described(model)
    assert isinstance(found, DescribedModel)
    twin = restored(found)
    assert twin.root_number == model.root_number == 1
    assert all(np.array_equal(a, b) for a, b in zip(twin.get_weights(), model.get_weights(), strict=True))


@pytest.mark.parametrize("name", ["ResNet20", "InceptionNet", "UNet", "ViT", "ConvAutoencoder", "RecurrentClassifier"])
def test_networks_are_described(name: str) -> None:
    assert isinstance(described(getattr(networks, name)()), DescribedModel)


def test_an_optimizer_begins_anew() -> None:
    """What it kept of another training is no setting: it would be another one in another process."""
    x, y = trees()
    used = optimizers.Adam(0.01)
    other = network(used)
    other.fit(*clusters(), epochs=3)
    model = quick(optimizer=used, lr=None).fit(x, y)
    assert used.steps > 0 and model.model_.optimizer.steps == 10 * 4
    fresh = quick(optimizer=optimizers.Adam(0.01), lr=None).fit(x, y)
    np.testing.assert_array_equal(model.predict_proba(x), fresh.predict_proba(x))
    assert sent(quick(optimizer=used, lr=None)).optimizer.steps == 0
    assert clone(model).optimizer is not used


# ---- what is no description ------------------------------------------------------------------------------------------


class Scaled(layers.Layer):
    """A layer that keeps more than its constructor's arguments."""

    kind = "scaled"

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self.factor = 1.0

    def forward(self, x: Any, train: bool = False) -> Any:
        return x * self.factor, lambda dy: dy * self.factor


def own_layer() -> Model:
    model = Sequential([layers.Dense(8), Scaled(), layers.Dense(3)])
    model.layers[1].factor = 3.0
    return model


def replaced_layer() -> Model:
    model = networks.LeNet5()
    model.layers[-1] = layers.Dense(10)
    return model


def carried_state() -> Model:
    model = Sequential([layers.LSTM(3, stateful=True)])
    model.build((2, 4))
    model(np.ones((1, 2, 4), np.float32))
    return model


def with_gradients() -> Model:
    model = Sequential([layers.Dense(3)])
    y, back = model.forward(np.ones((2, 4), np.float32), train=True)
    back(y)
    return model


def located() -> Model:
    """Its weights, when they are drawn, follow from another place than those of a network that is made anew."""
    model = Sequential([layers.Dense(3)])
    model.locate()
    return model


@pytest.mark.parametrize("make", [own_layer, replaced_layer, carried_state, with_gradients, located])
def test_what_a_constructor_would_not_make_again_is_pickled_as_it_is(make: Any) -> None:
    model = make()
    assert described(model) is model
    assert described([model, 2, {"a": model}]) == [model, 2, {"a": model}]


def test_a_layer_of_ones_own_keeps_what_it_has() -> None:
    x, y = trees()
    model = quick(network=own_layer()).fit(x, y)
    twin = pickle.loads(pickle.dumps(model))
    assert twin.model_.layers[1].factor == 3.0
    np.testing.assert_array_equal(twin.partial_fit(x, y).predict_proba(x), model.partial_fit(x, y).predict_proba(x))


def test_a_pickle_of_an_older_xpnet_is_read() -> None:
    """It has the objects themselves, and the class at another place."""
    x, y = trees()
    model = quick(optimizer=optimizers.Adam(0.01), lr=None).fit(x, y)
    older = Classifier.__new__(Classifier)
    older.__setstate__(pickle.loads(pickle.dumps(vars(model))))
    np.testing.assert_array_equal(older.partial_fit(x, y).predict_proba(x), model.partial_fit(x, y).predict_proba(x))
    assert pickle.loads(b"cxpnet.sklearn\nClassifier\n.") is Classifier
