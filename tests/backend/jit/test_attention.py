"""The compiled softmax of attention: what the reference computes, by the tests of all backends."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from tests.backend import test_attention
from tests.kit.helpers import assert_close
from tests.kit.strategies import normal
from xpnet.backend import Backend

pytestmark = pytest.mark.slow

jit_backend = pytest.importorskip("xpnet.backend.jit.backend", reason='needs Numba: pip install "xpnet[jit]"')

JIT = jit_backend.JitBackend()


@given(case=test_attention.cases())
def test_attention_agrees_with_the_reference(case: tuple[list[np.ndarray], dict[str, Any]]) -> None:
    test_attention.test_attention_agrees_with_the_reference.hypothesis.inner_test(JIT, case)


@pytest.mark.parametrize("keys", [3, 16, 40])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_seen(keys: int, value: float) -> None:
    test_attention.test_a_score_that_is_no_number_is_seen(JIT, keys, value)


@pytest.mark.parametrize("keys", [1, 15, 16, 33, 2500])
def test_the_largest_score_may_stand_anywhere(keys: int) -> None:
    """So large that its exponential alone is infinite; all keys hidden, or but one."""
    q, k, v, dy = (normal((2, 3, length, 4), i, "float32") for i, length in enumerate((3, keys, keys, 3)))
    for at in {0, keys // 2, keys - 1}:
        bias = np.zeros((3, keys), np.float32)
        bias[0, at], bias[1] = 1000, -math.inf
        y, p = JIT.attention(q, k, v, bias)
        expected, weights = Backend().attention(q, k, v, bias)
        assert_close(y, expected, JIT, scale=1.0)
        assert_close(p, weights, JIT, scale=1.0)
        assert p[:, :, 0, at].min() == 1 and not p[:, :, 1].any()
        for got, right in zip(
            JIT.attention_backward(dy, q, k, v, p), Backend().attention_backward(dy, q, k, v, p), strict=True
        ):
            assert_close(got, right, JIT, scale=1.0)
