"""What every test gets: one seed, the backend put back, and the hypothesis profile of `HYPOTHESIS_PROFILE`.

XPNET_TEST_BACKENDS names the backends that tests of every backend go through, by default all; `make quick` leaves the
slower ones out.
"""

import contextlib
import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import cudasim
from xpnet import random
from xpnet.backend import Backend, make_backend, set_default, use_backend
from xpnet.errors import BackendError

os.environ.setdefault("XPNET_JIT", "0")  # the backend `numpy` is NumPy's; tests/backend/jit has the compiled one
cudasim.activate_for_tests()  # before anything imports cupy: the backend `cupy` runs without a GPU too

with contextlib.suppress(ImportError):  # many small products: PyTorch's threads would only get into each other's way
    os.environ.setdefault("MKL_NUM_THREADS", "1")  # in each thread: the bits of its products depend on how many
    import torch

    torch.set_num_threads(1)

# The fixture `backend` has no state of its own, so that all examples of a property may share it.
COMMON: dict[str, Any] = {
    "deadline": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
}
settings.register_profile("quick", max_examples=4, derandomize=True, **COMMON)
settings.register_profile("dev", max_examples=15, **COMMON)
settings.register_profile("ci", max_examples=50, derandomize=True, **COMMON)
settings.register_profile("thorough", max_examples=500, **COMMON)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "dev")
THOROUGH = PROFILE == "thorough"  # whether there is time for all
settings.load_profile(PROFILE)


def _missing(name: str) -> str | None:
    """Why this machine does not have the backend, or None if it has."""
    try:
        make_backend(name)
    except BackendError as error:
        return f"{error} (no stand-in device: {cudasim.why_not()})" if name == "cupy" else str(error)
    return None


NAMES = os.environ.get("XPNET_TEST_BACKENDS", "numpy,reference,array_api_strict,torch,cupy").split(",")
MISSING = {name: _missing(name) for name in NAMES}


FOREIGN = ("array_api_strict", "torch")  # they run the reference's primitives on arrays of another namespace
ENOUGH = 3  # examples there: what the namespace refuses, it refuses in each of them


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """A property of every backend has few examples where nothing but the namespace is another than in `reference`."""
    test, parameters = getattr(item, "obj", None), getattr(item, "callspec", None)
    name = parameters and parameters.params.get("backend")
    usual = getattr(test, "_hypothesis_internal_use_settings", None)
    if usual is None or name not in FOREIGN or usual.max_examples <= ENOUGH or PROFILE == "thorough":
        return (yield)
    test._hypothesis_internal_use_settings = settings(usual, max_examples=ENOUGH)
    try:
        return (yield)
    finally:
        test._hypothesis_internal_use_settings = usual


@pytest.fixture(autouse=True)
def fresh_state() -> Iterator[None]:
    """Seed 0 and the backend of XPNET_BACKEND before each test; afterwards the backend that was current before it."""
    random.seed(0)
    before = set_default(None)
    yield
    set_default(before)


@pytest.fixture(params=[name for name, reason in MISSING.items() if reason is None])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Each backend that this machine has, in turn, made current; test_switch.py says which it has not."""
    with use_backend(make_backend(request.param)) as current:
        yield current


@pytest.fixture
def cupy() -> Iterator[Backend]:
    """The backend, made current; without a device the test is skipped, and the error says why."""
    try:
        backend = make_backend("cupy")
    except BackendError as error:
        pytest.skip(f"{error} (no stand-in device: {cudasim.why_not()})")
    with use_backend(backend):
        yield backend
