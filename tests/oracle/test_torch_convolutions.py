"""PyTorch as an oracle of convolutions along one axis, transposed ones and depthwise ones, in float64."""

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.strategies import ConvCase, convolutions, normal, seeds
from tests.oracle.test_torch_layers import assert_agree, built, padded
from xpnet.backend import Backend, make_backend
from xpnet.layers import Conv1D, ConvTranspose1D, ConvTranspose2D, DepthwiseConv2D, SeparableConv2D

torch = pytest.importorskip("torch", reason='PyTorch is the oracle here: pip install "xpnet[oracle]"')
F = torch.nn.functional
pytestmark = pytest.mark.oracle


@pytest.fixture(params=["numpy", "reference"])
def here(request: pytest.FixtureRequest) -> Backend:
    return make_backend(request.param)


class Axis(NamedTuple):
    """A transposed convolution along one axis."""

    length: int
    kernel: int
    stride: int
    dilation: int
    padding: int  # cut off at both ends
    output_padding: int


@st.composite
def axes(draw: Any) -> Axis:
    """Any that leaves something."""
    length, kernel, stride, dilation = (draw(st.integers(1, most)) for most in (5, 4, 3, 3))
    more = draw(st.integers(0, max(stride, dilation) - 1))
    full = (length - 1) * stride + (kernel - 1) * dilation + 1 + more
    return Axis(length, kernel, stride, dilation, draw(st.integers(0, (full - 1) // 2)), more)


channels = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))  # groups; inputs and outputs of each
activations = st.sampled_from([None, "relu", "tanh"])


@given(vertical=axes(), horizontal=axes(), counts=channels, bias=st.booleans(), activation=activations, seed=seeds)
def test_conv_transpose2d(
    here: Backend,
    vertical: Axis,
    horizontal: Axis,
    counts: tuple[int, int, int],
    bias: bool,
    activation: str | None,
    seed: int,
) -> None:
    groups, inputs, outputs = counts
    size, kernel, stride, dilation, padding, more = zip(vertical, horizontal, strict=True)
    layer = ConvTranspose2D(
        groups * outputs, kernel, stride, padding, more, dilation, groups, bias, activation=activation
    )

    def theirs(x: Any, w: Any, b: Any = None) -> Any:
        y = F.conv_transpose2d(x, w, b, stride, padding, more, groups, dilation)
        assert layer.output_shape(tuple(x.shape[1:])) == tuple(y.shape[1:])
        return y if activation is None else getattr(torch, activation)(y)

    shape = (groups * inputs, *size)
    assert_agree(built(layer, here, shape, seed), normal((2, *shape), seed), theirs, seed)


@given(axis=axes(), counts=channels, bias=st.booleans(), activation=activations, seed=seeds)
def test_conv_transpose1d(
    here: Backend, axis: Axis, counts: tuple[int, int, int], bias: bool, activation: str | None, seed: int
) -> None:
    groups, inputs, outputs = counts
    length, kernel, stride, dilation, padding, more = axis
    layer = ConvTranspose1D(
        groups * outputs, kernel, stride, padding, more, dilation, groups, bias, activation=activation
    )

    def theirs(x: Any, w: Any, b: Any = None) -> Any:
        y = F.conv_transpose1d(x, w, b, stride, padding, more, groups, dilation)
        assert layer.output_shape(tuple(x.shape[1:])) == tuple(y.shape[1:])
        return y if activation is None else getattr(torch, activation)(y)

    shape = (groups * inputs, length)
    assert_agree(built(layer, here, shape, seed), normal((2, *shape), seed), theirs, seed)


@given(length=st.integers(1, 5), kernel=st.integers(1, 5), stride=st.integers(1, 3), seed=seeds)
def test_conv_transpose_with_same_padding_turns_a_convolution_round(
    here: Backend, length: int, kernel: int, stride: int, seed: int
) -> None:
    """Of its gradients, those of a convolution over the larger signal that is padded in Keras's way."""
    layer = ConvTranspose1D(2, kernel, stride, "same", bias=False)
    total = max(kernel - stride, 0)

    def theirs(x: Any, w: Any) -> Any:
        larger = torch.zeros(2, 2, stride * length, dtype=x.dtype, requires_grad=True)
        y = F.conv1d(F.pad(larger, (total // 2, total - total // 2)), w, None, stride)
        (gradient,) = torch.autograd.grad(y, larger, x, create_graph=True)
        return gradient

    assert_agree(built(layer, here, (3, length), seed), normal((2, 3, length), seed), theirs, seed)


@given(case=convolutions(), bias=st.booleans(), activation=activations)
def test_conv1d(here: Backend, case: ConvCase, bias: bool, activation: str | None) -> None:
    (_, K), (_, S), (_, (left, right)), (_, D) = case.window
    length, channels, filters = case.x_shape[3], case.x_shape[1], case.w_shape[0]
    layer = Conv1D(filters, K, S, (left, right), D, case.groups, bias, activation)

    def theirs(x: Any, w: Any, b: Any = None) -> Any:
        y = F.conv1d(F.pad(x, (left, right)), w, b, S, 0, D, case.groups)
        assert layer.output_shape(tuple(x.shape[1:])) == tuple(y.shape[1:])
        return y if activation is None else getattr(torch, activation)(y)

    x = normal((2, channels, length), case.seed)
    assert_agree(built(layer, here, (channels, length), case.seed), x, theirs, case.seed)


@given(length=st.integers(1, 6), kernel=st.integers(1, 4), dilation=st.integers(1, 2), seed=seeds)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")  # PyTorch's hint on its speed
def test_conv1d_with_same_padding(here: Backend, length: int, kernel: int, dilation: int, seed: int) -> None:
    layer = built(Conv1D(2, kernel, padding="same", dilation=dilation), here, (3, length), seed)
    x = normal((2, 3, length), seed)
    assert_agree(layer, x, lambda x, w, b: F.conv1d(x, w, b, padding="same", dilation=dilation), seed)


@given(case=convolutions(), channels=st.integers(1, 5), multiplier=st.integers(1, 3), activation=activations)
def test_depthwise_conv2d(
    here: Backend, case: ConvCase, channels: int, multiplier: int, activation: str | None
) -> None:
    window, shape = case.window, (channels, *case.x_shape[2:])
    layer = DepthwiseConv2D(
        window.kernel, multiplier, window.stride, window.padding, window.dilation, activation=activation
    )

    def theirs(x: Any, w: Any, b: Any) -> Any:
        y = F.conv2d(padded(x, window), w, b, window.stride, 0, window.dilation, channels)
        return y if activation is None else getattr(torch, activation)(y)

    x = normal((2, *shape), case.seed)
    assert_agree(built(layer, here, shape, case.seed), x, theirs, case.seed)


@given(case=convolutions(), channels=st.integers(1, 4), multiplier=st.integers(1, 2))
def test_separable_conv2d(here: Backend, case: ConvCase, channels: int, multiplier: int) -> None:
    window, shape = case.window, (channels, *case.x_shape[2:])
    layer = SeparableConv2D(
        3, window.kernel, window.stride, window.padding, window.dilation, multiplier, activation="tanh"
    )

    def theirs(x: Any, depthwise: Any, pointwise: Any, b: Any) -> Any:
        between = F.conv2d(padded(x, window), depthwise, None, window.stride, 0, window.dilation, channels)
        return torch.tanh(F.conv2d(between, pointwise, b))

    x = normal((2, *shape), case.seed)
    assert_agree(built(layer, here, shape, case.seed), x, theirs, case.seed)
