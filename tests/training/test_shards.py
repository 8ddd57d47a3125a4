"""A batch in shards trains as a whole one does, up to rounding, where no layer looks at more than one sample."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xpnet
from tests.kit.small import Written, clusters
from tests.kit.strategies import normal, seeds
from xpnet import layers, losses, metrics, optimizers, regularizers, schedules
from xpnet.backend import Backend
from xpnet.callbacks import EMA, ReduceLROnPlateau
from xpnet.metrics import Metric
from xpnet.model import Model, Sequential

X, T = clusters(26)
X, T = X.astype("float64"), np.random.default_rng(1).permutation(T)  # the last batch of 8 has 2 samples
WORDS = np.random.default_rng(2).integers(0, 12, (26, 5))
STEPS = normal((26, 5, 3), 3)
IGNORED = WORDS % 3
IGNORED[:6, 1:] = IGNORED[9] = -1
W = np.random.default_rng(4).random(26)

Case = Callable[[], tuple[Model, dict[str, Any]]]
CASES: dict[str, Case] = {}


def case(make: Case) -> Case:
    """A training: a model, and what fit is called with."""
    CASES[make.__name__] = make
    return make


class Largest(Metric):
    """No sum: it looks at all samples, and has an `update` of its own."""

    name = "largest"

    def update(self, y: Any, t: Any, backend: Any = None) -> None:
        largest = float(backend.xp.max(backend.xp.abs(y))) * y.shape[0]
        self.total, self.samples = max(float(self.total or 0), largest), self.samples + y.shape[0]

    def result(self) -> Any:
        return self.total


class Entries(Metric):
    """A sum that counts something of its own."""

    name = "entries"

    def count(self, y: Any, t: Any, backend: Any) -> Any:
        return backend.xp.sum(y * y)

    def elements(self, y: Any, t: Any, backend: Any) -> Any:
        return y, t, y.shape[0] * y.shape[1]


def dense(optimizer: Any = None, loss: Any = "softmax_cross_entropy", counted: Any = ("accuracy",)) -> Sequential:
    model = Sequential([layers.Dense(6, activation="tanh"), layers.Dropout(0.2), layers.Dense(3)])
    model.compile(optimizer or optimizers.Momentum(0.2), loss, list(counted))
    return model


@case
def weights_of_samples() -> Any:
    return dense(), {"x": X, "t": T, "sample_weight": W}


@case
def weights_of_classes() -> Any:
    return dense(), {"x": X, "t": T, "class_weight": {0: 0.5, 2: 3.0}}


@case
def balanced() -> Any:
    return dense(), {"x": X, "t": T, "class_weight": "balanced", "sample_weight": W}


@case
def classes_in_the_loss() -> Any:
    return dense(loss=losses.SoftmaxCrossEntropy(class_weights=[0.5, 1.0, 3.0])), {"x": X, "t": T}


@case
def smoothed_labels() -> Any:
    return dense(loss=losses.SoftmaxCrossEntropy(label_smoothing=0.1)), {"x": X, "t": T}


def tagging(optimizer: Any = None) -> Sequential:
    model = Sequential([layers.Embedding(12, 4), layers.Dense(3, regularizer="l2")])
    model.compile(
        optimizer or optimizers.Adam(0.05),
        losses.SoftmaxCrossEntropy(ignored_label=-1),
        [metrics.Accuracy(ignored_label=-1), metrics.ConfusionMatrix(3, ignored_label=-1)],
    )
    return model


@case
def ignored_labels() -> Any:
    return tagging(), {"x": WORDS, "t": IGNORED}


@case
def ignored_labels_in_groups() -> Any:
    return tagging(), {"x": WORDS, "t": IGNORED, "accumulate": 3}


def body(self: Any, words: Any, place: Any) -> Any:
    h = self.dense(self.flatten(self.embedding(words))) + self.second(place)
    return {"kind": self.kind(h), "free": self.free(h), "size": self.size(h)}


@case
def several_outputs() -> Any:
    """One of them has no loss, so that its layer has no gradient, which is not one of zeros."""
    model = Written(
        body, embedding=layers.Embedding(12, 4), flatten=layers.Flatten(), dense=layers.Dense(8, activation="tanh"),
        second=layers.Dense(8), kind=layers.Dense(3), size=layers.Dense(2), free=layers.Dense(4),
    )  # fmt: skip
    kinds: dict[str, Any] = {"kind": "softmax_cross_entropy", "size": "mse"}
    own = {"kind": ["accuracy"], "size": ["mae", "r2"]}
    model.compile(optimizers.Momentum(0.1, weight_decay=0.1), kinds, own, {"kind": 0.3, "size": 2.0})
    return model, {"x": (WORDS, X), "t": {"kind": T, "size": X * 2}, "sample_weight": {"kind": W}, "accumulate": 2}


@case
def groups_of_batches() -> Any:
    return dense(), {"x": X, "t": T, "accumulate": 3, "sample_weight": W}


@case
def clipped() -> Any:
    return dense(optimizers.Adam(0.1, clip_norm=0.05)), {"x": X, "t": T}


@case
def clipped_by_value() -> Any:
    return dense(optimizers.SGD(0.3, clip_value=0.01)), {"x": X, "t": T}


@case
def regularized() -> Any:
    penalty = regularizers.L1L2(0.01, 0.02)
    model = Sequential([layers.Dense(6, activation="tanh", regularizer=penalty), layers.Dense(3)])
    model.compile(optimizers.SGD(0.2), metrics=["accuracy"])
    return model, {"x": X, "t": T, "accumulate": 2, "validation_data": (X[:9], T[:9])}


@case
def averaged_weights() -> Any:
    return dense(), {"x": X, "t": T, "callbacks": EMA(0.8), "validation_data": (X, T)}


@case
def scheduled() -> Any:
    rates = schedules.Cosine(0.3, 12)
    plateau = ReduceLROnPlateau("loss", patience=1, min_delta=0.5)
    return dense(optimizers.Nesterov(rates)), {"x": X, "t": T, "callbacks": plateau}


@case
def counted_in_many_ways() -> Any:
    model = dense(loss="mse", counted=["r2", "mae", Largest(), Entries()])
    return model, {"x": X, "t": normal((26, 3), 7), "validation_split": 0.3}


@case
def counted_by_rank() -> Any:
    model = Sequential([layers.Dense(6, activation="tanh"), layers.Dense(1)])
    model.compile("adam", "binary_cross_entropy", ["auc", "binary_accuracy"])
    return model, {"x": X, "t": T[:, None] % 2, "validation_data": (X[::2], T[::2, None] % 2)}


@case
def a_matrix() -> Any:
    return dense(counted=[metrics.ConfusionMatrix(3), "top_2", "f1"]), {"x": X, "t": T, "validation_data": (X, T)}


@case
def states() -> Any:
    model = Sequential([layers.LSTM(4, stateful=True), layers.GRU(4, stateful=True), layers.Dense(3)])
    model.compile(optimizers.Adam(0.05), metrics=["accuracy"])
    return model, {"x": STEPS[:24], "t": WORDS[:24] % 3, "validation_data": (STEPS[:8], WORDS[:8] % 3)}


@case
def muon() -> Any:
    return dense(optimizers.Muon(0.05)), {"x": X, "t": T}


@case
def groups_of_parameters() -> Any:
    rates = [optimizers.Group("dense1.*", lr_scale=0.5), optimizers.Group("*.bias", weight_decay=0.0)]
    return dense(optimizers.AdamW(0.05, groups=rates)), {"x": X, "t": T}


@case
def frozen() -> Any:
    model = dense()
    model.layers[0].trainable = False
    return model, {"x": X, "t": T, "accumulate": 2}


class Own(Sequential):
    """Two updates, logs of its own, and metrics."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.first = optimizers.Adam(schedules.Cosine(0.05, 100))

    def train_step(self, batch: Any) -> dict[str, Any]:
        x, t, *weights = batch
        y, back = self.forward(x, train=True)
        logs, loss_back = self.step.compute_losses(y, t, *weights)
        back(loss_back(), need_dx=False)
        self.step.apply_gradients(self.first, self.layers[0])
        self.step.apply_gradients(self.optimizer, self.layers[-1])
        self.step.update_metrics(y, t)
        return {**logs, "score": self.backend.xp.mean(y), "one": 1.0}


def own() -> Own:
    model = Own([layers.Dense(6, activation="tanh"), layers.Dropout(0.2), layers.Dense(3)])
    model.compile(optimizers.Momentum(0.1), metrics=["accuracy", Largest()])
    return model


@case
def a_step_of_ones_own() -> Any:
    return own(), {"x": X, "t": T, "sample_weight": W}


@case
def a_step_of_ones_own_in_groups() -> Any:
    return own(), {"x": X, "t": T, "accumulate": 3, "validation_data": (X, T)}


def train(name: str, shards: int | None, backend: Any = "numpy") -> tuple[list[np.ndarray], dict[str, Any]]:
    """Weights and history."""
    xpnet.seed(3)
    model, data = CASES[name]()
    model.to(backend).astype("float64")
    history = model.fit(**{"batch_size": 8, "epochs": 3, "shuffle": False, "verbose": 0, "shards": shards} | data)
    return model.get_weights(), history.history


def assert_same_training(one: Any, other: Any, tolerance: float = 1e-9) -> None:
    for a, b in zip(one[0], other[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    assert list(one[1]) == list(other[1])
    for name in one[1]:
        np.testing.assert_allclose(one[1][name], other[1][name], rtol=tolerance, atol=tolerance, err_msg=name)


TELLING = [  # of these: what is summed up, put side by side, or goes on, in all its forms
    "ignored_labels_in_groups", "several_outputs", "regularized", "counted_in_many_ways", "counted_by_rank", "a_matrix",
    "states", "muon", "a_step_of_ones_own_in_groups",
]  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("shards", [2, 4, 8])
def test_shards_give_what_whole_batches_give(name: str, shards: int) -> None:
    assert_same_training(train(name, None), train(name, shards))


@pytest.mark.parametrize("name", TELLING)
def test_so_they_do_on_every_backend(backend: Backend, name: str) -> None:
    assert_same_training(train(name, None, backend), train(name, 4, backend))


@pytest.mark.parametrize("name", CASES)
def test_one_shard_is_none(name: str) -> None:
    (one, history), (other, same) = train(name, None), train(name, 1)
    assert [a.tobytes() for a in one] == [b.tobytes() for b in other]
    assert repr(history) == repr(same)


@given(
    N=st.integers(1, 30), size=st.integers(1, 9), exponent=st.integers(1, 4), accumulate=st.integers(1, 3), seed=seeds
)  # fmt: skip
def test_any_sizes(N: int, size: int, exponent: int, accumulate: int, seed: int) -> None:
    """Batches smaller than the number of shards, a last one that is smaller, batches of one."""
    x, t = clusters(N, seed)
    w = np.random.default_rng(seed).random(N) + 0.1
    results = []
    for shards in (None, 2**exponent):
        xpnet.seed(seed)
        model = dense(optimizers.SGD(0.3)).astype("float64")
        history = model.fit(
            x, t, size, epochs=2, verbose=0, sample_weight=w, accumulate=accumulate, shards=shards,
            validation_data=(x, t),
        ).history  # fmt: skip
        results.append((model.get_weights(), history))
    assert_same_training(*results)


@pytest.mark.parametrize("kind", [optimizers.SGD, optimizers.Adam, optimizers.Muon, optimizers.Lion])
def test_data_types_stay_as_they_are(backend: Backend, kind: Any) -> None:
    """Float32 throughout, though what shards tell is added up in double."""
    model = Sequential([layers.LSTM(4, stateful=True), layers.BatchNorm1D(), layers.Flatten(), layers.Dense(3)])
    model.to(backend)
    model.compile(kind(), metrics=["accuracy"])
    model.fit(STEPS.astype("float32")[:24], T[:24], 8, shuffle=False, verbose=0, shards=4)
    assert {weight.dtype.name for weight in model.get_weights()} <= {"float32", "int64"}
    for _, state in model.named_states():
        assert state.value is not None and "float32" in str(state.value.dtype) and state.value.shape == (8, 4)
