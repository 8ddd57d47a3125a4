"""Batch, instance and group normalization: every backend against the reference, in every order of memory."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backend.test_primitives import assert_agree
from tests.kit.helpers import assert_close, bits, lying_in
from tests.kit.strategies import normal, seeds
from xpnet.backend import Array, Backend
from xpnet.backend.cpu import norm_loops, threads
from xpnet.backend.cpu.backend import NumpyBackend

REFERENCE = Backend()
dtypes = st.sampled_from(["float32", "float64"])
spaces = st.lists(st.integers(1, 5), max_size=2).map(tuple)
SHAPES = [(3, 4), (700, 300), (5, 6, 40), (3, 6, 5, 4), (1, 6, 5, 4), (40, 6, 9, 8), (2, 4, 90, 50), (3, 6, 1, 1)]


def lie(x: np.ndarray, axes: tuple[int, ...], backend: Backend) -> Array:
    """x with its axes in this order in memory."""
    return lying_in(backend.asarray(x), axes, backend)


@given(
    batch=st.integers(1, 4), channels=st.integers(1, 5), space=spaces, seed=seeds, dtype=dtypes, weighted=st.booleans()
)
def test_what_is_done_with_channels_agrees_with_the_reference(
    backend: Backend, batch: int, channels: int, space: tuple[int, ...], seed: int, dtype: str, weighted: bool
) -> None:
    shape = (batch + 1, channels, *space)
    x, dy = normal(shape, seed, dtype), normal(shape, seed + 1, dtype)
    a, b = normal(shape[1:2], seed + 2, dtype), normal(shape[1:2], seed + 3, dtype)
    assert_agree(backend, "scale_channels", x, a, b if weighted else None)
    assert_agree(backend, "sum_channels", dy, x, a)
    _, mean, var = assert_agree(backend, "batch_norm", x, *((a, b) if weighted else (None, None)), 0.1)
    assert_agree(backend, "batch_norm_backward", dy, x, mean, var, a if weighted else None, 0.1)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_normalization_does_not_ask_how_arrays_lie(backend: Backend, shape: tuple[int, ...]) -> None:
    """In every order of the axes, also another one of dy; few entries of a channel and many, and in several bands."""
    x, dy = (2 * normal(shape, 1, "float32") + 1).astype("float32"), normal(shape, 2, "float32")
    weight, bias = normal(shape[1:2], 3, "float32"), normal(shape[1:2], 4, "float32")
    wide = [v.astype("float64") for v in (x, dy, weight, bias)]
    batch = REFERENCE.batch_norm(wide[0], *wide[2:], 0.1)
    group = REFERENCE.group_norm(wide[0], 2, *wide[2:], 0.1)
    expected = [
        *batch,
        *REFERENCE.batch_norm_backward(wide[1], wide[0], *batch[1:], wide[2], 0.1),
        *group,
        *REFERENCE.group_norm_backward(wide[1], wide[0], 2, *group[1:], wide[2]),
        REFERENCE.scale_channels(wide[0], *wide[2:]),
        *REFERENCE.sum_channels(wide[1], wide[0], wide[3]),
    ]
    w, b = backend.asarray(weight), backend.asarray(bias)
    for number, axes in enumerate(permutations(range(len(shape)))):
        gx, gdy = lie(x, axes, backend), lie(dy, axes if number % 2 else tuple(range(len(shape))), backend)
        before = bits(gx, backend), bits(gdy, backend)
        batch = backend.batch_norm(gx, w, b, 0.1)
        group = backend.group_norm(gx, 2, w, b, 0.1)
        got = [
            *batch,
            *backend.batch_norm_backward(gdy, gx, *batch[1:], w, 0.1),
            *group,
            *backend.group_norm_backward(gdy, gx, 2, *group[1:], w),
            backend.scale_channels(gx, w, b),
            *backend.sum_channels(gdy, gx, b),
        ]
        for ours, theirs in zip(got, expected, strict=True):
            assert_close(ours, theirs.astype("float32"), backend, scale=1.0)
        assert (bits(gx, backend), bits(gdy, backend)) == before


def test_a_channel_far_from_zero_keeps_its_variance(backend: Backend) -> None:
    """The mean is taken away before anything is squared or scaled, band by band."""
    x = (normal((64, 4, 40, 40), 1) + 1000).astype("float32")
    y, mean, var = backend.batch_norm(backend.asarray(x), None, None, 1e-5)
    wide = x.astype("float64")
    assert_close(mean, wide.mean(axis=(0, 2, 3)).astype("float32"), backend, tolerance=1e-6)
    assert_close(var, wide.var(axis=(0, 2, 3)).astype("float32"), backend, tolerance=1e-4)
    assert_close(y, REFERENCE.batch_norm(wide, None, None, 1e-5)[0].astype("float32"), backend, tolerance=1e-4)
    constant = backend.asarray(np.full((8, 3, 5, 5), 1000, "float32"))
    assert np.abs(backend.to_numpy(backend.batch_norm(constant, None, None, 1e-5)[0])).max() == 0


@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (2, 3, 1, 0), (2, 1, 3, 0)], ids=["nchw", "hwcn", "hcwn"])
def test_bands_of_different_means_have_the_variance_of_all_of_them(backend: Backend, axes: tuple[int, ...]) -> None:
    """Samples and rows get darker and darker; a band has some of them."""
    fall = np.linspace(0, 9, 48)[:, None, None, None] + np.linspace(0, 5, 40)[:, None]
    x = (normal((48, 4, 40, 40), 1) + fall).astype("float32")
    _, mean, var = backend.batch_norm(lie(x, axes, backend), None, None, 1e-5)
    wide = x.astype("float64")
    assert_close(mean, wide.mean(axis=(0, 2, 3)).astype("float32"), backend)
    assert_close(var, wide.var(axis=(0, 2, 3)).astype("float32"), backend)


@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (2, 3, 1, 0), (2, 1, 3, 0)], ids=["nchw", "hwcn", "hcwn"])
def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch, axes: tuple[int, ...]) -> None:
    backend, shape = NumpyBackend(), (32, 16, 24, 24)
    x, dy = (lie(normal(shape, i, "float32"), axes, backend) for i in (1, 2))
    found = []
    for count in (1, 3):
        monkeypatch.setattr(threads, "thread_count", lambda count=count: count)
        y, mean, var = backend.batch_norm(x, None, None, 0.1)
        z, *others = backend.group_norm(x, 4, None, None, 0.1)
        gradients = backend.batch_norm_backward(dy, x, mean, var, None, 0.1)
        more = backend.group_norm_backward(dy, x, 4, *others, None)[:1]
        found.append([bits(v) for v in (y, mean, var, z, *others, *gradients, *more)])
    assert found[0] == found[1]
    assert backend.norm_loops(np.float32) is norm_loops


@pytest.mark.parametrize("size", [8, 9, 12, 25])
def test_local_response_norm_of_many_channels_is_its_definition(backend: Backend, size: int) -> None:
    """y = x (k + alpha / n sum(x**2))**-beta over n channels, n / 2 of them before; dx as its derivative has it."""
    alpha, beta, k, shape = 0.7, 0.75, 2.0, (2, 17, 3)
    x, dy = normal(shape, 1, "float64"), normal(shape, 2, "float64")
    channels = np.arange(17)
    near = (channels >= channels[:, None] - size // 2) & (channels <= channels[:, None] + (size - 1) // 2)  # (C, C)
    scale = k + alpha / size * np.einsum("cd,ndh->nch", near, x * x)
    share = dy * x * scale ** (-beta - 1)
    dx = dy * scale**-beta - 2 * alpha * beta / size * x * np.einsum("cd,nch->ndh", near, share)
    given = backend.asarray(x)
    y, found = backend.local_response_norm(given, size, alpha, beta, k)
    assert_close(found, scale, backend)
    assert_close(y, x * scale**-beta, backend)
    assert_close(
        backend.local_response_norm_backward(backend.asarray(dy), given, found, size, alpha, beta), dx, backend
    )


def test_where_the_mean_is_taken_off_is_seen_in_the_rounding_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """From what the pass makes, unless it is many standard deviations: then little but rounding would be left."""
    backend, seen = NumpyBackend(), []
    own = backend.scale_cells
    monkeypatch.setattr(
        backend, "scale_cells", lambda view, x, mean, *rest: (seen.append(mean), own(view, x, mean, *rest))[1]
    )
    for offset, folds in ((0, True), (4, True), (100, False)):
        x, dy = normal((16, 6, 24, 24), 1, "float32") + np.float32(offset), normal((16, 6, 24, 24), 2, "float32")
        w, b = normal((6,), 3, "float32"), normal((6,), 4, "float32")
        wide = [v.astype("float64") for v in (x, dy, w, b)]
        y, mean, var = REFERENCE.batch_norm(wide[0], *wide[2:], 0.1)
        expected = y, *REFERENCE.batch_norm_backward(wide[1], wide[0], mean, var, wide[2], 0.1)
        got, *moments = backend.batch_norm(x, w, b, 0.1)
        assert (seen.pop() is None) == folds
        for ours, theirs in zip((got, *backend.batch_norm_backward(dy, x, *moments, w, 0.1)), expected, strict=True):
            assert np.abs(ours - theirs).max() <= 1e-6 * (2 + offset) * np.abs(theirs).max()
