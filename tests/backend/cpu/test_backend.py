"""What only the NumPy backend has."""

import numpy as np
import pytest

from tests.kit.helpers import assert_close, assert_same
from tests.kit.strategies import integers, normal
from xpnet.backend import Backend, make_backend
from xpnet.backend.cpu.backend import NumpyBackend
from xpnet.backend.cpu.products import rows_together
from xpnet.backend.window import Window


@pytest.mark.parametrize(
    ("rows", "outputs", "height"), [(32, 128, 8), (100, 50, 4), (32, 160, 4), (30, 50, 30), (32, 5000, 32)]
)
def test_a_dense_product_is_divided_where_that_spares_the_packing(rows: int, outputs: int, height: int) -> None:
    x, w = normal((rows, 784), 0, "float32"), normal((outputs, 784), 1, "float32")
    assert rows_together(rows, w.T) == rows_together(rows, np.ascontiguousarray(w.T)) == height
    want = x.astype("float64") @ w.T.astype("float64")
    assert_close(make_backend("numpy").dense(x, w, None), want.astype("float32"), make_backend("numpy"))


def test_a_window_with_holes_leaves_zeros_between_its_pixels() -> None:
    """Windows side by side that do not cover the image."""
    window, x = Window((2, 2), (3, 3), dilation=(2, 2)), integers((2, 3, 6, 9), 1)
    y = Backend().max_pool2d(x, window)
    for _ in range(3):  # also in memory that was used before
        dx = NumpyBackend().max_pool2d_backward(y, x, y, window)
        assert_same(dx, Backend().max_pool2d_backward(y, x, y, window))
