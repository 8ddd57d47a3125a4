"""Losses are what their formulas say, with the gradient of their value, for scores of any size."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_close, assert_lives_on, bits
from tests.kit.loss_table import (
    CASES,
    LossCase,
    binary_cross_entropy,
    class_numbers,
    numbers,
    probabilities,
    squared_error,
)
from tests.kit.strategies import normal, seeds
from xpnet import losses
from xpnet.backend import Backend
from xpnet.errors import DataError, OptionError, ShapeError
from xpnet.layers import LogSoftmax, Softmax
from xpnet.losses import (
    BinaryCrossEntropyOfProbabilities,
    BinaryCrossEntropyWithLogits,
    CosineSimilarity,
    Dice,
    Focal,
    Hinge,
    Huber,
    KLDivergence,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    MultiClassHinge,
    NegativeLogLikelihood,
    RubbishCrossEntropy,
    SmoothL1,
    SoftmaxCrossEntropy,
)
from xpnet.losses.class_loss import ClassLoss

cases = pytest.mark.parametrize("case", CASES, ids=repr)


def run(loss: Loss, backend: Backend, y: np.ndarray, t: np.ndarray, *w: np.ndarray) -> tuple[float, np.ndarray]:
    value, back = loss.forward(backend.asarray(y), backend.asarray(t), backend, *map(backend.asarray, w))
    return float(value), backend.to_numpy(back())


@cases
@given(N=st.integers(1, 5), C=st.integers(2, 6), seed=seeds)
def test_the_value_is_that_of_the_formula(backend: Backend, case: LossCase, N: int, C: int, seed: int) -> None:
    y, t = 3 * case.outputs(N, C, seed), case.targets(N, C, seed + 1)
    if case.outputs is probabilities:
        y /= 3
    value, _ = run(case.make(C), backend, y, t)
    assert value == pytest.approx(case.define(y, t), rel=1e-11, abs=1e-14)


@cases
@given(N=st.integers(1, 4), C=st.integers(2, 5), seed=seeds)
def test_the_gradient_is_the_numerical_derivative_in_every_entry(
    backend: Backend, case: LossCase, N: int, C: int, seed: int
) -> None:
    y, t = case.outputs(N, C, seed), case.targets(N, C, seed + 1)
    _, dy = run(case.make(C), backend, y, t)
    np.testing.assert_allclose(dy, case.slope(y, t), rtol=1e-6, atol=1e-8)


@cases
@pytest.mark.parametrize("weighted", [False, True])
def test_float32_stays_float32_on_its_device_and_inputs_stay_what_they_are(
    backend: Backend, case: LossCase, weighted: bool
) -> None:
    scores, t, loss = case.outputs(3, 4, 0).astype("float32"), case.targets(3, 4, 1), case.make(4)
    labels = t if t.dtype.kind == "i" else t.astype("float32")
    given_ = [scores, labels, *([np.array([0.5, 0, 2], "float32")] if weighted else [])]
    for array in given_:
        array.flags.writeable = backend.name not in ("numpy", "reference")  # where it can be said
    y, labels, *w = [backend.asarray(array) for array in given_]
    before = [bits(array, backend) for array in (y, labels, *w)]
    value, back = loss.forward(y, labels, backend, *w)
    assert_lives_on(backend, value * backend.xp.ones_like(y), "float32")
    assert_lives_on(backend, back(), "float32")
    assert [bits(array, backend) for array in (y, labels, *w)] == before
    wide = run(loss, backend, scores.astype("float64"), t, *(given_[2:]))
    assert float(value) == pytest.approx(wide[0], rel=1e-5)
    assert_close(back(), wide[1].astype("float32"))


@cases
def test_a_loss_is_made_again_from_what_it_says_of_itself(case: LossCase) -> None:
    loss = case.make(4)
    again = type(loss)(**loss.config())
    assert repr(again) == repr(loss) and again.config() == loss.config()
    assert type(losses.get(loss.name)) is type(loss)


@given(N=st.integers(1, 6), C=st.integers(2, 6), seed=seeds)
def test_one_hot_rows_and_class_numbers_are_the_same(backend: Backend, N: int, C: int, seed: int) -> None:
    y, t = normal((N, C), seed, "float32"), class_numbers(N, C, seed + 1)
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


EXTREMES = [np.float32(value) for value in (0, 1, -1, 1e-30, 1e30, -1e30, 100, -100)]


@cases
@pytest.mark.parametrize("score", EXTREMES, ids=str)
def test_at_kinks_and_for_extreme_scores_the_gradient_is_finite(
    backend: Backend, case: LossCase, score: np.float32
) -> None:
    """Also where outputs are what their targets are, and where all of them are equal."""
    t, loss = case.targets(3, 4, 1), case.make(4)
    t = t if t.dtype.kind == "i" else t.astype("float32")
    y = np.full((3, 4), score)
    y[1:] = t[1:] if t.shape == y.shape else 0
    y[2, 1:] = score
    if case.outputs is probabilities:
        y = np.clip(y, 0, 1)
    elif case.outputs is not numbers:
        y = np.minimum(y, 0)
    with np.errstate(over="ignore"):  # as in training; a value may be infinite
        _, dy = run(loss, backend, y, t)
    assert np.isfinite(dy).all()


def test_where_there_are_kinks_the_gradient_is_zero_or_one_of_both_sides(backend: Backend) -> None:
    y, t = np.array([[1.0, -1.0, 0.0]]), np.array([[1.0, -1.0, 0.0]])
    kinds: list[tuple[Loss, list[float]]] = [
        (MeanAbsoluteError(), [0, 0, 0]),
        (Hinge(), [0, 0, 1 / 3]),
        (Huber(0.5), [0, 0, 0]),
        (CosineSimilarity(), [0, 0, 0]),
    ]
    for loss, expected in kinds:
        value, dy = run(loss, backend, y, t)
        np.testing.assert_allclose(dy, [expected], atol=1e-15)
        assert value == pytest.approx(1 / 3 if isinstance(loss, Hinge) else 0, abs=1e-15)
    value, dy = run(CosineSimilarity(), backend, np.zeros((1, 3)), t)
    assert (value, dy.tolist()) == (1, [[0, 0, 0]])
    value, dy = run(MultiClassHinge(), backend, np.array([[1.0, 0.0, 0.0]]), np.array([0]))
    assert (value, dy.tolist()) == (0, [[0, 0, 0]])  # right by just the margin


def test_probabilities_of_0_and_1_cost_what_they_cost_in_pytorch(backend: Backend) -> None:
    y, t = np.array([[0.0, 1.0, 0.0, 1.0]]), np.array([[0.0, 1.0, 1.0, 0.0]])
    value, dy = run(BinaryCrossEntropyOfProbabilities(), backend, y, t)
    assert value == 50
    np.testing.assert_allclose(dy, [[0, 0, -2.5e11, 2.5e11]])


def test_dice_is_that_of_a_sample_as_a_whole_and_of_each_class(backend: Backend) -> None:
    """An image of four pixels, two classes; the network is all but certain."""
    y = np.array([[[[9.0, 9.0], [-9.0, -9.0]], [[-9.0, -9.0], [9.0, 9.0]]]]) * 5  # class 0 above, class 1 below
    t = np.array([[[0, 1], [1, 1]]])
    value, dy = run(Dice(), backend, y, t)
    assert value == pytest.approx(1 - ((2 * 1 + 1) / (2 + 1 + 1) + (2 * 2 + 1) / (2 + 3 + 1)) / 2)
    assert dy.shape == y.shape
    assert run(Dice(), backend, y, np.array([[[0, 0], [1, 1]]]))[0] == pytest.approx(0, abs=1e-12)
    ignoring = run(Dice(ignored_label=7), backend, y, np.array([[[0, 7], [1, 1]]]))[0]
    assert ignoring == pytest.approx(0, abs=1e-12)
    assert Dice().weight_of(backend.asarray(t), backend) == 1
    two = run(Dice(), backend, np.concatenate([y, y]), np.concatenate([t, t]), np.array([1.0, 3.0]))[0]
    assert two == pytest.approx(2 * value)
    with pytest.raises(ShapeError, match=r"sample_weight has shape \(1, 2, 2\); needed is \(1,\)"):
        run(Dice(), backend, y, t, np.ones((1, 2, 2)))


def test_the_gradient_of_dice_is_the_derivative(backend: Backend) -> None:
    y, t, direction = (
        normal((2, 3, 2, 2), 0),
        np.random.default_rng(1).integers(0, 3, (2, 2, 2)),
        normal((2, 3, 2, 2), 2),
    )
    for loss in (Dice(), Dice(0.1, ignored_label=2)):
        _, dy = run(loss, backend, y, t, np.array([1.0, 2.0]))
        ahead, behind = (run(loss, backend, y + e * direction, t, np.array([1.0, 2.0]))[0] for e in (1e-6, -1e-6))
        assert (dy * direction).sum() == pytest.approx((ahead - behind) / 2e-6, rel=1e-6, abs=1e-9)


def test_cosines_of_sequences_are_those_of_their_vectors(backend: Backend) -> None:
    y, t, loss = normal((2, 3, 4), 0), normal((2, 3, 4), 1), CosineSimilarity()
    rows = [run(loss, backend, y[n, i : i + 1], t[n, i : i + 1]) for n in range(2) for i in range(3)]
    value, dy = run(loss, backend, y, t)
    assert value == pytest.approx(np.mean([each for each, _ in rows]))
    np.testing.assert_allclose(dy.reshape(6, 1, 4), np.array([each for _, each in rows]) / 6, rtol=1e-12)
    w = np.random.default_rng(0).random((2, 3))
    own = np.array([each for each, _ in rows])
    assert run(loss, backend, y, t, w)[0] == pytest.approx(np.mean(own * w.ravel()))
    assert run(loss, backend, 1e-5 * y, 1e5 * t)[0] == pytest.approx(value)
    assert loss.weight_of(backend.asarray(t), backend) == 6 and loss.shape_of_elements((3, 4), t) == (2, 3)


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
    assert value == pytest.approx(define(y.astype("float64"), t).mean(), rel=1e-5)
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
        ("hinge", (1,), np.array([[0], [-1], [1]]), DataError, "must be 1 and -1, or 1 and 0; they reach from -1 to 1"),
        ("hinge", (1,), np.array([[0.5]]), DataError, "must be 1 and -1, or 1 and 0"),
        ("kl_divergence", (3,), np.array([0, 1]), ShapeError, r"in the shape of the outputs, \(N, 3\).*take negative"),
        ("kl_divergence", (3,), np.ones((2, 3)), DataError, "sum to 1"),
        ("multi_class_hinge", (3,), np.array([0, 3]), DataError, "labels reach from 0 to 3"),
        ("binary_cross_entropy_of_probabilities", (1,), np.array([[-1]]), DataError, "between 0 and 1"),
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


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SoftmaxCrossEntropy(class_weights=[1.0]), "class_weights must be finite numbers, one for each class"),
        (lambda: SoftmaxCrossEntropy(class_weights=[1.0, np.inf]), "class_weights must be finite numbers"),
        (lambda: NegativeLogLikelihood(class_weights={0: 1.0, 1: 2.0}), "must be a list of a number for each class"),
        (lambda: Focal(alpha=0.25), "Focal: alpha must be a list"),
        (lambda: Focal(gamma=-1), "Focal: gamma must be a number of at least 0"),
        (lambda: MultiClassHinge(p=3), "MultiClassHinge: p must be 1 or 2, not 3"),
        (lambda: MultiClassHinge(margin=0), "MultiClassHinge: margin must be a positive number"),
        (lambda: Huber(0), "Huber: delta must be a positive number"),
        (lambda: SmoothL1(beta=-1), "SmoothL1: beta must be a positive number"),
        (lambda: Dice(smooth=0), "Dice: smooth must be a positive number"),
    ],
)
def test_options_that_cannot_be_are_refused(make: Any, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        make()


def test_class_weights_are_one_for_each_output(backend: Backend) -> None:
    loss, words = SoftmaxCrossEntropy(class_weights=[1, 2, 3]), "there are 3 class_weights, and the network has 2 outp"
    with pytest.raises(ShapeError, match=words):
        run(loss, backend, np.ones((2, 2)), np.array([0, 1]))
    with pytest.raises(ShapeError, match=words):
        loss.check((2,), np.array([0, 1]))
    with pytest.raises(DataError, match="with class_weights, labels are class numbers, or rows of floating point"):
        run(loss, backend, np.ones((2, 3)), np.eye(3, dtype=np.int64)[:2])
    assert run(loss, backend, np.ones((2, 3)), np.array([1, 1]))[0] == pytest.approx(np.log(3))


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
        ("mae", MeanAbsoluteError),
        ("L1", MeanAbsoluteError),
        ("kld", KLDivergence),
        ("hinge", Hinge),
    ):
        assert type(losses.get(name)) is kind
    assert repr(losses.get("squared_hinge")) == "Hinge(squared=True)"
    assert repr(losses.get("categorical_hinge")) == "MultiClassHinge(largest=True)"
    own = MeanSquaredError()
    assert losses.get(own) is own
    with pytest.raises(OptionError, match="there is no loss 'ctc'; choose one of softmax_cross_entropy"):
        losses.get("ctc")


def test_a_loss_without_a_formula_says_so(backend: Backend) -> None:
    y: Any = backend.asarray(np.ones((1, 2)))
    with pytest.raises(OptionError, match="Loss does not say how it is computed"):
        Loss().forward(y, y, backend)


# ---- scores of -inf --------------------------------------------------------------------------------------------------

HIDDEN = np.array([[-np.inf, 0, 1], [0.5, -np.inf, 2]], np.float32)
FINITE = np.maximum(HIDDEN, np.float32(-200))  # exp of it is 0 beside the others
LABELS = np.array([2, 0])
ROWS = np.array([[0, 0.25, 0.75], [0.5, 0, 0.5]], np.float32)
OF_SCORES = {
    "plain": SoftmaxCrossEntropy(),
    "class_weights": SoftmaxCrossEntropy(class_weights=[1, 2, 3]),
    "a class without weight": SoftmaxCrossEntropy(class_weights=[1, 0, 3]),
    "ignored_label": SoftmaxCrossEntropy(ignored_label=0),
    "rubbish": RubbishCrossEntropy(),
    "focal": Focal(),
    "focal 0": Focal(gamma=0),
    "focal alpha": Focal(gamma=0.5, alpha=[1, 2, 3]),
    "dice": Dice(),
    "hinge": MultiClassHinge(),
}


def test_the_loss_of_scores_of_minus_infinity_is_that_of_the_others(backend: Backend) -> None:
    for t in (LABELS, np.eye(3, dtype=np.float32)[LABELS]):
        value, dy = run(SoftmaxCrossEntropy(), backend, HIDDEN, t)
        expected = (np.log1p(np.exp(-1.0)) + np.log1p(np.exp(1.5))) / 2
        assert value == pytest.approx(expected, rel=1e-6) == 1.0073376
        np.testing.assert_allclose(dy, [[0, 0.1344707, -0.1344707], [-0.4087872, 0, 0.4087872]], rtol=1e-5)


@pytest.mark.parametrize("loss", OF_SCORES.values(), ids=OF_SCORES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", ["vectors", "sequences", "images"])
def test_minus_infinity_is_a_score_far_below(backend: Backend, loss: ClassLoss, dtype: str, shape: str) -> None:
    def formed(y: np.ndarray) -> np.ndarray:
        places = {"vectors": y, "sequences": y.reshape(1, 2, 3), "images": y.T.reshape(1, 3, 2, 1)}
        return np.ascontiguousarray(places[shape])

    number_shape = {"vectors": (2,), "sequences": (1, 2), "images": (1, 2, 1)}[shape]
    targets = [LABELS.reshape(number_shape)]
    if loss.ignored_label is None:
        targets += [formed(np.eye(3, dtype=dtype)[LABELS]), formed(ROWS.astype(dtype))]
    for t in targets:
        value, dy = run(loss, backend, formed(HIDDEN.astype(dtype)), t)
        expected, expected_dy = run(loss, backend, formed(FINITE.astype(dtype)), t)
        assert value == pytest.approx(expected, rel=1e-6)
        np.testing.assert_allclose(dy, expected_dy, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("loss", [NegativeLogLikelihood(), KLDivergence()], ids=repr)
def test_log_probabilities_of_minus_infinity(backend: Backend, loss: Loss) -> None:
    softmax = LogSoftmax()
    for y, none in ((HIDDEN, -np.inf), (FINITE, 0)):
        log_p, back = softmax.forward(backend.asarray(y))
        value, own = loss.forward(log_p, backend.asarray(ROWS), backend)
        results = float(value), backend.to_numpy(back(own()))
        if none:
            hidden = results
    assert hidden[0] == pytest.approx(results[0], rel=1e-6)
    np.testing.assert_allclose(hidden[1], results[1], rtol=1e-5, atol=1e-7)
    log_t = np.full_like(ROWS, -np.inf)
    np.log(ROWS, out=log_t, where=ROWS > 0)
    log_p = backend.to_numpy(softmax(backend.asarray(HIDDEN)))
    value = run(KLDivergence(), backend, log_p, ROWS)[0]
    assert run(KLDivergence(log_targets=True), backend, log_p, log_t)[0] == pytest.approx(value, rel=1e-5)


def test_infinite_answers_that_are_right_cost_nothing(backend: Backend) -> None:
    y = np.array([[-np.inf, np.inf, 0.5]], np.float32)
    value, dy = run(BinaryCrossEntropyWithLogits(), backend, y, np.array([[0, 1, 1]], np.float32))
    assert value == pytest.approx(np.log1p(np.exp(-0.5)) / 3, rel=1e-6)
    np.testing.assert_allclose(dy, [[0, 0, -0.3775407 / 3]], rtol=1e-5)
    for t in ([0, 0, 1], [1, 1, 1], [0, 0.5, 1], [0.5, 1, 1]):
        value, dy = run(BinaryCrossEntropyWithLogits(), backend, y, np.array([t], np.float32))
        assert value == np.inf and np.isfinite(dy).all()


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), NegativeLogLikelihood(), Focal(), RubbishCrossEntropy()])
def test_a_target_of_minus_infinity_costs_infinitely_much_and_its_gradient_is_finite(
    backend: Backend, loss: Loss
) -> None:
    for t in (np.array([0, 0]), np.eye(3, dtype=np.float32)[[0, 0]]):
        value, dy = run(loss, backend, HIDDEN, t)
        assert value == np.inf and np.isfinite(dy).all()
        w = np.array([0, 1], np.float32)  # a weight of 0 takes it out
        value, dy = run(loss, backend, HIDDEN, t, w)
        assert np.isfinite(value) and np.isfinite(dy).all() and not dy[0].any()


@pytest.mark.parametrize("name", ["SoftmaxCrossEntropy", "NegativeLogLikelihood", "KLDivergence", "Focal"])
def test_a_score_that_is_nan_makes_the_loss_nan(backend: Backend, name: str) -> None:
    y = np.array([[np.nan, 0, 1], [0, 1, 2]], np.float32)
    with np.errstate(invalid="ignore"):
        assert np.isnan(run(getattr(losses, name)(), backend, y, np.eye(3, dtype=np.float32)[[1, 1]])[0])


def test_softmax_of_minus_infinity_is_zero(backend: Backend) -> None:
    for layer in (Softmax(), LogSoftmax()):
        y, back = layer.forward(backend.asarray(HIDDEN))
        p = backend.to_numpy(y)
        p = p if isinstance(layer, Softmax) else np.exp(p)
        np.testing.assert_allclose(p, [[0, 0.2689414, 0.7310586], [0.1824255, 0, 0.8175745]], rtol=1e-5)
        assert np.isfinite(backend.to_numpy(back(backend.asarray(np.ones_like(HIDDEN))))).all()
