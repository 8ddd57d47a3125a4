"""Losses of classes over the elements of sequences and images are those over rows, without those that are ignored."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_lives_on, bits
from tests.kit.strategies import normal, seeds
from xpnet import losses
from xpnet.backend import Backend
from xpnet.errors import DataError, OptionError, ShapeError
from xpnet.losses import (
    BinaryCrossEntropyWithLogits,
    Focal,
    Loss,
    MeanSquaredError,
    MultiClassHinge,
    NegativeLogLikelihood,
    SoftmaxCrossEntropy,
)

IGNORED = -100


class Case(NamedTuple):
    """Scores of some shape, class numbers for its elements, and the same as rows."""

    y: np.ndarray
    t: np.ndarray
    axis: int | None
    place: int  # of the classes

    @property
    def classes(self) -> int:
        return int(self.y.shape[self.place])

    def rows(self, a: np.ndarray | None = None) -> np.ndarray:
        a = self.y if a is None else a
        return np.moveaxis(a, self.place, -1).reshape(-1, a.shape[self.place])

    def given(self, rows: np.ndarray) -> np.ndarray:
        shape = (*self.t.shape, rows.shape[-1])
        return np.moveaxis(rows.reshape(shape), -1, self.place)


@st.composite
def cases(draw: Any) -> Case:
    """Vectors, sequences, images and volumes; where the classes are is the default or is given."""
    N, C, seed = draw(st.integers(1, 3)), draw(st.integers(2, 4)), draw(seeds)
    inner = tuple(draw(st.lists(st.integers(1, 3), max_size=3)))
    default = 2 if len(inner) == 1 else 1
    axis = draw(st.sampled_from([None, -1, *range(1, len(inner) + 2)]))
    place = default if axis is None else axis % (len(inner) + 2)
    shape = [N, *inner]
    shape.insert(place, C)
    t = np.random.default_rng(seed).integers(0, C, (N, *inner))
    return Case(normal(tuple(shape), seed), t, axis, place)


BY_CLASS = (0.5, 2.0, 1.5, 3.0)  # weights of classes
MAKE: dict[str, Callable[..., Loss]] = {
    "softmax": SoftmaxCrossEntropy,
    "smoothed": partial(SoftmaxCrossEntropy, 0.1),
    "likelihood": NegativeLogLikelihood,
    "focal": partial(Focal, 1.5),
    "hinge": MultiClassHinge,
    "closest": partial(MultiClassHinge, 1.0, 2, True),
    "weighted softmax": SoftmaxCrossEntropy,
    "weighted smoothed": partial(SoftmaxCrossEntropy, 0.1),
    "weighted likelihood": NegativeLogLikelihood,
    "weighted hinge": MultiClassHinge,
}


def loss_of(kind: str, classes: int, axis: int | None, ignored: int | None = None) -> Loss:
    weights = {"class_weights": BY_CLASS[:classes]} if kind.startswith("weighted") else {}
    return MAKE[kind](axis=axis, ignored_label=ignored, **weights)


def run(
    loss: Loss, backend: Backend, y: np.ndarray, t: np.ndarray, w: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    given_w = [] if w is None else [backend.asarray(w)]
    value, back = loss.forward(backend.asarray(y), backend.asarray(t), backend, *given_w)
    return float(value), backend.to_numpy(back())


kinds = pytest.mark.parametrize("kind", MAKE)


@kinds
@given(case=cases(), weighted=st.booleans(), one_hot=st.booleans())
def test_elements_are_rows(backend: Backend, kind: str, case: Case, weighted: bool, one_hot: bool) -> None:
    C = case.y.shape[case.place]
    w = np.random.default_rng(0).random(case.t.shape) if weighted else None
    t = case.given(np.eye(C)[case.t.ravel()]) if one_hot else case.t
    rows_of_t = case.rows(t) if one_hot else t.ravel()
    value, dy = run(loss_of(kind, C, case.axis), backend, case.y, t, w)
    expected, dy_rows = run(loss_of(kind, C, None), backend, case.rows(), rows_of_t, None if w is None else w.ravel())
    assert value == expected
    assert dy.shape == case.y.shape
    np.testing.assert_array_equal(case.rows(dy), dy_rows)


@kinds
@given(case=cases(), axes=st.integers(1, 4), seed=seeds)
def test_a_weight_of_fewer_axes_is_that_of_all_elements_behind_them(
    backend: Backend, kind: str, case: Case, axes: int, seed: int
) -> None:
    shape = case.t.shape[:axes]
    w = np.random.default_rng(seed).random(shape)
    full = np.broadcast_to(w.reshape(shape + (1,) * (case.t.ndim - len(shape))), case.t.shape)
    loss = loss_of(kind, case.classes, case.axis)
    (value, dy), (expected, full_dy) = (run(loss, backend, case.y, case.t, each) for each in (w, full.copy()))
    assert value == expected
    np.testing.assert_array_equal(dy, full_dy)


@kinds
@given(case=cases(), share=st.sampled_from([0.0, 0.3, 0.7, 1.0]), weighted=st.booleans(), seed=seeds)
def test_ignored_elements_are_as_if_they_were_not_there(
    backend: Backend, kind: str, case: Case, share: float, weighted: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    ignored, w = rng.random(case.t.shape) < share, rng.random(case.t.shape) if weighted else None
    t, kept = np.where(ignored, IGNORED, case.t), ~ignored.ravel()
    loss = loss_of(kind, case.classes, case.axis, IGNORED)
    value, dy = run(loss, backend, case.y, t, w)
    counts = np.take(BY_CLASS, case.t.ravel()[kept]).sum() if getattr(loss, "divides_by_weights", 0) else kept.sum()
    assert float(loss.weight_of(backend.asarray(t), backend)) == counts
    assert not case.rows(dy)[~kept].any()
    if not kept.any():
        assert value == 0
        return
    of_kept = None if w is None else w.ravel()[kept]
    expected, dy_rows = run(loss_of(kind, case.classes, None), backend, case.rows()[kept], t.ravel()[kept], of_kept)
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(case.rows(dy)[kept], dy_rows, rtol=1e-12, atol=1e-15)


@kinds
@pytest.mark.parametrize("score", [1e30, np.inf, np.nan])
def test_scores_of_ignored_elements_change_nothing(backend: Backend, kind: str, score: float) -> None:
    y, t = normal((2, 3, 4), 0, "float32"), np.array([[1, 2, IGNORED], [IGNORED, IGNORED, 0]])
    other = np.where((t == IGNORED)[:, :, None], np.float32(score), y)
    loss = loss_of(kind, 4, None, IGNORED)
    (value, dy), (same_value, same_dy) = (run(loss, backend, each, t) for each in (y, other))
    assert value == same_value and dy.tobytes() == same_dy.tobytes()


@kinds
@given(case=cases(), seed=seeds)
def test_the_gradient_is_the_derivative_along_any_direction(backend: Backend, kind: str, case: Case, seed: int) -> None:
    rng, eps = np.random.default_rng(seed), 1e-6
    t = np.where(rng.random(case.t.shape) < 0.3, IGNORED, case.t)
    w, direction = rng.random(t.shape), normal(case.y.shape, seed + 1)
    loss = loss_of(kind, case.classes, case.axis, IGNORED)
    _, dy = run(loss, backend, case.y, t, w)
    ahead, behind = (run(loss, backend, case.y + step * direction, t, w)[0] for step in (eps, -eps))
    assert (dy * direction).sum() == pytest.approx((ahead - behind) / (2 * eps), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("ignored", [None, 1])
def test_float32_stays_float32_and_inputs_stay_what_they_are(backend: Backend, ignored: int | None) -> None:
    y, t = backend.asarray(normal((2, 3, 2, 2), 0, "float32")), backend.asarray(np.arange(8).reshape(2, 2, 2) % 3)
    before = bits(y, backend), bits(t, backend)
    w = backend.asarray(np.ones((2, 2), np.float32))
    value, back = SoftmaxCrossEntropy(ignored_label=ignored).forward(y, t, backend, w)
    assert_lives_on(backend, value * y, "float32")
    assert_lives_on(backend, back(), "float32")
    assert (bits(y, backend), bits(t, backend)) == before


def test_the_weight_of_a_batch_is_the_number_of_its_elements(backend: Backend) -> None:
    loss, t = SoftmaxCrossEntropy(), backend.asarray(np.zeros((2, 3), np.int64))
    assert loss.weight_of(t, backend) == 6
    assert loss.weight_of(t[:, 0], backend) == 2
    for shape, elements in (((2, 4), 2), ((2, 3, 4), 6), ((2, 4, 3, 5), 30)):
        assert loss.weight_of(backend.zeros(shape), backend) == elements
    assert SoftmaxCrossEntropy(axis=1).weight_of(backend.zeros((2, 4, 3)), backend) == 6
    weight = SoftmaxCrossEntropy(ignored_label=1).weight_of(t, backend)
    assert float(weight) == 6
    assert_lives_on(backend, weight * backend.zeros((1,), "float64"), "float64")
    for other in (MeanSquaredError(), BinaryCrossEntropyWithLogits()):
        assert other.weight_of(t, backend) == 2


@pytest.mark.parametrize("loss", [MeanSquaredError(), BinaryCrossEntropyWithLogits()], ids=lambda loss: loss.name)
def test_weights_of_elements_with_targets_of_any_shape(backend: Backend, loss: Loss) -> None:
    y, t, rng = normal((2, 3, 4), 0), np.random.default_rng(1).random((2, 3, 4)), np.random.default_rng(2)
    for axes in (1, 2, 3):
        w = rng.random(y.shape[:axes])
        value, dy = run(loss, backend, y, t, w)
        own = [[run(loss, backend, y[n : n + 1, i : i + 1], t[n : n + 1, i : i + 1]) for i in range(3)] for n in (0, 1)]
        full = w.reshape(w.shape + (1,) * (3 - axes)) * np.ones(y.shape)
        if axes < 3:
            values = np.array([[each[0] for each in row] for row in own])
            assert value == pytest.approx((full[:, :, 0] * values).mean(), rel=1e-12)
        plain = run(loss, backend, y, t)[1]
        np.testing.assert_allclose(dy, plain * full, rtol=1e-12)
    for wrong in ((3,), (2, 2), (2, 3, 4, 1), ()):
        with pytest.raises(
            ShapeError, match=r"sample_weight has shape .*; needed is \(2,\), or more axes of \(2, 3, 4"
        ):
            run(loss, backend, y, t, np.ones(wrong))


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "t", "words"),
    [
        ((2, 3, 4), (2, 4), r"y is \(2, 3, 4\), t \(2, 4\); needed are \(N, C\) and \(N,\), \(N, T, C\) and \(N, T\)"),
        ((2, 3, 4), (2,), r"y is \(2, 3, 4\), t \(2,\)"),
        ((2, 4, 5, 6), (2, 6, 5), r"y is \(2, 4, 5, 6\), t \(2, 6, 5\)"),
        ((2, 4), (2, 3, 4), r"y is \(2, 4\), t \(2, 3, 4\)"),
        ((2, 3, 4), (2, 3, 5), r"y has shape \(2, 3, 4\), t \(2, 3, 5\); they must be equal"),
    ],
)
def test_shapes_that_do_not_belong_together(backend: Backend, y: Any, t: Any, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        run(SoftmaxCrossEntropy(), backend, np.ones(y), np.zeros(t, np.int64))


def test_weights_need_the_shape_of_the_labels(backend: Backend) -> None:
    y, t = np.ones((2, 4, 5, 6)), np.zeros((2, 5, 6), np.int64)
    for shape in ((2,), (2, 5), (2, 5, 6)):
        run(SoftmaxCrossEntropy(), backend, y, t, np.ones(shape))
    for shape in ((3,), (2, 4), (2, 4, 5, 6)):
        with pytest.raises(ShapeError, match=r"needed is \(2,\), or more axes of \(2, 5, 6\)"):
            run(SoftmaxCrossEntropy(), backend, y, t, np.ones(shape))


def test_a_label_that_is_no_class_is_refused_unless_it_is_the_ignored_one(backend: Backend) -> None:
    y, t = np.ones((1, 3, 2)), np.array([[0, 255, 1]])
    run(SoftmaxCrossEntropy(ignored_label=255), backend, y, t)
    if not backend.lazy:
        with pytest.raises(DataError, match="a label is not from 0 to 1"):
            run(SoftmaxCrossEntropy(ignored_label=-1), backend, y, t)


S = SoftmaxCrossEntropy
INT = np.int64


@pytest.mark.parametrize(
    ("loss", "outputs", "t", "error", "words"),
    [
        (S(), (4,), np.full((2, 7), 1), ShapeError, r"class numbers \(N, 7\).*gives \(N, 7, classes\), not \(N, 4\)"),
        (S(), (4,), np.full((2, 4), 1), ShapeError, r"class numbers \(N, 4\).*gives \(N, 4, classes\), not \(N, 4\)"),
        (S(), (7, 4), np.zeros(2, INT), ShapeError, r"\(N, classes\) for labels \(N,\), not \(N, 7, 4\).*\(N, 7\)"),
        (S(), (7, 4), np.zeros((2, 4), INT), ShapeError, r"\(2, 4\).*class numbers \(N, 7\).*sequences.*\(axis=1\)"),
        (S(), (7, 4), np.zeros((2, 5), INT), ShapeError, r"one-hot rows \(N, 7, 4\)$"),
        (S(), (5, 6, 3), np.zeros((2, 5, 6), INT), ShapeError, r"images are \(N, C, H, W\) here.*axis 3: Soft.*axis=3"),
        (S(), (7, 4), np.zeros((2, 7, 5)), ShapeError, r"targets have shape \(N, 7, 5\).*gives \(N, 7, 4\)"),
        (S(), (7, 4), np.zeros((2, 7, 1), INT), ShapeError, r"class numbers are t.squeeze\(2\)"),
        (S(), (3, 5, 6), np.zeros((2, 1, 5, 6), INT), ShapeError, r"\(N, 3, 5, 6\); class numbers are t.squeeze\(1\)"),
        (S(), (3, 5, 6), np.zeros((2, 5, 6, 1), INT), ShapeError, r"class numbers are t.squeeze\(3\)"),
        (S(), (3, 5, 6), np.zeros((2, 5, 6, 3)), ShapeError, r"classes on axis 1 it is numpy.moveaxis\(t, 3, 1\)$"),
        (S(), (7, 4), np.zeros((2, 7, 4)), DataError, "rows must hold probabilities that sum to 1"),
        (S(), (3, 5, 6), np.full((2, 3, 5, 6), 0.5), DataError, "rows must hold probabilities that sum to 1"),
        (S(), (7, 1), np.zeros((2, 7), INT), ShapeError, r"has one in all.*binary_cross_entropy.*\(N, 7, 1\)"),
        (S(), (7, 4), np.zeros((2, 7)), DataError, 'class numbers must be integers.*astype."int64"'),
        (S(), (2, 4), np.array([[0, -100]]), DataError, "from -100 to 0.*elements that do not.*ignored_label=-100"),
        (S(), (2, 4), np.array([[0, 255]]), DataError, "from 0 to 255.*ignored_label=255"),
        (S(), (2, 4), np.array([[0, 4]]), DataError, r"from 0 to 4.*the last layer$"),
        (S(), (2, 4), np.array([[-1, -2]]), DataError, r"from -2 to -1.*the last layer$"),
        (S(ignored_label=-1), (2, 4), np.array([[0, -2]]), DataError, r"from -2 to 0.*the last layer$"),
        (S(ignored_label=-1), (2, 4), np.zeros((1, 2, 4)), OptionError, "ignored_label is for class numbers"),
        (S(axis=2), (4,), np.zeros(2, INT), ShapeError, r"scores of shape \(0, 4\) have no classes on axis 2"),
    ],
)
def test_labels_that_do_not_fit_are_refused_before_training(
    loss: Loss, outputs: tuple[int, ...], t: np.ndarray, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=f"loss softmax_cross_entropy.*{words}"):
        loss.check(outputs, t)


@pytest.mark.parametrize(
    ("loss", "outputs", "t"),
    [
        (S(), (7, 4), np.zeros((2, 7), np.uint8)),
        (S(), (4, 5, 6), np.zeros((2, 5, 6), INT)),
        (S(axis=1), (4, 7), np.zeros((2, 7), INT)),
        (S(axis=-1), (5, 6, 4), np.zeros((2, 5, 6), INT)),
        (S(), (7, 4), np.eye(4)[np.zeros((2, 7), INT)]),
        (S(), (4, 5, 6), np.full((2, 4, 5, 6), 0.25)),
        (S(ignored_label=-1), (2, 4), np.array([[3, -1], [-1, 0]])),
        (S(ignored_label=-1), (2, 4), np.full((3, 2), -1)),
        (S(ignored_label=0), (4,), np.array([0, 1, 3])),
    ],
)
def test_labels_that_fit_pass(loss: Loss, outputs: tuple[int, ...], t: np.ndarray) -> None:
    loss.check(outputs, t)


def test_options_that_cannot_be_and_what_others_call_them(backend: Backend) -> None:
    for make, error, words in (
        (lambda: S(ignored_label=1.5), OptionError, "SoftmaxCrossEntropy: ignored_label must be an integer, not 1.5"),
        (lambda: S(axis=True), OptionError, "axis must be an integer, not True"),
        (lambda: NegativeLogLikelihood(axis=0), OptionError, "axis 0 holds the samples"),
        (lambda: S(ignore_index=-100), TypeError, "no argument 'ignore_index'.*ignored_label"),
        (lambda: S(ignore_class=0), TypeError, "no argument 'ignore_class'.*ignored_label"),
    ):
        with pytest.raises(error, match=words):
            make()  # type: ignore[no-untyped-call]
    y = backend.asarray(np.ones((2, 3)))
    with pytest.raises(OptionError, match="ignored_label is for class numbers"):
        S(ignored_label=0).forward(y, y, backend)
    assert repr(losses.get(S(ignored_label=-100))) == "SoftmaxCrossEntropy(ignored_label=-100)"
    assert NegativeLogLikelihood(axis=1).config() == {"ignored_label": None, "axis": 1, "class_weights": None}
