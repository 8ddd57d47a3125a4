"""Metrics count what they say, over batches of any size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.strategies import integers, normal, seeds
from xpnet import losses, metrics
from xpnet.backend import Array, Backend
from xpnet.errors import OptionError, ShapeError
from xpnet.layers import Flatten
from xpnet.metrics import Accuracy, BinaryAccuracy, ConfusionMatrix, Metric, TopK
from xpnet.model import Sequential


def measure(metric: Metric, backend: Backend, y: np.ndarray, t: np.ndarray, cuts: tuple[int, ...] = ()) -> object:
    """The result after the batches that `cuts` make of the data."""
    metric.reset()
    for part, labels in zip(np.split(y, cuts), np.split(t, cuts), strict=True):
        metric.update(backend.asarray(part), backend.asarray(labels), backend)
    return metric.result()


def labels(N: int, C: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed + 1).integers(0, C, N)


@given(N=st.integers(1, 20), C=st.integers(2, 6), seed=seeds)
def test_accuracy_is_the_share_of_hits(backend: Backend, N: int, C: int, seed: int) -> None:
    y, t = normal((N, C), seed, "float32"), labels(N, C, seed)
    expected = sum(int(np.argmax(row) == label) for row, label in zip(y, t, strict=True)) / N
    assert measure(Accuracy(), backend, y, t) == pytest.approx(expected)
    assert measure(Accuracy(), backend, y, np.eye(C, dtype=np.float32)[t]) == pytest.approx(expected)


@given(N=st.integers(2, 20), C=st.integers(2, 7), k=st.integers(1, 7), cut=st.integers(1, 19), seed=seeds)
def test_every_metric_counts_samples_not_batches(backend: Backend, N: int, C: int, k: int, cut: int, seed: int) -> None:
    y, t = normal((N, C), seed, "float32"), labels(N, C, seed)
    for metric in (Accuracy(), TopK(k), ConfusionMatrix(C)):
        whole = measure(metric, backend, y, t)
        np.testing.assert_array_equal(measure(metric, backend, y, t, (min(cut, N - 1),)), whole)


@given(N=st.integers(1, 12), C=st.integers(2, 7), k=st.integers(1, 7), seed=seeds)
def test_top_k_counts_labels_that_fewer_than_k_others_reach(
    backend: Backend, N: int, C: int, k: int, seed: int
) -> None:
    y, t = integers((N, C), seed, "float32", limit=2), labels(N, C, seed)  # full of ties
    hits = [
        sum(other >= row[label] for j, other in enumerate(row) if j != label) < k
        for row, label in zip(y, t, strict=True)
    ]
    assert measure(TopK(k), backend, y, t) == pytest.approx(np.mean(hits))


def test_ties_count_against_the_sample(backend: Backend) -> None:
    y, t = np.zeros((2, 3), np.float32), np.array([0, 2])
    assert [measure(TopK(k), backend, y, t) for k in (1, 2, 3)] == [0.0, 0.0, 1.0]
    assert measure(TopK(1), backend, np.array([[1.0, 2.0]], np.float32), np.array([1])) == 1.0


def test_top_k_is_exact_with_infinite_scores(backend: Backend) -> None:
    y = np.array([[-np.inf, 0, 1], [np.inf, 0, 1]], np.float32)
    assert measure(TopK(2), backend, y, np.array([2, 0])) == 1.0
    assert measure(TopK(2), backend, y, np.array([0, 1])) == 0.0


@given(N=st.integers(1, 30), C=st.integers(2, 5), seed=seeds)
def test_the_confusion_matrix_has_the_true_class_in_rows(backend: Backend, N: int, C: int, seed: int) -> None:
    y, t = normal((N, C), seed, "float32"), labels(N, C, seed)
    expected = np.zeros((C, C), np.int64)
    for row, label in zip(y, t, strict=True):
        expected[label, np.argmax(row)] += 1
    result = measure(ConfusionMatrix(C), backend, y, t)
    assert isinstance(result, np.ndarray)
    assert result.dtype.kind == "i"
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_with_one_output_accuracy_asks_for_the_sign(backend: Backend, dtype: str) -> None:
    y = np.array([[2.0], [-1.0], [0.5], [-3.0]], np.float32)
    t = np.array([1, 0, 0, 1], dtype)
    assert measure(Accuracy(), backend, y, t) == 0.5
    assert measure(Accuracy(), backend, y, t[:, None]) == 0.5
    assert measure(Accuracy(), backend, y[:2], t[:2, None]) == 1.0


def test_accuracy_with_binary_cross_entropy_is_that_of_every_output(backend: Backend) -> None:
    """(N, 3) as (N, 1): each output is a question of its own, and none is compared with its neighbours."""
    loss = losses.get("binary_cross_entropy")
    y = np.array([[2.0, 1.0, -1.0], [-2.0, -1.0, 3.0]], np.float32)
    t = np.array([[1, 1, 0], [0, 1, 0]], np.float32)
    for name, shown in (("accuracy",) * 2, ("acc",) * 2, ("Accuracy", "accuracy"), ("binary_accuracy", "accuracy")):
        metric = metrics.get(name, loss)
        assert type(metric) is BinaryAccuracy
        assert metric.name == shown
        for targets in (t, t.astype("int64")):
            assert measure(metric, backend, y, targets) == pytest.approx(4 / 6)
            assert measure(metric, backend, y, targets, (1,)) == pytest.approx(4 / 6)
            assert measure(metric, backend, y[:, :1], targets[:, :1]) == 1.0
    assert type(metrics.get("accuracy", losses.get("mse"))) is type(metrics.get("accuracy")) is Accuracy
    own = Accuracy()
    assert metrics.get(own, loss) is own


def test_a_model_counts_binary_accuracy(backend: Backend) -> None:
    y = np.array([[2.0, 1.0, -1.0], [-2.0, -1.0, 3.0]], np.float32)
    t = np.array([[1, 1, 0], [0, 1, 0]])
    for outputs, expected in ((3, 4 / 6), (1, 1.0)):
        model = Sequential([Flatten()])  # gives what it is given
        model.compile("sgd", "binary_cross_entropy", ["accuracy"])
        found = model.evaluate(y[:, :outputs], t[:, :outputs], return_dict=True)
        assert found["accuracy"] == pytest.approx(expected)


def test_reset_starts_anew_and_nothing_counted_is_not_a_number(backend: Backend) -> None:
    accuracy = Accuracy()
    assert np.isnan(accuracy.result())
    assert measure(accuracy, backend, np.eye(2, dtype=np.float32), np.array([1, 0])) == 0.0
    assert measure(accuracy, backend, np.eye(2, dtype=np.float32), np.array([0, 1])) == 1.0


def test_metrics_have_names_also_those_of_keras() -> None:
    for name in ("accuracy", "acc", "sparse_categorical_accuracy"):
        assert type(metrics.get(name)) is Accuracy
        assert metrics.get(name).name == name
    for name, k, shown in (
        ("top_3", 3, "top_3_accuracy"),
        ("top_10_accuracy", 10, "top_10_accuracy"),
        ("top_k", 5, "top_5_accuracy"),
    ):
        metric = metrics.get(name)
        assert isinstance(metric, TopK)
        assert (metric.k, metric.name) == (k, shown)
    own = TopK(2)
    assert metrics.get(own) is own


def test_a_metric_of_ones_own_takes_labels_and_rows(backend: Backend) -> None:
    class Recall(Metric):
        """Of each class."""

        def count(self, y: Array, t: Array, backend: Backend) -> Array:
            labels = metrics.labels_of(t, backend)
            hit = metrics.one_hot(labels, 3, backend) & metrics.one_hot(backend.xp.argmax(y, axis=1), 3, backend)
            return backend.xp.sum(backend.xp.astype(hit, backend.xp.int64), axis=0)

    y, t = np.eye(3, dtype=np.float32)[[0, 0, 2, 1]], np.array([0, 1, 2, 1])
    for targets in (t, np.eye(3, dtype=np.float32)[t]):
        metric = Recall()
        metric.update(backend.asarray(y), backend.asarray(targets), backend)
        assert backend.to_numpy(metric.total).tolist() == [1, 1, 1]


def test_what_cannot_be_counted_is_refused(backend: Backend) -> None:
    for make, words in (
        (lambda: TopK(0), "TopK: k must be an integer of at least 1, not 0"),
        (lambda: TopK(1.5), "not 1.5"),  # type: ignore[arg-type]
        (lambda: metrics.get("top_0"), "at least 1"),
        (lambda: ConfusionMatrix(1), "classes must be an integer of at least 2, not 1"),
        (lambda: metrics.get("confusion_matrix"), r"metrics\.ConfusionMatrix\(10\)"),
        (lambda: metrics.get("recall"), "there is no metric 'recall'; choose one of accuracy"),
        (lambda: ConfusionMatrix(3).result(), "has counted nothing yet"),
        (lambda: Metric().update(np.ones((1, 2)), np.ones(1), backend), "Metric does not say what it counts"),
    ):
        with pytest.raises(OptionError, match=words):
            make()
    with pytest.raises(ShapeError, match="made for 3 classes, the network has 2 outputs"):
        measure(ConfusionMatrix(3), backend, np.eye(2, dtype=np.float32), np.array([0, 1]))


def test_a_metric_says_which_way_is_better() -> None:
    class F1(Metric):
        name = "f1"
        larger_is_better = True

    known = [F1(), Accuracy("hits"), TopK(2), ConfusionMatrix(2)]
    for name, larger in (("f1", True), ("val_f1", True), ("hits", True), ("val_top_2_accuracy", True), ("loss", False)):
        assert metrics.larger_is_better(name, known) is larger
    assert metrics.larger_is_better("val_acc") and not metrics.larger_is_better("f1")
