"""Metrics count what they say, over batches of any size."""

import copy
from pathlib import Path
from types import NoneType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xpnet
from tests.kit.helpers import assert_lives_on, bits
from tests.kit.metric_table import CASES, MetricCase
from tests.kit.small import clusters, network
from tests.kit.strategies import integers, normal, seeds
from xpnet import losses, metrics
from xpnet.backend import Array, Backend, make_backend
from xpnet.errors import OptionError, ShapeError
from xpnet.layers import Dense, Flatten
from xpnet.metrics import (
    AUC,
    F1,
    R2,
    Accuracy,
    BinaryAccuracy,
    ConfusionMatrix,
    IoU,
    Metric,
    Precision,
    Recall,
    TopK,
    confusion_matrix,
)
from xpnet.model import Sequential


def measure(metric: Metric, backend: Backend, y: np.ndarray, t: np.ndarray, cuts: tuple[int, ...] = ()) -> object:
    """The result after the batches that `cuts` make of the data."""
    metric.reset()
    for part, labels in zip(np.split(y, cuts), np.split(t, cuts), strict=True):
        metric.update(backend.asarray(part), backend.asarray(labels), backend)
    return metric.result()


def labels(N: int, C: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed + 1).integers(0, C, N)


cases = pytest.mark.parametrize("case", CASES, ids=repr)


@cases
@given(N=st.integers(3, 20), seed=seeds)
def test_the_result_is_that_of_the_definition(backend: Backend, case: MetricCase, N: int, seed: int) -> None:
    y, t = case.data(N, seed)
    np.testing.assert_allclose(measure(case.metric, backend, y, t), case.define(y, t), rtol=1e-6)


@cases
@given(N=st.integers(3, 20), cuts=st.lists(st.integers(1, 19), max_size=3), seed=seeds)
def test_the_result_is_that_of_all_samples_whatever_the_batches(
    backend: Backend, case: MetricCase, N: int, cuts: list[int], seed: int
) -> None:
    y, t = case.data(N, seed)
    whole = measure(case.metric, backend, y, t)
    places = tuple(sorted({cut for cut in cuts if cut < N}))
    np.testing.assert_allclose(measure(case.metric, backend, y, t, places), whole, rtol=1e-6)


@cases
def test_a_metric_goes_on_from_its_state_and_a_copy_is_another(backend: Backend, case: MetricCase) -> None:
    y, t = case.data(9, 3)
    one, other = (type(case.metric)(**case.metric.config()) for _ in range(2))
    assert repr(one) == repr(case.metric)
    one.reset()
    one.update(backend.asarray(y[:4]), backend.asarray(t[:4]), backend)
    state = one.get_state(backend)
    assert all(isinstance(value, (np.ndarray, np.generic, int, NoneType)) for value in state.values())
    other.reset()
    other.set_state(other.get_state(backend), backend)  # of nothing
    other.set_state(state, backend)
    copied = copy.deepcopy(one)
    for metric in (one, other):
        metric.update(backend.asarray(y[4:]), backend.asarray(t[4:]), backend)
        np.testing.assert_array_equal(metric.result(), measure(one, backend, y, t, (4,)))
        one.update(backend.asarray(y[:4]), backend.asarray(t[:4]), backend)
    np.testing.assert_array_equal(copied.result(), measure(case.metric, backend, y[:4], t[:4]))


@cases
def test_what_is_counted_stays_on_the_device_and_changes_nothing(backend: Backend, case: MetricCase) -> None:
    y, t = map(backend.asarray, case.data(5, 0))
    before = bits(y, backend), bits(t, backend)
    case.metric.reset()
    case.metric.update(y, t, backend)
    if case.metric.total is not None:
        assert_lives_on(backend, backend.xp.stack([case.metric.total] * 2))
    assert (bits(y, backend), bits(t, backend)) == before
    case.metric.reset()


@pytest.mark.parametrize("case", [case for case in CASES if case.sklearn], ids=repr)
@given(N=st.integers(4, 20), seed=seeds)
def test_scikit_learn_says_the_same(case: MetricCase, N: int, seed: int) -> None:
    known = pytest.importorskip("sklearn.metrics", reason='scikit-learn is not installed: pip install "xpnet[sklearn]"')
    y, t = case.data(N, seed)
    assert case.sklearn
    result = measure(case.metric, make_backend("numpy"), y, t)
    np.testing.assert_allclose(result, case.sklearn(known, y, t), rtol=1e-6)


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
    with pytest.MonkeyPatch.context() as patch:  # as a batch of more pixels than float32 counts
        patch.setattr(confusion_matrix, "MOST", 7)
        np.testing.assert_array_equal(measure(ConfusionMatrix(C), backend, y, t), expected)


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
    y = np.ones((2, 3), np.float32)
    for make, words in (
        (lambda: TopK(0), "TopK: k must be an integer of at least 1, not 0"),
        (lambda: TopK(1.5), "not 1.5"),  # type: ignore[arg-type]
        (lambda: metrics.get("top_0"), "at least 1"),
        (lambda: ConfusionMatrix(1), "classes must be an integer of at least 2, not 1"),
        (lambda: metrics.get("confusion_matrix"), r"metrics\.ConfusionMatrix\(10\)"),
        (lambda: metrics.get("kappa"), "there is no metric 'kappa'; choose one of accuracy, top_5"),
        (
            lambda: Precision("weighted"),
            'Precision: average must be "macro", "micro", "binary" or None, not \'weighted',
        ),
        (lambda: F1(threshold="high"), "F1: threshold must be a finite number"),  # type: ignore[arg-type]
        (lambda: BinaryAccuracy(threshold=np.nan), "BinaryAccuracy: threshold must be a finite number"),
        (lambda: measure(Recall("binary"), backend, y, np.array([0, 1])), "is for two classes or one output, not 3"),
        (lambda: ConfusionMatrix(3).result(), "has counted nothing yet"),
        (lambda: Metric().update(np.ones((1, 2)), np.ones(1), backend), "Metric does not say what it counts"),
    ):
        with pytest.raises(OptionError, match=words):
            make()
    for metric, t, words in (
        (ConfusionMatrix(4), np.array([0, 1]), "made for 4 classes, the network has 3 outputs"),
        (AUC(), np.array([0, 1]), "metric auc is for one output or for two classes, not for 3"),
        (Precision(threshold=0.0), np.array([0, 1]), r"metric precision: outputs are \(2, 3\), and targets \(2,\)"),
        (R2(), np.ones((2, 1)), r"metric r2: outputs are \(2, 3\), targets \(2, 1\)"),
    ):
        with pytest.raises(ShapeError, match=words):
            measure(metric, backend, y, t)


def test_a_metric_says_which_way_is_better() -> None:
    class F1(Metric):
        name = "f1"
        larger_is_better = True

    known = [F1(), Accuracy("hits"), TopK(2), ConfusionMatrix(2)]
    for name, larger in (("f1", True), ("val_f1", True), ("hits", True), ("val_top_2_accuracy", True), ("loss", False)):
        assert metrics.larger_is_better(name, known) is larger
    assert metrics.larger_is_better("val_acc") and not metrics.larger_is_better("f1")


@pytest.mark.parametrize(
    ("loss", "threshold"),
    [("binary_cross_entropy", 0.0), ("binary_cross_entropy_of_probabilities", 0.5), ("hinge", 0.0), ("focal", None)],
)
def test_what_a_metric_means_by_name_depends_on_the_loss(loss: str, threshold: float | None) -> None:
    for name, kind in (("precision", Precision), ("recall", Recall), ("f1_score", F1), ("mean_iou", IoU)):
        metric = metrics.get(name, losses.get(loss))
        assert type(metric) is kind and (metric.threshold, metric.name) == (threshold, name)
    accuracy = metrics.get("acc", losses.get(loss))
    assert getattr(accuracy, "threshold", None) == threshold
    ignoring = metrics.get("perplexity", losses.SoftmaxCrossEntropy(ignored_label=-100, axis=1))
    assert repr(ignoring) == "Perplexity(ignored_label=-100, axis=1)"
    for name, shown in (("mae", "mae"), ("rmse", "rmse"), ("r2", "r2"), ("roc_auc", "roc_auc")):
        assert metrics.get(name).name == shown


@pytest.mark.parametrize(
    ("name", "loss", "outputs", "words"),
    [
        ("perplexity", "mse", (3,), "perplexity is for networks that choose a class, not for the loss mean_squared"),
        ("auc", "softmax_cross_entropy", (3,), "auc is for one output or for two classes, and the network has 3"),
        ("auc", "binary_cross_entropy", (2,), "auc is for one output or for two classes, and the network has 2"),
    ],
)
def test_what_could_not_mean_anything_is_refused(name: str, loss: str, outputs: tuple[int, ...], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        metrics.get(name, losses.get(loss)).check(outputs, losses.get(loss))


def test_r2_of_targets_that_are_alike_and_with_a_large_mean(backend: Backend) -> None:
    t = np.full((6, 2), 5.0)
    y = t + np.array([[0.0, 1.0]])
    assert measure(R2(), backend, y, t, (2, 3)) == 0.5  # one output is met, the other is not
    assert np.isnan(measure(R2(), backend, y[:1], t[:1]))
    y, t = normal((50, 1), 0), normal((50, 1), 1)
    near = measure(R2(), backend, y, t)
    assert measure(R2(), backend, 1e6 + y, 1e6 + t, (10, 20)) == pytest.approx(near, rel=1e-7)


def test_areas_and_perplexities_at_their_ends(backend: Backend) -> None:
    y = np.array([[1.0], [2.0], [3.0], [4.0]], np.float32)
    for t, expected in (([0, 0, 1, 1], 1.0), ([1, 1, 0, 0], 0.0), ([0, 1, 1, 0], 0.5)):
        assert measure(AUC(), backend, y, np.array(t)) == expected
    assert np.isnan(measure(AUC(), backend, y, np.ones(4, np.int64)))
    assert np.isnan(AUC().result())
    assert measure(AUC(), backend, 0 * y, np.array([0, 1, 1, 0])) == 0.5  # all scores are equal
    perplexity = metrics.get("perplexity")
    assert measure(perplexity, backend, np.zeros((3, 7), np.float32), np.arange(3)) == pytest.approx(7)
    assert measure(perplexity, backend, np.array([[1e4, 0.0]], np.float32), np.array([1])) == np.inf
    assert np.isnan(metrics.get("perplexity").result())


def test_metrics_of_a_training_are_saved_and_shown(tmp_path: Path) -> None:
    x, t = clusters(60)
    model = network(metrics=["f1", "recall", Precision(None, name="of_classes"), "perplexity"])
    history = model.fit(x, t, epochs=2, validation_data=(x, t), verbose=0).history
    assert history["of_classes"][0].shape == (3,)
    assert history["val_perplexity"][-1] == pytest.approx(np.exp(history["val_loss"][-1]), rel=1e-5)
    model.save(tmp_path / "m")
    assert repr(xpnet.load(tmp_path / "m").metrics) == repr(model.metrics)
    y = (t > 0).astype(np.float32)[:, None]
    one = Sequential([Flatten(), Dense(1)])
    one.compile("adam", "binary_cross_entropy", ["auc", "f1", "mae"])
    found = one.evaluate(x, y, batch_size=7, return_dict=True)
    scores = one.predict(x)
    assert found["f1"] == pytest.approx(measure(F1(), one.backend, scores, y))
    assert found["auc"] == pytest.approx(measure(AUC(), one.backend, scores, y))


# ---- NaN -------------------------------------------------------------------------------------------------------------

NAN = np.float32(np.nan)


def counted_right(y: np.ndarray, t: np.ndarray, backend: Backend) -> list[float]:
    """What metrics of classes say of outputs (N, C), each above 0 if anything counts as right."""
    kinds = [Accuracy(), TopK(1), TopK(2), TopK(99), Precision("micro"), Recall("micro"), F1("micro"), IoU("micro")]
    matrix = measure(ConfusionMatrix(y.shape[1]), backend, y, t)
    return [float(measure(kind, backend, y, t)) for kind in kinds] + [float(np.trace(matrix))]  # type: ignore[arg-type]


@given(N=st.integers(1, 9), C=st.integers(2, 5), place=st.integers(0, 4), seed=seeds)
def test_scores_that_are_nan_are_never_right(backend: Backend, N: int, C: int, place: int, seed: int) -> None:
    """Wherever the label is, and wherever in the row the NaN is."""
    t, y = labels(N, C, seed), np.full((N, C), NAN)
    assert not any(counted_right(y, t, backend))
    y = normal((N, C), seed, "float32")
    y[np.arange(N), t] += 100
    assert counted_right(y, t, backend)[:3] == [1, 1, 1]
    y[0, place % C] = NAN
    found = np.array(counted_right(y, t, backend))
    np.testing.assert_allclose(found[:4], (N - 1) / N, rtol=1e-6)
    assert found[-1] == N - 1 and measure(ConfusionMatrix(C), backend, y, t).sum() == N - 1  # type: ignore[attr-defined]
    y[:] = -np.inf  # which is a score, and the largest where it is that of all
    y[np.arange(N), t] = 0
    assert counted_right(y, t, backend)[:3] == [1, 1, 1]


@given(N=st.integers(1, 9), seed=seeds)
def test_one_output_that_is_nan_is_never_right(backend: Backend, N: int, seed: int) -> None:
    t = np.random.default_rng(seed).integers(0, 2, (N, 1))
    y = np.full((N, 1), NAN)
    kinds = [Accuracy(), BinaryAccuracy(), BinaryAccuracy(threshold=0.5), Recall(), F1(), IoU(), Precision()]
    for kind in (*kinds, Precision(threshold=-1.0), Recall("binary", threshold=0.5)):
        assert measure(kind, backend, y, t) == 0, kind
    for threshold in (0.0, 0.5):
        y[:1] = 100 * (2 * t[:1] - 1)
        assert measure(BinaryAccuracy(threshold=threshold), backend, y, t) == pytest.approx(1 / N)


def test_a_nan_wins_no_pair_of_the_auc(backend: Backend) -> None:
    y, t = np.array([[NAN], [1], [2], [NAN]], np.float32), np.array([1, 1, 0, 0])
    for sign in (1, -1):
        y[1] = 2 + sign
        assert measure(AUC(), backend, y, t) == (0.25 if sign == 1 else 0)
        assert measure(AUC(), backend, np.concatenate([0 * y, y], axis=1), t) == (0.25 if sign == 1 else 0)


def test_errors_of_numbers_that_are_nan_are_nan(backend: Backend) -> None:
    y, t = np.array([[1, NAN], [1, 2]], np.float32), np.ones((2, 2), np.float32)
    names = ("mean_absolute_error", "mean_squared_error", "root_mean_squared_error", "r2")
    for kind in (metrics.get(name) for name in names):
        assert np.isnan(measure(kind, backend, y, t)), kind
    assert np.isnan(measure(metrics.get("perplexity"), backend, y, np.array([0, 1])))
