"""Products in register tiles give what NumPy's give, of matrices in any order, with the same bits on any threads."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import bits, without_helpers
from tests.kit.strategies import integers, normal, seeds
from xpnet.backend.cpu import threads

pytestmark = pytest.mark.slow

jit_backend = pytest.importorskip("xpnet.backend.jit.backend", reason='needs Numba: pip install "xpnet[jit]"')
from xpnet.backend.jit import products, together  # noqa: E402

JIT = jit_backend.JitBackend()


def of_any_order(shape: tuple[int, int], turned: bool, seed: int, draw: Any = integers) -> Any:
    return draw(shape[::-1], seed, "float32").T if turned else draw(shape, seed, "float32")


@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 600), st.integers(1, 150)),
    turned=st.tuples(st.booleans(), st.booleans()), bias=st.booleans(), relu=st.booleans(), seed=seeds,
)  # fmt: skip
def test_products_of_whole_numbers(
    shape: tuple[int, int, int], turned: tuple[bool, bool], bias: bool, relu: bool, seed: int
) -> None:
    R, K, C = shape
    a, b = of_any_order((R, K), turned[0], seed), of_any_order((K, C), turned[1], seed + 1)
    term = integers((C,), seed + 2, "float32") if bias else None
    expected = a @ b + (0 if term is None else term)
    expected = np.maximum(expected, 0) if relu else expected
    out = np.full((R, C), np.nan, np.float32)
    np.testing.assert_array_equal(products.product(a, b, out, term, relu), expected)
    np.testing.assert_array_equal(products.product(a, b, None, term, relu), expected)


@pytest.fixture
def count_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def set_count(count: int) -> None:
        for module in (threads, together):
            monkeypatch.setattr(module, "thread_count", lambda: count)
        without_helpers()

    yield set_count
    without_helpers()


def test_no_bit_depends_on_the_threads(count_threads: Any) -> None:
    a, b, found = normal((700, 300), 1, "float32"), normal((300, 200), 2, "float32"), set()
    assert products.takes(a, b, None)
    for count in (1, 2, 5):
        count_threads(count)
        found |= {bits(products.product(a, b)) for _ in range(3)}
    assert len(found) == 1


def test_what_is_not_a_number_stays_so() -> None:
    a, b = np.full((50, 300), np.inf, np.float32), np.zeros((300, 60), np.float32)
    assert np.isnan(products.product(a, b, None, None, True)).all()


@pytest.mark.parametrize(
    ("a", "b", "out"),
    [
        (np.zeros((4, 4), np.float32), np.zeros((4, 4), np.float32), None),  # BLAS is as fast
        (np.zeros((512, 256)), np.zeros((256, 64)), None),
        (np.zeros((100, 256), np.float32), np.zeros((100, 256), np.float32).T, None),  # not worth to turn a factor for
        (np.zeros((512, 256), np.float32), np.zeros((256, 64), np.float32), np.zeros((64, 512), np.float32).T),
    ],
)
def test_what_is_left_to_blas(a: Any, b: Any, out: Any) -> None:
    assert not products.takes(a, b, out)
    np.testing.assert_array_equal(JIT.product(a, b, out), a @ b)


def test_dense_layers_use_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit_backend, "product", None)  # BLAS's
    x, w, b, dy = (normal(shape, 1, "float32") for shape in ((600, 128), (96, 128), (96,), (600, 96)))
    y = JIT.dense(x, w, b, "relu")
    np.testing.assert_allclose(y, np.maximum(x @ w.T + b, 0), rtol=1e-4, atol=1e-4)
    dx, dw, db = JIT.dense_backward(dy, x, w, y, "relu")
    dz = dy * (y > 0)
    for found, expected in ((dx, dz @ w), (dw, dz.T @ x), (db, dz.sum(0))):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
