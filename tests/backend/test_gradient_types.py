"""Gradients of other data types or shapes than the output's: refused, or taken for the numbers that they are.

A kernel that reads memory by address would read a gradient of bytes far beyond its end.
"""

from collections.abc import Callable
from typing import cast

import numpy as np
import pytest

from xpnet import layers
from xpnet.backend import Backend, make_backend, use_backend
from xpnet.backend.cpu.backend import NumpyBackend
from xpnet.core.layer import Layer
from xpnet.errors import BackendError, DTypeError, ShapeError

Make = Callable[[], Layer]
Case = tuple[Make, tuple[int, ...]]
N = 16  # images: enough for the compiled kernels

PRODUCTS: dict[str, Case] = {
    "relu": (lambda: layers.Conv2D(8, 3, activation="relu", padding="same"), (3, 5, 5)),
    "linear": (lambda: layers.Conv2D(8, 3, bias=False), (3, 5, 5)),
    "one pixel": (lambda: layers.Conv2D(8, 1), (3, 5, 5)),
    "groups": (lambda: layers.Conv2D(8, 3, groups=4), (8, 5, 5)),
    "transposed": (lambda: layers.ConvTranspose2D(8, 3, activation="relu"), (3, 5, 5)),
    "one axis": (lambda: layers.Conv1D(8, 3), (3, 7)),
    "dense": (lambda: layers.Dense(5, activation="relu"), (4,)),
}
BY_VALUE: dict[str, Case] = {
    "max": (lambda: layers.MaxPool2D(2), (3, 4, 4)),
    "overlapping": (lambda: layers.MaxPool2D(3, stride=1), (3, 5, 5)),
    "relu": (layers.ReLU, (5,)),
    "gelu": (layers.GELU, (5,)),
    "silu": (layers.SiLU, (5,)),
    "batch norm": (layers.BatchNorm2D, (4, 3, 3)),
    "layer norm": (layers.LayerNorm, (6,)),
    "group norm": (lambda: layers.GroupNorm(2), (4, 3, 3)),
    "rnn": (lambda: layers.SimpleRNN(3), (4, 5)),
    "lstm": (lambda: layers.LSTM(3), (4, 5)),
    "gru": (lambda: layers.GRU(3), (4, 5)),
}
NUMBERS = ("bool", "int8", "int64", "float16", "float64")
PLACES = ("plain", "compiled", "cupy")


def made(place: str) -> Backend:
    if place == "plain":
        return NumpyBackend()
    if place == "compiled":
        reason = 'needs Numba: pip install "xpnet[jit]"'
        return cast(Backend, pytest.importorskip("xpnet.backend.jit.backend", reason=reason).JitBackend())
    try:
        return make_backend(place)
    except BackendError as error:
        pytest.skip(f"needs a GPU, or the stand-in device: {error}")


def run(backend: Backend, case: Case) -> tuple[Layer, np.ndarray, Callable[..., object]]:
    make, shape = case
    layer = make()
    layer.build(shape)
    for number, p in enumerate(layer.parameters()):
        p.value = np.random.default_rng(number).normal(size=p.shape)
    y, back = layer.forward(backend.asarray(np.random.default_rng(8).normal(size=(N, *shape)), "float32"), train=True)
    return layer, np.random.default_rng(9).integers(0, 2, y.shape), back


@pytest.mark.parametrize("kind", PRODUCTS)
@pytest.mark.parametrize("place", PLACES)
def test_convolutions_and_dense_layers_take_their_own_type_and_shape(place: str, kind: str) -> None:
    with use_backend(made(place)) as backend:
        check_products(backend, *run(backend, PRODUCTS[kind]))


def check_products(backend: Backend, layer: Layer, dy: np.ndarray, back: Callable[..., object]) -> None:
    for dtype in NUMBERS:
        with pytest.raises(DTypeError, match=f'gradient in float32, as the output is, not in {dtype}: .*"float32"'):
            back(backend.asarray(dy, dtype))
    with pytest.raises(DTypeError, match="a gradient of real numbers, not of complex64"):
        back(backend.asarray(dy, "complex64"))
    with pytest.raises(ShapeError, match="back takes a gradient like the output"):
        back(backend.asarray(dy[:, :1], "float32"))
    assert not any(p.has_grad for p in layer.parameters())
    back(backend.asarray(dy, "float32"))
    assert all(p.has_grad for p in layer.parameters())


@pytest.mark.parametrize("kind", BY_VALUE)
@pytest.mark.parametrize("place", PLACES[:2])
def test_others_take_the_numbers(place: str, kind: str) -> None:
    def results(dtype: str) -> list[np.ndarray]:
        with use_backend(made(place)) as backend:
            layer, dy, back = run(backend, BY_VALUE[kind])
            dx = back(backend.asarray(dy, dtype))
            return [np.asarray(dx), *(p.grad.copy() for p in layer.parameters())]

    expected = results("float32")
    for dtype in NUMBERS:
        for got, wanted in zip(results(dtype), expected, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    with pytest.raises(DTypeError, match="a gradient of real numbers, not of complex64"):
        results("complex64")
