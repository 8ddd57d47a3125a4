"""CuPy on the stand-in device agrees with NumPy: products in every layout, and the everyday functions."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import cudasim

if not cudasim.is_active():
    pytest.skip(f"no stand-in device: {cudasim.why_not()}", allow_module_level=True)

import cupy as cp
from cupy._core import _routines_linalg as linalg

DTYPES = [np.float32, np.float64, np.complex64, np.complex128]


def assert_close(got: Any, expected: np.ndarray, scale: float = 1) -> None:
    assert got.shape == expected.shape and got.dtype == expected.dtype
    tolerance = scale * 100 * (np.finfo(expected.dtype).eps if expected.dtype.kind in "fc" else 0)
    np.testing.assert_allclose(cp.asnumpy(got), expected, rtol=tolerance, atol=tolerance)


def draw(shape: tuple[int, ...], dtype: Any, seed: int) -> np.ndarray:
    r = np.random.default_rng(seed)
    x = r.uniform(-1, 1, shape)
    return (x + 1j * r.uniform(-1, 1, shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def layouts(x: np.ndarray) -> list[np.ndarray]:
    """The same matrix in C and Fortran order, with steps, backwards, and as part of a larger one."""
    wide = np.zeros((x.shape[0], 2 * x.shape[1]), x.dtype)
    wide[:, ::2] = x
    large = np.zeros((x.shape[0] + 2, x.shape[1] + 3), x.dtype)
    large[1:-1, 1:-2] = x
    return [x, np.asfortranarray(x), wide[:, ::2], x[::-1].copy()[::-1], large[1:-1, 1:-2]]


def to_device(x: np.ndarray) -> Any:
    """The array on the device with the same strides."""
    base = x
    while isinstance(base.base, np.ndarray):
        base = base.base
    memory = cp.asarray(base)
    offset = x.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    return cp.ndarray(x.shape, x.dtype, memory.data + offset, x.strides)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (1, 1, 1), (33, 17, 9)])
def test_products_in_every_layout(dtype: Any, shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    a, b = draw((m, k), dtype, 1), draw((k, n), dtype, 2)
    expected = a @ b
    for x in layouts(a):
        for y in layouts(b):
            assert_close(to_device(x) @ to_device(y), expected)
            assert_close(cp.dot(to_device(x), to_device(y)), expected)
    assert_close(cp.asarray(a.T).T.conj().T @ cp.asarray(expected), a.conj().T @ expected)
    assert_close(cp.matmul(to_device(a), to_device(b), out=cp.empty((m, n), dtype)), expected)


@given(st.integers(0, 2**32 - 1), st.sampled_from(DTYPES), st.booleans(), st.booleans())
def test_batched_products(seed: int, dtype: Any, turn_a: bool, turn_b: bool) -> None:
    batch, m, k, n = np.random.default_rng(seed).integers(1, 6, 4)
    a = draw((batch, k, m) if turn_a else (batch, m, k), dtype, seed)
    b = draw((batch, n, k) if turn_b else (batch, k, n), dtype, seed + 1)
    x, y = cp.asarray(a), cp.asarray(b)
    if turn_a:
        a, x = a.swapaxes(1, 2), x.swapaxes(1, 2)
    if turn_b:
        b, y = b.swapaxes(1, 2), y.swapaxes(1, 2)
    assert_close(x @ y, a @ b)
    assert_close(x[0] @ y, a[0] @ b)  # one matrix for all of the batch
    assert_close(cp.einsum("bmk,bkn->mn", x, y), np.einsum("bmk,bkn->mn", a, b))
    assert_close(cp.tensordot(x, y, ([0, 2], [0, 1])), np.tensordot(a, b, ([0, 2], [0, 1])))


def test_half_precision_rounds_to_nearest_even() -> None:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    every = every[np.isfinite(every)]
    np.testing.assert_array_equal(cp.asarray(every).astype(np.float32).get(), every.astype(np.float32))
    between = np.concatenate([every.astype(np.float32) * factor for factor in (1, 1.0003, 1.00048828125)])
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(cp.asarray(between).astype(np.float16).get(), between.astype(np.float16))
    a, b = draw((5, 6), np.float16, 1), draw((6, 7), np.float16, 2)
    np.testing.assert_allclose((cp.asarray(a) @ cp.asarray(b)).get(), a @ b, rtol=2e-3, atol=2e-3)


def test_tf32_rounds_what_it_multiplies() -> None:
    x = cp.full((2, 2), 1 + 2**-12, np.float32)
    exact = (x @ x)[0, 0]
    before = linalg.get_compute_type(x.dtype)
    linalg.set_compute_type(x.dtype, linalg.COMPUTE_TYPE_TF32)
    try:
        assert (x @ x)[0, 0] == 2 < exact
    finally:
        linalg.set_compute_type(x.dtype, before)


UNARY = ["exp", "log1p", "sqrt", "tanh", "abs", "sign", "floor", "square", "negative", "isnan", "sin"]
BINARY = ["add", "subtract", "multiply", "divide", "maximum", "minimum", "power", "greater", "equal", "arctan2"]
REDUCTIONS = ["sum", "mean", "max", "min", "prod", "argmax", "argmin", "all", "any", "std"]


@pytest.mark.parametrize("name", UNARY)
def test_elementwise_functions(name: str) -> None:
    x = np.abs(draw((4, 5, 6), np.float32, 3))
    assert_close(getattr(cp, name)(cp.asarray(x)), getattr(np, name)(x))
    assert_close(getattr(cp, name)(cp.asarray(x).T[:, ::2]), getattr(np, name)(x.T[:, ::2]))


@pytest.mark.parametrize("name", BINARY)
def test_broadcast_functions(name: str) -> None:
    x, y = np.abs(draw((4, 1, 6), np.float32, 3)), draw((5, 1), np.float32, 4)
    assert_close(getattr(cp, name)(cp.asarray(x), cp.asarray(y)), getattr(np, name)(x, y))


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_reductions(name: str, axis: int | None) -> None:
    x = draw((3, 300, 7), np.float32, 5)
    assert_close(getattr(cp, name)(cp.asarray(x), axis=axis), np.asarray(getattr(np, name)(x, axis=axis)), scale=10)


def test_indexing_and_joining() -> None:
    host = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    x, rows = cp.asarray(host), np.array([2, 0, 2])
    device_rows = cp.asarray(rows)
    assert_close(x[1, ::-1, 2:], host[1, ::-1, 2:])
    assert_close(x[device_rows], host[rows])
    assert_close(x[device_rows, 1, [0, 1, 2]], host[rows, 1, [0, 1, 2]])
    assert_close(x[x > 30], host[host > 30])
    assert_close(cp.take(x, device_rows, axis=0), host.take(rows, axis=0))
    assert_close(cp.concatenate([x, x[:, :2]], axis=1), np.concatenate([host, host[:, :2]], axis=1))
    assert_close(cp.stack([x, x + 1], axis=-1), np.stack([host, host + 1], axis=-1))
    assert_close(cp.where(x > 7, x, cp.float32(0)), np.where(host > 7, host, np.float32(0)))
    assert_close(cp.pad(x, ((0, 0), (1, 2), (3, 0))), np.pad(host, ((0, 0), (1, 2), (3, 0))))
    assert_close(cp.repeat(x, 2, axis=1), np.repeat(host, 2, axis=1))
    x[1:, ::2] = 7
    host[1:, ::2] = 7
    x[device_rows[:2], 1] += 1
    host[rows[:2], 1] += 1
    assert_close(x, host)


def test_sorting_scanning_and_counting() -> None:
    host = draw((6, 50), np.float32, 6)
    x = cp.asarray(host)
    assert_close(cp.sort(x, axis=1), np.sort(host, axis=1))
    assert_close(cp.argsort(x, axis=1), np.argsort(host, axis=1))
    assert_close(cp.cumsum(x, axis=1), np.cumsum(host, axis=1))
    labels = np.array([3, 1, 1, 0, 3])
    assert_close(cp.bincount(cp.asarray(labels)), np.bincount(labels))
    total = cp.zeros(4, np.float32)
    cp.add.at(total, cp.asarray(labels), np.float32(1))
    assert total.tolist() == [1, 2, 0, 2]


def test_random_numbers_have_the_distribution() -> None:
    x = cp.random.RandomState(3).standard_normal(10_000, dtype=np.float32).get()
    assert abs(x.mean()) < 0.05 and abs(x.std() - 1) < 0.05
    with pytest.raises(NotImplementedError, match="stand-in"):
        cp.random.default_rng(0)


def test_the_answers_do_not_depend_on_the_order() -> None:
    host = draw((40, 300), np.float32, 8)
    answers = []
    for name in cudasim.ORDERS:
        with cudasim.order(name, seed=5):
            x = cp.asarray(host)
            answers.append([f.tobytes() for f in (x.sum(0).get(), x.sum(1).get(), cp.cumsum(x).get(), (x @ x.T).get())])
    assert answers[0] == answers[1] == answers[2]
