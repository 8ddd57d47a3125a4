"""Attention: every backend against the reference, and the reference against its definition."""

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backend.test_primitives import REFERENCE, assert_agree, dtypes
from tests.kit.helpers import assert_close, assert_same
from tests.kit.strategies import normal, seeds
from xpnet.backend import Backend

sizes = st.integers(1, 5)


@st.composite
def cases(draw: Any) -> tuple[list[np.ndarray], dict[str, Any]]:
    """q, k, v and dy, and how the keys are hidden and dropped."""
    N, H, T, S, D, V, seed = (draw(each) for each in (sizes, sizes, sizes, sizes, sizes, sizes, seeds))
    dtype, rng = draw(dtypes), np.random.default_rng(seed)
    shapes = (N, H, T, D), (N, H, S, D), (N, H, S, V), (N, H, T, V)
    arrays = [normal(shape, seed + i, dtype) for i, shape in enumerate(shapes)]
    bias = np.where(rng.random((T, S)) < 0.3, -np.inf, normal((T, S), seed + 4)).astype(dtype)
    real = rng.integers(0, 2, (N, S)).astype(draw(st.sampled_from(["bool", "int32", "int64"])))
    kept = (rng.integers(0, 2, (N, H, T, S)) * 1.5).astype(dtype)
    options: dict[str, Any] = {"bias": bias, "real": real, "kept": kept}
    options = {name: value if draw(st.booleans()) else None for name, value in options.items()}
    return arrays, {**options, "causal": draw(st.booleans())}


@given(case=cases())
def test_attention_agrees_with_the_reference(backend: Backend, case: tuple[list[np.ndarray], dict[str, Any]]) -> None:
    (q, k, v, dy), how = case
    masks = how["bias"], how["real"], how["causal"], how["kept"]
    _, p = assert_agree(backend, "attention", q, k, v, *masks)
    dp = normal((len(q), 1, *p.shape[2:]), 7, q.dtype)
    for more in (None, dp):
        assert_agree(backend, "attention_backward", dy, q, k, v, p, how["kept"], more)


@given(case=cases())
def test_the_reference_is_the_definition(case: tuple[list[np.ndarray], dict[str, Any]]) -> None:
    """One query at a time, over the keys that it sees."""
    (q, k, v, _), how = case
    q, k, v = (each.astype("float64") for each in (q, k, v))
    bias, real, kept = (None if how[name] is None else how[name].astype("float64") for name in ("bias", "real", "kept"))
    y, p = REFERENCE.attention(q, k, v, bias, real, how["causal"], kept)
    expected, weights = np.zeros_like(y), np.zeros_like(p)
    for n, h, t in product(*map(range, p.shape[:3])):
        seen = {}
        for s in range(p.shape[3]):
            score = q[n, h, t] @ k[n, h, s] / math.sqrt(q.shape[3]) + (0 if bias is None else bias[t, s])
            if score > -math.inf and (real is None or real[n, s]) and (s <= t or not how["causal"]):
                seen[s] = math.exp(score)
        for s, e in seen.items():
            weights[n, h, t, s] = e / sum(seen.values())
            expected[n, h, t] += weights[n, h, t, s] * (1 if kept is None else kept[n, h, t, s]) * v[n, h, s]
    assert_close(p, weights, REFERENCE, scale=1.0)
    assert_close(y, expected, REFERENCE, scale=1.0)


def test_a_query_that_sees_nothing_gets_zeros(backend: Backend) -> None:
    q = backend.asarray(normal((2, 3, 4, 5), 0))
    y, p = backend.attention(q, q, q, real=backend.asarray(np.array([[0, 0, 0, 0], [0, 1, 0, 0]])), causal=True)
    y, p = backend.to_numpy(y), backend.to_numpy(p)
    assert not y[0].any() and not y[1, :, 0].any() and not p[0].any()
    assert_same(y[1, :, 3], backend.to_numpy(q)[1, :, 1], REFERENCE)  # one key: its value


@pytest.mark.parametrize("factor", [1e3, 1e30])
def test_large_scores_do_not_overflow(backend: Backend, factor: float) -> None:
    q = backend.asarray(normal((2, 2, 6, 4), 0, "float32"))
    k = backend.asarray(normal((2, 2, 6, 4), 1, "float32") * np.float32(factor))
    y, _ = backend.attention(q, k, q)
    assert np.isfinite(backend.to_numpy(y)).all()


@pytest.mark.parametrize("shape", [(5, 4, 64, 32), (2, 3, 300, 8), (1, 2, 1000, 4)], ids=["several", "heads", "one"])
def test_many_tiles_agree_with_the_reference(backend: Backend, shape: tuple[int, ...]) -> None:
    """Samples and heads by several threads; more keys than a block of the GPU has threads."""
    q, k, v, dy = (normal(shape, i, "float32") for i in range(4))
    _, p = assert_agree(backend, "attention", q, k, v, None, None, True)
    assert_agree(backend, "attention_backward", dy, q, k, v, p)


@pytest.mark.parametrize("keys", [3, 16, 40])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_seen(backend: Backend, keys: int, value: float) -> None:
    """In the weights of its row, and in no other; a row that sees nothing has zeros."""
    q, k, v = (normal((1, 2, length, 4), length, "float32") for length in (3, keys, keys))
    bias = np.zeros((3, keys), np.float32)
    bias[0, keys - 1], bias[2] = value, -math.inf
    with np.errstate(invalid="ignore"):
        _, p = backend.attention(*map(backend.asarray, (q, k, v, bias)))
    p = backend.to_numpy(p)
    assert np.isnan(p[:, :, 0, -1]).all() and np.isfinite(p[:, :, 1:]).all() and not p[:, :, 2].any()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_heads_side_by_side_are_what_the_reference_makes_of_them(backend: Backend, count: int) -> None:
    """Of arrays that lie anywhere, of gradients as the backend leaves them, and of these in another order."""
    heads = [normal((2, 3, 5, 4), i, "float32") for i in range(6)]
    given = [backend.asarray(each) for each in heads]
    q, k, v, dy, p = (*given[:4], backend.asarray(normal((2, 3, 5, 5), 9, "float32")))
    left = backend.attention_backward(dy, q, k, v, p)
    for arrays in (given[:count], left[:count], left[::-1][:count], left[1 : 1 + count], [left[0]] * count):
        expected = REFERENCE.side_by_side([backend.to_numpy(each) for each in arrays])
        assert_same(backend.side_by_side(list(arrays)), expected, backend)
