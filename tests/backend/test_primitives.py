"""Every backend's primitives against the reference on NumPy, and the reference against definitions written out here."""

import inspect
import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_close, assert_same, bits
from tests.kit.optimizer_steps import assert_first_steps, assert_infinite_weights_stay
from tests.kit.strategies import (
    ConvCase,
    PoolCase,
    convolutions,
    image_batches,
    integers,
    normal,
    poolings,
    seeds,
    spaced,
)
from xpnet.backend import Backend
from xpnet.backend.cpu.backend import NumpyBackend
from xpnet.backend.cpu.updates import fold_bias
from xpnet.backend.cuda.backend import CupyBackend
from xpnet.backend.reference import AdamStep, MomentStep, MuonStep
from xpnet.backend.window import Window
from xpnet.errors import OptionError, ShapeError
from xpnet.layers import Conv2D, Dense, MaxPool2D
from xpnet.networks import TableConv2D

REFERENCE = Backend()
dtypes = st.sampled_from(["float32", "float64"])
activations = st.sampled_from([None, "relu"])


def assert_agree(backend: Backend, name: str, *args: Any, **options: Any) -> Any:
    """The primitive gives what the reference gives, and writes into none of its arguments; returns the latter."""
    given = [backend.asarray(a) if isinstance(a, np.ndarray) else a for a in args]
    before = [bits(a) for a in args if isinstance(a, np.ndarray)]
    got = getattr(backend, name)(*given, **options)
    expected = getattr(REFERENCE, name)(*args, **options)
    assert [bits(a) for a, host in zip(given, args, strict=True) if isinstance(host, np.ndarray)] == before
    results = zip(got, expected, strict=True) if isinstance(expected, tuple) else [(got, expected)]
    for actual, wanted in results:
        if wanted is None:
            assert actual is None
        else:
            assert_close(actual, wanted, backend, scale=1.0)
    return expected


def definition(x: np.ndarray, w: np.ndarray, b: np.ndarray, case: ConvCase) -> np.ndarray:
    """Convolution as the textbooks define it, one number at a time."""
    window = case.window
    (top, _), (left, _) = window.padding
    H, W = x.shape[2:]
    O, CG, KH, KW = w.shape
    y = np.zeros(case.y_shape)
    for n, o, i, j in product(*map(range, y.shape)):
        first = o // (O // case.groups) * CG  # the first channel of the group
        total = b[o]
        for c, m, l in product(range(CG), range(KH), range(KW)):
            row = i * window.stride[0] + m * window.dilation[0] - top
            column = j * window.stride[1] + l * window.dilation[1] - left
            if 0 <= row < H and 0 <= column < W:
                total += w[o, c, m, l] * x[n, first + c, row, column]
        y[n, o, i, j] = total
    return y


@given(case=convolutions(), dtype=dtypes)
def test_conv2d_is_its_definition_exactly(backend: Backend, case: ConvCase, dtype: str) -> None:
    x, w = integers(case.x_shape, case.seed, dtype), integers(case.w_shape, case.seed + 1, dtype)
    b = integers(case.w_shape[:1], case.seed + 2, dtype)
    y = backend.conv2d(*map(backend.asarray, (x, w, b)), case.window, case.groups)
    assert_same(y, definition(x, w, b, case).astype(dtype))


@given(case=convolutions(), dtype=dtypes, activation=activations, bias=st.booleans())
def test_conv2d_agrees_with_the_reference(
    backend: Backend, case: ConvCase, dtype: str, activation: str | None, bias: bool
) -> None:
    x, w = normal(case.x_shape, case.seed, dtype), normal(case.w_shape, case.seed + 1, dtype)
    b = normal(case.w_shape[:1], case.seed + 2, dtype) if bias else None
    assert_agree(backend, "conv2d", x, w, b, case.window, case.groups, activation)


@given(case=convolutions(), dtype=dtypes, activation=activations, need_dx=st.booleans())
def test_conv2d_backward_agrees_with_the_reference(
    backend: Backend, case: ConvCase, dtype: str, activation: str | None, need_dx: bool
) -> None:
    x, w = normal(case.x_shape, case.seed, dtype), normal(case.w_shape, case.seed + 1, dtype)
    y, dy = normal(case.y_shape, case.seed + 2, dtype), normal(case.y_shape, case.seed + 3, dtype)
    y = np.maximum(y, 0) if activation == "relu" else y  # as ReLU leaves it: where it is 0, nothing passes
    options = {"groups": case.groups, "activation": activation, "need_dx": need_dx}
    assert_agree(backend, "conv2d_backward", dy, x, w, y, case.window, **options)


@given(case=convolutions())
def test_conv2d_backward_is_the_adjoint_exactly(backend: Backend, case: ConvCase) -> None:
    """conv2d is linear in x and in w: <conv(x, w), dy> = <x, dx> = <w, dw>, and <b, db> is the bias's part."""
    x, w, dy = (integers(s, case.seed + i) for i, s in enumerate((case.x_shape, case.w_shape, case.y_shape)))
    device = [backend.asarray(a) for a in (dy, x, w)]
    y = backend.to_numpy(backend.conv2d(device[1], device[2], None, case.window, case.groups))
    dx, dw, db = backend.conv2d_backward(*device, backend.asarray(y), case.window, case.groups)
    assert np.sum(y * dy) == np.sum(x * backend.to_numpy(dx)) == np.sum(w * backend.to_numpy(dw))
    assert_same(db, dy.sum(axis=(0, 2, 3)))


@given(case=convolutions(), dtype=dtypes)
def test_im2col_and_col2im_are_adjoint_exactly(backend: Backend, case: ConvCase, dtype: str) -> None:
    x = integers(case.x_shape, case.seed, dtype)
    c = integers((*case.x_shape[:2], *case.window.kernel, *case.y_shape[2:]), case.seed + 1, dtype)
    cols = backend.im2col(backend.asarray(x), case.window)
    image = backend.col2im(backend.asarray(c), case.x_shape[2:], case.window)
    assert_same(cols, REFERENCE.im2col(x, case.window))
    assert_same(image, REFERENCE.col2im(c, case.x_shape[2:], case.window))
    assert np.sum(backend.to_numpy(cols) * c, dtype="float64") == np.sum(x * backend.to_numpy(image), dtype="float64")


@given(case=poolings(), dtype=dtypes, ties=st.booleans())
def test_max_pooling_agrees_with_the_reference(backend: Backend, case: PoolCase, dtype: str, ties: bool) -> None:
    x = (integers if ties else spaced)(case.x_shape, case.seed, dtype)
    y = assert_agree(backend, "max_pool2d", x, case.window)
    for relu in (False, True):
        assert_agree(backend, "max_pool2d_backward", normal(y.shape, case.seed + 1, dtype), x, y, case.window, relu)


@given(N=st.integers(1, 3), C=st.integers(1, 3), OH=st.integers(1, 4), OW=st.integers(1, 4), seed=seeds)
@pytest.mark.parametrize("order", ["nchw", "hcwn", "hwcn"])
def test_the_largest_of_four_pixels(backend: Backend, order: str, N: int, C: int, OH: int, OW: int, seed: int) -> None:
    there = tuple("nchw".index(axis) for axis in order)
    lying = normal(tuple((N, C, 2 * OH, 2 * OW)[axis] for axis in there), seed, "float32")
    x = backend.xp.permute_dims(backend.asarray(lying), tuple(there.index(axis) for axis in range(4)))
    y = lying.transpose([there.index(axis) for axis in range(4)]).reshape(N, C, OH, 2, OW, 2).max(axis=(3, 5))
    assert_same(backend.max_pool2d(x, Window((2, 2), (2, 2))), y, backend)


@given(case=poolings())
def test_the_first_of_equal_pixels_gets_the_gradient(backend: Backend, case: PoolCase) -> None:
    x, dy = integers(case.x_shape, case.seed, limit=1), integers(case.y_shape, case.seed + 1)
    (top, _), (left, _) = case.window.padding
    expected = np.zeros_like(x)
    maxima = np.zeros(case.y_shape)
    for n, c, i, j in product(*map(range, case.y_shape)):
        pixels = []
        for m, l in product(*map(range, case.window.kernel)):  # in reading order
            row = i * case.window.stride[0] + m * case.window.dilation[0] - top
            column = j * case.window.stride[1] + l * case.window.dilation[1] - left
            if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
                pixels.append((x[n, c, row, column], row, column))
        best, row, column = max(pixels, key=lambda pixel: pixel[0])  # Python's max takes the first
        maxima[n, c, i, j] = best
        expected[n, c, row, column] += dy[n, c, i, j]
    y = backend.max_pool2d(backend.asarray(x), case.window)
    assert_same(y, maxima)
    assert_same(backend.max_pool2d_backward(backend.asarray(dy), backend.asarray(x), y, case.window), expected)


@given(case=poolings(), dtype=dtypes)
def test_average_pooling_agrees_with_the_reference(backend: Backend, case: PoolCase, dtype: str) -> None:
    y = assert_agree(backend, "avg_pool2d", normal(case.x_shape, case.seed, dtype), case.window)
    dy = normal(y.shape, case.seed + 1, dtype)
    assert_agree(backend, "avg_pool2d_backward", dy, case.x_shape[2:], case.window)


@given(case=poolings())
def test_average_pooling_is_im2col_and_mean(case: PoolCase) -> None:
    x = normal(case.x_shape, case.seed)
    assert_close(REFERENCE.avg_pool2d(x, case.window), REFERENCE.im2col(x, case.window).mean(axis=(2, 3)), REFERENCE)


@given(shape=image_batches(), seed=seeds, dtype=dtypes)
def test_batch_norm_agrees_with_the_reference(backend: Backend, shape: tuple[int, ...], seed: int, dtype: str) -> None:
    shape = (shape[0] + 3, *shape[1:])  # enough values for a variance that is not all rounding
    x, dy = 3 * normal(shape, seed, dtype) + 1, normal(shape, seed + 1, dtype)
    gamma, beta = normal(shape[1:2], seed + 2, dtype), normal(shape[1:2], seed + 3, dtype)
    _, mean, var = assert_agree(backend, "batch_norm", x, gamma, beta, 0.1)
    axes = (0, *range(2, x.ndim))
    assert_close(mean, x.mean(axis=axes), REFERENCE, scale=1.0)
    assert_close(var, x.var(axis=axes), REFERENCE, scale=1.0)
    assert_agree(backend, "batch_norm_backward", dy, x, mean, var, gamma, 0.1)


@given(shape=image_batches(6), seed=seeds, dtype=dtypes, size=st.integers(1, 7))
def test_local_response_norm_agrees_with_the_reference(
    backend: Backend, shape: tuple[int, ...], seed: int, dtype: str, size: int
) -> None:
    x, dy = normal(shape, seed, dtype), normal(shape, seed + 1, dtype)
    _, scale = assert_agree(backend, "local_response_norm", x, size, 0.5, 0.75, 2.0)
    expected = np.full(shape, 2.0)
    for c, other in product(range(shape[1]), repeat=2):
        if c - size // 2 <= other <= c + (size - 1) // 2:
            expected[:, c] += 0.5 / size * x[:, other].astype("float64") ** 2
    assert_close(scale, expected.astype(dtype), REFERENCE)
    assert_agree(backend, "local_response_norm_backward", dy, x, scale, size, 0.5, 0.75)


@given(batch=st.integers(1, 5), classes=st.integers(1, 6), seed=seeds, dtype=dtypes, factor=st.sampled_from([1, 300]))
def test_softmax_cross_entropy_agrees_with_the_reference(
    backend: Backend, batch: int, classes: int, seed: int, dtype: str, factor: int
) -> None:
    y = factor * normal((batch, classes), seed, dtype)
    t = np.random.default_rng(seed).integers(0, classes, batch)
    one_hot = np.eye(classes, dtype=dtype)[t]
    by_number = assert_agree(backend, "softmax_cross_entropy", y, t)
    by_vector = assert_agree(backend, "softmax_cross_entropy", y, one_hot)
    smooth = (0.7 * one_hot + 0.3 / classes).astype(dtype)
    assert_agree(backend, "softmax_cross_entropy", y, smooth)
    wide = y.astype("float64")
    log_softmax = wide - wide.max(axis=1, keepdims=True)
    log_softmax -= np.log(np.exp(log_softmax).sum(axis=1, keepdims=True))
    for losses, dy in (by_number, by_vector):
        assert_close(losses, -log_softmax[np.arange(batch), t].astype(dtype), REFERENCE, scale=1.0)
        assert_close(dy, (np.exp(log_softmax) - one_hot).astype(dtype), REFERENCE, scale=1.0)
    assert_agree(backend, "softmax", y)


@given(shape=image_batches(), rate=st.floats(0, 0.99), key=st.tuples(seeds, seeds), dtype=dtypes)
def test_dropout_masks_have_the_same_bits_everywhere(
    backend: Backend, shape: tuple[int, ...], rate: float, key: tuple[int, int], dtype: str
) -> None:
    words = np.random.Philox(key=np.array(key, np.uint64)).random_raw(math.prod(shape))
    halves = np.stack([words & np.uint64(2**32 - 1), words >> np.uint64(32)], axis=1).reshape(-1)[: math.prod(shape)]
    expected = np.where(halves >= round(rate * 2**32), np.asarray(1 / (1 - rate), dtype), np.asarray(0, dtype))
    assert_same(backend.dropout_mask(shape, rate, key, dtype), expected.reshape(shape))


@given(shape=image_batches(), rate=st.floats(0, 0.99), key=st.tuples(seeds, seeds), dtype=dtypes, data=st.data())
def test_a_part_of_a_batch_has_its_part_of_the_dropout_mask(
    backend: Backend, shape: tuple[int, ...], rate: float, key: tuple[int, int], dtype: str, data: st.DataObject
) -> None:
    begin = data.draw(st.integers(0, shape[0] - 1))
    end = data.draw(st.integers(begin + 1, shape[0]))
    whole = backend.to_numpy(backend.dropout_mask(shape, rate, key, dtype))
    part = (end - begin, *shape[1:])
    assert_same(backend.dropout_mask(part, rate, key, dtype, begin * math.prod(shape[1:])), whole[begin:end])


@pytest.mark.parametrize("first", [1, 7, 8, 2**34 + 3])
def test_a_dropout_mask_may_begin_anywhere(backend: Backend, first: int) -> None:
    expected = REFERENCE.dropout_mask((37,), 0.4, (5, 6), "float32", first)
    assert_same(backend.dropout_mask((37,), 0.4, (5, 6), "float32", first), expected)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_dropout_drops_at_its_rate(backend: Backend, rate: float) -> None:
    mask = backend.to_numpy(backend.dropout_mask((100, 1000), rate, (1, 2)))
    assert abs(np.mean(mask == 0) - rate) <= 5 * math.sqrt(rate * (1 - rate) / mask.size)
    assert abs(mask.mean(dtype="float64") - 1) < 0.05


@given(shape=st.tuples(*[st.integers(1, 6)] * 3), seed=seeds, dtype=dtypes, activation=activations, bias=st.booleans())
def test_dense_agrees_with_the_reference(
    backend: Backend, shape: tuple[int, int, int], seed: int, dtype: str, activation: str | None, bias: bool
) -> None:
    N, I, O = shape
    x, w, dy = normal((N, I), seed, dtype), normal((O, I), seed + 1, dtype), normal((N, O), seed + 2, dtype)
    b = normal((O,), seed + 3, dtype) if bias else None
    y = assert_agree(backend, "dense", x, w, b, activation)
    z = np.einsum("ni,oi->no", x, w) + (0 if b is None else b)
    assert_close(y, np.maximum(z, 0) if activation else z, REFERENCE, scale=1.0)
    for need_dx in (True, False):
        assert_agree(backend, "dense_backward", dy, x, w, y, activation, need_dx)


@given(
    low=st.integers(-3, 3),
    count=st.integers(1, 9),
    classes=st.integers(1, 9),
    dtype=st.sampled_from(["int32", "int64"]),
)
def test_class_numbers_are_within_bounds_or_not(
    backend: Backend, low: int, count: int, classes: int, dtype: str
) -> None:
    for step in (1, -1, 2):
        t = np.arange(low, low + count, dtype=dtype)[::step]
        assert backend.are_classes(backend.asarray(t), classes) == all(0 <= label < classes for label in t.tolist())


@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    vocabulary=st.integers(1, 300),
    size=st.sampled_from([1, 3, 300]),
    seed=seeds,
    dtype=dtypes,
)
def test_embedding_agrees_with_the_reference(
    backend: Backend, shape: list[int], vocabulary: int, size: int, seed: int, dtype: str
) -> None:
    x = np.random.default_rng(seed).integers(0, vocabulary, shape)
    w, dy = normal((vocabulary, size), seed, dtype), normal((*shape, size), seed + 1, dtype)
    assert_same(backend.embedding(backend.asarray(x), backend.asarray(w)), w[x], backend)
    dw = assert_agree(backend, "embedding_backward", dy, x, vocabulary)
    expected = np.zeros_like(w)
    np.add.at(expected, x, dy)
    assert_close(dw, expected, REFERENCE, scale=1.0)


def test_the_gradient_of_an_embedding_has_the_same_bits_each_time(backend: Backend) -> None:
    """Many rows of dy for each row of the table, more than a block of the GPU takes at a time."""
    x = backend.asarray(np.random.default_rng(0).integers(0, 3, (40, 30)))
    dy = backend.asarray(normal((40, 30, 5), 1, "float32"))
    first = bits(backend.embedding_backward(dy, x, 3))
    assert all(bits(backend.embedding_backward(dy, x, 3)) == first for _ in range(3))
    assert_close(backend.embedding_backward(dy, x, 3), REFERENCE.embedding_backward(*map(backend.to_numpy, (dy, x)), 3))


ADAM: dict[str, Any] = {"step": 3, "lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-3}
UPDATES: tuple[tuple[str, int, dict[str, Any]], ...] = (  # primitive, number of state arrays, options
    ("sgd", 1, {"lr": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0}),
    ("sgd", 1, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.3}),
    ("adagrad", 1, {"lr": 0.1, "eps": 1e-3, "weight_decay": 0.3}),
    ("rmsprop", 1, {"lr": 0.1, "rho": 0.9, "eps": 1e-3, "weight_decay": 0.3}),
    ("adam", 2, {"how": AdamStep(**ADAM, weight_decay=0.0, decoupled=False)}),
    ("adam", 2, {"how": AdamStep(**ADAM, weight_decay=0.3, decoupled=False)}),
    ("adam", 2, {"how": AdamStep(**ADAM, weight_decay=0.3, decoupled=True)}),
    ("moments", 2, {"how": MomentStep(0.1, 0.2, 0.9, 0.99, 0.3, True, 1e-3, 0.3, 0.0)}),
    ("moments", 2, {"how": MomentStep(0.0, 0.2, 0.9, 0.99, 1.0, False, 1e-3, 0.0, 0.1)}),
    ("lion", 1, {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0}),
    ("lion", 1, {"lr": 0.1, "beta1": 0.5, "beta2": 0.9, "weight_decay": 0.3}),
    ("muon", 1, {"how": MuonStep(0.1, 0.2, 0.9, True, 0.3, (3.4445, -4.775, 2.0315), 5)}),
    ("muon", 1, {"how": MuonStep(0.1, 0.2, 0.9, False, 0.0, (1.5, -0.5, 0.0), 2)}),
)


@pytest.mark.parametrize(("name", "states", "options"), UPDATES)
@given(shape=image_batches(), seed=seeds, dtype=dtypes)
def test_update_steps_agree_with_the_reference(
    backend: Backend, name: str, states: int, options: dict[str, Any], shape: tuple[int, ...], seed: int, dtype: str
) -> None:
    p, g, *rest = (normal(shape, seed + i, dtype) for i in range(2 + states))
    arrays = [p, g, *(abs(s) for s in rest)]
    given_ = [backend.copy(backend.asarray(a)) for a in arrays]
    getattr(backend, name)(*given_, **options)
    expected = [a.copy() for a in arrays]
    getattr(REFERENCE, name)(*expected, **options)
    for got, want in zip(given_, expected, strict=True):  # changed in place
        assert_close(got, want, backend, scale=1.0)
    assert_same(given_[1], g)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_below_a_limit_is_forgotten_and_all_else_stays(backend: Backend, dtype: str) -> None:
    real, limit = np.dtype(dtype).type, 2.0**-100
    tiny, nan, inf = float(np.finfo(real).smallest_subnormal), math.nan, math.inf
    above = float(np.nextafter(real(limit), real(1)))
    stay = [limit, -limit, above, 1.0, -3.5, inf, -inf, nan]
    go = [0.0, tiny, -tiny, float(np.nextafter(real(limit), real(0))), -limit / 2]
    x = np.array(stay + go, dtype)
    given_ = backend.copy(backend.asarray(x))
    for least in (limit, 0.0):
        backend.forget(given_, least)
        got = backend.to_numpy(given_)
        assert got.dtype == x.dtype
        np.testing.assert_array_equal(got, np.array(stay + [0.0] * len(go), dtype))
        assert not np.any(np.signbit(got[len(stay) :]))


def test_sgd_without_momentum_keeps_no_state(backend: Backend) -> None:
    p, g = backend.asarray(normal((3,), 1)), backend.asarray(normal((3,), 2))
    expected = normal((3,), 1) - 0.5 * (normal((3,), 2) + 0.1 * normal((3,), 1))
    backend.sgd(p, g, None, lr=0.5, momentum=0.0, nesterov=False, weight_decay=0.1)
    assert_close(p, expected)


@pytest.mark.parametrize("decoupled", [False, True])
def test_adam_is_the_formula_of_its_paper(backend: Backend, decoupled: bool) -> None:
    p, g, m, v = 0.7, -0.4, 0.2, 0.05
    arrays = [backend.asarray(np.array([value])) for value in (p, g, m, v)]
    backend.adam(*arrays, AdamStep(**ADAM, weight_decay=0.3, decoupled=decoupled))
    if decoupled:
        p -= 0.1 * 0.3 * p
    else:
        g += 0.3 * p
    m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
    p -= 0.1 * (m / (1 - 0.9**3)) / (math.sqrt(v / (1 - 0.99**3)) + 1e-3)
    for got, want in zip((arrays[0], *arrays[2:]), (p, m, v), strict=True):
        assert float(backend.to_numpy(got)[0]) == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("beta2", [0.9, 0.999, 0.99999, 0.99999999])
@pytest.mark.parametrize("beta1", [0.9, 0.9999, 0.999999])
def test_the_first_step_of_adam_is_the_learning_rate_whatever_the_betas(
    backend: Backend, beta1: float, beta2: float
) -> None:
    """1 - beta is taken in double: of float32(0.99999), the difference is off by a thousandth."""
    assert_first_steps(backend, beta1, beta2)


def test_zero_times_an_infinite_weight_is_zero(backend: Backend) -> None:
    """Without weight decay, or with decay that shrinks, none of it reaches the gradient, moments or other weights."""
    assert_infinite_weights_stay(backend)


def test_an_average_of_what_never_changes_stays_there(backend: Backend) -> None:
    value = np.abs(normal((50,), 0, "float32")) + 1
    for rate in (0.1, 0.01, 1e-3, 1e-5):
        average, own = backend.asarray(value.copy()), backend.asarray(value)
        average = backend.copy(average)
        for _ in range(300):
            backend.moving_average(average, own, rate, rate)
        assert_same(average, value)


def test_an_average_of_what_is_infinite_is_infinite(backend: Backend) -> None:
    inf = np.inf
    average = backend.copy(backend.asarray(np.array([inf, -inf, 1, 1, inf], np.float32)))
    value = backend.asarray(np.array([inf, -inf, inf, 3, 1], np.float32))
    backend.moving_average(average, value, 0.25, 0.25)
    np.testing.assert_array_equal(backend.to_numpy(average), np.array([inf, -inf, inf, 1.5, inf], np.float32))
    backend.moving_average(average, backend.asarray(np.full(5, 7, np.float32)), 1.0, 2.0)
    assert_same(average, np.full(5, 14, np.float32))


@pytest.mark.parametrize("kind", [NumpyBackend, CupyBackend])
def test_overrides_have_the_signatures_of_the_reference(kind: type[Backend]) -> None:
    own = [part for part in kind.__mro__ if part.__module__.split(".")[2:3] in (["cpu"], ["cuda"])]
    functions = [pair for part in own for pair in vars(part).items() if inspect.isfunction(pair[1])]
    names = [name for name, _ in functions if not name.startswith("_") and hasattr(Backend, name)]
    assert len(names) > 10
    for name in names:
        ours, theirs = (inspect.signature(getattr(each, name)).parameters for each in (kind, Backend))
        assert ours == theirs, name


@given(N=st.integers(1, 9), C=st.integers(1, 7), seed=seeds, dtype=st.sampled_from(["int64", "int32", "uint8"]))
def test_one_hot_is_true_in_the_column_of_the_class(backend: Backend, N: int, C: int, seed: int, dtype: str) -> None:
    t = np.random.default_rng(seed).integers(0, C, N).astype(dtype)
    rows = backend.to_numpy(backend.one_hot(backend.asarray(t), C))
    assert rows.dtype == bool
    np.testing.assert_array_equal(rows, np.eye(C, dtype=bool)[t])


def test_every_backend_explains_a_convolution(backend: Backend) -> None:
    layer = Conv2D(4, 3, padding="same")
    for shape in ((1, 3, 8, 8), (100, 3, 8, 8)):
        name, _, reason = backend.explain(layer, shape).partition(": ")
        assert name and reason
    assert backend.explain(Conv2D(4, 1), (2, 3, 8, 8)).partition(": ")[2]
    with pytest.raises(ShapeError, match="the window covers 9x9 pixels"):
        backend.explain(Conv2D(4, 9), (2, 3, 8, 8))
    table = TableConv2D(((0,), (0, 1)), 3)
    for other, shape in ((Dense(3), (2, 5)), (MaxPool2D(2), (2, 3, 8, 8)), (table, (2, 2, 8, 8)), (layer, (3, 8, 8))):
        with pytest.raises(
            OptionError, match=r"explain takes a convolution and a batch's shape, \(N, C, H, W\), not .*\([23], "
        ):
            backend.explain(other, shape)  # type: ignore[arg-type]


def test_a_step_of_adam_has_its_bias_taken_away_once() -> None:
    how = AdamStep(step=3, lr=0.1, beta1=0.9, beta2=0.99, eps=1e-3, weight_decay=0.0, decoupled=False)
    rate, least = fold_bias(how)
    m, v = 0.3, 0.7
    plain = how.lr * (m / (1 - 0.9**3)) / (math.sqrt(v / (1 - 0.99**3)) + how.eps)
    assert rate * m / (math.sqrt(v) + least) == pytest.approx(plain, rel=1e-12)
