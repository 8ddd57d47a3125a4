"""What tests/backend/test_norm_then.py holds of every backend, with the compiled kernels."""

import math

import pytest

from tests.backend import test_norm_then
from tests.backend.test_norm_then import LIMITS, ORDERS, SHAPES
from tests.core import test_chains
from tests.kit.helpers import bits
from tests.kit.strategies import normal
from xpnet.backend import use_backend
from xpnet.backend.cpu import threads

pytestmark = pytest.mark.slow

jit_backend = pytest.importorskip("xpnet.backend.jit.backend", reason='needs Numba: pip install "xpnet[jit]"')
JIT = jit_backend.JitBackend()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("place", SHAPES)
@pytest.mark.parametrize("name", LIMITS)
def test_it_is_both_in_turn(name: str, place: str, order: str) -> None:
    for affine in (True, False):
        test_norm_then.test_it_is_both_in_turn(JIT, name, place, order, "float32", affine)


@pytest.mark.parametrize("name", LIMITS)
def test_its_bits_are_those_of_both_in_turn(name: str) -> None:
    test_norm_then.test_its_bits_are_those_of_both_in_turn(JIT, name)


@pytest.mark.parametrize("name", test_chains.NETWORKS)
def test_whoever_looks_changes_no_bit(name: str) -> None:
    with use_backend(JIT):
        test_chains.test_whoever_looks_changes_no_bit(name)


def test_a_sum_with_relu() -> None:
    test_norm_then.test_a_sum_with_relu(JIT)


def test_a_gradient_passes_where_the_output_says_so() -> None:
    test_norm_then.test_a_gradient_passes_where_the_output_says_so(JIT)


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    x, dy, found = *(normal((32, 16, 24, 24), i, "float32") for i in (1, 2)), []
    for count in (1, 3):
        monkeypatch.setattr(threads, "thread_count", lambda count=count: count)
        y, mean, var = JIT.batch_norm_then(x, None, None, 0.1, 0.0, math.inf)
        gradients = JIT.batch_norm_then_backward(dy, x, y, mean, var, None, None, 0.1, 0.0, math.inf)
        found.append([bits(v) for v in (y, mean, var, *gradients)])
    assert found[0] == found[1]
