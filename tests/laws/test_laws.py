"""The laws that every layer keeps, each stated once, for every layer of the table.

They hold on the backends whose primitives are their own: `numpy`, `reference` and `cupy`. The others run the code of
`reference` on another namespace's arrays: that it may, what it gives, and what it leaves alone is seen there too.
"""

import functools
import inspect
import itertools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.conftest import FOREIGN, MISSING
from tests.kit.helpers import assert_close, assert_lives_on, assert_same, bits, lying_in
from tests.kit.layer_table import CASES, Case
from tests.kit.strategies import normal
from xpnet import layers, random
from xpnet.backend import Array, Backend, make_backend, use_backend
from xpnet.base.nested import mapped
from xpnet.core.layer import Layer
from xpnet.core.outputs import is_shape
from xpnet.core.tape import Tape, Var
from xpnet.gradient_check import gradient_check

every_layer = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
in_both_modes = pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
on_numpy_arrays = pytest.mark.parametrize("backend", ["numpy", "reference"], indirect=True)


def on_backends(*names: str) -> pytest.MarkDecorator:
    """Those of them that this machine has."""
    there = [name for name in names if MISSING.get(name, "left out") is None]
    return pytest.mark.parametrize("backend", there, indirect=True)


on_own_primitives = on_backends("numpy", "reference", "cupy")
with_parameters = pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.name.startswith(("conv", "dense", "batch", "rnn", "lstm", "gru", "attention"))],
    ids=lambda case: case.name,
)


def test_the_table_has_every_layer() -> None:
    exported = {value for name in layers.__all__ if inspect.isclass(value := getattr(layers, name))}
    assert {type(case.make()) for case in CASES} == exported - {Layer}
    assert len({case.name for case in CASES}) == len(CASES)


def as_tuple(dx: Any) -> tuple[Array, ...]:
    """Outputs, or gradients; that of integers is None, and none."""
    return tuple(each for each in (dx if isinstance(dx, tuple) else (dx,)) if each is not None)


def dy_for(backend: Backend, y: Any, seed: int = 99) -> Any:
    """A gradient for each output."""
    if isinstance(y, tuple):
        return tuple(dy_for(backend, each, seed + i) for i, each in enumerate(y))
    return backend.asarray(normal(tuple(y.shape), seed, "float64"), y.dtype)


def shape_of(y: Any) -> Any:
    """Without the batch, in the structure of the output."""
    return mapped(lambda each: tuple(each.shape[1:]), y)


def fresh(layer: Layer) -> Layer:
    """The layer, without what it carried from the batch before."""
    layer.reset_state()
    return layer


def run(layer: Layer, xs: list[Array], dy: Array | None = None, train: bool = True) -> list[np.ndarray]:
    """y, the gradients of the inputs and those of the parameters (from zero, on random state 0), on the host."""
    random.seed(0)
    for parameter in layer.parameters():
        parameter.zero_grad()
    y, back = fresh(layer).forward(*xs, train=train)
    dxs = as_tuple(back(dy_for(layer.backend, y) if dy is None else dy))
    return [np.array(layer.backend.to_numpy(a)) for a in (*as_tuple(y), *dxs, *(p.grad for p in layer.parameters()))]


def assert_all_same(got: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@on_own_primitives
@in_both_modes
@every_layer
def test_the_gradient_is_the_derivative(backend: Backend, case: Case, train: bool) -> None:
    layer = case.layer(backend)
    directions = 2 if backend.name == "numpy" else 1
    check = functools.partial(gradient_check, layer, *case.host_inputs("float64"), directions=directions)
    assert check(train=train, tolerance=1e-6) <= 1e-6


@functools.cache
def of_the_reference(case: Case, train: bool) -> list[np.ndarray]:
    with use_backend(make_backend("reference")) as backend:
        return run(case.layer(backend, "float64"), case.inputs(backend, "float64"), train=train)


@on_backends(*FOREIGN)
@in_both_modes
@every_layer
def test_another_namespace_gives_what_the_reference_gives(backend: Backend, case: Case, train: bool) -> None:
    """So its gradient, too, is the derivative."""
    got = run(case.layer(backend, "float64"), case.inputs(backend, "float64"), train=train)
    for found, want in zip(got, of_the_reference(case, train), strict=True):
        assert found.dtype == want.dtype and found.shape == want.shape
        np.testing.assert_allclose(found, want, rtol=0, atol=1e-10 * np.abs(want).max() + 1e-14)


@in_both_modes
@every_layer
def test_nothing_is_written_into_x_or_dy(backend: Backend, case: Case, train: bool) -> None:
    layer, xs = case.layer(backend), case.inputs(backend)
    before = [bits(x) for x in xs]
    y, back = fresh(layer).forward(*xs, train=train)
    dy = dy_for(backend, y)
    dy_before = [bits(each) for each in as_tuple(dy)]
    back(dy)
    if not layer.composite:  # the arrays of a network are freed on the way back
        back(dy)
    assert [bits(x) for x in xs] == before
    assert [bits(each) for each in as_tuple(dy)] == dy_before


@on_numpy_arrays
@in_both_modes
@every_layer
def test_read_only_arrays_are_taken(backend: Backend, case: Case, train: bool) -> None:
    layer, xs = case.layer(backend), case.inputs(backend)
    y, _ = fresh(layer).forward(*xs, train=train)
    dy = dy_for(backend, y)
    expected = run(layer, xs, dy, train)
    for array in (*xs, *as_tuple(dy)):
        array.flags.writeable = False
    assert_all_same(run(layer, xs, dy, train), expected)


def strided(backend: Backend, x: Array) -> Array:
    """Every other column of an array twice as wide."""
    xp = backend.xp
    return xp.reshape(xp.stack([x, 0 * x + 7], axis=-1), (*x.shape[:-1], -1))[..., ::2]


def transposed(backend: Backend, x: Array) -> Array:
    """In the opposite memory order."""
    return lying_in(x, tuple(reversed(range(x.ndim))), backend)


def backwards(backend: Backend, x: Array) -> Array:
    """With negative strides."""
    every = (slice(None, None, -1),) * x.ndim
    return backend.copy(x[every])[every]


@on_backends("numpy", "reference", "torch", "cupy")
@pytest.mark.parametrize("relaid", [strided, transposed, backwards])
@every_layer
def test_the_memory_order_does_not_matter(
    backend: Backend, case: Case, relaid: Callable[[Backend, Array], Array]
) -> None:
    if relaid is backwards and backend.name == "torch":
        relaid = transposed  # PyTorch has no negative strides
    layer, xs = case.layer(backend, "float64"), case.inputs(backend, "float64")
    dy = dy_for(backend, fresh(layer).forward(*xs)[0])
    expected = run(layer, xs, dy)
    views = [relaid(backend, x) for x in xs]
    dy = mapped(lambda each: relaid(backend, each), dy)
    for got, want in zip(run(layer, views, dy), expected, strict=True):
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


@in_both_modes
@every_layer
def test_what_was_returned_stays_as_it_was(backend: Backend, case: Case, train: bool) -> None:
    layer = case.layer(backend)

    def call(seed: int) -> list[Array]:
        y, back = fresh(layer).forward(*case.inputs(backend, seed=seed), train=train)
        return [*as_tuple(y), *as_tuple(back(dy_for(backend, y, seed)))]

    first = call(10)
    before = [bits(a) for a in first]
    second = call(20)
    assert [bits(a) for a in first] == before
    if isinstance(first[0], np.ndarray):
        assert not any(np.shares_memory(a, b) for a in first for b in second)


@on_own_primitives
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first in first out", "last in first out"])
@every_layer
def test_interleaved_calls_do_not_disturb_each_other(backend: Backend, case: Case, order: tuple[int, int]) -> None:
    layer = case.layer(backend, "float64")
    inputs = [case.inputs(backend, "float64", seed=10), case.inputs(backend, "float64", seed=20, batch=2)]

    def alone(call: int) -> list[np.ndarray]:
        random.set_state((0, 0))
        for earlier in inputs[:call]:
            fresh(layer).forward(*earlier, train=True)  # takes the keys that it takes in the sequence below
        for parameter in layer.parameters():
            parameter.zero_grad()
        y, back = fresh(layer).forward(*inputs[call], train=True)
        dxs = as_tuple(back(dy_for(backend, y)))
        return [np.array(backend.to_numpy(a)) for a in (*dxs, *(p.grad for p in layer.parameters()))]

    expected = [alone(0), alone(1)]
    random.set_state((0, 0))
    for parameter in layer.parameters():
        parameter.zero_grad()
    calls = [fresh(layer).forward(*xs, train=True) for xs in inputs]
    for call in order:
        y, back = calls[call]
        for dx, want in zip(as_tuple(back(dy_for(backend, y))), expected[call], strict=False):
            assert_same(dx, want)
    count = len(expected[0]) - len(layer.parameters())
    for parameter, one, two in zip(layer.parameters(), expected[0][count:], expected[1][count:], strict=True):
        assert_close(parameter.grad, np.asarray(one + two))


@on_own_primitives
@pytest.mark.parametrize(
    "case", [case for case in CASES if not list(case.make().named_states())], ids=lambda case: case.name
)  # of a state that goes from batch to batch there is one
def test_two_threads_may_call_one_layer(backend: Backend, case: Case) -> None:
    layer = case.layer(backend, "float64")
    inputs = [case.inputs(backend, "float64", seed=10), case.inputs(backend, "float64", seed=20, batch=2)]
    expected = [run(layer, xs, train=False) for xs in inputs]
    for parameter in layer.parameters():
        parameter.zero_grad()
    start, failures, rounds = threading.Barrier(2), [], 4

    def work(call: int) -> None:
        try:
            start.wait()
            for _ in range(rounds):
                y, back = fresh(layer).forward(*inputs[call])
                for got, want in zip((*as_tuple(y), *as_tuple(back(dy_for(backend, y)))), expected[call], strict=False):
                    assert_same(got, want, backend)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(call,)) for call in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    first = len(expected[0]) - len(layer.parameters())
    for parameter, one, two in zip(layer.parameters(), expected[0][first:], expected[1][first:], strict=False):
        if parameter.trainable:
            assert_close(parameter.grad, np.asarray(rounds * (one + two)))


@on_own_primitives
@every_layer
def test_a_layer_used_twice_adds_both_gradients(backend: Backend, case: Case) -> None:
    layer, xs = case.layer(backend, "float64"), case.inputs(backend, "float64")
    dy = dy_for(backend, fresh(layer).forward(*xs)[0])
    once = run(layer, xs, dy, train=False)
    for parameter in layer.parameters():
        parameter.zero_grad()
    tape = Tape(train=False)
    inputs = [Var(x, tape) for x in xs]
    outputs = [a + b for a, b in zip(*(as_tuple(fresh(layer)(*inputs)) for _ in "ab"), strict=True)]
    dxs = as_tuple(tuple(tape.walk_back(outputs, as_tuple(dy), inputs, need_dx=True)))
    values = [output.value for output in outputs]
    for got, want in zip((*values, *dxs, *(p.grad for p in layer.parameters())), once, strict=True):
        assert_close(got, np.asarray(2 * want))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@in_both_modes
@every_layer
def test_dtype_namespace_and_device_are_kept(backend: Backend, case: Case, train: bool, dtype: str) -> None:
    layer = case.layer(backend, dtype)
    y, back = fresh(layer).forward(*case.inputs(backend, dtype), train=train)
    dxs = as_tuple(back(dy_for(backend, y)))
    for array in (*as_tuple(y), *dxs, *(a for p in layer.parameters() for a in (p.value, p.grad))):
        assert_lives_on(backend, array, dtype)
    assert len(dxs) == case.row.counts.count(0)


@on_own_primitives
@pytest.mark.filterwarnings("ignore:.*there is one value for each mean")
@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.name.endswith("of the batch alone")], ids=lambda case: case.name
)
def test_a_batch_of_one_is_one_row_of_a_batch(backend: Backend, case: Case) -> None:
    layer, xs = case.layer(backend, "float64"), case.inputs(backend, "float64")
    y, back = fresh(layer).forward(*xs)
    one, one_back = fresh(layer).forward(*(x[1:2, ...] for x in xs))
    for row, all_rows in zip(as_tuple(one), as_tuple(y), strict=True):
        assert_close(row, all_rows[1:2, ...])
    dy = dy_for(backend, y)
    one_dy = mapped(lambda each: each[1:2, ...], dy)
    for dx, one_dx in zip(as_tuple(back(dy)), as_tuple(one_back(one_dy)), strict=True):
        assert_close(one_dx, dx[1:2, ...])
    trained, back = fresh(layer).forward(*(x[1:2, ...] for x in xs), train=True)
    for array in (*as_tuple(trained), *as_tuple(back(one_dy)), *(p.value for p in layer.parameters())):
        assert np.all(np.isfinite(backend.to_numpy(array)))


of_floats = pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.row.make is not layers.ReLU and not case.all_integers],
    ids=lambda case: case.name,
)


of_integers = pytest.mark.parametrize(
    "case", [case for case in CASES if any(case.row.counts)], ids=lambda case: case.name
)


@of_integers
def test_integers_have_no_gradient_and_may_have_32_bits(backend: Backend, case: Case) -> None:
    layer, xs = case.layer(backend), case.inputs(backend)
    y, back = fresh(layer).forward(*xs)
    dx = back(dy_for(backend, y))
    dxs = dx if len(xs) > 1 else (dx,)
    assert [dx is None for dx in dxs] == [count > 0 for count in case.row.counts]
    short = (
        backend.asarray(x, "int32" if count else None)
        for x, count in zip(case.host_inputs(), case.row.counts, strict=True)
    )
    for got, want in zip(as_tuple(fresh(layer).forward(*short)[0]), as_tuple(y), strict=True):
        assert_same(got, want)


@pytest.mark.parametrize(
    "case", [case for case in CASES if not is_shape(case.make().output_shape(*case.shapes))], ids=lambda case: case.name
)
def test_outputs_without_a_gradient_count_as_zeros(backend: Backend, case: Case) -> None:
    """Whichever of several outputs the result depends on."""
    layer, xs = case.layer(backend, "float64"), case.inputs(backend, "float64")
    dys = dy_for(backend, fresh(layer).forward(*xs)[0])
    for chosen in itertools.product([True, False], repeat=len(dys)):
        filled = tuple(dy if there else backend.xp.zeros_like(dy) for dy, there in zip(dys, chosen, strict=True))
        expected = run(layer, xs, filled)[len(dys) :]
        for parameter in layer.parameters():
            parameter.zero_grad()
        tape = Tape(train=True)
        inputs = [Var(x, tape) for x in xs]
        random.seed(0)  # the same masks
        outputs = fresh(layer)(*inputs)
        sparse = [dy if there else None for dy, there in zip(dys, chosen, strict=True)]
        dxs = tape.walk_back(outputs, sparse, inputs, need_dx=True)
        assert all(dx is None for dx in dxs) is not any(chosen)  # nothing: back was not called
        pairs = [(x, dx) for x, dx, count in zip(xs, dxs, case.row.counts, strict=True) if not count]
        got = [backend.xp.zeros_like(x) if dx is None else dx for x, dx in pairs]
        for a, want in zip((*got, *(p.grad for p in layer.parameters())), expected, strict=True):
            assert_close(a, want)


@on_own_primitives
@pytest.mark.parametrize("case", [c for c in CASES if c.make().skips_dx], ids=lambda case: case.name)
def test_without_dx_the_parameters_learn_the_same(backend: Backend, case: Case) -> None:
    layer, xs = case.layer(backend), case.inputs(backend)
    dy = dy_for(backend, fresh(layer).forward(*xs)[0])
    expected = run(layer, xs, dy)[-len(layer.parameters()) :]
    for parameter in layer.parameters():
        parameter.zero_grad()
    random.seed(0)  # the same masks
    _, back = fresh(layer).forward(*xs, train=True)
    assert back(dy, need_dx=False) is None or layer.composite  # whose input may go to the output as it is
    for parameter, want in zip(layer.parameters(), expected, strict=True):
        assert_same(parameter.grad, want)


@pytest.mark.parametrize("make", [layers.BatchNorm1D, layers.BatchNorm2D])
def test_running_statistics_follow_the_batches(backend: Backend, make: Callable[..., Layer]) -> None:
    """They start at 0 and 1 and move by `momentum` towards the batch's mean and its *unbiased* variance."""
    layer, mean, var = make(momentum=0.25).astype("float64"), np.zeros(3), np.ones(3)
    for step in range(3):
        x = 2 * normal((4, 3, 2, 5) if make is layers.BatchNorm2D else (4, 3), step) + 1
        fresh(layer).forward(backend.asarray(x), train=True)
        fresh(layer).forward(backend.asarray(x), train=False)  # inference moves nothing
        axes = (0, *range(2, x.ndim))
        mean, var = 0.75 * mean + 0.25 * x.mean(axis=axes), 0.75 * var + 0.25 * x.var(axis=axes, ddof=1)
        assert_close(layer.running_mean.value, mean)
        assert_close(layer.running_var.value, var)
