"""Normalization and activations in compiled loops: what the reference computes, as on all other backends.

Some call the tests of all backends, which assert, with the compiled one.
"""

from collections.abc import Iterator

import numpy as np
import pytest

from tests.backend import test_elementwise, test_group_norm, test_normalization
from tests.kit.helpers import assert_close, bits
from tests.kit.strategies import normal
from xpnet.backend import Backend, use_backend
from xpnet.backend.cpu import threads

pytestmark = pytest.mark.slow

jit_backend = pytest.importorskip("xpnet.backend.jit.backend", reason='needs Numba: pip install "xpnet[jit]"')

JIT = jit_backend.JitBackend()
REFERENCE = Backend()
COMPILED = "gelu", "gelu_tanh", "silu", "leaky_relu", "hard_tanh"
each_compiled = pytest.mark.parametrize(
    ("name", "constants", "definition"), [row for row in test_elementwise.DEFINITIONS if row[0] in COMPILED]
)


@pytest.fixture(autouse=True)
def current() -> Iterator[None]:
    with use_backend(JIT):
        yield


@pytest.mark.parametrize("shape", test_normalization.SHAPES, ids=str)
def test_normalization_does_not_ask_how_arrays_lie(shape: tuple[int, ...]) -> None:
    test_normalization.test_normalization_does_not_ask_how_arrays_lie(JIT, shape)


def test_a_channel_far_from_zero_keeps_its_variance() -> None:
    test_normalization.test_a_channel_far_from_zero_keeps_its_variance(JIT)


@pytest.mark.parametrize("groups", [1, 2])
def test_group_norm_of_many_entries(groups: int) -> None:
    test_group_norm.test_group_norm_of_many_entries_agrees_with_the_reference(JIT, (900, 60), groups)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("weighted", ["both", "weight", "none"])
@pytest.mark.parametrize("shape", [(1, 5), (300, 130), (7, 1)], ids=str)
def test_rows(shape: tuple[int, int], weighted: str, centred: bool) -> None:
    """Layer and root mean square normalization."""
    x, dy = normal(shape, 1, "float32") + np.float32(1), normal(shape, 2, "float32")
    weight = None if weighted == "none" else normal(shape[1:], 3, "float32")
    bias = normal(shape[1:], 4, "float32") if weighted == "both" else None
    expected = REFERENCE.group_norm(x, 1, weight, bias, 0.1, centred)
    got = JIT.group_norm(x, 1, weight, bias, 0.1, centred)
    expected += REFERENCE.group_norm_backward(dy, x, 1, *expected[1:], weight)
    got += JIT.group_norm_backward(dy, x, 1, *got[1:], weight)
    for ours, theirs in zip(got, expected, strict=True):
        if theirs is None:
            assert ours is None
        else:
            assert_close(ours, theirs, JIT, scale=1.0)


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    shape, found = (32, 16, 24, 24), []
    x, dy = (normal(shape, i, "float32") for i in (1, 2))
    rows = x.reshape(-1, 96)
    for count in (1, 3):
        monkeypatch.setattr(threads, "thread_count", lambda count=count: count)
        y, mean, var = JIT.batch_norm(x, None, None, 0.1)
        z, *others = JIT.group_norm(rows, 1, rows[0], rows[1], 0.1)
        gradients = JIT.batch_norm_backward(dy, x, mean, var, None, 0.1)
        more = JIT.group_norm_backward(dy.reshape(-1, 96), rows, 1, *others, rows[0])
        found.append([bits(v) for v in (y, mean, var, z, *others, *gradients, *more)])
    assert found[0] == found[1]


@each_compiled
def test_an_activation_is_its_definition(name: str, constants: tuple[float, ...], definition: object) -> None:
    test_elementwise.test_an_activation_of_large_numbers_is_finite_and_warns_of_nothing(
        JIT, name, constants, definition
    )
    x, dy = np.linspace(-60, 60, 200_001, dtype=np.float32), normal((200_001,), 1, "float32")
    y, back = JIT.activation(x, name, *constants)
    expected, expected_back = REFERENCE.activation(x.astype("float64"), name, *constants)
    assert np.all(np.abs(y - expected) <= 3e-7 * np.maximum(1, np.abs(x)))
    assert_close(back(dy), expected_back(dy).astype("float32"), JIT, tolerance=1e-6)
    empty, far = JIT.activation(np.array([np.nan, np.inf, 0], np.float32), name, *constants)[0], x[:0]
    assert np.isnan(empty[0]) and empty[1] == (1.5 if name == "hard_tanh" else np.inf) and empty[2] == 0
    assert JIT.activation(far, name, *constants)[0].shape == (0,)


@pytest.mark.parametrize(("name", "constants"), test_elementwise.MANY)
def test_an_activation_keeps_the_order_of_memory(name: str, constants: tuple[float, ...]) -> None:
    test_elementwise.test_an_activation_of_many_entries_agrees_with_the_reference(JIT, name, constants)


def test_the_gradient_of_relu_is_chosen_bit_by_bit() -> None:
    """What does not pass is 0 whatever it is; y and dy may lie in other orders."""
    y, dy = (normal((16, 4, 50, 50), i, "float32") for i in (1, 2))
    y[0, 0, 0, :3], dy[0, 0, 0, :3] = (0, np.nan, -1), np.inf
    expected = np.where(y > 0, dy, np.float32(0))
    turned = np.ascontiguousarray(y.transpose(2, 3, 1, 0)).transpose(3, 2, 0, 1)
    for given in (y, turned):
        dx = JIT.activate_backward(dy, given, "relu")
        assert bits(dx) == bits(expected) and dx.strides == given.strides
