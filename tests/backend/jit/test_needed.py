"""What tests/backend/test_needed.py holds of every backend, with the compiled kernels."""

import pytest

from tests.backend import test_needed

pytestmark = pytest.mark.slow

jit_backend = pytest.importorskip("xpnet.backend.jit.backend", reason='needs Numba: pip install "xpnet[jit]"')


@pytest.mark.parametrize("need", test_needed.NEEDS, ids=str)
@pytest.mark.parametrize("name", test_needed.CONVOLUTIONS)
def test_of_a_convolution(name: str, need: dict[str, bool]) -> None:
    for activation in (None, "relu"):
        test_needed.test_of_a_convolution(jit_backend.JitBackend(), name, activation, need)


@pytest.mark.parametrize("need", test_needed.NEEDS, ids=str)
def test_of_a_dense_layer(need: dict[str, bool]) -> None:
    test_needed.test_of_a_dense_layer(jit_backend.JitBackend(), (3000, 20), need)
