"""A parameter is a value of its own, in float32 or float64, and takes gradients of its own kind only."""

import numpy as np
import pytest

from tests.kit.helpers import assert_lives_on, assert_same
from xpnet.backend import Backend
from xpnet.core.parameter import Parameter
from xpnet.errors import DTypeError


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_value_is_a_copy(backend: Backend, dtype: str) -> None:
    host = np.ones((2, 3), dtype)
    array = backend.asarray(host.copy())
    for given in (host, array):
        parameter = Parameter(given, backend=backend)
        assert_lives_on(backend, parameter.value, dtype)
        given[0, 0] = 7
        assert_same(parameter.value, np.ones((2, 3), dtype), backend)
        parameter.value = np.zeros((2, 3))
        assert float(given[1, 2]) == 1
        given[0, 0] = 1


def test_two_parameters_of_one_array_are_two(backend: Backend) -> None:
    array = backend.zeros((3,))
    one, other = Parameter(array), Parameter(array)
    one.value = np.ones(3)
    assert_same(other.value, np.zeros(3, np.float32), backend)
    third = Parameter(one.value)
    one.value = np.full(3, 2.0)
    assert_same(third.value, np.ones(3, np.float32), backend)


@pytest.mark.parametrize(
    "given", [[1.0, 2.0], (1, 2), np.array([1, 2]), np.array([1, 2], np.uint8), np.array([1, 2], np.float16)]
)
def test_what_is_no_float64_array_becomes_float32(backend: Backend, given: object) -> None:
    parameter = Parameter(given)
    assert_same(parameter.value, np.array([1, 2], np.float32), backend)
    assert_lives_on(backend, parameter.grad, "float32")
    assert Parameter(3.5).shape == ()


@pytest.mark.parametrize(("own", "other"), [("float32", "float64"), ("float64", "float32"), ("float32", "int64")])
def test_a_gradient_of_another_data_type_is_refused(backend: Backend, own: str, other: str) -> None:
    parameter = Parameter(np.zeros(3, own), "w")
    for _ in range(2):  # the first gradient is copied, the next one added
        with pytest.raises(DTypeError, match=f"parameter 'w' is {own}, its gradient came as {other}"):
            parameter.add_grad(backend.asarray(np.ones(3, other)))
        parameter.add_grad(backend.asarray(np.ones(3, own)))
    assert_same(parameter.grad, np.full(3, 2, own), backend)
