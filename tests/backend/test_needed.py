"""Of the gradients of a convolution or a dense layer those that nobody needs are left out, and the others are there."""

from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.helpers import assert_close
from tests.kit.strategies import normal
from xpnet import layers
from xpnet.backend import Backend
from xpnet.backend.window import Window
from xpnet.core.layer import Layer
from xpnet.core.plan import Plans

SAME = Window((3, 3), padding=((1, 1), (1, 1)))
# x, w, window, groups: each goes another way on some backend
CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], Window, int]] = {
    "three rows": ((48, 8, 6, 6), (16, 8, 3, 3), SAME, 1),
    "depthwise": ((32, 6, 7, 7), (6, 1, 3, 3), SAME, 6),
    "strided": ((32, 6, 7, 7), (4, 3, 3, 3), Window((3, 3), (2, 2)), 2),
    "one pixel": ((20, 5, 6, 6), (7, 5, 1, 1), Window(), 1),
    "whole image": ((20, 5, 4, 4), (7, 5, 4, 4), Window((4, 4)), 1),
    "an image": ((1, 3, 6, 6), (4, 3, 2, 2), Window((2, 2)), 1),
}
NAMES = "need_dx", "need_dw", "need_db"
LEFT_OUT = NAMES[:2], NAMES[1:], NAMES[:1], NAMES[1:2], NAMES[2:]
NEEDS = [dict.fromkeys(NAMES, True) | dict.fromkeys(left_out, False) for left_out in LEFT_OUT]


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: "".join(name[-2:] for name in need if need[name]) or "none")
@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_of_a_convolution(backend: Backend, name: str, activation: str | None, need: dict[str, bool]) -> None:
    x_shape, w_shape, window, groups = CONVOLUTIONS[name]
    y_shape = (x_shape[0], w_shape[0], *window.output_size(x_shape[2:]))
    x, w, y, dy = (normal(shape, i, "float32") for i, shape in enumerate((x_shape, w_shape, y_shape, y_shape)))
    t = normal(x_shape, 5, "float32")
    options = window, groups, activation
    check(backend, need, "conv2d_backward", dy, x, w, y, *options)
    check(backend, need, "conv2d_transposed_backward", x, dy, w, t, *options)


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: "".join(name[-2:] for name in need if need[name]) or "none")
@pytest.mark.parametrize("shape", [(30, 20), (3000, 20)], ids=str)
def test_of_a_dense_layer(backend: Backend, shape: tuple[int, int], need: dict[str, bool]) -> None:
    x, w, dy = normal(shape, 1, "float32"), normal((64, shape[1]), 2, "float32"), normal((shape[0], 64), 3, "float32")
    check(backend, need, "dense_backward", dy, x, w, dy, None)


def check(backend: Backend, need: dict[str, bool], name: str, *args: Any) -> None:
    there = [backend.asarray(each) if isinstance(each, np.ndarray) else each for each in args]
    got, wanted = getattr(backend, name)(*there, **need), getattr(Backend(), name)(*args)
    for each, expected, needed in zip(got, wanted, need.values(), strict=True):
        assert (each is not None) == needed
        if needed:
            assert_close(each, expected, backend)


class Asked:
    """What a layer asks a primitive for, written down."""

    def __init__(self, primitive: Any) -> None:
        self.primitive = primitive

    def __call__(self, *args: Any) -> Any:
        *_, self.need_dw, self.need_db = args
        return self.primitive(*args)


@pytest.mark.parametrize(
    ("layer", "shape", "primitive"),
    [
        (layers.Conv2D, (2, 3, 5, 5), "conv2d_backward"),
        (layers.Conv1D, (2, 3, 5), "conv2d_backward"),
        (layers.ConvTranspose2D, (2, 3, 5, 5), "conv2d_transposed_backward"),
        (layers.ConvTranspose1D, (2, 3, 5), "conv2d_transposed_backward"),
        (layers.Dense, (2, 3), "dense_backward"),
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_asks_for_what_it_has(
    backend: Backend, layer: Any, shape: tuple[int, ...], primitive: str, bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = () if layer is layers.Dense else (3,)
    model = xpnet.Sequential([made := layer(4, *kernel, bias=bias)])
    model.build(shape[1:])
    x, asked = backend.asarray(normal(shape, 1, "float32")), Asked(getattr(backend, primitive))
    monkeypatch.setattr(made.backend, primitive, asked)
    monkeypatch.setattr(Plans, "training", lambda *_: None)  # which asks for no such primitive
    y, back = model.forward(x, train=True)
    assert back(backend.xp.ones_like(y)) is not None
    assert (asked.need_dw, asked.need_db) == (True, bias)
    grads = {name: backend.to_numpy(p.grad) for name, p in model.named_parameters()}
    with model.frozen():
        y, back = model.forward(x, train=True)
        back(backend.xp.ones_like(y))
    assert (asked.need_dw, asked.need_db) == (False, False)
    for name, p in model.named_parameters():
        np.testing.assert_array_equal(backend.to_numpy(p.grad), grads[name])


def gradient_names(layer: Layer) -> set[str]:
    return {name for name, p in layer.named_parameters() if p.has_grad}


def test_layers_without_a_bias_train(backend: Backend) -> None:
    """Attention and recurrent layers, whose products are dense layers inside."""
    x = backend.asarray(normal((2, 4, 6), 1, "float32"))
    for layer in (layers.MultiHeadAttention(2, bias=False), layers.LSTM(5, bias=False), layers.GRU(5, bias=False)):
        y, back = layer.forward(x, train=True)
        assert back(backend.xp.ones_like(y)).shape == x.shape
        assert gradient_names(layer) == {name for name, _ in layer.named_parameters()} and gradient_names(layer)
