"""The transposed convolution of every backend against the reference, and the reference against its definition."""

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.backend.test_primitives import REFERENCE, activations, assert_agree, dtypes
from tests.kit.helpers import assert_same
from tests.kit.strategies import ConvCase, convolutions, integers, normal
from xpnet.backend import Backend

# A case is the convolution that is turned round: y_shape goes in, x_shape comes out, and the bias has its channels.


def definition(x: np.ndarray, w: np.ndarray, b: np.ndarray, case: ConvCase) -> np.ndarray:
    """Each number of x, times the kernel, is added where the kernel lies."""
    window = case.window
    (top, _), (left, _) = window.padding
    _, O, H, W = case.x_shape
    C, OG, KH, KW = w.shape
    y = np.zeros(case.x_shape) + b.reshape(1, -1, 1, 1)
    for n, c, i, j in product(*map(range, x.shape)):
        first = c // (C // case.groups) * OG  # the first output channel of the group
        for o, m, l in product(range(OG), range(KH), range(KW)):
            row = i * window.stride[0] + m * window.dilation[0] - top
            column = j * window.stride[1] + l * window.dilation[1] - left
            if 0 <= row < H and 0 <= column < W:
                y[n, first + o, row, column] += w[c, o, m, l] * x[n, c, i, j]
    assert OG * case.groups == O
    return y


@given(case=convolutions(), dtype=dtypes)
def test_it_is_its_definition_exactly(backend: Backend, case: ConvCase, dtype: str) -> None:
    x, w = integers(case.y_shape, case.seed, dtype), integers(case.w_shape, case.seed + 1, dtype)
    b = integers(case.x_shape[1:2], case.seed + 2, dtype)
    y = backend.conv2d_transposed(*map(backend.asarray, (x, w, b)), case.window, case.x_shape[2:], case.groups)
    assert_same(y, definition(x, w, b, case).astype(dtype))


@given(case=convolutions((1, 3)), dtype=dtypes, activation=activations, bias=st.booleans())
def test_forward_agrees_with_the_reference(
    backend: Backend, case: ConvCase, dtype: str, activation: str | None, bias: bool
) -> None:
    x, w = normal(case.y_shape, case.seed, dtype), normal(case.w_shape, case.seed + 1, dtype)
    b = normal(case.x_shape[1:2], case.seed + 2, dtype) if bias else None
    assert_agree(backend, "conv2d_transposed", x, w, b, case.window, case.x_shape[2:], case.groups, activation)


@given(case=convolutions((1, 3)), dtype=dtypes, activation=activations, need_dx=st.booleans())
def test_backward_agrees_with_the_reference(
    backend: Backend, case: ConvCase, dtype: str, activation: str | None, need_dx: bool
) -> None:
    x, w = normal(case.y_shape, case.seed, dtype), normal(case.w_shape, case.seed + 1, dtype)
    y, dy = normal(case.x_shape, case.seed + 2, dtype), normal(case.x_shape, case.seed + 3, dtype)
    y = np.maximum(y, 0) if activation == "relu" else y
    options = {"groups": case.groups, "activation": activation, "need_dx": need_dx}
    assert_agree(backend, "conv2d_transposed_backward", dy, x, w, y, case.window, **options)


@given(case=convolutions())
def test_it_is_the_way_back_of_a_convolution_exactly(backend: Backend, case: ConvCase) -> None:
    x, w, dy = (integers(s, case.seed + i) for i, s in enumerate((case.x_shape, case.w_shape, case.y_shape)))
    device = [backend.asarray(a) for a in (dy, x, w)]
    dx, _, _ = backend.conv2d_backward(*device, device[0], case.window, case.groups)
    y = backend.conv2d_transposed(device[0], device[2], None, case.window, case.x_shape[2:], case.groups)
    assert_same(y, backend.to_numpy(dx))


@given(case=convolutions())
def test_backward_is_the_adjoint_exactly(backend: Backend, case: ConvCase) -> None:
    """It is linear in x and in w: <y, dy> = <x, dx> = <w, dw>, and <b, db> is the bias's part."""
    x, w, dy = (integers(s, case.seed + i) for i, s in enumerate((case.y_shape, case.w_shape, case.x_shape)))
    device = [backend.asarray(a) for a in (dy, x, w)]
    y = REFERENCE.conv2d_transposed(x, w, None, case.window, case.x_shape[2:], case.groups)
    dx, dw, db = backend.conv2d_transposed_backward(*device, backend.asarray(y), case.window, case.groups)
    assert np.sum(y * dy) == np.sum(x * backend.to_numpy(dx)) == np.sum(w * backend.to_numpy(dw))
    assert_same(db, dy.sum(axis=(0, 2, 3)))
