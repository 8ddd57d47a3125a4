"""Depthwise convolutions, compiled: all gradients from one walk, as the reference defines them."""

from collections.abc import Iterator

import numpy as np
import pytest

from tests.kit.helpers import assert_close, assert_same, bits, without_helpers
from tests.kit.strategies import integers, normal
from xpnet.backend import Backend, use_backend
from xpnet.backend.cpu import choice, threads
from xpnet.backend.window import Window
from xpnet.base.quiet import quiet

pytestmark = pytest.mark.slow

jit_backend = pytest.importorskip("xpnet.backend.jit.backend", reason='needs Numba: pip install "xpnet[jit]"')
from xpnet.backend.jit import depthwise, direct  # noqa: E402
from xpnet.backend.jit.kernels import LANES  # noqa: E402

JIT, REFERENCE = jit_backend.JitBackend(), Backend()
SAME = ((1, 1), (1, 1))
WINDOWS = [
    Window((3, 3), padding=SAME), Window((3, 3)), Window((3, 3), padding=((0, 2), (1, 0))),
    Window((3, 3), padding=((2, 2), (2, 2)), dilation=(2, 2)), Window((5, 5), padding=((2, 2), (2, 2))),
]  # fmt: skip


@pytest.fixture(autouse=True)
def current() -> Iterator[None]:
    with use_backend(JIT):
        yield


@pytest.fixture
def at_once_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one walk does not give is an error."""
    monkeypatch.setattr(depthwise, "weight_gradient", None)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("N", [LANES, 2 * LANES + 3])
@pytest.mark.parametrize("activation", [None, "relu"])
def test_all_gradients_are_those_of_the_reference(
    at_once_alone: None, window: Window, N: int, activation: str | None
) -> None:
    x, w = integers((N, 6, 8, 7), 0, "float32"), integers((6, 1, *window.kernel), 1, "float32")
    y = REFERENCE.conv2d(x, w, None, window, 6, activation)
    dy = integers(y.shape, 2, "float32")
    assert JIT.explain_conv2d(x, w, window, 6).startswith(choice.DEPTHWISE)
    assert_same(JIT.conv2d(x, w, None, window, 6, activation), y)
    wanted = REFERENCE.conv2d_backward(dy, x, w, y, window, 6, activation)
    for got, want in zip(JIT.conv2d_backward(dy, x, w, y, window, 6, activation), wanted, strict=True):
        assert_same(got, want)


def test_dx_is_left_out_where_nobody_needs_it() -> None:
    x, dy = (integers((LANES, 3, 6, 5), seed, "float32") for seed in (0, 1))
    w = integers((3, 1, 3, 3), 2, "float32")
    dx, dw, db = JIT.conv2d_backward(dy, x, w, dy, WINDOWS[0], 3, None, False)
    wanted = REFERENCE.conv2d_backward(dy, x, w, dy, WINDOWS[0], 3, None, False)
    assert dx is None
    assert_same(dw, wanted[1])
    assert_same(db, wanted[2])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", ["x", "w", "dy"])
@pytest.mark.parametrize("place", [(0, 0, 0, 0), (0, 0, 1, 1)])
@pytest.mark.parametrize("window", [WINDOWS[0], WINDOWS[2]], ids=str)
def test_what_is_not_finite_spreads_as_in_the_reference(
    value: float, which: str, place: tuple[int, ...], window: Window
) -> None:
    x, w = normal((LANES + 1, 3, 5, 6), 0, "float32"), normal((3, 1, 3, 3), 1, "float32")
    y = REFERENCE.conv2d(x, w, None, window, 3)
    dy = normal(y.shape, 2, "float32")
    {"x": x, "w": w, "dy": dy}[which][place] = value
    with quiet():
        wanted = REFERENCE.conv2d_backward(dy, x, w, y, window, 3)
        found = JIT.conv2d_backward(dy, x, w, y, window, 3)
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
        assert_close(np.where(np.isfinite(want), got, 0), np.where(np.isfinite(want), want, 0), tolerance=1e-4)


def test_sums_are_the_same_bits_for_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w = normal((LANES, 8, 12, 12), 0, "float32"), normal((8, 1, 3, 3), 1, "float32")
    found = []
    for count in (1, 3):
        monkeypatch.setattr(threads, "thread_count", lambda count=count: count)
        without_helpers()
        found.append([bits(each) for each in JIT.conv2d_backward(x, x, w, x, WINDOWS[0], 8)])
    without_helpers()
    for one, three in zip(*found, strict=True):
        assert np.array_equal(one, three)


def test_long_sums_hardly_round() -> None:
    x, w = np.full((4 * LANES, 2, 64, 64), 0.1, "float32"), normal((2, 1, 3, 3), 1, "float32")
    _, dw, db = JIT.conv2d_backward(x, x, w, x, WINDOWS[0], 2)
    tenth = float(np.float32(0.1))
    assert abs(db / (x[:, 0].size * tenth) - 1).max() < 2e-6
    assert abs(dw[:, 0, 1, 1] / (x[:, 0].size * tenth**2) - 1).max() < 2e-6


def test_a_stride_is_gone_back_through_by_direct_kernels() -> None:
    x, w = normal((LANES, 4, 8, 8), 0, "float32"), normal((4, 1, 3, 3), 1, "float32")
    assert JIT.explain_conv2d(x, w, Window((3, 3), (2, 2), SAME), 4).startswith(choice.DIRECT)
    assert depthwise.forward is direct.forward
