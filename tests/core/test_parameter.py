"""A parameter is a value of its own, in float32 or float64, and takes gradients of its own kind only."""

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest

from tests.kit.helpers import assert_lives_on, assert_same
from tests.kit.strategies import integers
from xpnet.backend import Backend, make_backend
from xpnet.core.parameter import Parameter, zero_gradients
from xpnet.errors import DTypeError
from xpnet.layers import Dense
from xpnet.model import Sequential


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


def test_it_has_a_gradient_from_the_first_addition_until_it_is_zeroed(backend: Backend) -> None:
    parameter = Parameter(np.zeros((2, 3), np.float32))
    assert not parameter.has_grad
    for seed in range(2):
        first, second = (integers((2, 3), 2 * seed + i, "float32") for i in range(2))
        parameter.add_grad(backend.asarray(first))
        assert parameter.has_grad
        assert_same(parameter.grad, first, backend)
        parameter.add_grad(backend.asarray(second))
        assert_same(parameter.grad, first + second, backend)
        parameter.zero_grad()
        assert not parameter.has_grad
        assert_same(parameter.grad, np.zeros((2, 3), np.float32), backend)
        assert parameter.has_grad  # whoever looked may have written to it
        parameter.zero_grad()


def test_a_gradient_may_be_set_and_changed_in_place(backend: Backend) -> None:
    parameter = Parameter([0, 0, 0])
    parameter.grad = [1, 2, 3]
    array = parameter.grad
    parameter.grad += 1
    assert parameter.grad is array
    assert_same(array, np.array([2, 3, 4], np.float32), backend)
    parameter.zero_grad()
    parameter.add_grad(backend.asarray(np.ones(3, np.float32)))
    parameter.grad *= 5
    assert parameter.grad is array
    assert_same(array, np.full(3, 5, np.float32), backend)


def test_what_was_added_is_not_written_to(backend: Backend) -> None:
    parameter, added = Parameter([0, 0, 0]), backend.asarray(np.ones(3, np.float32))
    for _ in range(2):
        for _ in range(2):
            parameter.add_grad(added)
        parameter.grad *= 3
        assert_same(added, np.ones(3, np.float32), backend)
        zero_gradients([parameter])


@pytest.mark.parametrize("copies", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
@pytest.mark.parametrize("looked", [False, True])
def test_a_copy_takes_the_gradient_along(copies: Callable[[Parameter], Parameter], looked: bool) -> None:
    parameter = Parameter([0, 0, 0], backend=make_backend("numpy"))
    parameter.add_grad(np.ones(3, np.float32))
    if looked:
        _ = parameter.grad
    other = copies(parameter)
    np.testing.assert_array_equal(other.grad, np.ones(3))
    other.grad += 1
    parameter.zero_grad()
    np.testing.assert_array_equal(other.grad, np.full(3, 2))


def test_the_gradient_starts_from_zero_where_a_parameter_moves_to() -> None:
    parameter = Parameter([0, 0, 0], backend=make_backend("numpy"))
    parameter.add_grad(np.ones(3, np.float32))
    parameter.move(make_backend("reference"), "float64")
    assert not parameter.has_grad
    assert_same(parameter.grad, np.zeros(3), parameter.backend)


@pytest.fixture
def lent() -> tuple[Parameter, np.ndarray]:
    """A parameter that somebody has looked at the gradient of, and the place of its next one, which is taken."""
    parameter = Parameter([0, 0, 0], backend=make_backend("numpy"))
    assert parameter.lend_grad() is None  # it has none yet
    own = parameter.grad
    assert parameter.lend_grad() is None  # something may have been added
    parameter.zero_grad()
    place = parameter.lend_grad()
    assert place is own and parameter.lend_grad() is None  # it is lent once
    place[...] = 1
    return parameter, place


def test_a_gradient_that_is_written_to_its_place_is_not_copied(lent: tuple[Parameter, np.ndarray]) -> None:
    parameter, place = lent
    assert not parameter.has_grad
    parameter.add_grad(place)
    assert parameter.has_grad and parameter.grad is place
    np.testing.assert_array_equal(place, np.ones(3))
    assert parameter.lend_grad() is None
    parameter.add_grad(place)  # it is no place any more, but a gradient that happens to be the sum
    np.testing.assert_array_equal(parameter.grad, np.full(3, 2))


@pytest.mark.parametrize("others", [0, 1, 2])
@pytest.mark.parametrize("looks", [False, True])
def test_others_may_add_and_look_while_the_place_is_lent(
    lent: tuple[Parameter, np.ndarray], others: int, looks: bool
) -> None:
    parameter, place = lent
    for _ in range(others):
        parameter.add_grad(np.full(3, 2, np.float32))
    if looks:
        np.testing.assert_array_equal(parameter.grad, np.full(3, 2 * others))
    np.testing.assert_array_equal(place, np.ones(3))
    parameter.add_grad(place)
    np.testing.assert_array_equal(parameter.grad, np.full(3, 1 + 2 * others))


def test_a_place_that_is_never_given_back_is_not_missed(lent: tuple[Parameter, np.ndarray]) -> None:
    parameter, place = lent  # as when Ctrl-C came in between
    for _ in range(2):
        parameter.zero_grad()
        parameter.add_grad(np.full(3, 2, np.float32))
        np.testing.assert_array_equal(parameter.grad, np.full(3, 2))
        place[...] = 9


def test_a_frozen_parameter_lends_no_place() -> None:
    model = Sequential([Dense(2)]).to("numpy")
    model.build((3,))
    weight = model.parameters()[0]
    _ = weight.grad
    weight.zero_grad()
    with model.frozen():
        assert weight.lend_grad() is None
    assert weight.lend_grad() is not None
