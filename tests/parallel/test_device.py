"""Arrays of any backend go through the host's memory, and come back where they were."""

from typing import Any

import array_api_compat
import numpy as np
import pytest

from xpnet.backend import Backend
from xpnet.parallel.device import Spec, Staging, is_cuda, put_back, spec_of

NUMBERS = np.arange(7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_array_goes_to_the_host_and_back(backend: Backend, dtype: Any) -> None:
    array, staging = backend.asarray(NUMBERS.astype(dtype)), Staging()
    assert spec_of(array) == Spec(7, np.dtype(dtype))
    host = staging.fetch(array, "place")
    assert isinstance(host, np.ndarray)
    np.testing.assert_array_equal(host, NUMBERS)
    for given in (array, None):
        back = put_back(host + 1, given, array)
        assert array_api_compat.array_namespace(back) is array_api_compat.array_namespace(array)
        assert array_api_compat.device(back) == array_api_compat.device(array)
        np.testing.assert_array_equal(backend.to_numpy(back), NUMBERS + 1)


def test_what_is_the_hosts_is_not_copied() -> None:
    array = np.ones(3)
    assert Staging().fetch(array, 0) is array
    assert put_back(array, None, np.zeros(3)) is array


def test_the_hosts_copy_is_kept(backend: Backend) -> None:
    array, staging = backend.asarray(np.ones(5, np.float32)), Staging()
    if not is_cuda(array):
        assert staging.fetch(array, "a").shape == (5,)
        return
    first = staging.fetch(array, "a")
    assert staging.fetch(array, "a") is first
    assert staging.fetch(array, "b") is not first
