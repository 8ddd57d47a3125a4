"""PyTorch as an oracle that shares no code with xpnet: values and gradients of all common layers, in float64."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_close
from tests.kit.strategies import ConvCase, PoolCase, convolutions, image_batches, normal, poolings, seeds, spaced
from xpnet import Sequential, layers
from xpnet.backend import Backend, make_backend
from xpnet.backend.window import Window
from xpnet.core.layer import Layer
from xpnet.layers import (
    AvgPool2D,
    BatchNorm1D,
    BatchNorm2D,
    Conv2D,
    Dense,
    GlobalAvgPool2D,
    LeakyReLU,
    LocalResponseNorm,
    LogSoftmax,
    MaxPool2D,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)

torch = pytest.importorskip("torch", reason='PyTorch is the oracle here: pip install "xpnet[oracle]"')
F = torch.nn.functional
pytestmark = pytest.mark.oracle


@pytest.fixture(params=["numpy", "reference"])
def here(request: pytest.FixtureRequest) -> Backend:
    return make_backend(request.param)


def built(layer: Layer, here: Backend, shape: tuple[int, ...], seed: int) -> Layer:
    """In float64 and with random parameters."""
    layer.to(here).astype("float64").build(shape)
    for index, parameter in enumerate(layer.parameters()):
        if parameter.trainable:
            parameter.value = normal(parameter.shape, seed + 50 + index)
    return layer


def variable(x: np.ndarray) -> Any:
    return torch.tensor(np.array(x), requires_grad=True)


def assert_agree(
    layer: Layer, x: np.ndarray, theirs: Callable[..., Any], seed: int, train: bool = False, tolerance: float = 1e-11
) -> None:
    """Output and gradients of the layer are those of `theirs(x, *trainable parameters)`."""
    parameters = [p for p in layer.parameters() if p.trainable]
    arguments = [variable(a) for a in (x, *(p.value for p in parameters))]
    expected = theirs(*arguments)
    dy = normal(tuple(expected.shape), seed + 99)
    expected.backward(torch.tensor(dy))
    y, back = layer.forward(x, train=train)
    dx = back(dy)
    for ours, other in zip(
        (y, dx, *(p.grad for p in parameters)), (expected.detach(), *(a.grad for a in arguments)), strict=True
    ):
        assert_close(ours, other.numpy(), layer.backend, tolerance, scale=1.0)


def padded(x: Any, window: Window, value: float = 0.0) -> Any:
    (top, bottom), (left, right) = window.padding
    return F.pad(x, (left, right, top, bottom), value=value)


@given(case=convolutions(), bias=st.booleans(), activation=st.sampled_from([None, "relu", "tanh", "sigmoid"]))
def test_conv2d(here: Backend, case: ConvCase, bias: bool, activation: str | None) -> None:
    window, filters = case.window, case.w_shape[0]
    layer = Conv2D(
        filters, window.kernel, window.stride, window.padding, window.dilation, case.groups, bias, activation
    )
    assert layer.output_shape(case.x_shape[1:]) == case.y_shape[1:]

    def theirs(x: Any, w: Any, b: Any = None) -> Any:
        y = F.conv2d(padded(x, window), w, b, window.stride, 0, window.dilation, case.groups)
        return y if activation is None else getattr(torch, activation)(y)

    x = normal(case.x_shape, case.seed)
    assert_agree(built(layer, here, case.x_shape[1:], case.seed), x, theirs, case.seed)


@given(
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    dilation=st.integers(1, 2),
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    seed=seeds,
)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")  # PyTorch's hint on its speed
def test_conv2d_with_same_padding(
    here: Backend, kernel: tuple[int, int], dilation: int, size: tuple[int, int], seed: int
) -> None:
    layer = built(Conv2D(2, kernel, padding="same", dilation=dilation), here, (3, *size), seed)
    assert layer.output_shape((3, *size)) == (2, *size)
    x = normal((2, 3, *size), seed)
    assert_agree(layer, x, lambda x, w, b: F.conv2d(x, w, b, padding="same", dilation=dilation), seed)


@given(case=poolings())
def test_max_pool2d(here: Backend, case: PoolCase) -> None:
    window = case.window
    layer = MaxPool2D(window.kernel, window.stride, window.padding, dilation=window.dilation).to(here)

    def theirs(x: Any) -> Any:
        y = padded(x, window, -float("inf"))
        return F.max_pool2d(y, window.kernel, window.stride, dilation=window.dilation)

    assert_agree(layer, spaced(case.x_shape, case.seed), theirs, case.seed)


@given(case=poolings(most_dilated=1))
def test_avg_pool2d(here: Backend, case: PoolCase) -> None:
    window = case.window
    layer = AvgPool2D(window.kernel, window.stride, window.padding).to(here)

    def theirs(x: Any) -> Any:
        return F.avg_pool2d(padded(x, window), window.kernel, window.stride)

    assert_agree(layer, normal(case.x_shape, case.seed), theirs, case.seed)


@given(shape=st.tuples(*[st.integers(1, 5)] * 4), seed=seeds)
def test_global_avg_pool2d(here: Backend, shape: tuple[int, ...], seed: int) -> None:
    layer = GlobalAvgPool2D().to(here)
    assert_agree(layer, normal(shape, seed), lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1), seed)


@given(shape=st.tuples(*[st.integers(1, 6)] * 3), seed=seeds, activation=st.sampled_from([None, "relu", "softmax"]))
def test_dense(here: Backend, shape: tuple[int, int, int], seed: int, activation: str | None) -> None:
    N, I, O = shape
    act = {None: lambda y: y, "relu": torch.relu, "softmax": lambda y: torch.softmax(y, 1)}[activation]
    layer = built(Dense(O, activation=activation), here, (I,), seed)
    assert_agree(layer, normal((N, I), seed), lambda x, w, b: act(F.linear(x, w, b)), seed)


@given(shape=image_batches(), seed=seeds, momentum=st.sampled_from([0.0, 0.1, 0.5, 1.0]), steps=st.integers(0, 3))
def test_batch_norm(here: Backend, shape: tuple[int, ...], seed: int, momentum: float, steps: int) -> None:
    shape = (shape[0] + 2, *shape[1:])
    eps = 0.01
    layer = (BatchNorm1D if len(shape) == 2 else BatchNorm2D)(momentum, eps)
    built(layer, here, shape[1:], seed)
    twin = (torch.nn.BatchNorm1d if len(shape) == 2 else torch.nn.BatchNorm2d)(shape[1], eps, momentum).double()
    mean, var = twin.running_mean, twin.running_var
    for step in range(steps):
        x = 2 * normal(shape, seed + step) + 1
        assert_agree(layer, x, lambda x, w, b: F.batch_norm(x, mean, var, w, b, True, momentum, eps), seed, train=True)
        assert_close(layer.running_mean.value, mean.numpy(), here, 1e-11, scale=1.0)
        assert_close(layer.running_var.value, var.numpy(), here, 1e-11, scale=1.0)
        for parameter in layer.parameters():
            parameter.zero_grad()
    x = normal(shape, seed + 30)
    assert_agree(layer, x, lambda x, w, b: F.batch_norm(x, mean, var, w, b, False, momentum, eps), seed)


@given(
    shape=st.one_of(st.tuples(*[st.integers(1, 6)] * 3), st.tuples(*[st.integers(1, 6)] * 4)),
    seed=seeds,
    size=st.integers(1, 7),
    beta=st.sampled_from([0.5, 0.75, 1.0]),
)
def test_local_response_norm(here: Backend, shape: tuple[int, ...], seed: int, size: int, beta: float) -> None:
    layer = LocalResponseNorm(size, 0.7, beta, 2.0).to(here)
    x = normal(shape, seed)
    assert_agree(layer, x, lambda x: F.local_response_norm(x, size, 0.7, beta, 2.0), seed)


ACTIVATIONS: list[tuple[Callable[[], Layer], Callable[[Any], Any]]] = [
    (ReLU, torch.relu),
    (lambda: LeakyReLU(0.2), lambda x: F.leaky_relu(x, 0.2)),
    (LeakyReLU, F.leaky_relu),
    (Sigmoid, torch.sigmoid),
    (Tanh, torch.tanh),
    (lambda: Tanh(1.7159, 2 / 3), lambda x: 1.7159 * torch.tanh(2 / 3 * x)),
    (Softmax, lambda x: torch.softmax(x, 1)),
    (lambda: Softmax(-1), lambda x: torch.softmax(x, -1)),
    (LogSoftmax, lambda x: torch.log_softmax(x, 1)),
    (lambda: LogSoftmax(-1), lambda x: torch.log_softmax(x, -1)),
]


@pytest.mark.parametrize(("make", "theirs"), ACTIVATIONS)
@given(shape=image_batches(), seed=seeds, factor=st.sampled_from([1.0, 100.0]))
def test_activations(
    here: Backend,
    make: Callable[[], Layer],
    theirs: Callable[[Any], Any],
    shape: tuple[int, ...],
    seed: int,
    factor: float,
) -> None:
    assert_agree(make().to(here), factor * spaced(shape, seed), theirs, seed)


def test_weights_of_a_torch_module_of_the_same_names_load(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    class Torch(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.dense = torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Linear(12, 4)

        def forward(self, x: Any) -> Any:
            return self.dense(self.norm(self.conv(x)).flatten(1))

    theirs = Torch().eval()
    with torch.no_grad():
        theirs.norm.running_mean += 0.5
    save_file(theirs.state_dict(), tmp_path / "torch.safetensors")
    ours = Sequential(
        [Conv2D(3, 3, name="conv"), BatchNorm2D(name="norm"), layers.Flatten(), layers.Dense(4, name="dense")]
    )
    ours.build((2, 4, 4))
    ours.load_weights(tmp_path / "torch.safetensors")
    x = np.random.default_rng(0).standard_normal((5, 2, 4, 4)).astype(np.float32)
    np.testing.assert_allclose(ours.predict(x), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-5, atol=1e-6)
