"""Kernels of three rows on the CPU: what the reference computes, to the bit on whole numbers, in any tiles."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.kit.helpers import assert_close, assert_same, calls_of
from tests.kit.strategies import integers, normal, seeds
from xpnet.backend import Backend
from xpnet.backend.cpu import algorithm, choice, safeguards, winograd
from xpnet.backend.cpu.backend import NumpyBackend
from xpnet.backend.cpu.safeguards import RATIO, Safeguards, is_finite
from xpnet.backend.cpu.winograd import Winograd, tiles_of
from xpnet.backend.window import Window

REFERENCE = Backend()
WALKS: list[Any] = [NumpyBackend.algorithms[choice.WINOGRAD]]
try:
    from xpnet.backend.jit.backend import JitBackend
except ImportError:  # without Numba there is one walk only
    pass
else:
    WALKS.append(JitBackend.algorithms[choice.WINOGRAD])


@st.composite
def cases(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], Window]:
    """Shapes of x and w, and a window: the output's size is drawn and the input's follows; padding may be wide."""
    OH, OW, KW = draw(st.integers(1, 6)), draw(st.integers(1, 5)), draw(st.integers(1, 4))
    top, bottom = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    left, right = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    H, W = OH + 2 - top - bottom, OW + KW - 1 - left - right
    OH, OW = OH + max(0, 1 - H), OW + max(0, 1 - W)  # an image has a pixel at least
    size = OH + 2 - top - bottom, OW + KW - 1 - left - right
    assume(size != (3, KW) or top or bottom or left or right)  # a kernel as large as the image is a dense layer
    N = draw(st.sampled_from([choice.WINOGRAD_IMAGES, choice.WINOGRAD_IMAGES + 9]))
    C, O = draw(st.sampled_from([1, 3, 8, 24])), draw(st.sampled_from([1, 2, 16]))
    return (N, C, *size), (O, C, 3, KW), Window((3, KW), padding=((top, bottom), (left, right)))


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: type(walk).__name__)
@given(case=cases(), seed=seeds, relu=st.booleans(), bias=st.booleans(), need_dx=st.booleans(), narrow=st.booleans())
def test_what_the_reference_computes(
    walk: Winograd, case: Any, seed: int, relu: bool, bias: bool, need_dx: bool, narrow: bool
) -> None:
    x_shape, w_shape, window = case
    x, w, b = (integers(shape, seed + i, "float32") for i, shape in enumerate((x_shape, w_shape, w_shape[:1])))
    assert choice.choose(x.shape, w.shape, (x.dtype, w.dtype), window, 1, 0)[0] == choice.WINOGRAD
    options: Any = (window, 1, "relu" if relu else None)
    with pytest.MonkeyPatch.context() as patch:
        if narrow:  # the least tiles: one pair, one column
            patch.setattr(winograd, "TILE_BYTES", 1)
        y = walk.forward(x, w, b if bias else None, window, 1, relu)
        assert_same(y, REFERENCE.conv2d(x, w, b if bias else None, *options))
        dy = integers(y.shape, seed + 3, "float32")
        results = algorithm.backward(walk, dy, x, w, y, window, 1, relu, (need_dx, True, True))
        c = integers(x_shape[1:2], seed + 4, "float32") if bias else None
        turned = walk.input_gradient(dy, w, c, window, x_shape[2:], 1, relu)
        turned_back = algorithm.transposed_backward(walk, x, dy, w, turned, window, 1, relu, (need_dx, True, True))
    assert_same(turned, REFERENCE.conv2d_transposed(dy, w, c, window, x_shape[2:], *options[1:]))
    for result, expected in zip(
        turned_back, REFERENCE.conv2d_transposed_backward(x, dy, w, turned, *options, need_dx), strict=True
    ):
        assert (result is None and expected is None) or np.array_equal(result, expected)
    for result, expected in zip(results, REFERENCE.conv2d_backward(dy, x, w, y, *options, need_dx), strict=True):
        assert (result is None and expected is None) or np.array_equal(result, expected)


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: type(walk).__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rounding_is_that_of_a_direct_convolution(walk: Winograd, dtype: str) -> None:
    x, w = normal((choice.WINOGRAD_IMAGES, 32, 9, 10), 0, dtype), normal((16, 32, 3, 3), 1, dtype)
    window = Window((3, 3), padding=((1, 1), (1, 1)))
    exact = REFERENCE.conv2d(x.astype("float64"), w.astype("float64"), None, window)
    direct = np.abs(REFERENCE.conv2d(x, w, None, window) - exact)
    own = np.abs(walk.forward(x, w, None, window, 1, False) - exact)
    assert walk.forward(x, w, None, window, 1, False).dtype == dtype
    bound = 2 * np.sqrt(np.mean(direct**2)) if dtype == "float32" else 1e-13  # in float64 the direct one is `exact`
    assert np.sqrt(np.mean(own**2)) <= bound


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: type(walk).__name__)
def test_a_blank_image_gives_one_value(walk: Winograd) -> None:
    """What is equal stays equal: the maximum of a window of equal pixels is the first of them on every backend."""
    x = np.full((choice.WINOGRAD_IMAGES, 5, 8, 8), 0.3, "float32")
    w, b = normal((4, 5, 3, 3), 1, "float32"), normal((4,), 2, "float32")
    y = walk.forward(x, w, b, Window((3, 3)), 1, False)
    assert (y == y[:1, :, :1, :1]).all()
    zero = walk.forward(0 * x, w, b, Window((3, 3), padding=((1, 1), (1, 1))), 1, False)
    assert_close(zero, np.broadcast_to(b.reshape(1, -1, 1, 1), zero.shape), REFERENCE, scale=0)


@pytest.mark.parametrize(
    ("window", "groups", "images"),
    [
        (Window((3, 3), (2, 1)), 1, 64), (Window((3, 3), (1, 2)), 1, 64),
        (Window((3, 3), (1, 1), dilation=(2, 1)), 1, 64),
        (Window((5, 5)), 1, 64), (Window((3, 3)), 2, 64), (Window((3, 3)), 1, choice.WINOGRAD_IMAGES - 1),
    ],
)  # fmt: skip
def test_what_it_does_not_take(window: Window, groups: int, images: int) -> None:
    x, w = normal((images, 4, 12, 12), 0), normal((4, 4 // groups, *window.kernel), 1)
    assert choice.choose(x.shape, w.shape, (x.dtype, w.dtype), window, groups, 0)[0] != choice.WINOGRAD
    backend = NumpyBackend()
    y = backend.conv2d(x, w, None, window, groups)
    assert_close(y, REFERENCE.conv2d(x, w, None, window, groups), REFERENCE, scale=10.0)


@given(
    pairs=st.integers(1, 20), columns=st.integers(1, 40), KW=st.integers(1, 5), fitting=st.integers(0, 1 << 21),
    multiplications=st.integers(1, 1 << 34),
)  # fmt: skip
def test_tiles_cover_the_output_once(pairs: int, columns: int, KW: int, fitting: int, multiplications: int) -> None:
    seen = np.zeros((pairs, columns), int)
    for p0, p1, j0, j1 in tiles_of((pairs, columns), KW, fitting, multiplications):
        assert p0 < p1 and j0 < j1
        seen[p0:p1, j0:j1] += 1
    assert (seen == 1).all()


# ---- what the rows would spoil ---------------------------------------------------------------------------------------

each_walk = pytest.mark.parametrize("walk", WALKS, ids=lambda walk: type(walk).__name__)
quietly = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of NumPy, which a layer's forward does not let through
SAME = Window((3, 3), padding=((1, 1), (1, 1)))
UNIT = float(np.finfo(np.float32).eps) / 2


@quietly
@each_walk
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_what_is_not_finite_reaches_the_windows_that_hold_it_alone(walk: Winograd, value: float) -> None:
    x, w = normal((choice.WINOGRAD_IMAGES, 2, 9, 6), 0, "float32"), normal((3, 2, 3, 3), 1, "float32") / 8
    x[5, 1, 4, 2] = value
    y = walk.forward(x, w, None, SAME, 1, False)
    held = np.zeros(y.shape, bool)
    held[5, :, 3:6, 1:4] = True
    expected = REFERENCE.conv2d(x, w, None, SAME)
    np.testing.assert_array_equal(np.isnan(y), held & np.isnan(value))
    np.testing.assert_array_equal(np.isinf(y), held & np.isinf(value))
    np.testing.assert_allclose(y[~held], expected[~held], rtol=0, atol=1e-5)
    dx = walk.input_gradient(x[:, :1], w[:1], None, SAME, (9, 6), 1, False)
    assert np.isfinite(dx).all()
    dw = walk.weight_gradient(y, x, w, SAME, 1)
    np.testing.assert_array_equal(np.isfinite(dw), np.isfinite(REFERENCE.conv2d_backward(y, x, w, y, SAME)[1]))


@quietly
@each_walk
def test_an_overflow_that_an_activation_would_hide_is_seen(walk: Winograd) -> None:
    x = np.zeros((choice.WINOGRAD_IMAGES, 1, 6, 4), "float32")
    x[0, 0, 1:3, 1] = 2e38  # their sum is beyond the largest number
    w = np.array([[-1, -1, 1.5]], "float32").reshape(1, 1, 3, 1) / 4
    window = Window((3, 1))
    for relu in (False, True):
        expected = REFERENCE.conv2d(x, w, None, window, 1, "relu" if relu else None)
        assert np.isfinite(expected).all() and expected.max() > 0
        np.testing.assert_allclose(walk.forward(x, w, None, window, 1, relu), expected, rtol=1e-6)


@each_walk
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_that_are_zero_stay_zero(walk: Winograd, dtype: str) -> None:
    """x as an activation leaves it, a gradient of few pixels; then a kernel of which a row, and a weight, is zero."""
    x, w = np.maximum(normal((choice.WINOGRAD_IMAGES, 4, 8, 7), 0, dtype), 0), normal((6, 4, 3, 3), 1, dtype)
    dy = np.zeros((choice.WINOGRAD_IMAGES, 6, 8, 7), dtype)
    dy[3, 2, 4, 3], dy[9, 2, 0, 0], dy[9, 4, 7, 6] = 1.3, -0.7, 0.1
    hidden = w.copy()
    hidden[:, :, 2], hidden[0, 0, 1, 1] = 0, 0
    for kernel in (w, hidden):
        dx, dw, _ = algorithm.backward(walk, dy, x, kernel, dy, SAME, 1, False, (True, True, True))
        assert dx is not None
        for got, expected in zip((dx, dw), REFERENCE.conv2d_backward(dy, x, kernel, dy, SAME)[:2], strict=True):
            np.testing.assert_array_equal(got == 0, expected == 0)
            assert_close(got, expected, REFERENCE)


@each_walk
def test_many_gradients_that_are_zero_stay_zero(walk: Winograd) -> None:
    """All but the first row of x, and of the gradient, is blank."""
    x, w = normal((choice.WINOGRAD_IMAGES, 8, 8, 7), 0, "float32"), normal((16, 8, 3, 3), 1, "float32")
    dy = normal((choice.WINOGRAD_IMAGES, 16, 8, 7), 2, "float32")
    x[:, :, 1:], dy[:, :, 1:] = 0, 0
    dw = walk.weight_gradient(dy, x, w, SAME, 1)
    assert (dw[:, :, 0] == 0).all() and (dw[:, :, 2] == 0).all() and (dw[:, :, 1] != 0).all()


def widest_ratio(w: np.ndarray) -> Any:
    """The largest weight of an output's kernel rows, the most by the least."""
    rows = np.abs(w).max(axis=(1, 3))
    return rows.max() if not rows.min() else (rows.max(axis=1) / rows.min(axis=1)).max()


def assert_within_the_bound(got: np.ndarray, x: np.ndarray, w: np.ndarray, window: Window) -> None:
    """docs/performance.md: |error| <= u (3 R + 1) (K + 8) sum_m |x_m|_1 |w_m|_max, of any kernel, R the ratio of its
    rows, and 1 where it is computed the direct way."""
    exact = REFERENCE.conv2d(x.astype("float64"), w.astype("float64"), None, window)
    R = widest_ratio(w)
    R = R if R <= RATIO else 1
    sizes = np.broadcast_to(np.abs(w).astype("float64").max(axis=(1, 3))[:, None, :, None], w.shape)
    allowed = REFERENCE.conv2d(np.abs(x).astype("float64"), sizes, None, window)
    assert (np.abs(got - exact) <= UNIT * (3 * R + 1) * (w.shape[1] * w.shape[3] + 8) * allowed).all()


exponents = st.lists(st.floats(-7, 7), min_size=3, max_size=3)


@each_walk
@given(seed=seeds, scales=exponents, rows=st.lists(st.floats(-6, 6), min_size=7, max_size=7), KW=st.integers(1, 3))
def test_the_error_is_within_the_bound(
    walk: Winograd, seed: int, scales: list[float], rows: list[float], KW: int
) -> None:
    """Rows of kernels and of images of any size beside one another."""
    N, C, O = choice.WINOGRAD_IMAGES, 3, 4
    w = normal((O, C, 3, KW), seed, "float32") * np.power(10, scales).astype("float32")[:, None]
    x = normal((N, C, 7, 5), seed + 1, "float32") * np.power(10, rows).astype("float32")[:, None]
    window = Window((3, KW), padding=((1, 1), (0, KW - 1)))
    assert_within_the_bound(walk.forward(x, w, None, window, 1, False), x, w, window)
    dx = walk.input_gradient(x, w.transpose(1, 0, 2, 3), None, window, (7, 5), 1, False)  # the same walk, turned
    assert_within_the_bound(dx, x, w[:, :, ::-1, ::-1], Window((3, KW), padding=((1, 1), (KW - 1, 0))))
    dy = normal((N, O, 7, 5), seed + 2, "float32") * np.power(10, rows[::-1]).astype("float32")[:, None]
    exact = REFERENCE.conv2d_backward(dy.astype("float64"), x.astype("float64"), w, dy, window)[1]
    x_sizes, y_sizes = (np.sqrt((a.astype("float64") ** 2).sum(axis=(0, 2, 3))) for a in (x, dy))
    allowed = 6 * UNIT * (N * 7 * 5 + 8) * np.outer(y_sizes, x_sizes)
    assert (np.abs(walk.weight_gradient(dy, x, w, window, 1) - exact) <= allowed[:, :, None, None]).all()


@each_walk
def test_the_first_row_of_a_kernel_does_not_drown_the_others(walk: Winograd) -> None:
    x, w = normal((choice.WINOGRAD_IMAGES, 3, 6, 6), 0, "float32"), normal((4, 3, 3, 3), 1, "float32")
    w *= np.array([1, 1e-6, 1e-6], "float32")[:, None]
    got, expected = walk.forward(x, w, None, SAME, 1, False), REFERENCE.conv2d(x, w, None, SAME)
    assert_close(got[:, :, 0].copy(), expected[:, :, 0].copy(), REFERENCE)  # where the first row meets the padding


@quietly
@each_walk
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("spoil", "directly"),
    [(None, False), ("zeros", False), (0, True), (1e-3, True), (np.nan, True), (np.inf, True), (1 / 60, False)],
    ids=str,
)
def test_the_direct_way_is_taken_where_it_must_be(
    walk: Winograd, dtype: str, spoil: Any, directly: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, direct = calls_of(walk.directly)
    monkeypatch.setattr(walk, "directly", direct)
    w, x = np.sign(normal((4, 3, 3, 3), 1, dtype)), normal((choice.WINOGRAD_IMAGES, 3, 6, 6), 0, dtype)
    if spoil == "zeros":
        w[2] = 0  # no row of this kernel is larger than another
        w[:, 1, :, 0] = 0
    elif spoil is not None:
        w[1, :, 1] *= spoil
        w[:, 1, 1] *= spoil
    walk.forward(x, w, None, SAME, 1, True)
    walk.input_gradient(normal((choice.WINOGRAD_IMAGES, 4, 6, 6), 2, dtype), w, None, SAME, (6, 6), 1, False)
    assert len(calls) == (2 if directly else 0)


def test_all_pieces_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights are compared in pieces that stay in the cache; the last is one of them."""
    monkeypatch.setattr(safeguards, "CHUNK", 24)
    rows, dw = np.ones((3, 7, 4), "float32"), np.ones((3, 1, 2, 5, 4), "float32")
    assert Safeguards().alike(rows) and Safeguards().flush(dw) and (dw == 1).all()
    rows[1, 6], dw[1, 0, 1, 4, 3] = 1e-3, 1e-9
    assert not Safeguards().alike(rows)
    assert Safeguards().flush(dw) and (dw == 0).sum() == 1 and dw[1, 0, 1, 4, 3] == 0
    for value in (np.nan, np.inf, -np.inf):
        dw[2, 0, 0, 4, 0] = value
        rows[1, 6] = value
        assert not Safeguards().flush(dw) and not Safeguards().alike(rows)


@quietly
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_is_finite(rows: int, order: Any) -> None:
    y = np.ones((rows, 2, 3, 4), "float32")
    for value in (np.nan, np.inf, -np.inf, 3e38):
        gap = np.ones((rows, 2, 3, 8), "float32")
        gap[-1, -1, -1, 3], gap[0, 0, 0, 4:] = value, np.nan
        for where in (y, gap[..., :4].copy()):
            lying = where if order == "C" else np.stack([where, where], axis=1)[:, 0]  # with gaps between rows
            assert is_finite(lying) == (where is y)


@each_walk
def test_a_weight_of_zero_among_others_is_told_from_a_row_of_zeros(walk: Winograd) -> None:
    """Where one row has a zero and the others have none, what must be zero would not be."""
    rows = np.ones((3, 4, 6), "float32")
    assert walk.alike(rows)
    rows[:, 2, 3] = 0
    assert walk.alike(rows)
    for count in (1, 2):
        unlike = rows.copy()
        unlike[:count, 1, 5] = 0
        assert not walk.alike(unlike)
