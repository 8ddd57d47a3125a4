"""Losses are what their formulas say, with the gradient of their value, for scores of any size."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_close, assert_lives_on, bits
from tests.kit.strategies import normal, seeds
from xpnet import losses
from xpnet.backend import Backend
from xpnet.errors import DataError, OptionError, ShapeError
from xpnet.layers import LogSoftmax
from xpnet.losses import (
    BinaryCrossEntropyWithLogits,
    Loss,
    MeanSquaredError,
    NegativeLogLikelihood,
    SoftmaxCrossEntropy,
)


def softmax(y: np.ndarray) -> np.ndarray:
    e = np.exp(y - y.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def cross_entropy(y: np.ndarray, t: np.ndarray) -> float:
    rows = np.eye(y.shape[1])[t] if t.ndim == 1 else t
    return float(-(rows * np.log(softmax(y))).sum() / len(y))


def binary_cross_entropy(y: np.ndarray, t: np.ndarray) -> float:
    p = 1 / (1 + np.exp(-y))
    return float(-(t * np.log(p) + (1 - t) * np.log(1 - p)).mean())


def smoothed_cross_entropy(y: np.ndarray, t: np.ndarray) -> float:
    """With e = 0.1: (1 - e) times the cross-entropy with the targets, e times that with the uniform distribution."""
    return 0.9 * cross_entropy(y, t) + 0.1 * cross_entropy(y, np.full(y.shape, 1 / y.shape[1]))


def smoothed_binary_cross_entropy(y: np.ndarray, t: np.ndarray) -> float:
    """With e = 0.2."""
    return 0.8 * binary_cross_entropy(y, t) + 0.2 * binary_cross_entropy(y, np.full(y.shape, 0.5))


def log_likelihood(y: np.ndarray, t: np.ndarray) -> float:
    rows = np.eye(y.shape[1])[t] if t.ndim == 1 else t
    return float(-(rows * y).sum() / len(y))


def squared_error(y: np.ndarray, t: np.ndarray) -> float:
    return float(((y - t) ** 2).mean())


def class_numbers(N: int, C: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed + 1).integers(0, C, N)


def one_hot(N: int, C: int, seed: int) -> np.ndarray:
    return np.eye(C)[class_numbers(N, C, seed)]


def probabilities(N: int, C: int, seed: int) -> np.ndarray:
    return softmax(normal((N, C), seed + 1))


def numbers(N: int, C: int, seed: int) -> np.ndarray:
    return normal((N, C), seed + 1)


Define = Callable[[np.ndarray, np.ndarray], float]
Targets = Callable[[int, int, int], np.ndarray]
CASES = [
    (SoftmaxCrossEntropy(), cross_entropy, class_numbers),
    (SoftmaxCrossEntropy(), cross_entropy, one_hot),
    (SoftmaxCrossEntropy(), cross_entropy, probabilities),
    (SoftmaxCrossEntropy(label_smoothing=0.1), smoothed_cross_entropy, class_numbers),
    (SoftmaxCrossEntropy(label_smoothing=0.1), smoothed_cross_entropy, probabilities),
    (BinaryCrossEntropyWithLogits(label_smoothing=0.2), smoothed_binary_cross_entropy, one_hot),
    (BinaryCrossEntropyWithLogits(), binary_cross_entropy, one_hot),
    (BinaryCrossEntropyWithLogits(), binary_cross_entropy, probabilities),
    (MeanSquaredError(), squared_error, numbers),
    (NegativeLogLikelihood(), log_likelihood, class_numbers),
    (NegativeLogLikelihood(), log_likelihood, probabilities),
]
cases = pytest.mark.parametrize(
    ("loss", "define", "targets"), CASES, ids=[f"{loss.name}-{targets.__name__}" for loss, _, targets in CASES]
)


def run(loss: Loss, backend: Backend, y: np.ndarray, t: np.ndarray) -> tuple[float, np.ndarray]:
    value, back = loss.forward(backend.asarray(y), backend.asarray(t), backend)
    return float(value), backend.to_numpy(back())


@cases
@given(N=st.integers(1, 5), C=st.integers(2, 6), seed=seeds)
def test_the_value_is_that_of_the_formula(
    backend: Backend, loss: Loss, define: Define, targets: Targets, N: int, C: int, seed: int
) -> None:
    y, t = 3 * normal((N, C), seed), targets(N, C, seed)
    value, _ = run(loss, backend, y, t)
    assert value == pytest.approx(define(y, t), rel=1e-12, abs=1e-14)


@cases
@given(N=st.integers(1, 4), C=st.integers(2, 5), seed=seeds)
def test_the_gradient_is_the_numerical_derivative_in_every_entry(
    backend: Backend, loss: Loss, define: Define, targets: Targets, N: int, C: int, seed: int
) -> None:
    y, t, eps = normal((N, C), seed), targets(N, C, seed), 1e-6
    _, dy = run(loss, backend, y, t)
    numerical = np.empty_like(y)
    for index in np.ndindex(y.shape):
        step = np.zeros_like(y)
        step[index] = eps
        numerical[index] = (define(y + step, t) - define(y - step, t)) / (2 * eps)
    np.testing.assert_allclose(dy, numerical, rtol=1e-6, atol=1e-8)


@cases
def test_float32_stays_float32_on_its_device_and_inputs_stay_what_they_are(
    backend: Backend, loss: Loss, define: Define, targets: Targets
) -> None:
    t = targets(3, 4, 0)
    y = backend.asarray(normal((3, 4), 0, "float32"))
    labels = backend.asarray(t if t.dtype.kind == "i" else t.astype("float32"))
    before = bits(y, backend), bits(labels, backend)
    value, back = loss.forward(y, labels, backend)
    assert_lives_on(backend, value * backend.xp.ones_like(y), "float32")
    assert_lives_on(backend, back(), "float32")
    assert (bits(y, backend), bits(labels, backend)) == before
    assert_close(back(), run(loss, backend, normal((3, 4), 0, "float32").astype("float64"), t)[1].astype("float32"))


@given(N=st.integers(1, 6), C=st.integers(2, 6), seed=seeds)
def test_one_hot_rows_and_class_numbers_are_the_same(backend: Backend, N: int, C: int, seed: int) -> None:
    y, t = normal((N, C), seed, "float32"), class_numbers(N, C, seed)
    value, dy = run(SoftmaxCrossEntropy(), backend, y, t)
    for rows in (np.eye(C, dtype=np.float32)[t], np.eye(C, dtype=np.int64)[t]):
        same_value, same_dy = run(SoftmaxCrossEntropy(), backend, y, rows)
        assert same_value == pytest.approx(value, rel=1e-6)
        assert same_dy.dtype == np.float32
        np.testing.assert_allclose(same_dy, dy, rtol=1e-5, atol=1e-7)


def test_huge_scores_neither_overflow_nor_lose_the_loss(backend: Backend) -> None:
    y = np.array([[1e30, -1e30, 0.0], [1000.0, 990.0, -1000.0]], np.float32)
    value, dy = run(SoftmaxCrossEntropy(), backend, y, np.array([0, 1]))
    assert value == pytest.approx(5.0, rel=1e-4)  # row 0 is certain and right; row 1 loses 10 + log(1 + e**-10)
    np.testing.assert_allclose(dy, [[0, 0, 0], [0.5, -0.5, 0]], atol=1e-4)

    y = np.array([[1e30, -1e30], [200.0, -200.0]], np.float32)
    value, dy = run(BinaryCrossEntropyWithLogits(), backend, y, np.array([[1, 0], [0, 1]], np.float32))
    assert value == pytest.approx(100.0)
    np.testing.assert_allclose(dy, [[0, 0], [0.25, -0.25]], atol=1e-6)


def test_a_certain_and_right_answer_costs_nothing_and_a_uniform_one_log_C(backend: Backend) -> None:
    assert run(SoftmaxCrossEntropy(), backend, np.array([[50.0, 0, 0]]), np.array([0]))[0] == pytest.approx(
        0, abs=1e-15
    )
    assert run(SoftmaxCrossEntropy(), backend, np.zeros((4, 10)), np.arange(4))[0] == pytest.approx(np.log(10))


@pytest.mark.parametrize("loss", [BinaryCrossEntropyWithLogits(), MeanSquaredError()], ids=lambda loss: loss.name)
@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_targets_of_any_shape_and_of_integers(backend: Backend, loss: Loss, dtype: str) -> None:
    y = normal((2, 3, 2, 2), 0, "float32")
    t = (normal((2, 3, 2, 2), 1) > 0).astype(dtype)
    value, dy = run(loss, backend, y, t)
    define = binary_cross_entropy if loss.name.startswith("binary") else squared_error
    assert value == pytest.approx(define(y.astype("float64"), t), rel=1e-5)
    assert dy.dtype == np.float32
    assert dy.shape == y.shape


@pytest.mark.parametrize(
    ("loss", "outputs", "t", "error", "words"),
    [
        ("softmax_cross_entropy", (4,), np.array([0, -1]), DataError, "labels reach from -1 to 0.*4 outputs.*0 to 3"),
        ("softmax_cross_entropy", (4,), np.array([0, 4]), DataError, "from 0 to 4.*4 outputs"),
        ("softmax_cross_entropy", (4,), np.array([0.0, 1.0]), DataError, 'must be integers.*float64.*astype."int64"'),
        ("softmax_cross_entropy", (4,), np.array([True, False]), DataError, "must be integers.*bool"),
        ("softmax_cross_entropy", (4,), np.zeros((2, 1, 4)), ShapeError, r"\(2, 1, 4\).*class numbers.*one-hot.*4"),
        ("softmax_cross_entropy", (4,), np.eye(3)[:2], ShapeError, r"targets have shape \(N, 3\).*gives \(N, 4\)"),
        ("softmax_cross_entropy", (4,), np.ones((2, 4)), DataError, "sum to 1"),
        ("softmax_cross_entropy", (4,), np.array([[2.0, -1, 0, 0]]), DataError, "probabilities"),
        ("softmax_cross_entropy", (4,), np.array([[np.nan, 1, 0, 0]]), DataError, "probabilities"),
        ("softmax_cross_entropy", (4, 2, 2), np.array([0, 1]), ShapeError, r"\(N, classes\).*\(N, 4, 2, 2\).*Dense"),
        ("binary_cross_entropy", (1,), np.array([[0.0], [1.5]]), DataError, "between 0 and 1.*0.0 to 1.5"),
        ("binary_cross_entropy", (1,), np.array([[-1]]), DataError, "between 0 and 1"),
        ("binary_cross_entropy", (1,), np.array([0, 1]), ShapeError, r"targets have shape \(N,\).*gives \(N, 1\)"),
        ("mean_squared_error", (3,), np.zeros((2, 4)), ShapeError, r"\(N, 4\).*gives \(N, 3\)"),
    ],
)
def test_targets_that_do_not_fit_are_refused(
    loss: str, outputs: tuple[int, ...], t: np.ndarray, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=f"loss {loss}.*{words}"):
        losses.get(loss).check(outputs, t)


@pytest.mark.parametrize(
    ("loss", "outputs", "t"),
    [
        ("softmax_cross_entropy", (4,), np.array([0, 3], np.uint8)),
        ("softmax_cross_entropy", (4,), np.eye(4)[:2]),
        ("softmax_cross_entropy", (2,), np.array([[0.3, 0.7]], np.float32)),
        ("binary_cross_entropy", (1,), np.array([[0], [1]])),
        ("mean_squared_error", (2, 3), np.full((5, 2, 3), -1e6)),
    ],
)
def test_targets_that_fit_pass(loss: str, outputs: tuple[int, ...], t: np.ndarray) -> None:
    losses.get(loss).check(outputs, t)


ones = np.ones((4, 3), np.float32)


@pytest.mark.parametrize(
    ("name", "y", "t", "words"),
    [
        ("mean_squared_error", ones[:, :1], ones[:, 0], r"y has shape \(4, 1\), t \(4,\); they must be equal"),
        ("mean_squared_error", ones, ones[:1], r"y has shape \(4, 3\), t \(1, 3\)"),
        ("mean_squared_error", ones, ones[0, 0], r"y has shape \(4, 3\), t \(\)"),
        ("binary_cross_entropy", ones, ones[:, :1], r"y has shape \(4, 3\), t \(4, 1\)"),
        ("binary_cross_entropy", ones[:, :1], np.ones(4, np.int64), r"y has shape \(4, 1\), t \(4,\)"),
        ("softmax_cross_entropy", ones, ones[:1], r"y has shape \(4, 3\), t \(1, 3\)"),
        ("softmax_cross_entropy", ones, np.zeros((4, 1), np.int64), r"y has shape \(4, 3\), t \(4, 1\)"),
        ("softmax_cross_entropy", ones[:1], np.zeros(4, np.int64), r"y is \(1, 3\), t \(4,\); needed are \(N, C\) and"),
        ("softmax_cross_entropy", ones, np.zeros(1, np.int64), r"y is \(4, 3\), t \(1,\)"),
        ("softmax_cross_entropy", ones[0], np.zeros(3, np.int64), r"scores of shape \(3,\) have no classes on axis"),
    ],
)
def test_nothing_is_broadcast(backend: Backend, name: str, y: np.ndarray, t: np.ndarray, words: str) -> None:
    with pytest.raises(ShapeError, match=f"loss {name}: {words}"):
        losses.get(name).forward(backend.asarray(y), backend.asarray(np.asarray(t)), backend)


@pytest.mark.parametrize("labels", [[0, 3], [-1, 2], [2, 2**40]])
def test_a_label_that_is_no_class_is_refused_also_in_a_loop_of_ones_own(backend: Backend, labels: list[int]) -> None:
    """But for a device that computes in the background: there, to look at the labels would be to wait."""
    y, t, loss = backend.asarray(ones[:2]), backend.asarray(np.array(labels)), SoftmaxCrossEntropy()
    if not backend.lazy:
        with pytest.raises(DataError, match="a label is not from 0 to 2, the network's classes"):
            loss.forward(y, t, backend)
    loss.forward(y, backend.asarray(np.array([0, 2])), backend)


@pytest.mark.parametrize("kind", [SoftmaxCrossEntropy, BinaryCrossEntropyWithLogits])
@pytest.mark.parametrize("smoothing", [1.0, -0.1, True, "much"])
def test_a_smoothing_that_is_no_share_is_refused(kind: Any, smoothing: Any) -> None:
    with pytest.raises(OptionError, match=f"{kind.__name__}: label_smoothing must be at least 0 and below 1"):
        kind(label_smoothing=smoothing)


@given(N=st.integers(1, 6), C=st.integers(2, 6), seed=seeds)
def test_behind_log_softmax_the_likelihood_is_softmax_cross_entropy(
    backend: Backend, N: int, C: int, seed: int
) -> None:
    x, t = 5 * normal((N, C), seed), class_numbers(N, C, seed)
    w = np.random.default_rng(seed).uniform(0, 2, N)
    given = [backend.asarray(a) for a in (t, w)]
    value, back = SoftmaxCrossEntropy().forward(backend.asarray(x), given[0], backend, given[1])
    y, layer_back = LogSoftmax().forward(backend.asarray(x), train=True)
    own, loss_back = NegativeLogLikelihood().forward(y, given[0], backend, given[1])
    assert float(own) == pytest.approx(float(value), rel=1e-12)
    np.testing.assert_allclose(
        backend.to_numpy(layer_back(loss_back())), backend.to_numpy(back()), rtol=1e-9, atol=1e-12
    )


def test_losses_have_names_also_those_of_keras() -> None:
    for name, kind in (
        ("softmax_cross_entropy", SoftmaxCrossEntropy),
        ("sparse_categorical_crossentropy", SoftmaxCrossEntropy),
        ("binary_crossentropy", BinaryCrossEntropyWithLogits),
        ("mse", MeanSquaredError),
        ("nll", NegativeLogLikelihood),
    ):
        assert type(losses.get(name)) is kind
    own = MeanSquaredError()
    assert losses.get(own) is own
    with pytest.raises(OptionError, match="there is no loss 'hinge'; choose one of softmax_cross_entropy"):
        losses.get("hinge")


def test_a_loss_without_a_formula_says_so(backend: Backend) -> None:
    y: Any = backend.asarray(np.ones((1, 2)))
    with pytest.raises(OptionError, match="Loss does not say how it is computed"):
        Loss().forward(y, y, backend)
