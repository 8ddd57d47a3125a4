"""Margins around images and pixels made to blocks: every backend against the reference, that against NumPy's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_same, bits
from tests.kit.strategies import normal, seeds
from xpnet.backend import Backend

shapes = st.tuples(*[st.integers(1, 4)] * 4)
margins = st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2)
dtypes = st.sampled_from(["float32", "float64"])


@given(shape=shapes, padding=margins, value=st.sampled_from([0.0, -1.5, -np.inf]), dtype=dtypes, seed=seeds)
def test_padding(
    backend: Backend,
    shape: tuple[int, ...],
    padding: tuple[tuple[int, int], tuple[int, int]],
    value: float,
    dtype: str,
    seed: int,
) -> None:
    x = normal(shape, seed, dtype)
    given = backend.asarray(x)
    got = backend.to_numpy(backend.pad(given, padding, value))
    np.testing.assert_array_equal(got, np.pad(x, ((0, 0), (0, 0), *padding), constant_values=value))
    assert got.dtype == dtype and bits(given) == x.tobytes()


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 1, 3, 0), (2, 3, 1, 0)])  # of the axes in memory, from the slowest
@given(shape=shapes, times=st.tuples(st.integers(1, 3), st.integers(1, 3)), dtype=dtypes, seed=seeds)
def test_repeating(
    backend: Backend,
    order: tuple[int, ...],
    shape: tuple[int, ...],
    times: tuple[int, int],
    dtype: str,
    seed: int,
) -> None:
    x = np.ascontiguousarray(normal(shape, seed, dtype).transpose(order)).transpose(np.argsort(order))
    got = backend.repeat2d(backend.asarray(x), times)
    assert_same(got, x.repeat(times[0], axis=2).repeat(times[1], axis=3))
