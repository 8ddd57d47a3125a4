"""Sums of many entries, in every order of memory: each backend against float64, with an error that hardly grows.

Added up one after the other, 0.1 a million times loses one in a hundred; in blocks or in pairs a few units in the last
place, and of all that is asserted here the bound is such that the former is seen.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import bits
from tests.kit.strategies import normal, seeds
from xpnet import losses
from xpnet.backend import Array, Backend
from xpnet.backend.window import Window
from xpnet.core.parameter import Parameter
from xpnet.layers import AdaptiveAvgPool2D, GlobalAvgPool2D, LearnedPositions, LogSoftmax, Multiply, PReLU, Softmax
from xpnet.optimizers.clipping import clip_norm

LARGE, LARGE_SIMULATED = 1 << 17, 1 << 14  # entries of a sum; on a device that is simulated, a thread after the other
BOUND = 1.5e-6  # of the sum; a hundredth of what 0.1 loses where so many are added one after the other


def lying(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """x with its axes in this order in memory."""
    return np.ascontiguousarray(x.transpose(axes)).transpose(np.argsort(axes))


def strided(x: np.ndarray) -> np.ndarray:
    """With gaps between rows and between entries."""
    wide = np.zeros((2 * x.shape[0], *x.shape[1:-1], 2 * x.shape[-1]), x.dtype)
    wide[::2, ..., ::2] = x
    return wide[::2, ..., ::2]


ORDERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "nchw": lambda x: x,
    "whcn": np.asfortranarray,
    "hwcn": lambda x: lying(x, (2, 3, 1, 0)),
    "hcwn": lambda x: lying(x, (2, 1, 3, 0)),
    "nhwc": lambda x: lying(x, (0, 2, 3, 1)),
    "cnhw": lambda x: lying(x, (1, 0, 2, 3)),
    "strided": strided,
    "backwards": lambda x: np.ascontiguousarray(x[::-1, ..., ::-1])[::-1, ..., ::-1],
}


def orders(backend: Backend) -> Sequence[Callable[[np.ndarray], np.ndarray]]:
    """All where a backend has its own way for each, else two."""
    return list(ORDERS.values()) if backend.name == "numpy" else [ORDERS["nchw"], ORDERS["hwcn"]]


def count(backend: Backend) -> int:
    return LARGE_SIMULATED if backend.lazy else LARGE


def constant(*shape: int) -> np.ndarray:
    """Of 0.1 every addition is rounded the same way for long."""
    return np.full(shape, 0.1, "float32")


def assert_right(got: Array, wanted: Any, backend: Backend, bound: float = BOUND) -> None:
    found, wanted = backend.to_numpy(got).astype("float64"), np.asarray(wanted, "float64")
    assert found.shape == wanted.shape
    assert np.max(np.abs(found - wanted)) < bound * np.max(np.abs(wanted))


def assert_near(got: Array, terms: np.ndarray, backend: Backend) -> None:
    """The sums of a channel's terms, of both signs."""
    assert np.all(np.abs(backend.to_numpy(got) - terms.sum((0, 2, 3))) < 2 * BOUND * np.abs(terms).sum((0, 2, 3)))


# ---- the primitive ---------------------------------------------------------------------------------------------------


@given(
    shape=st.lists(st.integers(1, 40), min_size=1, max_size=5).map(tuple).filter(lambda shape: np.prod(shape) < 50_000),
    data=st.data(),
    seed=seeds,
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_any_axes_of_an_array_in_any_order(
    backend: Backend, shape: tuple[int, ...], data: Any, seed: int, dtype: str
) -> None:
    one = st.integers(-len(shape), len(shape) - 1)
    several = st.sets(st.integers(0, len(shape) - 1), min_size=1).map(tuple)
    how = {"axis": data.draw(st.none() | one | several), "keepdims": data.draw(st.booleans())}
    wide = lying(normal(shape, seed), data.draw(st.permutations(range(len(shape)))))
    x = backend.asarray(wide.astype(dtype))
    before, wide = bits(x, backend), backend.to_numpy(x).astype("float64")
    for name, tolerance in (("sum", {"float32": 3e-6, "float64": 1e-14}[dtype]), ("mean", 3e-6)):
        got, wanted = getattr(backend, name)(x, **how), getattr(wide, name)(**how)
        assert got.dtype == x.dtype and tuple(got.shape) == wanted.shape
        assert np.all(np.abs(backend.to_numpy(got) - wanted) <= tolerance * (getattr(np.abs(wide), name)(**how)))
    assert bits(x, backend) == before


@pytest.mark.parametrize("keepdims", [False, True], ids=["dropped", "kept"])
def test_sums_have_their_axes_in_the_order_of_the_array(backend: Backend, keepdims: bool) -> None:
    """Whole numbers, of which no sum is rounded."""
    x = np.arange(3 * 2 * 150 * 5, dtype="float32").reshape(3, 2, 150, 5) % 97
    for order in orders(backend):
        for axis in (2, (-2,), (0, 2), (1, 2), (2, -1)):
            got = backend.to_numpy(backend.sum(backend.asarray(order(x)), axis, keepdims))
            np.testing.assert_array_equal(got, x.sum(axis, keepdims=keepdims))
            mean = backend.mean(backend.asarray(order(x)), axis, keepdims)
            assert_right(mean, x.mean(axis, "float64", keepdims=keepdims), backend)
    matrix = x.reshape(-1, 5)
    for axis in (0, (0,), (-2,), 1):
        got = backend.to_numpy(backend.sum(backend.asarray(matrix), axis, keepdims))
        np.testing.assert_array_equal(got, matrix.sum(axis, keepdims=keepdims))


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 70), (50, 2)], ids=str)
def test_a_sum_of_many(backend: Backend, shape: tuple[int, int]) -> None:
    """All but the channels; all; and all but samples and channels."""
    (N, C), side = shape, int((count(backend) / shape[0] / (shape[1] if shape[1] > 8 else 1)) ** 0.5)
    for x in (constant(N, C, side, side + 1), np.abs(normal((N, C, side, side + 1), 1)).astype("float32")):
        wide = x.astype("float64")
        wanted = {axes: wide.sum(axes) for axes in ((0, 2, 3), None, (2, 3))}
        for order in orders(backend):
            there = backend.asarray(order(x))
            for axes, value in wanted.items():
                assert_right(backend.sum(there, axes), value, backend)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_column_of_a_matrix(backend: Backend, dtype: str) -> None:
    """Ones are added exactly, up to 2**24."""
    for columns in (1, 3):
        x = backend.asarray(np.ones((count(backend) + 77, columns), dtype))
        assert backend.to_numpy(backend.sum(x, 0)).tolist() == [count(backend) + 77] * columns
    x = backend.asarray(np.full((count(backend) + 77, 2), 0.1, dtype))
    value = float(np.dtype(dtype).type(0.1))
    bound = BOUND if dtype == "float32" else 1e-14
    assert_right(backend.sum(x, 0), np.full(2, (count(backend) + 77) * value), backend, bound)


def test_many_columns_of_a_matrix(backend: Backend) -> None:
    """Where a device has a thread for each, which adds all that is in it."""
    x = constant(8192, 512)
    assert_right(backend.sum(backend.asarray(x), 0), x.astype("float64").sum(0), backend)


def test_integers_are_added_exactly(backend: Backend) -> None:
    x = np.full((1000, 3), 200, "uint8")
    assert backend.to_numpy(backend.sum(backend.asarray(x), 0)).tolist() == [200_000] * 3


def test_what_is_not_finite_stays(backend: Backend) -> None:
    x = np.ones((5000, 4), "float32")
    x[7, 0], x[4999, 1], x[3, 2], x[900, 2] = np.nan, np.inf, np.inf, -np.inf
    for order in (x, np.asfortranarray(x)):
        with np.errstate(invalid="ignore"):
            got = backend.to_numpy(backend.sum(backend.asarray(order), 0))
        np.testing.assert_array_equal(got, [np.nan, np.inf, np.nan, 5000])


# ---- what is made of it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 3), (40, 2)], ids=str)
def test_batch_norm(backend: Backend, shape: tuple[int, int]) -> None:
    """Of numbers like those behind a ReLU: off by no more than float32 itself is."""
    (N, C), side = shape, int((count(backend) / shape[0]) ** 0.5)
    x = (np.maximum(normal((N, C, side, side), 1) + 0.5, 0) + 3).astype("float32")
    dy = (normal(x.shape, 2) + 1).astype("float32")
    axes, wide, dwide, centre = (0, 2, 3), x.astype("float64"), dy.astype("float64"), np.array([3.3] * C, "float32")
    away, from_centre = wide - wide.mean(axes, keepdims=True), wide - np.float64(centre[0])
    normed = away / np.sqrt((away**2).mean(axes, keepdims=True) + 1e-5)
    for order in orders(backend):
        there, dthere = (backend.asarray(order(v)) for v in (x, dy))
        y, mean, var = backend.batch_norm(there, None, None, 1e-5)
        assert_right(mean, wide.mean(axes), backend)
        assert_right(var, (away**2).mean(axes), backend)
        assert_right(y, normed, backend)
        _, dgamma, dbeta = backend.batch_norm_backward(dthere, there, mean, var, None, 1e-5)
        assert_right(dbeta, dwide.sum(axes), backend)
        assert_near(dgamma, dwide * normed, backend)
        sums, products = backend.sum_channels(dthere, there, backend.asarray(centre))
        assert_right(sums, dwide.sum(axes), backend)
        assert_near(products, dwide * from_centre, backend)


@pytest.mark.parametrize("shape", [(4096, 8), (9, 4096), (2, 3, 90, 100), (3, 2003)], ids=str)
@pytest.mark.parametrize("order", ["c", "f"])
def test_normalization_within_a_sample(backend: Backend, order: str, shape: tuple[int, ...]) -> None:
    x, dy = (normal(shape, 1) + 5).astype("float32"), (np.abs(normal(shape, 2)) + 1).astype("float32")
    there, dthere = (backend.asarray(np.asarray(v, order=order.upper())) for v in (x, dy))
    wide, axes = x.astype("float64"), tuple(range(1, len(shape)))
    away = wide - wide.mean(axes, keepdims=True)
    normed = away / np.sqrt((away**2).mean(axes, keepdims=True) + 1e-5)
    weight = backend.asarray(np.ones(shape[1], "float32"))
    y, mean, rstd = backend.group_norm(there, 1, weight, None, 1e-5)
    assert_right(y, normed, backend, 2e-6)
    _, _, dbias = backend.group_norm_backward(dthere, there, 1, mean, rstd, weight)
    assert_right(dbias, dy.astype("float64").sum((0, *range(2, len(shape)))), backend)


@pytest.mark.parametrize("times", [1, 10], ids=["0.1", "ones"])
def test_the_bias_of_a_dense_layer(backend: Backend, times: int) -> None:
    dy = constant(count(backend), 2) * np.float32(times)
    x, w = np.zeros((len(dy), 1), "float32"), np.zeros((2, 1), "float32")
    _, _, db = backend.dense_backward(*map(backend.asarray, (dy, x, w, dy)), need_dx=False)
    assert_right(db, dy.astype("float64").sum(0), backend, 1e-6)


WINDOWS = {"columns": Window((2, 2)), "three rows": Window((3, 3), padding=((1, 1), (1, 1))), "pixels": Window()}


@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("order", ["hwcn", "hcwn"])
@pytest.mark.parametrize("window", WINDOWS)
def test_the_bias_of_a_convolution(backend: Backend, window: str, order: str, activation: str | None) -> None:
    N, C, side, place = 48, 2, int((count(backend) / 192) ** 0.5), WINDOWS[window]
    x, w = np.zeros((N, C, side, side), "float32"), np.zeros((4, C, *place.kernel), "float32")
    dy = constant(N, 4, *place.output_size((side, side)))
    wanted = dy.astype("float64").sum((0, 2, 3))
    dthere, *others = (backend.asarray(v) for v in (ORDERS[order](dy), x, w, ORDERS[order](np.ones_like(dy))))
    _, _, db = backend.conv2d_backward(dthere, *others, place, activation=activation, need_dx=False)
    assert_right(db, wanted, backend)
    x, w = np.zeros((N, C, *place.output_size(dy.shape[2:])), "float32"), np.zeros((C, 4, *place.kernel), "float32")
    others = [backend.asarray(v) for v in (x, w, np.ones_like(dy))]
    _, _, db = backend.conv2d_transposed_backward(dthere, *others, place, activation=activation, need_dx=False)
    assert_right(db, wanted, backend)


def test_the_bias_of_a_convolution_of_a_tall_image(backend: Backend) -> None:
    """Of rows that are many, and short."""
    side, window = count(backend) // 4, WINDOWS["columns"]
    dy = constant(1, 2, side, 3)
    x, w = np.zeros((1, 1, side + 1, 4), "float32"), np.zeros((2, 1, 2, 2), "float32")
    _, _, db = backend.conv2d_backward(*map(backend.asarray, (dy, x, w, dy)), window, need_dx=False)
    assert_right(db, dy.astype("float64").sum((0, 2, 3)), backend)


def test_the_mean_of_an_image(backend: Backend) -> None:
    side = 256 if backend.lazy else 1000
    wanted = np.full((1, 2), np.float64(np.float32(0.1)))
    for order in orders(backend):
        x = backend.asarray(order(constant(1, 2, side, side)))
        assert_right(GlobalAvgPool2D().forward(x)[0], wanted, backend, 1e-6)
    assert_right(AdaptiveAvgPool2D(1).forward(x)[0], wanted[..., None, None], backend, 2 * BOUND)


def test_the_mean_of_a_large_window(backend: Backend) -> None:
    x = backend.asarray(constant(1, 2, 40, 42))
    assert_right(backend.avg_pool2d(x, Window((40, 40))), np.full((1, 2, 1, 3), np.float64(np.float32(0.1))), backend)
    dy = backend.asarray(constant(1, 1, 29, 29))
    dx = backend.to_numpy(backend.avg_pool2d_backward(dy, (56, 56), Window((28, 28))))
    assert abs(dx[0, 0, 27, 27] / np.float64(np.float32(0.1)) - 1) < BOUND


def test_rows_of_a_table_that_come_often(backend: Backend) -> None:
    M = 20_000
    numbers = np.where(np.arange(M) % 5 == 0, 1, 3)
    numbers[0] = numbers[M // 2 + 1] = 2  # twice, beside others that come thousands of times
    dw = backend.embedding_backward(backend.asarray(constant(M, 3)), backend.asarray(numbers), 5)
    wanted = np.float64(np.float32(0.1)) * np.repeat([0, M // 5 - 1, 2, M - M // 5 - 1, 0], 3).reshape(5, 3)
    assert_right(dw, wanted, backend)


@pytest.mark.parametrize("order", ["c", "f"])
def test_softmax_over_many(backend: Backend, order: str) -> None:
    M, C = 2, 20_000
    y = np.asarray(np.abs(normal((M, C), 3)) * 0.01, "float32", order=order.upper())
    there, wide = backend.asarray(y), y.astype("float64")
    e = np.exp(wide)
    p = e / e.sum(1, keepdims=True)
    assert_right(backend.softmax(there, 1), p, backend)
    t = backend.asarray(np.array([3, 7]))
    lost, dy = backend.softmax_cross_entropy(there, t)
    assert_right(lost, -np.log(p[[0, 1], [3, 7]]), backend)
    assert_right(dy, p - (np.arange(C) == [[3], [7]]), backend)
    rows = backend.asarray(np.asarray(np.full((M, C), 1 / C), "float32", order=order.upper()))
    assert_right(backend.softmax_cross_entropy(there, rows)[0], -np.log(p).mean(1), backend, 3e-6)
    assert_right(LogSoftmax().forward(there)[0], np.log(p), backend)
    _, back = Softmax().forward(there)
    assert_right(back(there), p * (wide - (p * wide).sum(1, keepdims=True)), backend, 1e-5)


def test_attention_over_many_keys(backend: Backend) -> None:
    q, k = np.zeros((1, 1, 1, 1), "float32"), np.zeros((1, 1, 100_001, 1), "float32")
    _, p = backend.attention(*map(backend.asarray, (q, k, k + 1)))
    assert_right(p, np.full((1, 1, 1, 100_001), 1 / 100_001), backend)


LOSSES = [losses.MeanSquaredError(), losses.MeanAbsoluteError(), losses.Huber(), losses.BinaryCrossEntropyWithLogits()]


@pytest.mark.parametrize("order", ["c", "f", "cut"])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_a_loss_of_many_entries(backend: Backend, loss: losses.Loss, order: str) -> None:
    rows = count(backend) // 2
    whole = constant(rows, 3)
    y = {"c": whole[:, :2].copy(), "f": np.asfortranarray(whole[:, :2]), "cut": whole[:, :2]}[order]
    single, _ = loss.forward(backend.asarray(y[:1]), backend.asarray(np.zeros((1, 2), "float32")), backend)
    got, _ = loss.forward(backend.asarray(y), backend.asarray(np.zeros_like(y)), backend)
    assert_right(got, backend.to_numpy(single), backend)


def test_losses_of_classes(backend: Backend) -> None:
    M = count(backend) // 4
    y, t = backend.asarray(np.zeros((M, 2), "float32")), backend.asarray(np.zeros(M, "int64"))
    for loss, wanted in ((losses.SoftmaxCrossEntropy(), np.log(2)), (losses.Focal(), np.log(2) / 4)):
        assert_right(loss.forward(y, t, backend)[0], wanted, backend, 3e-6)
    image = backend.asarray(np.zeros((1, 2, M // 4, 4), "float32"))  # p is 1/2, of classes of which one is everywhere
    found, _ = losses.Dice().forward(image, backend.asarray(np.zeros((1, M // 4, 4), "int64")), backend)
    overlaps = (M + 1) / (1.25 * M + 1), 1 / (0.25 * M + 1)
    assert_right(found, 1 - sum(overlaps) / 2, backend, 3e-6)


def test_the_norm_of_all_gradients(backend: Backend) -> None:
    p = Parameter(backend.asarray(constant(count(backend) // 2, 2)), backend=backend)
    p.grad = backend.asarray(constant(count(backend) // 2, 2))
    clip_norm([p], 1.0)
    assert_right(p.grad, np.full(p.grad.shape, (count(backend)) ** -0.5), backend)


def test_parameters_that_many_entries_share(backend: Backend) -> None:
    n = count(backend) // 4
    x, dy = (backend.asarray(constant(n, 2, 2) * sign) for sign in (-1, 1))
    square, wide = float(np.float32(0.1)) ** 2, float(np.float32(0.1))
    layer = PReLU(per_channel=True)
    _, back = layer.forward(x, train=True)
    back(dy)
    assert_right(layer.weight.grad, np.full(2, -2 * n * square), backend)
    positions = LearnedPositions(2)
    _, back = positions.forward(x, train=True)
    back(dy)
    assert_right(positions.weight.grad, np.full((2, 2), n * wide), backend)
    gate = backend.asarray(np.ones((2, 1, 1), "float32"))
    wide_x = backend.asarray(constant(2, n // 2, 2))
    _, back = Multiply().forward(wide_x, gate)
    assert_right(back(wide_x)[1], np.full((2, 1, 1), n * square), backend)
