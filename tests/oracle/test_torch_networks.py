"""PyTorch as an oracle for the large networks: the same names and shapes, and with the same weights the same outputs
and gradients."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.kit.helpers import assert_close
from tests.kit.strategies import normal
from xpnet import initializers, networks
from xpnet.model import Model

torch = pytest.importorskip("torch", reason='PyTorch is the oracle here: pip install "xpnet[oracle]"')
pytestmark = pytest.mark.oracle
nets = pytest.importorskip("tests.oracle.nets")

SHAPE = (3, 64, 64)
SMALL = (3, 32, 32)
VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
# of xpnet, and in plain PyTorch
PAIRS: dict[str, tuple[Callable[[], Model], Callable[[], Any]]] = {
    "alexnet": (
        lambda: networks.AlexNet(5, hidden=64, input_shape=SHAPE),
        lambda: nets.AlexNet(5, 64),
    ),
    "vgg16_bn": (
        lambda: networks.VGG16(5, True, 64, input_shape=SMALL),
        lambda: nets.VGG(VGG16, 64, 5, True),
    ),
    "resnet18": (
        lambda: networks.ResNet18(5, input_shape=SHAPE),
        lambda: nets.ResNet((2, 2, 2, 2), 64, False, 5),
    ),
    "bottlenecks": (
        lambda: networks.ResNet((1, 2), 16, True, classes=5, input_shape=SHAPE),
        lambda: nets.ResNet((1, 2), 16, True, 5),
    ),
    "mobilenetv2": (
        lambda: networks.MobileNetV2(5, input_shape=SHAPE),
        lambda: nets.MobileNetV2(5),
    ),
}
every_pair = pytest.mark.parametrize("pair", PAIRS)


def made(pair: str, dtype: str) -> tuple[Model, Any]:
    """Both, with the same weights: random ones, also where they start at 0 or 1."""
    make, make_theirs = PAIRS[pair]
    ours, theirs = make().astype(dtype), make_theirs().to(getattr(torch, dtype))
    state = {name: value for name, value in theirs.state_dict().items() if not name.endswith("num_batches_tracked")}
    named = dict(ours.named_parameters())
    assert [(name, p.shape) for name, p in named.items()] == [(n, tuple(v.shape)) for n, v in state.items()]
    for number, (name, parameter) in enumerate(named.items()):
        value = normal(parameter.shape, number) * (2 / max(1, np.prod(parameter.shape[1:]))) ** 0.5
        if parameter.value.ndim == 1:  # biases, and what batch normalisation has
            value = 0.1 * value + (name.endswith(("running_var",)) or f"{name[:-6]}running_var" in named)
        if name.endswith("running_var"):
            value = np.abs(value) + 0.5
        parameter.value = value
        state[name].copy_(torch.tensor(value))
    for layer in theirs.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    for _, layer in ours.named_layers():
        if hasattr(layer, "rate"):
            layer.rate = 0.0
    return ours, theirs


@every_pair
@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
def test_outputs_and_gradients_in_float64(pair: str, train: bool) -> None:
    ours, theirs = made(pair, "float64")
    theirs.train(train)
    x = normal((3, *(ours.input_shape or ())), 1)
    tx = torch.tensor(x, requires_grad=True)
    y, back = ours.forward(x, train=train)
    expected = theirs(tx)
    dy = normal(y.shape, 2)
    expected.backward(torch.tensor(dy))
    dx = back(dy)
    assert_agree(y, expected)
    assert_agree(dx, tx.grad)
    gradients = {name: value.grad for name, value in theirs.named_parameters()}
    learned = {name: p for name, p in ours.named_parameters() if p.learned}
    assert learned.keys() == gradients.keys()
    for name, parameter in learned.items():
        assert_agree(parameter.grad, gradients[name])
    buffers = dict(theirs.named_buffers())
    for name, parameter in ours.named_parameters():
        if not parameter.learned:
            assert_agree(parameter.value, buffers[name])


def assert_agree(ours: Any, theirs: Any, tolerance: float = 1e-8) -> None:
    """To so much of the largest entry, or of 1."""
    assert_close(ours, theirs.detach().numpy(), None, tolerance, scale=1.0)


@every_pair
def test_outputs_in_float32(pair: str) -> None:
    ours, theirs = made(pair, "float32")
    theirs.eval()
    x = normal((2, *(ours.input_shape or ())), 1, "float32")
    assert_agree(ours.forward(x)[0], theirs(torch.tensor(x)), 1e-4)


LARGE: dict[str, tuple[Callable[[], Model], Callable[[], Any]]] = {
    "alexnet": (networks.AlexNet, lambda: nets.AlexNet(1000, 4096)),
    "vgg16": (networks.VGG16, lambda: nets.VGG(VGG16, 4096, 1000, False)),
    "resnet50": (networks.ResNet50, lambda: nets.ResNet((3, 4, 6, 3), 64, True, 1000)),
    "mobilenetv2": (networks.MobileNetV2, lambda: nets.MobileNetV2(1000)),
}


@pytest.mark.parametrize("name", LARGE)
def test_names_and_shapes_of_weights_are_those_of_torchvision(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """PyTorch's is on the device "meta", which has no memory; ours is not drawn."""
    monkeypatch.setattr(initializers, "draw", lambda initializer, shape, *fans: np.zeros(shape, np.float32))
    make, make_theirs = LARGE[name]
    with torch.device("meta"):
        theirs = make_theirs().state_dict()
    ours = [(name, p.shape) for name, p in make().named_parameters()]
    assert ours == [(n, tuple(v.shape)) for n, v in theirs.items() if not n.endswith("num_batches_tracked")]
