"""Memory orders: what a name says is how the array lies, its values stay, and nothing is copied without need."""

from itertools import permutations

import numpy as np
import pytest

from tests.kit.strategies import integers
from xpnet.backend import Backend
from xpnet.backend.cpu.layouts import (
    empty_in_order_of,
    hcwn_to_nchw,
    hwcn_to_nchw,
    nchw_to_hcwn,
    nchw_to_hwcn,
    pad,
    view_as_hwcn,
)
from xpnet.backend.window import Window

X = integers((2, 3, 4, 5), 1, "float32")
ORDERS = ["".join(order) for order in permutations("nchw")]
AXES = {"n": 0, "c": 1, "h": 2, "w": 3}


def lying(order: str) -> np.ndarray:
    """X, in memory in this order."""
    axes = [AXES[axis] for axis in order]
    return np.ascontiguousarray(X.transpose(axes)).transpose(np.argsort(axes))


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_becomes_the_one_that_is_named(order: str) -> None:
    x = lying(order)
    for there, back, name in ((nchw_to_hcwn, hcwn_to_nchw, "hcwn"), (nchw_to_hwcn, hwcn_to_nchw, "hwcn")):
        turned = there(x)
        assert turned.flags.c_contiguous and turned.shape == tuple(X.shape[AXES[axis]] for axis in name)
        np.testing.assert_array_equal(back(turned), X)
        assert np.shares_memory(back(turned), turned)
        assert np.shares_memory(turned, x) == (order == name)


@pytest.mark.parametrize("order", ORDERS)
def test_pooling_takes_both_orders_as_they_are(order: str) -> None:
    x = lying(order)
    view = view_as_hwcn(x)
    np.testing.assert_array_equal(view, X.transpose(2, 3, 1, 0))
    assert np.shares_memory(view, x) == (order in ("hwcn", "hcwn"))
    beside = empty_in_order_of(view, (7, 6))
    assert beside.shape == (7, 6, 3, 2) and beside.dtype == x.dtype
    assert np.argsort(beside.strides).tolist() == np.argsort(view.strides).tolist()


def test_padding() -> None:
    assert pad(X, Window((3, 3)), 0) is X
    window = Window((3, 3), padding=((1, 2), (0, 3)))
    padded = pad(X, window, -7)
    np.testing.assert_array_equal(padded, Backend().pad(X, window.padding, -7))
    assert padded.transpose(2, 3, 1, 0).flags.c_contiguous
