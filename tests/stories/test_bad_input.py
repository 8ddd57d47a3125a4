"""What people get wrong, each with the one clear error that it gives."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.kit.small import clusters, network, normed_network
from xpnet import layers, networks, optimizers, random
from xpnet.callbacks import Callback, EarlyStopping
from xpnet.errors import DataError, DTypeError, NonFiniteError, OptionError, ShapeError
from xpnet.losses import MeanSquaredError
from xpnet.metrics import Accuracy
from xpnet.model import Model, Sequential
from xpnet.training import nonfinite

X, T = clusters(12)


def ready(make: Callable[[], Sequential] = network) -> Sequential:
    model = make()
    model.build((2,))
    return model


class Written(Model):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = layers.Dense(4, activation="relu"), layers.Dense(3)

    def call(self, x: Any) -> Any:
        return self.second(self.first(x))


def called_loss() -> Accuracy:
    metric = Accuracy()
    metric.name = "loss"
    return metric


VERBS: list[Callable[[Model, Any], Any]] = [
    lambda model, x: model.fit(x, T[: len(x)]),
    lambda model, x: model.evaluate(x, T[: len(x)]),
    lambda model, x: model.predict(x),
    lambda model, x: model.train_on_batch(x, T[: len(x)]),
]
verbs = pytest.mark.parametrize("verb", VERBS, ids=["fit", "evaluate", "predict", "train_on_batch"])


# ---- inputs ----------------------------------------------------------------------------------------------------------


@verbs
@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.ones((12, 3), np.float32), r"dense1 \(Dense\): the input has shape \(N, 3\), needed is \(N, 2\)"),
        (np.ones((12, 2, 1), np.float32), r"dense1 \(Dense\): the input has shape \(N, 2, 1\), needed is .*Flatten"),
        (np.ones(12, np.float32), r"shape \(12,\); the first axis must be the samples"),
    ],
)
def test_a_wrong_shape_names_the_layer_and_what_it_needs(verb: Callable[..., Any], x: np.ndarray, words: str) -> None:
    model = ready()
    before = model.get_weights()
    with pytest.raises(ShapeError, match=words):
        verb(model, x)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@verbs
def test_a_wrong_shape_in_a_written_model_names_the_layer(verb: Callable[..., Any]) -> None:
    model = Written()
    model.compile()
    model.build((2,))
    with pytest.raises(ShapeError, match=r"first \(Dense\): the input has shape \(N, 5\), needed is \(N, 2\)"):
        verb(model, np.ones((12, 5), np.float32))


@pytest.mark.parametrize("network", [networks.LeNet5, networks.SimpleConvNet, networks.DeepConvNet])
def test_flat_images_are_refused_by_convolutions(network: Callable[[], Model]) -> None:
    with pytest.raises(ShapeError, match=r"\(Conv2D\): the input has shape \(N, 784\), needed is \(N,"):
        network().predict(np.ones((2, 784), np.float32))


@verbs
def test_channels_that_come_last_are_refused_also_by_flatten(verb: Callable[..., Any]) -> None:
    model = Sequential([layers.Flatten(), layers.Dense(3)])
    model.compile()
    model.build((3, 8, 8))
    verb(model, np.ones((12, 3, 8, 8), np.float32))
    verb(model, np.ones((12, 192), np.float32))
    with pytest.raises(ShapeError, match=r"images \(8, 8, 3\), and the model was built for \(3, 8, 8\): channels come"):
        verb(model, np.ones((12, 8, 8, 3), np.float32))


@verbs
@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool", "complex64", "object", "str", "datetime64[s]"])
def test_a_wrong_data_type_says_how_to_convert(verb: Callable[..., Any], dtype: str) -> None:
    with pytest.raises(DTypeError, match=r'the input data are .*astype\("float32"\).*( / 255|layers.Embedding)'):
        verb(ready(), np.ones((12, 2)).astype(dtype))


@verbs
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_floating_point_data_of_any_size_are_converted(verb: Callable[..., Any], dtype: str) -> None:
    model = ready()
    verb(model, X.astype(dtype))
    assert {p.value.dtype.name for p in model.parameters()} == {"float32"}


@verbs
@pytest.mark.parametrize("built", [True, False])
def test_no_data_are_refused(verb: Callable[..., Any], built: bool) -> None:
    with pytest.raises(DataError, match=r"the input data are empty: their shape is \(0, 2\)"):
        verb(ready() if built else network(), np.ones((0, 2), np.float32))


@verbs
@pytest.mark.parametrize("x", [[[1.0, 2.0], [3.0]], [[1.0, "a"]], None, {"x": 1}, "data"])
def test_what_is_no_array_is_refused(verb: Callable[..., Any], x: Any) -> None:
    with pytest.raises((DataError, DTypeError, ShapeError), match="the input data"):
        verb(ready(), x if hasattr(x, "__len__") else [x])


# ---- targets ---------------------------------------------------------------------------------------------------------

TARGETS: list[tuple[Any, type[Exception], str]] = [
    (T[:-1], DataError, "there are 12 samples and 11 targets; there must be one target a sample"),
    (3, DataError, "the targets are a single number"),
    (None, DataError, "the targets are missing"),
    (T + 0.5, DataError, "class numbers must be integers, they are fractions or NaN"),
    (T * np.nan, DataError, "class numbers must be integers, they are fractions or NaN"),
    (T[:, None], ShapeError, r"targets have shape \(N, 1\), the network gives \(N, 3\); class numbers are t\[:, 0\]"),
    (T - 1, DataError, "labels reach from -1 to 1, but the network has 3 outputs, for classes 0 to 2"),
    (T + 1, DataError, "labels reach from 1 to 3, but the network has 3 outputs"),
    (T.astype("float32"), DataError, r'class numbers must be integers, they are float32.*astype\("int64"\)'),
    (T.astype(str), DTypeError, "the targets are <U"),
    (T.astype(object), DTypeError, "the targets are object"),
    (T.astype(complex), DTypeError, "the targets are complex128"),
    (np.eye(4)[T], ShapeError, r"targets have shape \(N, 4\), the network gives \(N, 3\)"),
    (2 * np.eye(3)[T], DataError, "probabilities that sum to 1"),
    (np.full((12, 3), np.nan), DataError, "probabilities that sum to 1"),
    (T.reshape(12, 1, 1), ShapeError, "needed are class numbers"),
]


@pytest.mark.parametrize(("t", "error", "words"), TARGETS, ids=[words[:30] for _, _, words in TARGETS])
@pytest.mark.parametrize("verb", ["fit", "evaluate", "train_on_batch", "validation"])
def test_targets_that_do_not_fit_are_refused_before_anything_happens(
    verb: str, t: Any, error: type[Exception], words: str
) -> None:
    model = ready()
    before = model.get_weights()
    with pytest.raises(error, match=words):
        model.fit(X, T, validation_data=(X, t)) if verb == "validation" else getattr(model, verb)(X, t)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("data", [X, (X,), (X, T, T, T), "held out", 0.2])
def test_validation_data_must_be_a_pair(data: Any) -> None:
    with pytest.raises(OptionError, match=r"validation_data must be a pair \(x, t\)"):
        ready().fit(X, T, validation_data=data)


# ---- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 0}, "batch_size must be an integer of 1 or more, not 0"),
        ({"batch_size": 2.5}, "not 2.5"),
        ({"batch_size": True}, "not True"),
        ({"epochs": -1}, "epochs must be an integer of at least 0, not -1"),
        ({"epochs": 1.5}, "epochs must be an integer"),
        ({"epochs": "3"}, "epochs must be an integer of at least 0, not '3'"),
        ({"initial_epoch": -2}, "initial_epoch must be"),
        ({"validation_freq": 0}, "validation_freq must be an integer of at least 1, not 0"),
        ({"validation_split": 1.0}, "fraction for validation must be greater than 0 and less than 1, not 1.0"),
        ({"validation_split": -0.1}, "not -0.1"),
        ({"verbose": 3}, 'verbose must be 0, 1, 2 or "auto", not 3'),
        ({"verbose": "yes"}, "not 'yes'"),
    ],
)
def test_options_of_fit_that_cannot_work_are_refused(options: dict[str, Any], words: str) -> None:
    model = ready()
    before = model.get_weights()
    with pytest.raises(OptionError, match=words):
        model.fit(X, T, **options)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_split_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(DataError, match=r"a fraction of 0\.99 of 12 samples leaves one part empty"):
        ready().fit(X, T, validation_split=0.99)


@pytest.mark.parametrize("verb", ["fit", "evaluate", "train_on_batch"])
def test_a_model_that_is_not_compiled_says_how_to(verb: str) -> None:
    with pytest.raises(OptionError, match=r'not compiled: call model.compile\(optimizer="adam"'):
        getattr(Sequential([layers.Dense(3)]), verb)(X, T)
    assert Sequential([layers.Dense(3)]).predict(X).shape == (12, 3)  # this needs no compiling


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: network("sdg"), "there is no optimizer 'sdg'; choose one of sgd, momentum"),
        (lambda: network(metrics=["acuracy"]), "there is no metric 'acuracy'; choose one of accuracy, top_5"),
        (
            lambda: Sequential([layers.Dense(3)]).compile(loss="crossentropy"),
            "there is no loss 'crossentropy'; choose one of",
        ),
        (lambda: layers.Dense(3, activation="gelu2"), "there is no activation 'gelu2'; choose one of relu"),
        (
            lambda: layers.Dense(3, initializer="orthogonal"),
            "there is no initializer 'orthogonal'; choose one of he_normal",
        ),
        (lambda: layers.Dense(0), "Dense: units must be an integer of at least 1, not 0"),
        (lambda: layers.Conv2D(2.0, 3), "Conv2D: filters must be an integer of at least 1, not 2.0"),
        (lambda: layers.Dropout(1), "Dropout: rate must be at least 0 and below 1, not 1"),
        (lambda: network(optimizers.Adam), r"give an object, not the class: Adam\(\.\.\.\)"),
        (lambda: network(metrics=[Accuracy]), r"give an object, not the class: Accuracy\(\.\.\.\)"),
        (lambda: network(metrics=Accuracy), r"give an object, not the class: Accuracy\(\.\.\.\)"),
        (
            lambda: Sequential([layers.Dense(3)]).compile(loss=MeanSquaredError),  # type: ignore[arg-type]
            r"give an object, not the class: MeanSquaredError\(\.\.\.\)",
        ),
        (lambda: layers.Dense(3, activation=layers.ReLU), r"give an object, not the class: ReLU\(\.\.\.\)"),
        (lambda: ready().fit(X, T, callbacks=[EarlyStopping]), r"is no Callback; give objects such as"),
        (lambda: ready().fit(X, T, callbacks=EarlyStopping), r"is no Callback; give objects such as"),
        (lambda: Sequential([layers.Dense]), r"is no layer; give objects such as layers\.Dense\(10\)"),  # type: ignore[list-item]
        (lambda: Sequential(layers.Dense(3)), r"Sequential takes a list of layers: Sequential\(\[layers\.Flatten"),  # type: ignore[arg-type]
        (lambda: network(metrics=["accuracy", Accuracy()]), r"every metric needs a name of its own.*'accuracy', 'accu"),
        (lambda: network(metrics=["top_3", "top_3_accuracy"]), "every metric needs a name of its own"),
        (lambda: network(metrics=[called_loss()]), r"a name of its own, and not 'loss'; they are \['loss'\]"),
        (
            lambda: Sequential([layers.Dense(3, activation="softmax")]).compile(loss="softmax_cross_entropy"),
            "the network ends with softmax, and the loss softmax_cross_entropy contains it already",
        ),
    ],
)
def test_names_and_sizes_that_do_not_exist_are_refused(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        make()


# ---- numbers that are none -------------------------------------------------------------------------------------------

quiet = pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")  # NumPy's word on the way to the error


@quiet
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("make", [network, normed_network])
def test_bad_numbers_in_the_data_are_found_there(value: float, make: Callable[[], Sequential]) -> None:
    x = X.copy()
    x[7, 1] = value
    with pytest.raises(
        NonFiniteError, match=r"the loss became nan in epoch 1, step 2: the input data hold NaN or infinity"
    ):
        ready(make).fit(x, T, batch_size=6, shuffle=False)


@quiet
def test_bad_numbers_in_the_targets_are_found_there() -> None:
    """No learning rate would help."""
    model = Sequential([layers.Dense(2)])
    model.compile(loss="mse")
    t = X.copy()
    t[7, 1] = np.nan
    with pytest.raises(
        NonFiniteError, match="epoch 1, step 2: the targets hold NaN or infinity; remove or rep"
    ) as error:
        model.fit(X, t, batch_size=6, shuffle=False)
    assert "learning rate" not in str(error.value)


@quiet
def test_a_broken_weight_is_named() -> None:
    model = ready()
    model.parameters()[3].value = np.array([0, np.inf, 0])
    with pytest.raises(NonFiniteError, match=r"in step 1: parameter dense2.bias holds NaN or infinity"):
        model.train_on_batch(X, T)


@quiet
def test_a_layer_that_gives_bad_numbers_is_named() -> None:
    model = ready()
    model.parameters()[0].value = np.full((16, 2), 3e38)
    with pytest.raises(NonFiniteError, match=r"the output of layer dense1 \(Dense\) is the first that is not finite"):
        model.train_on_batch(X * 100, T)


@quiet
def test_the_layer_is_named_also_where_the_mask_of_dropout_decides() -> None:
    """The search for the layer repeats the forward pass with the masks that it had."""
    outcomes = set()
    for seed in range(12):
        random.seed(seed)
        model = Sequential([layers.Dropout(0.5), layers.Dense(3)])
        model.compile()
        model.build((2,))
        model.parameters()[0].value = np.array([[2, 0], [3, 0], [0, 0]])
        try:
            model.train_on_batch(np.array([[1.5e38, 0]]), np.array([0]))  # too large, unless it is dropped
        except NonFiniteError as error:
            assert "the output of layer dense1 (Dense) is the first that is not finite" in str(error)
            outcomes.add("error")
        else:
            outcomes.add("dropped")
    assert outcomes == {"error", "dropped"}


@quiet
def test_the_search_for_the_layer_changes_neither_statistics_nor_randomness(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(searched: bool) -> tuple[list[np.ndarray], Any]:
        random.seed(3)
        model = ready(normed_network)
        model.train_on_batch(X, T)
        model.parameters()[-2].value = np.full((3, 8), 3e38)
        with monkeypatch.context() as patch:
            if not searched:
                patch.setattr(nonfinite, "first_nonfinite", lambda *args: "nobody looked")
            with pytest.raises(NonFiniteError, match=r"layer dense2 \(Dense\)" if searched else "nobody looked"):
                model.train_on_batch(X, T)
        assert "forward" not in vars(model[0])
        return model.get_weights(), random.get_state()

    (weights, state), (untouched, as_it_was) = fail(True), fail(False)
    assert state == as_it_was
    for a, b in zip(weights, untouched, strict=True):
        np.testing.assert_array_equal(a, b)


@quiet
def test_training_that_diverges_stops_and_names_step_and_place() -> None:
    model = ready(lambda: network(optimizers.SGD(1e9)))
    ended: list[int] = []

    class End(Callback):
        def on_train_end(self, logs: Any) -> None:
            ended.append(1)

    place = r"(parameter|the output of layer) dense\d"
    words = rf"the loss became (nan|inf) in epoch \d+, step \d+: {place}.*smaller learning rate"
    with pytest.raises(NonFiniteError, match=words):
        model.fit(X, T, batch_size=4, epochs=50, callbacks=[End()])
    assert ended == [1]
    assert model.history is not None


@quiet
def test_the_step_that_is_named_is_the_one_that_failed() -> None:
    class Break(Callback):
        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            if batch == 1:
                self.model.parameters()[1].value = np.full(16, np.nan)

    with pytest.raises(NonFiniteError, match=r"in epoch 1, step 3: parameter dense1.bias holds"):
        ready().fit(X, T, batch_size=3, callbacks=[Break()])
