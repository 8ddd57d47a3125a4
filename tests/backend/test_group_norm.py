"""Normalization within a sample: every backend against the reference, and the reference against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backend.test_primitives import assert_agree
from tests.kit.helpers import assert_close, lying_in
from tests.kit.strategies import normal, seeds
from xpnet.backend import Backend

REFERENCE = Backend()
dtypes = st.sampled_from(["float32", "float64"])
spaces = st.lists(st.integers(1, 5), max_size=2).map(tuple)


@given(
    batch=st.integers(1, 4),
    groups=st.integers(1, 3),
    channels=st.integers(1, 4),
    space=spaces,
    seed=seeds,
    dtype=dtypes,
    centred=st.booleans(),
    weighted=st.sampled_from(["both", "weight", "none"]),
)
def test_group_norm_agrees_with_the_reference(
    backend: Backend,
    batch: int,
    groups: int,
    channels: int,
    space: tuple[int, ...],
    seed: int,
    dtype: str,
    centred: bool,
    weighted: str,
) -> None:
    shape, eps = (batch, groups * channels, *space), 0.1
    x, dy = (3 * normal(shape, seed, dtype) + 1).astype(dtype), normal(shape, seed + 1, dtype)
    weight = None if weighted == "none" else normal(shape[1:2], seed + 2, dtype)
    bias = normal(shape[1:2], seed + 3, dtype) if weighted == "both" else None
    y, mean, rstd = assert_agree(backend, "group_norm", x, groups, weight, bias, eps, centred)
    rows = x.astype("float64").reshape(batch, groups, -1)
    away = rows - rows.mean(axis=2, keepdims=True) if centred else rows
    normed = (away / np.sqrt((away**2).mean(axis=2, keepdims=True) + eps)).reshape(shape)
    each = (1, -1) + (1,) * len(space)
    expected = normed * (1 if weight is None else weight.reshape(each)) + (0 if bias is None else bias.reshape(each))
    assert_close(y, expected.astype(dtype), REFERENCE, scale=1.0)
    assert (mean is None) is not centred and rstd.shape == (batch, groups)
    assert_agree(backend, "group_norm_backward", dy, x, groups, mean, rstd, weight)


@pytest.mark.parametrize("shape", [(300, 130), (2, 6, 90, 70), (900, 60), (1, 300_000)], ids=str)
@pytest.mark.parametrize("groups", [1, 2])
def test_group_norm_of_many_entries_agrees_with_the_reference(
    backend: Backend, shape: tuple[int, ...], groups: int
) -> None:
    """More rows, or longer ones, than are taken at a time; in several memory orders."""
    x, dy = (2 * normal(shape, 1, "float32") + 5).astype("float32"), normal(shape, 2, "float32")
    weight, bias = normal(shape[1:2], 3, "float32"), normal(shape[1:2], 4, "float32")
    wide = [a.astype("float64") for a in (x, weight, bias, dy)]
    expected, mean, rstd = REFERENCE.group_norm(wide[0], groups, wide[1], wide[2], 1e-5)
    gradients = REFERENCE.group_norm_backward(wide[3], wide[0], groups, mean, rstd, wide[1])
    orders = {tuple(range(x.ndim)), tuple(reversed(range(x.ndim))), (*range(2, x.ndim), 1, 0)}
    for axes in orders:
        given_x, given_dy = (lying_in(backend.asarray(a), axes, backend) for a in (x, dy))
        w, b = backend.asarray(weight), backend.asarray(bias)
        y, mean, rstd = backend.group_norm(given_x, groups, w, b, 1e-5)
        assert_close(y, expected.astype("float32"), backend, tolerance=1e-6)
        got = backend.group_norm_backward(given_dy, given_x, groups, mean, rstd, w)
        for ours, theirs in zip(got, gradients, strict=True):
            assert_close(ours, theirs.astype("float32"), backend, tolerance=1e-5)


@pytest.mark.parametrize("shape", [(3, 4), (2, 6, 5), (70, 1200)], ids=str)
@pytest.mark.parametrize("eps", [1e-5, 0.25])
def test_what_does_not_vary_is_divided_by_the_root_of_eps(backend: Backend, shape: tuple[int, ...], eps: float) -> None:
    arrays = np.full(shape, 7.0), normal(shape[1:2], 1, "float64"), normal(shape[1:2], 2, "float64")
    x, weight, bias = map(backend.asarray, arrays)
    y, mean, rstd = backend.group_norm(x, 1, weight, bias, eps)
    expected = np.broadcast_to(arrays[2].reshape(-1, *[1] * (len(shape) - 2)), shape)
    assert_close(y, expected, backend, tolerance=1e-9)
    assert mean is not None
    assert_close(mean, np.full((shape[0], 1), 7.0), backend)
    assert_close(rstd, np.full((shape[0], 1), eps**-0.5), backend)
    _, _, rstd = backend.group_norm(x, 1, None, None, eps, centred=False)
    assert_close(rstd, np.full((shape[0], 1), (49 + eps) ** -0.5), backend)
