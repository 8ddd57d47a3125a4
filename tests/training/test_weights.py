"""Weights of samples and classes: L = sum_n(w[n] L[n]) / N, in the step, the history, and evaluate."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.loss_table import CASES, LossCase
from tests.kit.small import clusters, network
from tests.kit.strategies import normal, seeds
from xpnet import data, layers, optimizers
from xpnet.backend import Backend
from xpnet.data import Batches
from xpnet.errors import DataError, OptionError, ShapeError
from xpnet.losses import Loss, MeanSquaredError, SoftmaxCrossEntropy
from xpnet.losses.base import weigh
from xpnet.model import Sequential

cases = pytest.mark.parametrize("case", CASES, ids=repr)


def weights(N: int, seed: int) -> np.ndarray:
    w = np.random.default_rng(seed).random(N)
    w[0] = 0
    return w


# ---- losses ----------------------------------------------------------------------------------------------------------


@cases
@given(N=st.integers(1, 4), C=st.integers(2, 5), seed=seeds)
def test_the_value_is_that_of_the_definition_and_the_gradient_its_derivative(
    backend: Backend, case: LossCase, N: int, C: int, seed: int
) -> None:
    """Each sample's own loss, times its weight, over the number of samples, or what else the loss divides by."""
    y, t, w = case.outputs(N, C, seed), case.targets(N, C, seed + 1), weights(N, seed)
    value, back = case.make(C).forward(backend.asarray(y), backend.asarray(t), backend, backend.asarray(w))
    assert float(value) == pytest.approx(case.define(y, t, w), rel=1e-11, abs=1e-14)
    np.testing.assert_allclose(backend.to_numpy(back()), case.slope(y, t, w), rtol=1e-6, atol=1e-8)


@cases
def test_weights_of_one_change_nothing(backend: Backend, case: LossCase) -> None:
    y, t, loss = backend.asarray(case.outputs(4, 3, 0).astype("float32")), case.targets(4, 3, 1), case.make(3)
    labels = backend.asarray(t if t.dtype.kind == "i" else t.astype("float32"))
    plain, plain_back = loss.forward(y, labels, backend)
    value, back = loss.forward(y, labels, backend, backend.asarray(np.ones(4, np.float32)))
    assert float(value) == pytest.approx(float(plain), rel=1e-6)
    np.testing.assert_allclose(backend.to_numpy(back()), backend.to_numpy(plain_back()), rtol=1e-6, atol=1e-8)
    with pytest.raises(ShapeError, match=r"sample_weight has shape \(3,\); needed is \(4,\)"):
        loss.forward(y, labels, backend, backend.asarray(np.ones(3, np.float32)))


def test_weights_of_targets_of_more_axes(backend: Backend) -> None:
    y, t, w = normal((3, 2, 2), 0), normal((3, 2, 2), 1), weights(3, 2)
    value, _ = MeanSquaredError().forward(backend.asarray(y), backend.asarray(t), backend, backend.asarray(w))
    assert float(value) == pytest.approx(np.mean(w * ((y - t) ** 2).mean(axis=(1, 2))))


@pytest.mark.oracle
def test_the_definition_beside_that_of_pytorch(backend: Backend) -> None:
    """PyTorch's class weights divide the same sum by the weights instead of by the samples."""
    torch = pytest.importorskip("torch", reason='PyTorch is the oracle here: pip install "xpnet[oracle]"')
    y, t, by_class = normal((6, 3), 0), np.array([0, 1, 2, 2, 1, 2]), np.array([1.0, 5.0, 0.5])
    theirs = torch.nn.functional.cross_entropy
    args = torch.tensor(y), torch.tensor(t)
    w = by_class[t]
    ours, _ = SoftmaxCrossEntropy().forward(backend.asarray(y), backend.asarray(t), backend, backend.asarray(w))
    assert float(ours) == pytest.approx(float(theirs(*args, weight=torch.tensor(by_class), reduction="sum")) / 6)
    assert float(ours) == pytest.approx(float(theirs(*args, weight=torch.tensor(by_class))) * w.sum() / 6)
    smooth = SoftmaxCrossEntropy(label_smoothing=0.1).forward(backend.asarray(y), backend.asarray(t), backend)[0]
    assert float(smooth) == pytest.approx(float(theirs(*args, label_smoothing=0.1)))


# ---- fit and evaluate ------------------------------------------------------------------------------------------------


def frozen_in_place(**options: Any) -> Sequential:
    """A network whose steps change nothing, so that the history is that of one set of weights."""
    model = network(optimizers.SGD(1e-30), **options)
    model.build((2,))
    return model


def losses_of(model: Sequential, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.array([model.evaluate(x[n : n + 1], t[n : n + 1], return_dict=True)["loss"] for n in range(len(x))])


def test_fit_and_evaluate_report_the_weighted_mean_over_the_samples_and_plain_metrics(backend: Backend) -> None:
    (x, t), model = clusters(10), frozen_in_place()
    w = weights(10, 0)
    expected = float(np.mean(w * losses_of(model, x, t)))
    loss, accuracy = model.evaluate(x, t, sample_weight=w, batch_size=4)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert accuracy == model.evaluate(x, t)[1]
    history = model.fit(x, t, batch_size=4, sample_weight=w, validation_data=(x, t, w[::-1])).history
    assert history["loss"][0] == pytest.approx(expected, rel=1e-5)
    assert history["val_loss"][0] == pytest.approx(model.evaluate(x, t, sample_weight=w[::-1])[0])
    assert history["accuracy"][0] == history["val_accuracy"][0] == accuracy


def test_class_weights_are_sample_weights_by_class_and_both_are_multiplied() -> None:
    x, t = clusters(24)
    w, table = weights(24, 0), np.array([2.0, 1.0, 0.5])
    models = [network(optimizers.SGD(0.1)) for _ in range(4)]
    for model in models:
        model.build((2,))
        model.set_weights(models[0].get_weights())
    options: list[dict[str, Any]] = [
        {"sample_weight": table[t] * w},
        {"sample_weight": w, "class_weight": {0: 2, 2: 0.5}},  # a class without a weight has 1
        {"sample_weight": w, "class_weight": {0: 2, 2: 0.5}},
        {},
    ]
    targets = [t, t, np.eye(3)[t], t]
    for model, labels, given_ in zip(models, targets, options, strict=True):
        model.fit(x, labels, batch_size=8, epochs=2, shuffle=False, **given_)
    for other in models[1:3]:
        for a, b in zip(models[0].get_weights(), other.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert not np.allclose(models[0].get_weights()[0], models[3].get_weights()[0])


def test_integer_weights_are_copies_of_the_samples() -> None:
    """Each sample w times: the same sum; so the same gradient, but for the number that it is divided by."""
    x, t = clusters(9)
    w = np.arange(9) % 4
    repeated = np.repeat(np.arange(9), w)
    one, other = network(optimizers.SGD(0.9)), network(optimizers.SGD(0.9 * len(repeated) / 9))
    one.build((2,))
    other.build((2,))
    other.set_weights(one.get_weights())
    one.train_on_batch(x, t, sample_weight=w)
    other.train_on_batch(x[repeated], t[repeated])
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_weights_follow_their_samples_when_these_are_shuffled_and_split() -> None:
    """Only samples of weight 0 have labels that no network could learn."""
    (x, t), rng = clusters(120), np.random.default_rng(0)
    bad = rng.random(120) < 0.4
    t = np.where(bad, (t + 1) % 3, t)
    model = network(optimizers.Adam(0.05))
    history = model.fit(x, t, epochs=30, validation_split=0.25, sample_weight=np.where(bad, 0.0, 1.0)).history
    assert history["loss"][-1] < 0.05 and history["val_loss"][-1] < 0.05
    assert model.evaluate(x[~bad], t[~bad])[1] > 0.98


def test_class_weights_hold_for_training_only() -> None:
    (x, t), model = clusters(12), frozen_in_place()
    history = model.fit(x, t, class_weight={0: 0, 1: 0, 2: 0}, validation_split=0.5).history
    assert history["loss"] == [0] and history["val_loss"][0] > 0


def test_class_weights_of_the_loss_divide_the_mean_over_all_batches() -> None:
    """As PyTorch's, of the whole epoch, whichever class is in which batch; and so do gradients that are accumulated."""
    (x, t), v = clusters(12), np.array([0.1, 0.02, 0.3])
    loss = SoftmaxCrossEntropy(class_weights=v)
    models = []
    for batch_size, accumulate in ((12, 1), (5, 3), (5, 1)):
        model = network(optimizers.SGD(0.5))
        model.compile(optimizers.SGD(0.5), loss)
        model.build((2,))
        if models:
            model.set_weights(models[0][1])
        before = model.get_weights()
        plain = model.copy()
        plain.compile("sgd")
        expected = float((v[t] * losses_of(plain, x, t)).sum() / v[t].sum())
        assert model.evaluate(x, t, batch_size=batch_size) == pytest.approx(expected, rel=1e-5)
        model.fit(x, t, batch_size=batch_size, accumulate=accumulate, shuffle=False)
        models.append((model.get_weights(), before))
    for a, b, c in zip(*(after for after, _ in models), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        assert not np.allclose(a, c)


def test_class_weights_of_one_output() -> None:
    x, t = clusters(10)
    labels = (t > 0).astype("float32")[:, None]
    model = Sequential([layers.Dense(1)])
    model.compile(optimizers.SGD(1e-30), "binary_cross_entropy")
    model.build((2,))
    expected = model.evaluate(x, labels, sample_weight=np.where(t > 0, 5, 1))
    assert model.fit(x, labels, class_weight={1: 5.0}).history["loss"][0] == pytest.approx(expected, rel=1e-6)


def test_an_iterable_of_batches_may_hold_weights_and_classes_weigh_too() -> None:
    (x, t), model = clusters(10), frozen_in_place()
    w = weights(10, 1)

    def batches() -> Iterator[tuple[np.ndarray, ...]]:
        yield x[:4], t[:4], w[:4]
        yield x[4:], t[4:]  # of weight 1

    full = np.concatenate([w[:4], np.ones(6)])
    assert model.evaluate(batches())[0] == pytest.approx(model.evaluate(x, t, sample_weight=full)[0], rel=1e-6)
    got = model.fit(batches(), steps_per_epoch=2, class_weight={1: 3.0}).history["loss"][0]
    expected = model.evaluate(x, t, sample_weight=full * np.where(t == 1, 3, 1))[0]
    assert got == pytest.approx(expected, rel=1e-6)


class Own(Loss):
    """Knows nothing of weights."""

    name = "own"

    def forward(self, y: Any, t: Any, backend: Backend | None = None) -> Any:  # type: ignore[override]
        return MeanSquaredError().forward(y, t, backend)


def test_a_loss_that_knows_no_weights_says_so_and_works_without() -> None:
    x, _ = clusters(4)
    model = Sequential([layers.Dense(2)])
    model.compile("sgd", Own())
    model.fit(x, x, accumulate=2, batch_size=1)
    with pytest.raises(OptionError, match=r"the loss own takes no sample weights: its forward must take \(y, t, back"):
        model.fit(x, x, sample_weight=np.ones(4))


X, T = clusters(6)
WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    (
        {"sample_weight": np.ones(5)},
        DataError,
        r"sample_weight has shape \(5,\); it needs one number for each of the 6",
    ),
    ({"sample_weight": np.ones((6, 1))}, DataError, r"shape \(6, 1\)"),
    ({"sample_weight": [1, 1, 1, 1, 1, -1]}, DataError, "finite numbers of at least 0"),
    ({"sample_weight": [1, 1, 1, 1, 1, np.nan]}, DataError, "finite numbers of at least 0"),
    ({"sample_weight": ["a"] * 6}, DataError, "finite numbers of at least 0"),
    ({"class_weight": [1, 2, 3]}, OptionError, r"class_weight must map class numbers .* not \[1, 2, 3\]"),
    ({"class_weight": {}}, OptionError, "class_weight must map"),
    ({"class_weight": {"cat": 1.0}}, OptionError, "class_weight: 'cat' is no class number"),
    ({"class_weight": {-1: 1.0}}, OptionError, "class_weight: -1 is no class number"),
    ({"class_weight": {3: 1.0}}, OptionError, "class_weight: there is no class 3; the classes are 0 to 2"),
    ({"class_weight": {0: -1.0}}, OptionError, "the weight of class 0 must be a number of at least 0, not -1.0"),
]


@pytest.mark.parametrize(("options", "error", "words"), WRONG)
def test_weights_that_cannot_be_are_refused(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        network().fit(X, T, **options)


@pytest.mark.parametrize(
    "make", [lambda: (X, X), lambda: (X, (X > 0).astype("float32")), lambda: (X, T[:, None] + 0.5)]
)
def test_class_weights_need_targets_that_are_classes(make: Callable[[], Any]) -> None:
    x, t = make()
    model = Sequential([layers.Dense(t.shape[1])])
    model.compile("sgd", "mse")
    with pytest.raises(OptionError, match="class_weight needs targets that name one class for each sample"):
        model.fit(x, t, class_weight={1: 2.0})


@pytest.mark.parametrize(("t", "w"), [(None, np.ones(6)), (T, np.ones(5)), (T, np.ones((6, 1)))])
def test_batches_hold_weights_beside_targets_and_one_each(t: Any, w: np.ndarray) -> None:
    with pytest.raises(DataError, match="sample_weight has shape"):
        Batches(X, t, sample_weight=w)
    got = list(Batches(X, T, 4, sample_weight=np.arange(6)))
    assert [len(batch) for batch in got] == [3, 3]
    np.testing.assert_array_equal(got[1][2], [4, 5])


def test_class_weight_of_targets_that_are_no_class_numbers() -> None:
    """It asked for 3.64 TiB: a weight for each class up to the largest target."""
    model = Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    x, t = np.ones((3, 2), "float32"), np.array([[0.0], [1.0], [1e12]])
    with pytest.raises(OptionError, match=r"targets that are class numbers, and these reach to 1e\+12: give sample_w"):
        model.fit(x, t, class_weight={1: 2.0}, verbose=0)
    with pytest.raises(DataError, match="the labels reach to 1000000000000: if that is a class number, say classes="):
        data.one_hot(np.array([0, 10**12]))


def test_what_weighs_nothing_counts_nothing_even_if_it_is_infinite(backend: Backend) -> None:
    found = weigh(backend.asarray([np.inf, np.inf, 3.0, -np.inf]), backend.asarray([0.0, 2.0, 0.5, 0.0]), backend)
    np.testing.assert_array_equal(backend.to_numpy(found), [0, np.inf, 1.5, 0])
