"""A Var takes layers and +; anything else is an error that says what to use, so that no gradient is lost unseen."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.kit.helpers import assert_close, assert_same
from xpnet.backend import Backend
from xpnet.core.tape import Tape, Var
from xpnet.errors import DTypeError, ShapeError, TapeError
from xpnet.layers import Add, Concat, Dense, ReLU, Sigmoid

BINARY = [
    operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow, operator.matmul,
    operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
]  # fmt: skip
UNARY = [
    operator.neg, abs, bool, float, int, len, list, iter, lambda v: v[0], lambda v: v[:, 1], lambda v: 0 in v,
    lambda v: operator.setitem(v, 0, 1.0), lambda v: [*v], lambda v: 1 if v else 2,
]  # fmt: skip
NUMPY = [
    np.maximum, np.add, np.multiply, lambda v, other: np.exp(v), lambda v, other: np.sum(v),
    lambda v, other: np.concatenate([v, v]), lambda v, other: np.asarray(v), lambda v, other: np.array(v),
    lambda v, other: np.reshape(v, (6,)), lambda v, other: np.where(v, 1, 0), lambda v, other: np.clip(v, 0, 1),
]  # fmt: skip
ATTRIBUTES = [
    "T",
    "mT",
    "sum",
    "mean",
    "reshape",
    "astype",
    "copy",
    "transpose",
    "max",
    "device",
    "__array_namespace__",
]


@pytest.fixture
def var() -> Var:
    return Var(np.ones((2, 3), np.float32), Tape(train=True))


def assert_refused(function: Callable[[], Any]) -> None:
    with pytest.raises(TapeError, match=r"layers and \+ only.*layers\.Add.*layers\.ReLU"):
        function()


@pytest.mark.parametrize("operation", BINARY)
@pytest.mark.parametrize(
    "other", [2, 0.5, np.ones((2, 3)), np.float32(2), "var", None], ids=lambda other: type(other).__name__
)
def test_operators_are_refused_from_both_sides(var: Var, operation: Callable[[Any, Any], Any], other: Any) -> None:
    other = Var(var.value, var.tape) if isinstance(other, str) else other
    assert_refused(lambda: operation(var, other))
    assert_refused(lambda: operation(other, var))


@pytest.mark.parametrize("other", [2, np.ones((2, 3)), np.float32(2), None], ids=lambda other: type(other).__name__)
def test_addition_takes_only_vars(var: Var, other: Any) -> None:
    assert_refused(lambda: var + other)
    assert_refused(lambda: other + var)


def test_in_place_operators_are_refused_too(var: Var) -> None:
    for operation in (operator.isub, operator.imul, operator.itruediv, operator.ipow, operator.imatmul):
        assert_refused(lambda operation=operation: operation(var, 2))


@pytest.mark.parametrize("operation", UNARY)
def test_what_python_does_to_arrays_is_refused(var: Var, operation: Callable[[Any], Any]) -> None:
    assert_refused(lambda: operation(var))


@pytest.mark.parametrize("function", NUMPY)
def test_numpy_functions_are_refused(var: Var, function: Callable[[Any, Any], Any]) -> None:
    assert_refused(lambda: function(var, 0))
    if isinstance(function, np.ufunc):
        assert_refused(lambda: function(0, var))


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes_of_arrays_are_refused(var: Var, name: str) -> None:
    assert_refused(lambda: getattr(var, name))


def test_the_refusal_names_the_operation(var: Var) -> None:
    for operation, words in (
        (lambda: var * 2, r"does not take \*;"),
        (lambda: var[0], "does not take indexing"),
        (lambda: var + 1, "not to int"),
        (lambda: var.sum, "has no 'sum'"),
        (lambda: np.exp(var), "NumPy functions"),
    ):
        with pytest.raises(TapeError, match=words):
            operation()


def test_shape_and_dtype_may_be_looked_at(var: Var) -> None:
    assert (var.shape, var.ndim, var.dtype) == ((2, 3), 2, np.dtype("float32"))
    assert repr(var) == "Var(shape=(2, 3))"
    assert len({var, Var(var.value, var.tape)}) == 2  # hashable, by identity


def test_arrays_and_vars_do_not_mix_in_a_layer(var: Var) -> None:
    for inputs in ((var, var.value), (var.value, var)):
        with pytest.raises(
            TapeError, match="Add: the inputs of a layer in training must all come from layers, one is ndarray"
        ):
            Add()(*inputs)


def test_a_var_belongs_to_its_own_forward_pass(var: Var) -> None:
    stranger = Var(var.value, Tape(train=True))
    with pytest.raises(TapeError, match="a Var of another forward pass"):
        var + stranger


def on_one_tape(*arrays: Any) -> list[Var]:
    tape = Tape(train=True)
    return [Var(array, tape) for array in arrays]


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (((2, 3), (2, 1)), r"they are \(2, 3\), \(2, 1\)"),
        (((2, 3), (3,)), r"they are \(2, 3\), \(3,\)"),
        (((2, 3), (1, 3)), r"they are \(2, 3\), \(1, 3\)"),
        (((0, 3), (0, 3)), "at least one long"),
        (((), ()), "at least one long"),
    ],
)
def test_a_sum_broadcasts_nothing(shapes: Any, words: str) -> None:
    a, b = on_one_tape(*(np.ones(shape, np.float32) for shape in shapes))
    with pytest.raises(ShapeError, match=f"a sum needs two batches of one shape.*{words}"):
        a + b


@pytest.mark.parametrize("dtype", ["int64", "uint8"])
def test_a_sum_takes_no_integers(dtype: str) -> None:
    a, b = on_one_tape(np.ones((2, 3), dtype), np.ones((2, 3), np.float32))
    for first, second in ((a, b), (b, a)):
        with pytest.raises(
            DTypeError, match=rf'a sum: an input is {dtype}; convert the data with x.astype\("float32"\)'
        ):
            first + second


def test_the_tape_walks_back_through_branches(backend: Backend) -> None:
    """z = concat(relu(x) + x, sigmoid(x)), of which the gradient is written out here."""
    x = np.array([[-1.0, 2.0, -3.0], [0.5, -0.25, 4.0]])
    dy = np.arange(12.0).reshape(2, 6) + 1
    tape = Tape(train=True)
    var = Var(backend.asarray(x), tape)
    output = Concat()(ReLU()(var) + var, Sigmoid()(var))
    (dx,) = tape.walk_back([output], [backend.asarray(dy)], [var], need_dx=True)
    s = 1 / (1 + np.exp(-x))
    assert_close(output.value, np.concatenate([np.maximum(x, 0) + x, s], axis=1))
    assert_close(dx, dy[:, :3] * (x > 0) + dy[:, :3] + dy[:, 3:] * s * (1 - s))


def test_what_the_output_does_not_need_gets_no_gradient(backend: Backend) -> None:
    x = backend.asarray(np.ones((2, 3), np.float32))
    used, unused = Dense(2), Dense(2)
    tape = Tape(train=True)
    var = Var(x, tape)
    unused(var)
    output = used(var)
    tape.walk_back([output], [output.value], [var], need_dx=True)
    assert np.any(backend.to_numpy(used.weight.grad))
    assert not np.any(backend.to_numpy(unused.weight.grad))
    assert_same(output.value, used.forward(x)[0])
