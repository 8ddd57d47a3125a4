"""Batch normalization with an activation behind it, in one primitive: the two that it stands for, on every backend."""

import math

import numpy as np
import pytest

from tests.kit.helpers import assert_close, bits, lying_in
from tests.kit.strategies import normal
from xpnet.backend import Backend, make_backend
from xpnet.backend.cpu.work import LEAST

REFERENCE = Backend()
LIMITS = {"relu": (0.0, math.inf), "hard_tanh": (0.0, 6.0), "leaky_relu": (0.2, math.inf)}
# one run a channel, cells side by side, rows alone, more than are done at a time
SHAPES = {"runs": (3, 5, 40, 7), "few": (64, 8, 3, 3), "rows": (300, 17), "many": (8, 12, 28, 28)}
ORDERS = {"nchw": (0, 1, 2, 3), "hwcn": (2, 3, 1, 0), "hcwn": (2, 1, 3, 0)}
each_activation = pytest.mark.parametrize("name", LIMITS)


@pytest.mark.parametrize(("dtype", "affine"), [("float32", True), ("float64", False)])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("place", SHAPES)
@each_activation
def test_it_is_both_in_turn(backend: Backend, name: str, place: str, order: str, dtype: str, affine: bool) -> None:
    shape = SHAPES[place]
    x, dy = 3 * normal(shape, 1, dtype) + 1, normal(shape, 2, dtype)
    x = x.astype(dtype)
    gamma, beta = (4 * normal(shape[1:2], 3, dtype), normal(shape[1:2], 4, dtype)) if affine else (None, None)
    z, mean, var = REFERENCE.batch_norm(x, gamma, beta, 0.1)
    wanted, back = taken(REFERENCE, z, name)
    gradients = REFERENCE.batch_norm_backward(back(dy), x, mean, var, gamma, 0.1)
    axes = ORDERS[order] if len(shape) == 4 else (1, 0) if order == "hwcn" else (0, 1)
    there = lying_in(backend.asarray(x), axes, backend)
    weights = [None if each is None else backend.asarray(each) for each in (gamma, beta)]
    y, *moments = backend.batch_norm_then(there, *weights, 0.1, *LIMITS[name])
    for got, expected in zip((y, *moments), (wanted, mean, var), strict=True):
        assert_close(got, expected, backend)
    found = backend.batch_norm_then_backward(backend.asarray(dy), there, y, *moments, *weights, 0.1, *LIMITS[name])
    for got, expected in zip(found, gradients, strict=True):
        assert_close(got, expected, backend, scale=float(np.abs(dy).max()))
    assert np.count_nonzero(wanted != z) > 0.1 * z.size


def taken(backend: Backend, z: np.ndarray, name: str):  # type: ignore[no-untyped-def]
    if name == "relu":
        y = backend.activate(z, "relu")
        return y, lambda dy: backend.activate_backward(dy, y, "relu")
    return backend.activation(z, name, *(each for each in LIMITS[name] if name == "hard_tanh" or each < 1))


@each_activation
@pytest.mark.parametrize(
    "backend", [make_backend("numpy")], ids=["numpy"]
)  # on a CPU alone the layers take both at once
def test_its_bits_are_those_of_both_in_turn(backend: Backend, name: str) -> None:
    """Whether somebody looks at what is in between, or not."""
    x, gamma, beta = normal((16, 12, 28, 28), 1, "float32"), normal((12,), 2, "float32"), normal((12,), 3, "float32")
    assert x.size > LEAST
    z, mean, var = backend.batch_norm(x, gamma, beta, 0.1)
    y, *moments = backend.batch_norm_then(x, gamma, beta, 0.1, *LIMITS[name])
    wanted, back = taken(backend, z, name)
    assert [*map(bits, (wanted, mean, var))] == [*map(bits, (y, *moments))]
    dy = normal(x.shape, 4, "float32")
    gradients = backend.batch_norm_backward(back(dy), x, mean, var, gamma, 0.1)
    found = backend.batch_norm_then_backward(dy, x, y, mean, var, gamma, beta, 0.1, *LIMITS[name])
    assert [*map(bits, gradients)] == [*map(bits, found)]


def test_a_gradient_passes_where_the_output_says_so(backend: Backend) -> None:
    """Also of what is at the edge: no two ways of rounding, forward and back."""
    x = normal((64, 4, 20, 20), 1, "float32")
    gamma, beta = (backend.asarray(each) for each in (np.ones(4, np.float32), np.full(4, 1e-3, np.float32)))
    there = backend.asarray(x)
    y, mean, var = backend.batch_norm_then(there, gamma, beta, 1e-5, 0.0, math.inf)
    dy = np.zeros(x.shape, np.float32)
    dy[:, :, 3] = 1
    wanted = (dy * (backend.to_numpy(y) > 0)).sum((0, 2, 3))
    found = backend.batch_norm_then_backward(backend.asarray(dy), there, y, mean, var, gamma, beta, 1e-5, 0.0, math.inf)
    np.testing.assert_array_equal(backend.to_numpy(found[2]), wanted)


def test_a_sum_with_relu(backend: Backend) -> None:
    for shape in ((3, 5), (16, 12, 28, 28)):
        x, y = normal(shape, 1, "float32"), normal(shape, 2, "float32")
        y[0, 0] = np.nan
        turned = lying_in(backend.asarray(y), tuple(reversed(range(y.ndim))), backend)
        for other in (backend.asarray(y), turned):
            got = backend.to_numpy(backend.add_relu(backend.asarray(x), other))
            np.testing.assert_array_equal(got, np.maximum(x + y, 0))
