"""What only the NumPy backend has."""

import numpy as np
import pytest

from tests.kit.helpers import assert_close, assert_same
from tests.kit.strategies import integers, normal
from xpnet.backend import Backend, make_backend
from xpnet.backend.cpu.backend import NumpyBackend
from xpnet.backend.cpu.products import product, rows_at_once, rows_together
from xpnet.backend.cpu.work import LEAST, cut_bands, share_rows
from xpnet.backend.window import Window


@pytest.mark.parametrize(
    ("rows", "outputs", "height"), [(32, 128, 8), (100, 50, 4), (32, 160, 4), (30, 50, 30), (32, 5000, 32)]
)
def test_a_dense_product_is_divided_where_that_spares_the_packing(rows: int, outputs: int, height: int) -> None:
    x, w = normal((rows, 784), 0, "float32"), normal((outputs, 784), 1, "float32")
    assert rows_together(rows, w.T) == rows_together(rows, np.ascontiguousarray(w.T)) == height
    want = x.astype("float64") @ w.T.astype("float64")
    assert_close(make_backend("numpy").dense(x, w, None), want.astype("float32"), make_backend("numpy"))


@pytest.mark.parametrize("shape", [(32, 128, 784), (64, 120, 400), (32, 4, 3), (1, 128, 784), (64, 1, 5)])
def test_a_weight_s_gradient_goes_to_its_place(shape: tuple[int, int, int]) -> None:
    N, O, I = shape
    dz, x, out = normal((N, O), 0, "float32"), normal((N, I), 1, "float32"), np.full((O, I), np.nan, np.float32)
    assert product(dz.T, x, out) is out
    assert_close(out, (dz.T.astype("float64") @ x).astype("float32"), make_backend("numpy"), scale=1.0)
    assert_same(product(dz.T, x), out)
    assert rows_at_once(O, (N, I), False, True, True, False) == (32 if N == 32 and O == 128 else 8 if O == 120 else O)


def test_a_window_with_holes_leaves_zeros_between_its_pixels() -> None:
    """Windows side by side that do not cover the image."""
    window, x = Window((2, 2), (3, 3), dilation=(2, 2)), integers((2, 3, 6, 9), 1)
    y = Backend().max_pool2d(x, window)
    for _ in range(3):  # also in memory that was used before
        dx = NumpyBackend().max_pool2d_backward(y, x, y, window)
        assert_same(dx, Backend().max_pool2d_backward(y, x, y, window))


@pytest.mark.parametrize("given", ["float16", "float32", "float64", "int64", "bool"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_gradient_of_another_type_is_taken_by_its_value(dtype: str, given: str) -> None:
    numpy, dy = NumpyBackend(), np.ones((2, 3, 4, 4), given)
    for stride in (2, 1):
        window = Window((2, 2), (stride, stride))
        x = integers((2, 3, 3 * stride + 2, 3 * stride + 2), 1, dtype)
        want = numpy.max_pool2d_backward(dy.astype(dtype), x, numpy.max_pool2d(x, window), window)
        assert_same(numpy.max_pool2d_backward(dy, x, numpy.max_pool2d(x, window), window), want)
    for y in (integers((2, 3), 2, dtype), integers((2, LEAST), 2, dtype)):
        dy = np.ones(y.shape, given)
        assert (numpy.activate_backward(dy, y, "relu") == (y > 0)).all()


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_kernel_as_large_as_the_image_is_one_product(relu: bool, dtype: str) -> None:
    numpy, window, activation = NumpyBackend(), Window((4, 3)), "relu" if relu else None
    x, w, b = integers((5, 2, 4, 3), 1, dtype), integers((3, 2, 4, 3), 2, dtype), integers((3,), 3, dtype)
    assert numpy.explain_conv2d(x, w, window).startswith("whole image")
    y = numpy.conv2d(x, w, b, window, 1, activation)
    assert_same(y, Backend().conv2d(x, w, b, window, 1, activation))
    dy, back = integers(y.shape, 4, dtype), integers((2,), 5, dtype)
    for got, expected in zip(
        numpy.conv2d_backward(dy, x, w, y, window, 1, activation),
        Backend().conv2d_backward(dy, x, w, y, window, 1, activation),
        strict=True,
    ):
        assert_same(got, expected)
    for found in (numpy, Backend()):
        assert_same(
            found.conv2d_transposed(dy, w, back, window, (4, 3), 1, activation),
            Backend().conv2d_transposed(dy, w, back, window, (4, 3), 1, activation),
        )


def test_bands_cover_all_rows_once() -> None:
    for rows in range(30):
        for height in range(1, 12):
            bands = cut_bands(rows, height)
            assert [row for first, end in bands for row in range(first, end)] == list(range(rows))
            assert all(end - first <= height for first, end in bands)
        for entries in (1, LEAST, 3 * LEAST, 100 * LEAST) if rows else ():
            bands = share_rows(rows, entries)
            assert [row for first, end in bands for row in range(first, end)] == list(range(rows))
            assert len(bands) <= max(1, min(16, entries // LEAST))
