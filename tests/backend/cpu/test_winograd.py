"""Kernels of three rows on the CPU: what the reference computes, to the bit on whole numbers, in any tiles."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.kit.helpers import assert_close, assert_same
from tests.kit.strategies import integers, normal, seeds
from xpnet.backend import Backend
from xpnet.backend.cpu import algorithm, choice, winograd
from xpnet.backend.cpu.backend import NumpyBackend
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
        results = algorithm.backward(walk, dy, x, w, y, window, 1, relu, need_dx)
        c = integers(x_shape[1:2], seed + 4, "float32") if bias else None
        turned = walk.input_gradient(dy, w, c, window, x_shape[2:], 1, relu)
        turned_back = algorithm.transposed_backward(walk, x, dy, w, turned, window, 1, relu, need_dx)
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
