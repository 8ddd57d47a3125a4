"""Metrics of classes count the elements of sequences and images, but for those of the ignored label."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_lives_on
from tests.kit.strategies import integers, seeds
from tests.losses.test_class_targets import IGNORED, Case, cases
from tests.metrics.test_metrics import measure
from xpnet import losses, metrics
from xpnet.backend import Backend
from xpnet.errors import OptionError, ShapeError
from xpnet.layers import Conv2D, Dense
from xpnet.losses import MeanSquaredError, NegativeLogLikelihood, SoftmaxCrossEntropy
from xpnet.metrics import (
    F1,
    Accuracy,
    BinaryAccuracy,
    ConfusionMatrix,
    IoU,
    Metric,
    Perplexity,
    Precision,
    Recall,
    TopK,
)
from xpnet.model import Sequential, load

Make = Callable[..., Metric]
made = pytest.mark.parametrize(
    "make",
    [
        lambda C, **options: Accuracy(**options),
        lambda C, **options: TopK(2, **options),
        lambda C, **options: ConfusionMatrix(C, **options),
        lambda C, **options: Precision(**options),
        lambda C, **options: F1("micro", **options),
        lambda C, **options: Perplexity(**options),
    ],
    ids=["accuracy", "top_k", "confusion", "precision", "f1", "perplexity"],
)


def scores(case: Case, seed: int) -> np.ndarray:
    """Of the case's shape, full of ties."""
    return integers(case.y.shape, seed, "float32", limit=3)


@made
@given(case=cases(), one_hot=st.booleans(), seed=seeds)
def test_elements_are_rows(backend: Backend, make: Make, case: Case, one_hot: bool, seed: int) -> None:
    y, C = scores(case, seed), case.y.shape[case.place]
    t = case.given(np.eye(C, dtype=np.float32)[case.t.ravel()]) if one_hot else case.t
    metric = make(C, axis=case.axis)
    result = measure(metric, backend, y, t, (1,) if len(y) > 1 else ())
    np.testing.assert_allclose(result, measure(make(C), backend, case.rows(y), case.t.ravel()), rtol=1e-6)  # type: ignore[arg-type]


@made
@given(case=cases(), share=st.sampled_from([0.3, 0.7, 1.0]), seed=seeds)
def test_ignored_elements_are_as_if_they_were_not_there(
    backend: Backend, make: Make, case: Case, share: float, seed: int
) -> None:
    ignored = np.random.default_rng(seed).random(case.t.shape) < share
    kept, C = ~ignored.ravel(), case.y.shape[case.place]
    y, t = scores(case, seed), np.where(ignored, IGNORED, case.t)
    y = np.where(np.expand_dims(ignored, case.place), np.float32(np.nan), y)  # whatever their scores
    metric = make(C, axis=case.axis, ignored_label=IGNORED)
    result = measure(metric, backend, y, t, (1,) if len(y) > 1 else ())
    assert int(metric.samples) == kept.sum()
    if kept.any() or isinstance(metric, ConfusionMatrix):
        expected = (
            measure(make(C), backend, case.rows(y)[kept], case.t.ravel()[kept]) if kept.any() else np.zeros((C, C))
        )
        np.testing.assert_allclose(result, expected, rtol=1e-6)  # type: ignore[arg-type]
    else:
        assert np.isnan(result)  # type: ignore[call-overload]


def test_unsigned_labels_may_have_one_that_is_ignored(backend: Backend) -> None:
    y, t = np.eye(3, dtype=np.float32)[None], np.array([[0, 255, 1]], np.uint8)
    assert measure(Accuracy(ignored_label=255), backend, y, t) == 0.5


def test_with_one_output_of_each_element_accuracy_asks_for_the_sign(backend: Backend) -> None:
    y = np.array([[[2.0], [-1.0], [0.5]], [[-3.0], [1.0], [-1.0]]], np.float32)
    t = np.array([[1, 0, 0], [1, IGNORED, IGNORED]])
    assert measure(Accuracy(ignored_label=IGNORED), backend, y, t) == 0.5
    assert measure(Accuracy(ignored_label=IGNORED), backend, y, t[:, :, None]) == 0.5
    for kind in (Accuracy, BinaryAccuracy):
        assert measure(kind(), backend, y[:1], t[:1, :, None]) == pytest.approx(2 / 3)
    for targets in (t, t.astype("float32")):
        assert measure(BinaryAccuracy(ignored_label=IGNORED), backend, y[..., 0], targets) == 0.5


def test_binary_accuracy_is_over_all_elements_also_of_batches_of_other_lengths(backend: Backend) -> None:
    metric = BinaryAccuracy()
    for T, hits in ((1, 1), (3, 0)):
        y, t = np.full((2, T), 1.0, np.float32), np.full((2, T), hits)
        metric.update(backend.asarray(y), backend.asarray(t), backend)
    assert metric.result() == 2 / 8


@made
def test_counting_goes_on_from_a_state(backend: Backend, make: Make) -> None:
    rng = np.random.default_rng(0)
    y, t = rng.random((4, 3, 5), np.float32), rng.integers(0, 5, (4, 3))
    t[1:, 1:] = IGNORED
    whole, first, second = (make(5, ignored_label=IGNORED) for _ in range(3))
    expected = measure(whole, backend, y, t)
    measure(first, backend, y[:2], t[:2])
    state = first.get_state(backend)
    assert state["samples"] == 4 and type(state["samples"]) is int
    second.set_state(copy.deepcopy(state), backend)
    second.update(backend.asarray(y[2:]), backend.asarray(t[2:]), backend)
    np.testing.assert_array_equal(second.result(), expected)  # type: ignore[arg-type]
    assert int(second.samples) == int(whole.samples) == 6


def test_what_is_counted_stays_on_the_device(backend: Backend) -> None:
    metric = Accuracy(ignored_label=0)
    metric.update(backend.asarray(np.eye(2)), backend.asarray(np.array([0, 1])), backend)
    assert_lives_on(backend, metric.samples + backend.zeros((1,), "int64"), "int64")


def test_by_name_metrics_ignore_what_the_loss_ignores() -> None:
    for loss in (SoftmaxCrossEntropy(ignored_label=-1, axis=1), NegativeLogLikelihood(ignored_label=-1, axis=1)):
        for name in ("accuracy", "acc", "top_2", "top_k"):
            metric: Any = metrics.get(name, loss)
            assert (metric.ignored_label, metric.axis) == (-1, 1)
    plain: Any = metrics.get("accuracy", losses.get("softmax_cross_entropy"))
    assert plain.ignored_label is None and repr(plain) == "Accuracy()"


def test_a_share_that_would_count_what_the_loss_ignores_is_refused() -> None:
    loss = SoftmaxCrossEntropy(ignored_label=-1)
    for metric in (Accuracy(), TopK(2), Accuracy(ignored_label=-2)):
        with pytest.raises(OptionError, match=r"would count elements of label -1, .*ignored_label=-1, or ask.*name"):
            metric.check((3, 4), loss)
    for fine in (Accuracy(ignored_label=-1), TopK(ignored_label=-1), ConfusionMatrix(4)):
        fine.check((3, 4), loss)
    Accuracy().check((3, 4), SoftmaxCrossEntropy(ignored_label=0))  # a class, which somebody may want to count
    Accuracy().check((3, 4), MeanSquaredError())


def test_outputs_and_labels_that_do_not_belong_together(backend: Backend) -> None:
    for y, t in (((2, 3, 4), (2, 4)), ((2, 4), (2, 3)), ((2, 4), (2, 1)), ((2, 4, 5, 5), (2, 5))):
        with pytest.raises(ShapeError, match=r"metric accuracy: outputs are \(2, .*, labels \(2, "):
            Accuracy().update(backend.zeros(y), backend.asarray(np.zeros(t, np.int64)), backend)
    with pytest.raises(ShapeError, match=r"metric accuracy: scores of shape \(2, 4\) have no classes on axis 2"):
        Accuracy(axis=2).update(backend.zeros((2, 4)), backend.asarray(np.zeros(2, np.int64)), backend)
    with pytest.raises(ShapeError, match="made for 3 classes, the network has 4 outputs"):
        measure(ConfusionMatrix(3), backend, np.zeros((1, 2, 4)), np.zeros((1, 2), np.int64))


def test_a_model_labels_pixels_and_is_saved_with_what_it_ignores(backend: Backend, tmp_path: Any) -> None:
    """The class of a pixel is the channel that is largest in it; half of the pixels have no label."""
    rng = np.random.default_rng(0)
    x = rng.random((8, 3, 4, 4), np.float32)
    t = np.where(rng.random((8, 4, 4)) < 0.5, x.argmax(axis=1), 255)
    model = Sequential([Conv2D(3, 1)])
    model.compile("sgd", SoftmaxCrossEntropy(ignored_label=255), ["accuracy", TopK(2, ignored_label=255)])
    model.build((3, 4, 4))
    model.set_weights([20 * np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1), np.zeros(3, np.float32)])
    found = model.evaluate(x, t, return_dict=True)
    assert found["accuracy"] == found["top_2_accuracy"] == 1 and found["loss"] < 0.2
    history = model.fit(x, t, batch_size=3, verbose=0).history
    assert history["accuracy"][0] == pytest.approx(1, abs=0.1)
    model.save(tmp_path / "pixels")
    again: Any = load(tmp_path / "pixels")
    assert again.loss.ignored_label == again.metrics[0].ignored_label == 255
    assert again.evaluate(x, t) == model.evaluate(x, t)


def test_binary_accuracy_of_class_numbers_is_refused() -> None:
    model = Sequential([Dense(3)])
    model.compile("sgd", "softmax_cross_entropy", metrics=[BinaryAccuracy()])
    x, t = np.ones((4, 2), "float32"), np.array([0, 1, 2, 0])
    message = (
        r"metric accuracy: BinaryAccuracy needs a target for each output.*\(4, 3\), the targets \(4,\).* is Accuracy"
    )
    with pytest.raises(ShapeError, match=message):
        model.evaluate(x, t)


def test_a_guess_about_what_is_ignored_is_none(backend: Backend) -> None:
    """Two of class 1, one of them ignored, and one of class 0 that was taken for it."""
    y = backend.asarray(np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]], np.float32))
    t = backend.asarray(np.array([1, -7, 0, 0]))
    for kind, expected in ((Precision, 1 / 2), (Recall, 1.0), (IoU, 1 / 2)):
        metric = kind(None, ignored_label=-7)
        metric.update(y, t, backend)
        assert metric.result()[1] == pytest.approx(expected)
