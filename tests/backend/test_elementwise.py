"""Activations and normal numbers: every backend against the reference, and the reference against definitions."""

import math
import warnings
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_close, bits, lying_in
from tests.kit.strategies import image_batches, normal, seeds
from xpnet.backend import Backend
from xpnet.backend.cpu.work import LEAST
from xpnet.backend.reference.elementwise import FORMULAS
from xpnet.backend.reference.erf import erf

REFERENCE = Backend()
dtypes = st.sampled_from(["float32", "float64"])


def log1p_exp(x: float) -> float:
    return x if x > 700 else math.log1p(math.exp(x))


def logistic(x: float) -> float:
    return math.exp(-log1p_exp(-x))


# Each formula with its constants, and as a textbook defines it, one number at a time.
DEFINITIONS: tuple[tuple[str, tuple[float, ...], Callable[[float], float]], ...] = (
    ("leaky_relu", (0.3,), lambda x: x if x > 0 else 0.3 * x),
    ("elu", (0.7, 1.2, 0.5), lambda x: 1.2 * (x if x > 0 else 0.7 * math.expm1(0.5 * x))),
    ("hard_tanh", (-0.3, 1.5), lambda x: min(max(x, -0.3), 1.5)),
    ("softplus", (2.0, 20.0), lambda x: x if 2 * x > 20 else log1p_exp(2 * x) / 2),
    ("softplus", (1.5, -1.0), lambda x: x if 1.5 * x > -1 else log1p_exp(1.5 * x) / 1.5),
    ("gelu", (), lambda x: x * math.erfc(-x / math.sqrt(2)) / 2),
    ("gelu_tanh", (), lambda x: x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2),
    ("silu", (), lambda x: x * logistic(x)),
    ("mish", (), lambda x: x * math.tanh(log1p_exp(x))),
    ("hard_swish", (), lambda x: x * min(max(x / 6 + 0.5, 0), 1)),
    ("sigmoid", (), logistic),
    ("log_sigmoid", (), lambda x: -log1p_exp(-x)),
    ("tanh", (1.7, 0.6), lambda x: 1.7 * math.tanh(0.6 * x)),
    ("softsign", (), lambda x: x / (1 + abs(x))),
    ("hard_sigmoid", (), lambda x: min(max(x / 6 + 0.5, 0), 1)),
)
each_formula = pytest.mark.parametrize(
    ("name", "constants", "definition"),
    DEFINITIONS,
    ids=[f"{name}{constants or ''}" for name, constants, _ in DEFINITIONS],
)


def test_every_formula_has_a_definition() -> None:
    assert {name for name, _, _ in DEFINITIONS} == FORMULAS.keys()


@each_formula
def test_an_activation_is_its_definition(
    backend: Backend, name: str, constants: tuple[float, ...], definition: Callable[[float], float]
) -> None:
    x = np.concatenate([np.linspace(-60, 60, 1201), np.linspace(-3.001, 3.001, 400)])
    y, back = backend.activation(backend.asarray(x), name, *constants)
    expected = np.array([definition(value) for value in map(float, x)])
    assert_close(y, expected, backend, tolerance=1e-14)
    step = 1e-6
    slopes = np.array([(definition(value + step) - definition(value - step)) / (2 * step) for value in map(float, x)])
    kinks = [-3.0, 0.0, 3.0, -0.3, 1.5, -1 / 1.5, 10.0]
    smooth = np.min(np.abs(x[:, None] - np.array(kinks)), axis=1) > 1e-3
    dx = backend.to_numpy(back(backend.asarray(np.ones_like(x))))
    np.testing.assert_allclose(dx[smooth], slopes[smooth], rtol=0, atol=2e-8)


@each_formula
@given(shape=image_batches(5), seed=seeds, dtype=dtypes, turned=st.booleans(), factor=st.sampled_from([1.0, 30.0]))
def test_an_activation_agrees_with_the_reference(
    backend: Backend,
    name: str,
    constants: tuple[float, ...],
    definition: object,
    shape: tuple[int, ...],
    seed: int,
    dtype: str,
    turned: bool,
    factor: float,
) -> None:
    """In value and gradient, in any memory order; neither x nor dy is written into."""
    x, dy = factor * normal(shape, seed, dtype), normal(shape, seed + 1, dtype)
    x, axes = x.astype(dtype), tuple(reversed(range(len(shape))))
    given_x, given_dy = backend.asarray(x), backend.asarray(dy)
    if turned:
        given_x = lying_in(given_x, axes, backend)
    y, back = backend.activation(given_x, name, *constants)
    expected, expected_back = REFERENCE.activation(x, name, *constants)
    assert_close(y, expected, backend, scale=1.0)
    for _ in range(2):
        assert_close(back(given_dy), expected_back(dy), backend, scale=1.0)
    assert bits(given_x, backend) == x.tobytes() and bits(given_dy, backend) == dy.tobytes()


@each_formula
def test_an_activation_of_large_numbers_is_finite_and_warns_of_nothing(
    backend: Backend, name: str, constants: tuple[float, ...], definition: object
) -> None:
    for dtype, largest in (("float32", 1e38), ("float64", 1e307)):
        x = backend.asarray(np.array([s * m for s, m in product((-1, 1), (0, 90, 1e3, 1e20, largest))], dtype))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            y, back = backend.activation(x, name, *constants)
            dx = back(backend.xp.ones_like(x))
        assert np.all(np.isfinite(backend.to_numpy(y))), name
        assert np.all(np.abs(backend.to_numpy(dx)) <= 2), name


MANY = [("gelu", ()), ("gelu_tanh", ()), ("leaky_relu", (0.2,)), ("hard_tanh", (-0.3, 1.5))]


@pytest.mark.parametrize(("name", "constants"), MANY)
def test_an_activation_of_many_entries_agrees_with_the_reference(
    backend: Backend, name: str, constants: tuple[float, ...]
) -> None:
    """More than are computed at a time, in the memory order of a convolution's output."""
    x, dy = normal((3, 14, 70, 60), 1, "float32"), normal((3, 14, 70, 60), 2, "float32")
    assert x.size > LEAST
    turned = lying_in(backend.asarray(x), (2, 3, 1, 0), backend)
    expected, expected_back = REFERENCE.activation(x, name, *constants)
    for given_x in (backend.asarray(x), turned):
        y, back = backend.activation(given_x, name, *constants)
        assert_close(y, expected, backend)
        assert_close(back(backend.asarray(dy)), expected_back(dy), backend)


def test_erf_is_right_to_the_last_bits() -> None:
    x = np.concatenate(
        [np.linspace(-8, 8, 160001), np.logspace(-300, 2, 3000), [0.46875, -0.46875, 0.0, 1e308, -1e308]]
    )
    expected = np.array([math.erf(value) for value in map(float, x)])
    got = erf(np, x)
    assert np.abs(got - expected).max() < 1e-15
    small = (np.abs(x) < 0.5) & (expected != 0)
    assert np.abs(got[small] / expected[small] - 1).max() < 1e-15
    assert got[np.abs(x) > 6.5].tolist() == np.sign(x[np.abs(x) > 6.5]).tolist()


@given(x=st.floats(-1e3, 1e3))
def test_erf_of_any_number(x: float) -> None:
    assert abs(float(erf(np, np.array([x]))[0]) - math.erf(x)) < 1e-15


@given(shape=image_batches(), key=st.tuples(seeds, seeds), dtype=dtypes, first=st.sampled_from([0, 1, 7, 8, 2**34 + 3]))
def test_normal_numbers_are_the_same_everywhere(
    backend: Backend, shape: tuple[int, ...], key: tuple[int, int], dtype: str, first: int
) -> None:
    got = backend.normal(shape, key, dtype, first)
    assert_close(got, REFERENCE.normal(shape, key, dtype, first), backend, scale=1.0)


def test_normal_numbers_are_those_of_box_and_muller() -> None:
    raw = np.random.Philox(key=np.array((3, 4), np.uint64)).random_raw(4).view(np.uint32)
    a, b = (raw[::2] + 1.0) / 2**32, raw[1::2] / 2**32
    r, t = np.sqrt(-2 * np.log(a)), 2 * np.pi * b
    expected = np.stack([r * np.cos(t), r * np.sin(t)], axis=1).reshape(-1)
    assert_close(REFERENCE.normal((8,), (3, 4), "float64"), expected, REFERENCE)
    for first in range(8):
        assert_close(REFERENCE.normal((8 - first,), (3, 4), "float64", first), expected[first:], REFERENCE)


def test_normal_numbers_are_normal(backend: Backend) -> None:
    x = backend.to_numpy(backend.normal((200_000,), (1, 2), "float64"))
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3), (6, 15)):
        assert abs(np.mean(x**power) - moment) < 6 * math.sqrt(math.prod(range(1, 2 * power, 2)) / x.size)
    assert abs(np.mean(x[:-1] * x[1:])) < 0.01
