"""The networks that classify images, small: they begin by knowing nothing, learn, come back from a file, and give the
same numbers on every backend."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.helpers import assert_close
from tests.kit.strategies import normal
from xpnet import networks, optimizers
from xpnet.backend import make_backend, use_backend
from xpnet.model import Model
from xpnet.networks.mobilenet import to_eights

SHAPE = (1, 32, 32)
SMALL: dict[str, Callable[..., Model]] = {
    "resnet": lambda **how: networks.ResNet((2, 1, 1, 1), 8, classes=4, input_shape=SHAPE, **how),
    "bottlenecks": lambda **how: networks.ResNet((1, 1), 8, True, classes=4, input_shape=SHAPE, **how),
    "resnet20": lambda **how: networks.ResNet20(4, input_shape=SHAPE, **how),
    "plain": lambda **how: networks.ResNet((2, 1), 8, False, False, True, 4, SHAPE, **how),
    "vgg": lambda **how: networks.VGG(((4,), (6, 6)), True, 20, 3, 0.0, 4, SHAPE, **how),
    "vgg without norms": lambda **how: networks.VGG(((4,), (6, 6)), False, 20, 8, 0.0, 4, SHAPE, **how),
    "mobilenetv1": lambda **how: networks.MobileNetV1(4, 0.25, SHAPE, **how),
    "mobilenetv2": lambda **how: networks.MobileNetV2(4, 0.25, 0.0, SHAPE, **how),
    "inceptionnet": lambda **how: networks.InceptionNet(4, 0.0, SHAPE, **how),
}
every_network = pytest.mark.parametrize("name", SMALL)


def pictures(count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Of four classes: each has a corner that is bright."""
    t = np.arange(count) % 4
    x = 0.3 * normal((count, *SHAPE), 0, "float32")
    for image, label in zip(x, t, strict=True):
        row, column = 16 * (label // 2), 16 * (label % 2)
        image[:, row : row + 16, column : column + 16] += 1
    return x, t


@every_network
def test_it_begins_by_knowing_nothing_and_a_step_lowers_its_loss(name: str) -> None:
    x, t = pictures()
    model = SMALL[name]()
    assert model.output_shape(SHAPE) == (4,)
    model.compile(optimizers.Adam(0.002))
    losses = [model.train_on_batch(x, t) for _ in range(4)]
    assert losses[0] == pytest.approx(math.log(4), abs=0.25)
    assert losses[-1] < losses[0] - 0.003


@every_network
def test_it_comes_back_from_a_file(tmp_path: Path, name: str) -> None:
    x, t = pictures()
    model = SMALL[name](name="saved")
    model.compile("sgd")
    model.train_on_batch(x, t)
    model.save(tmp_path / "net")
    again: Any = xpnet.load(tmp_path / "net")
    assert type(again) is type(model) and repr(again) == repr(model)
    assert [name for name, _ in again.named_parameters()] == [name for name, _ in model.named_parameters()]
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", "bottlenecks", "inceptionnet"])
def test_a_gpu_gives_the_same_outputs_and_gradients(cupy: Any, name: str) -> None:
    x = normal((4, 1, 16, 16), 1)
    found = []
    for backend in (make_backend("numpy"), cupy):
        xpnet.seed(3)
        with use_backend(backend):
            model = SMALL[name]().astype("float64")
            y, back = model.forward(backend.asarray(x), train=True)
            arrays = [y, back(y), *(p.grad for p in model.parameters())]
            found.append([backend.to_numpy(array) for array in arrays])
    for ours, theirs in zip(*found, strict=True):
        assert_close(ours, theirs, make_backend("numpy"), 1e-9, scale=1e-3)


@pytest.mark.parametrize(
    ("maps", "rounded"),
    [(3, 8), (8, 8), (11.2, 16), (12, 16), (16, 16), (17, 16), (18, 24), (20, 24), (60, 64), (100, 104), (1280, 1280)],
)
def test_maps_of_mobilenet_v2_are_multiples_of_eight(maps: float, rounded: int) -> None:
    """The nearest, or the next if that were less than nine tenths."""
    assert to_eights(maps) == rounded
