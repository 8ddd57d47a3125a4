"""Normalization and activations against PyTorch, over random configurations, in float64."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_close
from tests.kit.strategies import normal, seeds, spaced
from tests.oracle.test_torch_layers import assert_agree, built
from xpnet import layers
from xpnet.backend import Backend, make_backend
from xpnet.core.layer import Layer

torch = pytest.importorskip("torch", reason='PyTorch is the oracle here: pip install "xpnet[oracle]"')
F = torch.nn.functional
pytestmark = pytest.mark.oracle

sides = st.integers(1, 5)


@pytest.fixture(params=["numpy", "reference"])
def here(request: pytest.FixtureRequest) -> Backend:
    return make_backend(request.param)


@given(
    shape=st.lists(sides, min_size=2, max_size=4), axes=st.integers(1, 3), seed=seeds, affine=st.booleans(),
    bias=st.booleans(), eps=st.sampled_from([1e-5, 0.1]),
)  # fmt: skip
def test_layer_norm(
    here: Backend, shape: list[int], axes: int, seed: int, affine: bool, bias: bool, eps: float
) -> None:
    axes = min(axes, len(shape) - 1)
    shape[-1] += 2  # of two numbers, the larger is 1 and the smaller -1, whatever they are
    layer = built(layers.LayerNorm(axes, eps, affine, bias), here, tuple(shape[1:]), seed)
    last = shape[-axes:]
    assert_agree(layer, 2 * normal(tuple(shape), seed) + 1, lambda x, *p: F.layer_norm(x, last, *p, eps=eps), seed)


@given(shape=st.lists(sides, min_size=2, max_size=4), axes=st.integers(1, 3), seed=seeds, affine=st.booleans())
def test_rms_norm(here: Backend, shape: list[int], axes: int, seed: int, affine: bool) -> None:
    axes = min(axes, len(shape) - 1)
    layer, last = built(layers.RMSNorm(axes, None, affine), here, tuple(shape[1:]), seed), shape[-axes:]
    x = spaced(tuple(shape), seed)
    assert_agree(layer, x, lambda x, *p: F.rms_norm(x, last, *p), seed, tolerance=1e-9)


@given(
    batch=sides, groups=st.integers(1, 4), channels=st.integers(1, 3), space=st.lists(sides, min_size=1, max_size=2),
    seed=seeds, affine=st.booleans(),
)  # fmt: skip
def test_group_norm(
    here: Backend, batch: int, groups: int, channels: int, space: list[int], seed: int, affine: bool
) -> None:
    shape = (batch + 1, groups * channels, *space)
    layer = built(layers.GroupNorm(groups, 0.01, affine), here, shape[1:], seed)
    assert_agree(layer, normal(shape, seed), lambda x, *p: F.group_norm(x, groups, *p, eps=0.01), seed, tolerance=1e-10)


@given(
    batch=sides, channels=sides, space=st.lists(sides, min_size=1, max_size=2), seed=seeds, affine=st.booleans(),
    momentum=st.sampled_from([None, 0.1, 0.7]), follow=st.booleans(), of_batch=st.booleans(), steps=st.integers(0, 3),
)  # fmt: skip
def test_batch_and_instance_norm_with_all_options(
    here: Backend,
    batch: int,
    channels: int,
    space: list[int],
    seed: int,
    affine: bool,
    momentum: float | None,
    follow: bool,
    of_batch: bool,
    steps: int,
) -> None:
    momentum = 0.1 if momentum is None and not of_batch else momentum  # which PyTorch takes for 0
    eps, shape = 0.01, (batch + 1, channels, *(side + 1 for side in space))
    ours, theirs = (
        (layers.BatchNorm1D, torch.nn.BatchNorm1d) if of_batch else (layers.InstanceNorm1D, torch.nn.InstanceNorm1d)
    ) if len(space) == 1 else (
        (layers.BatchNorm2D, torch.nn.BatchNorm2d) if of_batch else (layers.InstanceNorm2D, torch.nn.InstanceNorm2d)
    )  # fmt: skip
    layer = built(ours(momentum, eps, affine, follow), here, shape[1:], seed)
    twin = theirs(channels, eps, momentum, affine, follow).double()

    def call(x: Any, *parameters: Any) -> Any:
        names = ("weight", "bias")[: len(parameters)]
        return torch.func.functional_call(twin, dict(zip(names, parameters, strict=True)), (x,))

    for step in range(steps):
        assert_agree(layer, 2 * normal(shape, seed + step) + 1, call, seed, train=True, tolerance=1e-10)
        for parameter in layer.parameters():
            parameter.zero_grad()
        for name, buffer in twin.named_buffers():
            if name in dict(layer.named_parameters()):
                assert_close(
                    dict(layer.named_parameters())[name].value, buffer.double().numpy(), here, 1e-10, scale=1.0
                )
    twin.eval()
    assert_agree(layer, normal(shape, seed + 30), call, seed, tolerance=1e-10)


ACTIVATIONS: list[tuple[Callable[[], Layer], Callable[..., Any]]] = [
    (layers.ELU, F.elu),
    (lambda: layers.ELU(0.7), lambda x: F.elu(x, 0.7)),
    (lambda: layers.CELU(2.0), lambda x: F.celu(x, 2.0)),  # of other numbers PyTorch takes 1 / alpha in float32
    (layers.SELU, F.selu),
    (layers.GELU, F.gelu),
    (lambda: layers.GELU(tanh=True), lambda x: F.gelu(x, approximate="tanh")),
    (layers.SiLU, F.silu),
    (layers.Mish, F.mish),
    (layers.HardSwish, F.hardswish),
    (layers.ReLU6, F.relu6),
    (layers.LogSigmoid, F.logsigmoid),
    (layers.Softsign, F.softsign),
    (layers.HardSigmoid, F.hardsigmoid),
    (layers.HardTanh, F.hardtanh),
    (lambda: layers.HardTanh(-0.3, 2.0), lambda x: F.hardtanh(x, -0.3, 2.0)),
    (lambda: layers.Softplus(2.0, 100.0), lambda x: F.softplus(x, 2.0, 100.0)),
    (layers.Softplus, F.softplus),
    (lambda: layers.Softplus(1.0, -5.0), lambda x: F.softplus(x, 1.0, -5.0)),
    (lambda: layers.GLU(-1), lambda x: F.glu(x, -1)),
    (layers.PReLU, F.prelu),
    (lambda: layers.PReLU(per_channel=True), F.prelu),
]


@pytest.mark.parametrize(("make", "theirs"), ACTIVATIONS)
@given(shape=st.lists(sides, min_size=2, max_size=4), seed=seeds, factor=st.sampled_from([1.0, 10.0, 1000.0]))
def test_activations(
    here: Backend, make: Callable[[], Layer], theirs: Callable[..., Any], shape: list[int], seed: int, factor: float
) -> None:
    shape[-1] *= 2
    layer = built(make(), here, tuple(shape[1:]), seed)
    rough = factor > 100 or make is layers.HardSigmoid  # whose slope, 1 / 6, PyTorch has in float32
    x = factor * spaced(tuple(shape), seed)
    assert_agree(layer, x, theirs, seed, tolerance=1e-7 if rough else 1e-10)


@given(batch=sides, shape=st.lists(sides, min_size=1, max_size=3), seed=seeds)
def test_multiply(here: Backend, batch: int, shape: list[int], seed: int) -> None:
    a, b = (
        normal((batch, *shape), seed),
        normal((batch, *(1 if i % 2 else side for i, side in enumerate(shape))), seed + 1),
    )
    ours = layers.Multiply().to(here)
    x, gate = torch.tensor(a, requires_grad=True), torch.tensor(b, requires_grad=True)
    y, back = ours.forward(a, b)
    (x * gate).backward(torch.tensor(normal(y.shape, seed + 2)))
    for got, want in zip((y, *back(normal(y.shape, seed + 2))), ((x * gate).detach(), x.grad, gate.grad), strict=True):
        assert_close(got, want.numpy(), here, 1e-12, scale=1.0)
