"""The compiled loss of class numbers gives what the reference gives."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_close, bits, without_helpers
from tests.kit.strategies import normal, seeds
from xpnet.backend import Backend
from xpnet.backend.cpu import threads

pytestmark = pytest.mark.slow

jit_backend = pytest.importorskip("xpnet.backend.jit.backend", reason='needs Numba: pip install "xpnet[jit]"')
from xpnet.backend.jit import losses  # noqa: E402

JIT, REFERENCE = jit_backend.JitBackend(), Backend()


@given(N=st.integers(1, 40), C=st.integers(1, 70), dtype=st.sampled_from(["int8", "int32", "int64"]), seed=seeds)
def test_loss_and_gradient(N: int, C: int, dtype: str, seed: int) -> None:
    y = 9 * normal((N, C), seed, "float32")
    t = np.random.default_rng(seed).integers(0, C, N).astype(dtype)
    assert losses.softmax_cross_entropy(y, t) is not None
    for one, other in zip(JIT.softmax_cross_entropy(y, t), REFERENCE.softmax_cross_entropy(y, t), strict=True):
        assert one.dtype == np.float32
        assert_close(one, other, scale=1.0)


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf, 3e38, -3e38])
@pytest.mark.parametrize("label", [0, 1])
def test_scores_at_the_edges(score: float, label: int) -> None:
    y, t = np.zeros((2, 3), np.float32), np.array([label, 1])
    y[0, 1] = score
    with warnings.catch_warnings(action="ignore"):
        expected = REFERENCE.softmax_cross_entropy(y, t)
    for one, other in zip(JIT.softmax_cross_entropy(y, t), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_no_bit_depends_on_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "ENTRIES", 100)
    y, t, found = normal((90, 30), 1, "float32"), np.arange(90) % 30, set()
    for count in (1, 3):
        monkeypatch.setattr(threads, "thread_count", lambda count=count: count)
        without_helpers()
        found.add(tuple(map(bits, JIT.softmax_cross_entropy(y, t))))
    without_helpers()
    assert len(found) == 1


@pytest.mark.parametrize("t", [[0, 3], [3, 0], [-1, 0], [0, -4]])
def test_numbers_that_are_no_class_are_left_to_numpy(t: Any) -> None:
    """Which counts from the end, or raises: nothing beyond the scores is read."""
    assert losses.softmax_cross_entropy(np.zeros((2, 3), np.float32), np.array(t)) is None


@pytest.mark.parametrize("y", [np.zeros((2, 3)), np.zeros((3, 2), np.float32).T, np.zeros((0, 3), np.float32)])
def test_what_the_kernel_does_not_take(y: Any) -> None:
    t = np.zeros(len(y), np.int64)
    assert not losses.takes(y, t) and not losses.takes(np.zeros((2, 3), np.float32), np.zeros(2, np.uint64))
    found, dy = JIT.softmax_cross_entropy(y, t)
    assert found.dtype == dy.dtype == y.dtype and dy.shape == y.shape
