"""Kernels of 3 x 3 in blocks of 2 x 2 pixels: what the reference computes, to the bit on whole numbers."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_same, calls_of
from tests.kit.strategies import integers, normal, seeds
from xpnet.backend import Backend
from xpnet.backend.cpu import threads
from xpnet.backend.cpu.safeguards import RATIO
from xpnet.backend.cpu.winograd import Winograd
from xpnet.backend.window import Window

pytestmark = pytest.mark.slow

pytest.importorskip("numba", reason='needs Numba: pip install "xpnet[jit]"')
from xpnet.backend.jit import blocks, direct  # noqa: E402
from xpnet.backend.jit.kernels import LANES  # noqa: E402
from xpnet.backend.jit.winograd import JitWinograd  # noqa: E402

REFERENCE, WALK = Backend(), JitWinograd()
SAME = Window((3, 3), padding=((1, 1), (1, 1)))


@st.composite
def cases(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], Window]:
    """Shapes of x and w, and a window: whole vectors and not, of images and of channels; one sum of images, and two."""
    pads = [(draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in range(2)]
    size = [max(1, draw(st.integers(1, 6)) + 2 - sum(pad)) for pad in pads]
    N = draw(st.sampled_from([LANES, LANES + 1, 3 * LANES, blocks.IMAGES + 1, 2 * blocks.IMAGES + 3]))
    C, O = draw(st.sampled_from([1, 5, 8, 16, 17])), LANES + draw(st.sampled_from([0, 1, LANES, 2 * LANES - 1]))
    return (N, C, *size), (O, C, 3, 3), Window((3, 3), padding=(pads[0], pads[1]))


@given(case=cases(), seed=seeds, relu=st.booleans())
def test_what_the_reference_computes(case: Any, seed: int, relu: bool) -> None:
    x_shape, w_shape, window = case
    x, w, b = (integers(shape, seed + i, "float32") for i, shape in enumerate((x_shape, w_shape, w_shape[:1])))
    w = np.where(w == 0, np.float32(1), w)
    y = REFERENCE.conv2d(x, w, b, window, 1, "relu" if relu else None)
    dy = integers(y.shape, seed + 3, "float32")
    dx, dw, _ = REFERENCE.conv2d_backward(dy, x, w, y, window)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Winograd, "_correlate", None)
        patch.setattr(direct, "weight_gradient", None)
        assert_same(WALK.forward(x, w, b, window, 1, relu), y)
        assert_same(WALK.weight_gradient(dy, x, w, window, 1), dw)
        assert_same(WALK.input_gradient(dy, w, None, window, x.shape[2:], 1, False), dx)


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w, b = normal((70, 24, 15, 13), 0, "float32"), normal((40, 24, 3, 3), 1, "float32"), normal((40,), 2, "float32")
    results = []
    for count in (1, 4):
        team = threads.Team(count - 1)
        monkeypatch.setattr(threads, "thread_count", lambda count=count: count)
        monkeypatch.setattr(threads, "team", lambda team=team: team)
        y = WALK.forward(x, w, b, SAME, 1, True)
        dx, dw = WALK.input_gradient(y, w, None, SAME, (15, 13), 1, False), WALK.weight_gradient(y, x, w, SAME, 1)
        results.append([array.tobytes() for array in (y, dx, dw)])
        team.close()
    assert results[0] == results[1]


def test_kernels_whose_places_differ_take_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, correlate = calls_of(blocks.correlate)
    monkeypatch.setattr(blocks, "correlate", correlate)
    x, plain = normal((LANES, 9, 6, 6), 0, "float32"), np.sign(normal((6, 9, 3, 3), 1, "float32"))
    assert 15 < blocks.RATIO < 17 < RATIO
    for change, in_blocks in ((1 / 15, True), (1 / 17, False), (0, False), (np.inf, False)):
        w = plain.copy()
        w[2, :, 1, 1] *= change
        calls.clear()
        got, expected = WALK.forward(x, w, None, SAME, 1, False), REFERENCE.conv2d(x, w, None, SAME)
        assert len(calls) == in_blocks
        np.testing.assert_allclose(got, expected, atol=1e-4)
    w = plain.copy()
    w[2, 3] = 0  # at all places of a kernel
    assert blocks.pack(w) is not None
    w[2, 3, 0, 1] = 1  # or not at one of them
    assert blocks.pack(w) is None


@given(seed=seeds, scales=st.lists(st.floats(-0.5, 0.5), min_size=9, max_size=9))
def test_the_error_is_within_the_bound(seed: int, scales: list[float]) -> None:
    """docs/performance.md: |error| <= 16 R (C + 16) u sum_m |x_m|_1 |w_m|_max, R the ratio of a kernel's places."""
    C, rows = 8, np.power(10.0, np.random.default_rng(seed).uniform(-6, 6, (6, 5)))
    w = np.sign(normal((4, C, 3, 3), seed, "float64")) * np.power(10, scales).reshape(3, 3)
    w = (w * np.random.default_rng(seed).uniform(0.9, 1.1, w.shape)).astype("float32")
    x = (normal((LANES, C, 6, 5), seed + 1, "float64") * rows).astype("float32")
    packed = blocks.pack(w)
    assert packed is not None
    y = blocks.correlate(np.ascontiguousarray(x.transpose(2, 3, 1, 0)), *packed, None, (1, 1), (6, 5), False)
    assert y is not None
    sizes = np.abs(w).astype("float64").max(axis=1)  # (O, 3, 3)
    R = (sizes.max(axis=(1, 2)) / sizes.min(axis=(1, 2))).max()
    exact = REFERENCE.conv2d(x.astype("float64"), w.astype("float64"), None, SAME)
    spread = np.broadcast_to(sizes[:, None], w.shape)
    allowed = 16 * R * (C + 16) * 2.0**-24 * REFERENCE.conv2d(np.abs(x).astype("float64"), spread, None, SAME)
    assert (np.abs(y.transpose(3, 2, 0, 1) - exact) <= allowed).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
@pytest.mark.parametrize("where", [0, -1])
def test_what_is_not_finite_is_what_the_definition_makes_of_it(value: float, where: int) -> None:
    """In the first image and in the last, which a vector may hold that reaches back."""
    x, w = np.maximum(normal((LANES + 3, 8, 5, 7), 0, "float32"), 0), normal((17, 8, 3, 3), 1, "float32") / 8
    x[where, 5, 2, 3] = value
    with np.errstate(all="ignore"):
        y = REFERENCE.conv2d(x, w, None, SAME)
        dy = normal(y.shape, 2, "float32")
        dy[:, :, 1:4, 2:5] = 0
        dw = REFERENCE.conv2d_backward(dy, x, w, y, SAME)[1]
        np.testing.assert_allclose(WALK.forward(x, w, None, SAME, 1, False), y, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(WALK.weight_gradient(dy, x, w, SAME, 1), dw, rtol=1e-3, atol=1e-3)


def test_gradients_that_must_be_zero_are() -> None:
    """x as an activation leaves it, and a gradient of few pixels."""
    x, w = np.maximum(normal((LANES, 8, 8, 7), 0, "float32"), 0), np.ones((LANES, 8, 3, 3), np.float32)
    dy = np.zeros((LANES, LANES, 8, 7), np.float32)
    dy[3, 2, 4, 3], dy[1, 2, 0, 0], dy[2, 1, 7, 6] = 1.3, -0.7, 0.1
    dw, expected = WALK.weight_gradient(dy, x, w, SAME, 1), REFERENCE.conv2d_backward(dy, x, w, dy, SAME)[1]
    np.testing.assert_array_equal(dw == 0, expected == 0)
    np.testing.assert_allclose(dw, expected, atol=1e-5)
