"""Sums of many entries in compiled loops: the tests of all backends, which assert, with the compiled one."""

from collections.abc import Iterator

import pytest

from tests.backend import test_sums
from xpnet.backend import use_backend

pytestmark = pytest.mark.slow

jit_backend = pytest.importorskip("xpnet.backend.jit.backend", reason='needs Numba: pip install "xpnet[jit]"')

JIT = jit_backend.JitBackend()


@pytest.fixture(autouse=True)
def current() -> Iterator[None]:
    with use_backend(JIT):
        yield


@pytest.mark.parametrize("shape", [(1, 3), (40, 2)], ids=str)
def test_batch_norm(shape: tuple[int, int]) -> None:
    test_sums.test_batch_norm(JIT, shape)


@pytest.mark.parametrize("order", ["c", "f"])
@pytest.mark.parametrize("shape", [(4096, 8), (9, 4096), (2, 3, 90, 100), (3, 2003)], ids=str)
def test_normalization_within_a_sample(order: str, shape: tuple[int, ...]) -> None:
    test_sums.test_normalization_within_a_sample(JIT, order, shape)


@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("order", ["hwcn", "hcwn"])
@pytest.mark.parametrize("window", test_sums.WINDOWS)
def test_the_bias_of_a_convolution(window: str, order: str, activation: str | None) -> None:
    test_sums.test_the_bias_of_a_convolution(JIT, window, order, activation)
