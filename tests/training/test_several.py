"""Models of several inputs and outputs in fit, evaluate, predict, loaders and files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.helpers import assert_close
from tests.kit.small import Written
from tests.kit.strategies import normal
from tests.training.test_step import Interrupt
from xpnet import data, layers, losses, metrics, optimizers, regularizers
from xpnet.backend import Backend
from xpnet.callbacks import Backup
from xpnet.errors import DataError, DTypeError, OptionError, ShapeError, XpnetError
from xpnet.model import Model, Sequential

N = 30
RNG = np.random.default_rng(0)
WORDS = RNG.integers(0, 12, (N, 5))
PLACE = RNG.standard_normal((N, 3)).astype("float32")
KIND = (WORDS.sum(1) % 3).astype(np.int64)
SIZE = PLACE[:, :2] * 2 + 1
X = (WORDS, PLACE)
NAMED = {"place": PLACE, "words": WORDS}  # in another order than that of `call`
T = {"kind": KIND, "size": SIZE}


class Both(Model):
    """Words and a place; a kind and a size, and an output that nobody asks for."""

    def __init__(self, as_tuple: bool = False, rate: float = 0.0) -> None:
        super().__init__()
        self.as_tuple, self.rate = as_tuple, rate
        self.embedding, self.flatten = layers.Embedding(12, 4), layers.Flatten()
        self.dense = layers.Dense(8, activation="tanh", regularizer=regularizers.L2(1e-3))
        self.second, self.drop = layers.Dense(8), layers.Dropout(rate)
        self.kind, self.size, self.free = layers.Dense(3), layers.Dense(2), layers.Dense(4)

    def call(self, words: Any, place: Any) -> Any:
        h = self.drop(self.dense(self.flatten(self.embedding(words))) + self.second(place))
        if self.as_tuple:
            return self.kind(h), self.size(h)
        return {"kind": self.kind(h), "free": self.free(h), "size": self.size(h)}


LOSSES: dict[str, Any] = {"kind": "softmax_cross_entropy", "size": "mse"}


def both(backend: Backend | str = "numpy", weights: Any = None, **options: Any) -> Both:
    xpnet.seed(3)
    model = Both(**options)
    model.to(backend).build((5,), (3,), dtype=("int64", "float32"))
    if model.as_tuple:
        model.compile(optimizers.Adam(0.02), ("softmax_cross_entropy", "mse"), [["accuracy"], []], weights)
    else:
        model.compile(optimizers.Adam(0.02), LOSSES, {"kind": ["accuracy"]}, weights)
    return model


def weights_of(model: Model) -> list[bytes]:
    return [weight.tobytes() for weight in model.get_weights()]


def test_inputs_and_targets_by_name_or_in_order_on_every_backend(backend: Backend) -> None:
    named = both(backend)
    history = named.fit(NAMED, T, batch_size=8, epochs=2, verbose=0).history
    ordered = both(backend)
    assert ordered.fit(X, T, batch_size=8, epochs=2, verbose=0).history == history
    assert weights_of(named) == weights_of(ordered)
    assert list(history) == ["loss", "kind_loss", "size_loss", "kind_accuracy", "lr"]
    outputs = named.predict(X)
    assert {name: y.shape for name, y in outputs.items()} == {"kind": (N, 3), "free": (N, 4), "size": (N, 2)}
    accuracy = float((outputs["kind"].argmax(1) == KIND).mean())
    results = named.evaluate(NAMED, T, batch_size=7, return_dict=True)
    assert results["kind_accuracy"] == pytest.approx(accuracy)
    assert results["size_loss"] == pytest.approx(float(((outputs["size"] - SIZE) ** 2).mean()), rel=1e-5)
    penalty = 1e-3 * float((named.dense.weight.backend.to_numpy(named.dense.weight.value) ** 2).sum())
    assert results["loss"] == pytest.approx(results["kind_loss"] + results["size_loss"] + penalty, rel=1e-5)


def test_a_tuple_of_outputs_is_the_dict_of_them(backend: Backend) -> None:
    ordered = both(backend, as_tuple=True)
    ordered.fit(X, (KIND, SIZE), batch_size=8, verbose=0)
    named = both(backend)
    named.fit(X, T, batch_size=8, verbose=0)
    history = ordered.history.history  # type: ignore[union-attr]
    assert list(history) == ["loss", "output1_loss", "output2_loss", "output1_accuracy", "lr"]
    assert list(history.values()) == list(named.history.history.values())  # type: ignore[union-attr]
    kind, size = ordered.predict(X)
    assert_close(ordered.backend.asarray(kind), named.predict(X)["kind"], ordered.backend)
    assert size.shape == (N, 2)


def test_weights_of_losses_and_of_samples_are_those_of_the_definition() -> None:
    model = both(weights={"size": 0.25})
    y = {name: model.backend.asarray(value) for name, value in model.predict(X).items()}
    kind, _ = losses.SoftmaxCrossEntropy().forward(y["kind"], KIND)
    size, _ = losses.MeanSquaredError().forward(y["size"], SIZE)
    penalty = 1e-3 * float((model.dense.weight.value**2).sum())
    assert model.evaluate(X, T)[0] == pytest.approx(float(kind) + 0.25 * float(size) + penalty, rel=1e-5)
    w = np.linspace(0, 2, N)
    for given in (w, {"kind": w, "size": w}, {"size": w}):
        results = model.evaluate(X, T, sample_weight=given, return_dict=True)
        weighted, _ = losses.MeanSquaredError().forward(y["size"], SIZE, None, w.astype("float32"))
        assert results["size_loss"] == pytest.approx(float(weighted), rel=1e-5)
        same = isinstance(given, dict) and "kind" not in given
        assert (results["kind_loss"] == pytest.approx(float(kind), rel=1e-5)) == same


def test_the_gradient_is_weighted_as_the_loss_is() -> None:
    """With a quarter of the weight a head learns as with a quarter of the rate."""
    weighted, slow = both(weights={"size": 0.25}), both()
    weighted.optimizer, slow.optimizer = optimizers.SGD(0.1), optimizers.SGD(0.025)
    before = weighted.size.weight.value.copy()
    for model in (weighted, slow):
        model.train_on_batch(X, T)
    np.testing.assert_allclose(weighted.size.weight.value, slow.size.weight.value, rtol=1e-6)
    assert not np.allclose(weighted.size.weight.value, before)
    assert not np.allclose(weighted.kind.weight.value, slow.kind.weight.value)


def test_an_output_without_a_loss_costs_nothing_and_is_not_trained() -> None:
    model, calls = both(), []
    before, forward = model.free.weight.value.copy(), model.free.forward

    def watched(x: Any, train: bool = False) -> Any:
        y, _ = forward(x, train=train)
        return y, calls.append

    model.free.forward = watched  # type: ignore[method-assign]
    model.fit(X, T, verbose=0)
    assert calls == [] and (model.free.weight.value == before).all()


@pytest.mark.parametrize("as_tuple", [False, True])
def test_a_file_holds_its_losses_metrics_and_kinds_of_inputs(tmp_path: Path, as_tuple: bool) -> None:
    model = both(weights=(0.5, 2.0) if as_tuple else {"kind": 0.5}, as_tuple=as_tuple)
    t: Any = (KIND, SIZE) if as_tuple else T
    model.fit(X, t, verbose=0)
    model.save(tmp_path / "both.safetensors")
    again = xpnet.load(tmp_path / "both.safetensors", custom=Both)
    assert again.input_dtypes == ("int64", "float32") and repr(again.loss) == repr(model.loss)
    assert again.evaluate(X, t) == model.evaluate(X, t)
    again.fit(X, t, verbose=0)


def test_it_goes_on_from_a_backup_to_the_bit(tmp_path: Path) -> None:
    def train(path: Path, after: int | None = None) -> tuple[list[bytes], Any]:
        model = both(rate=0.3)
        followers = [Interrupt(after), Backup(path, every=1)]
        model.fit(
            NAMED, T, batch_size=8, epochs=3, callbacks=followers, verbose=0, validation_data=(X, T), accumulate=2
        )
        return weights_of(model), model.history.history  # type: ignore[union-attr]

    whole = train(tmp_path / "whole")
    for after in (1, 3, 4):
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "parts", after)
    assert train(tmp_path / "parts") == whole


def test_a_backup_of_other_inputs_is_refused(tmp_path: Path) -> None:
    model = both()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, T, callbacks=[Interrupt(1), Backup(tmp_path / "b", every=1)], batch_size=8, verbose=0)
    with pytest.raises(OptionError, match=r"belongs to another training: x\[1\]"):
        both().fit((WORDS, PLACE + 1), T, callbacks=[Backup(tmp_path / "b", every=1)], batch_size=8, verbose=0)


@pytest.mark.parametrize("options", [{"prefetch": 0}, {"workers": 2}, {"shuffle": False}])
def test_loaders_give_several_inputs_and_outputs(options: dict[str, Any]) -> None:
    """Their bytes become numbers from 0 to 1, and what is augmented gets them as they are."""
    pixels, seen = RNG.integers(0, 256, (N, 3), np.uint8), []

    def augment(x: Any, rng: np.random.Generator) -> Any:
        seen.append({name: (each.dtype.name, len(each)) for name, each in x.items()})
        return x | {"place": x["place"] + np.float32(1)}

    loader = data.Loader(({"words": WORDS, "place": pixels}, T), batch_size=8, augment=augment, **options)
    for x, t in loader:
        assert x["place"].min() >= 1 and x["place"].max() <= 2 and [*t] == ["kind", "size"]
        assert len(x["words"]) == len(t["kind"])
    assert seen[0] == {"words": ("int64", 8), "place": ("float32", 8)}
    model = both()
    model.fit(loader, epochs=2, verbose=0, validation_data=data.Loader((X, T), shuffle=False))
    assert {"val_loss", "val_kind_loss", "kind_accuracy"} <= set(model.history.history)  # type: ignore[union-attr]
    ordered = model.predict(data.Loader((X, T), shuffle=False, batch_size=7))
    assert_close(ordered["kind"], model.predict(NAMED)["kind"], model.backend)


def test_streams_and_batches_of_several(backend: Backend) -> None:
    def samples(rng: np.random.Generator) -> Any:
        for words, place, kind, size in zip(WORDS, PLACE, KIND, SIZE, strict=True):
            yield (words, place), {"kind": kind, "size": size}

    model = both(backend)
    model.fit(data.Loader(data.Stream(samples, N), batch_size=10, shuffle=False), verbose=0)
    twin = both(backend)
    twin.fit(data.Batches(X, T, 10), verbose=0)
    third = both(backend)
    third.fit(X, T, batch_size=10, shuffle=False, verbose=0)
    assert weights_of(model) == weights_of(twin) == weights_of(third)


def test_validation_split_takes_the_last_of_each() -> None:
    model = both()
    model.fit(NAMED, T, validation_split=0.2, verbose=0, batch_size=8, sample_weight=np.ones(N))
    expected = model.evaluate((WORDS[24:], PLACE[24:]), {"kind": KIND[24:], "size": SIZE[24:]}, return_dict=True)
    found = {name[4:]: values[-1] for name, values in model.history.history.items() if name.startswith("val_")}  # type: ignore[union-attr]
    assert found == pytest.approx(expected)


WRONG_DATA: list[tuple[Any, Any, dict[str, Any], type[XpnetError], str]] = [
    (WORDS, T, {}, DataError, "inputs are one array, and the model's call takes words, place"),
    ((WORDS, PLACE, PLACE), T, {}, DataError, "inputs are a tuple of 3, and the model's call takes words, place"),
    (
        {"words": WORDS, "plaice": PLACE},
        T,
        {},
        DataError,
        "inputs are words, plaice, and the model's call takes words",
    ),
    ((WORDS[1:], PLACE), T, {}, DataError, "the inputs are of 29 and 30 samples"),
    ((PLACE, PLACE), T, {}, DTypeError, "an input is float32, and the network takes integers there"),
    ((WORDS, WORDS[:, :3]), T, {}, DTypeError, "the input data are int64; a network takes floating point numbers"),
    (
        X,
        KIND,
        {},
        ShapeError,
        r'for one output alone, .* for kind, size: give them as {"kind": \.\.\., "size": \.\.\.}',
    ),
    (
        X,
        [KIND, SIZE[:, :2]],
        {},
        DataError,
        "the targets are a list of different shapes.* into a tuple or, by name, into",
    ),
    (X, {"kind": KIND}, {}, ShapeError, "there are targets for kind, but losses are for kind, size: give them as"),
    (X, T | {"free": KIND}, {}, ShapeError, "there are targets for kind, size, free, but losses are for kind, size"),
    (X, T | {"kind": KIND + 1}, {}, DataError, "output kind: loss softmax_cross_entropy: labels reach from 1 to 3"),
    (X, T | {"size": KIND}, {}, ShapeError, "output size: loss mean_squared_error: targets have shape"),
    (X, T | {"size": SIZE[1:]}, {}, DataError, "there are 30 samples and 29 targets"),
    (X, T, {"sample_weight": {"free": np.ones(N)}}, DataError, r"sample_weight is for the outputs \['free'\]"),
    (X, T, {"sample_weight": np.ones((N, 1))}, DataError, r"sample_weight has shape \(30, 1\)"),
    (X, T, {"class_weight": {0: 2.0}}, OptionError, "class_weight is for a network of one output"),
]


@pytest.mark.parametrize(("x", "t", "options", "error", "match"), WRONG_DATA)
def test_data_that_do_not_fit_are_refused(x: Any, t: Any, options: Any, error: type[XpnetError], match: str) -> None:
    model = both()
    before = weights_of(model)
    with pytest.raises(error, match=match):
        model.fit(x, t, verbose=0, **options)
    assert weights_of(model) == before


WRONG_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"loss": LOSSES, "metrics": ["accuracy"]}, "metrics must say which output they are for"),
    ({"loss": LOSSES, "metrics": {"free": ["accuracy"]}}, "metrics must say which output they are for"),
    ({"loss": LOSSES, "loss_weights": {"free": 1.0}}, "weights for some of kind, size"),
    ({"loss": LOSSES, "loss_weights": {"kind": -1.0}}, "loss_weights must be a number of at least 0"),
    ({"loss": LOSSES, "loss_weights": [1.0, 2.0]}, "weights for some of kind, size"),
    ({"loss": ("mse", "mse"), "loss_weights": [1.0]}, "a weight for each of 2 losses"),
    ({"loss": {}}, "no loss among these"),
    ({"loss": "mse", "loss_weights": [1.0]}, "loss_weights are for several losses"),
    ({"loss": "mse", "metrics": {"kind": ["accuracy"]}}, "a dict of metrics is for a network of several outputs"),
]


@pytest.mark.parametrize(("options", "match"), WRONG_OPTIONS)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(OptionError, match=match):
        Both().compile(**options)


def test_a_loss_for_one_output_and_one_for_several_are_told_apart() -> None:
    model = Both()
    model.compile(loss="mse")
    with pytest.raises(OptionError, match=r"several outputs \(\['kind', 'free', 'size'\]\) and the loss mean_squared"):
        model.fit(X, T, verbose=0)
    one = Sequential([layers.Dense(3)])
    one.compile(loss=("mse", "mse"))
    with pytest.raises(OptionError, match="the network gives one output, and the loss joint is for several"):
        one.fit(PLACE, (PLACE, PLACE), verbose=0)
    model.compile(loss=("mse", "mse", "mse"))
    with pytest.raises(ShapeError, match="gives outputs for kind, free, size, but losses are for output1"):
        model.fit(X, T, verbose=0)


def test_a_softmax_in_front_of_its_loss_is_found_for_each_output() -> None:
    class Ends(Both):
        def __init__(self) -> None:
            super().__init__()
            self.kind = layers.Dense(3, activation="softmax")

    model = Ends()
    model.compile(loss=LOSSES)
    with pytest.raises(OptionError, match="the network ends with softmax"):
        model.fit(X, T, verbose=0)


class Difference(losses.Loss):
    """A loss of one's own that takes all outputs at once."""

    takes_several = True

    def forward(self, y: Any, t: Any, backend: Any = None, sample_weight: Any = None) -> Any:
        value, back = losses.MeanSquaredError().forward(y["size"], t, backend)
        return value, lambda: {"size": back()}

    def check(self, outputs: Any, t: Any) -> None: ...


class Largest(metrics.Metric):
    """A metric of one's own that takes all outputs at once."""

    name = "largest"

    def count(self, y: Any, t: Any, backend: Any) -> Any:
        return backend.xp.max(y["free"]) * len(t)


def test_losses_and_metrics_of_ones_own_may_take_all_outputs() -> None:
    model = Both()
    model.compile(optimizers.SGD(0.1), Difference(), metrics=[])
    first, *_, last = model.fit(X, SIZE, epochs=20, verbose=0).history["loss"]
    assert last < 0.5 * first


def test_names_in_the_history_are_one_each() -> None:
    model = Both()
    with pytest.raises(OptionError, match="every metric needs a name of its own"):
        model.compile(loss=LOSSES, metrics={"kind": ["accuracy", "accuracy"]})


def test_one_target_by_name_or_in_a_tuple_of_one(backend: Backend) -> None:
    """A structure of one array is a structure."""
    model = both(backend)
    model.compile(optimizers.Adam(0.02), {"kind": "softmax_cross_entropy"}, {"kind": ["accuracy"]})
    history = model.fit(NAMED, {"kind": KIND}, epochs=2, verbose=0, validation_data=(X, {"kind": KIND})).history
    assert list(history)[:3] == ["loss", "kind_loss", "kind_accuracy"] and history["loss"][1] < history["loss"][0]
    single = Written(lambda m, x: (m.dense(x),), dense=layers.Dense(2)).to(backend)
    single.compile(optimizers.SGD(0.1), ("mse",))
    single.fit(PLACE, (SIZE,), verbose=0, batch_size=8)
    single.fit(data.Loader(((PLACE,), (SIZE,)), batch_size=8), verbose=0)


def test_means_of_each_output_are_over_its_own_elements() -> None:
    """Whatever the size of the batches, and however many labels each has."""
    ignoring = losses.SoftmaxCrossEntropy(ignored_label=-1)
    model = Written(
        lambda m, words: (m.one(m.embedding(words)), m.other(m.embedding(words))),
        embedding=layers.Embedding(12, 4), one=layers.Dense(3), other=layers.Dense(2),
    )  # fmt: skip
    one, other = WORDS % 3, WORDS % 2
    one[:9, 1:], other[12:, :4] = -1, -1
    model.compile(loss=(ignoring, ignoring), loss_weights=(0.5, 2.0))
    whole = model.evaluate(WORDS, (one, other), batch_size=N, return_dict=True)
    for size in (3, 7):
        parts = model.evaluate(WORDS, (one, other), batch_size=size, return_dict=True)
        assert parts == pytest.approx(whole, rel=1e-5)
    assert whole["loss"] == pytest.approx(0.5 * whole["output1_loss"] + 2 * whole["output2_loss"], rel=1e-6)
    counts = np.ones(WORDS.shape) * (one >= 0)
    weighted = model.evaluate(WORDS, (one, other), sample_weight=(counts, np.ones(N)), batch_size=7, return_dict=True)
    assert weighted == pytest.approx(whole, rel=1e-5)  # weights of elements, each output its own


def test_a_list_of_batches_of_several_inputs_is_predicted() -> None:
    model = both()
    parts = [((WORDS[i : i + 10], PLACE[i : i + 10]), {"kind": KIND[i : i + 10]}) for i in (0, 10, 20)]
    assert_close(model.predict(parts)["kind"], model.predict(X)["kind"], model.backend)


def test_the_value_of_several_losses_is_their_weighted_sum() -> None:
    y, t = ({"a": normal((4, 2), seed, "float64"), "b": normal((4, 3), seed + 1, "float64")} for seed in (1, 3))
    joint = losses.get({"a": "mean_squared_error", "b": "mean_absolute_error"}, {"a": 2.0, "b": 0.25})
    value, _ = joint.forward(y, t)
    expected = 2 * ((y["a"] - t["a"]) ** 2).mean() + 0.25 * np.abs(y["b"] - t["b"]).mean()
    assert float(value) == pytest.approx(expected)
