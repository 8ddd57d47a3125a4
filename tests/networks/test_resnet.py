"""ResNet: its shortcuts, and what its options change."""

from typing import Any

import numpy as np
import pytest

from tests.kit.strategies import normal
from xpnet import gradient_check
from xpnet.backend import Backend
from xpnet.errors import OptionError, ShapeError
from xpnet.networks import BasicBlock, Bottleneck, PaddedShortcut, ResNet, ResNet20

SMALL = {"blocks": (1, 1), "filters": 4, "classes": 3, "input_shape": (2, 8, 8), "small_images": True}


def test_a_padded_shortcut_takes_every_other_pixel_and_adds_maps_of_zeros(backend: Backend) -> None:
    x = normal((2, 3, 5, 4), 0, "float32")
    y = backend.to_numpy(PaddedShortcut(5)(backend.asarray(x)))
    np.testing.assert_array_equal(y[:, :3], x[:, :, ::2, ::2])
    assert y.shape == (2, 5, 3, 2) and not y[:, 3:].any()
    assert gradient_check(PaddedShortcut(4), normal((2, 3, 5, 4), 1)) < 1e-6
    assert gradient_check(PaddedShortcut(2, 1), normal((2, 2, 2, 3), 1)) < 1e-6
    for shape in ((6, 4, 4), (4,)):
        with pytest.raises(ShapeError, match=r"needed is \(N, C, H, W\) of at most 5 channels"):
            PaddedShortcut(5).build(shape)


@pytest.mark.parametrize("shortcut", ["identity", "projection", "padded", False])
@pytest.mark.parametrize("kind", [BasicBlock, Bottleneck])
def test_the_gradient_of_a_block_is_right(kind: Any, shortcut: Any) -> None:
    block = kind(2, 1 if shortcut == "identity" else 2, shortcut)
    x = normal((3, 2 * kind.expansion, 5, 5), 0)
    block.build(x.shape[1:])
    for p in block.parameters():
        if p.name.endswith("bias"):
            p.value = 0.3 * normal(p.shape, len(p.name))
    assert gradient_check(block, x, eps=1e-7, tolerance=1e-4) < 1e-4


def test_without_its_residual_a_block_gives_its_shortcut(backend: Backend) -> None:
    block = BasicBlock(4, 2, "padded")
    block.build((2, 6, 6))
    block.bn2.weight.value = np.zeros(4)
    x = normal((2, 2, 6, 6), 0, "float32")
    y = backend.to_numpy(block(backend.asarray(x)))
    np.testing.assert_array_equal(y[:, :2], np.maximum(x[:, :, ::2, ::2], 0))
    plain = BasicBlock(4, 2, False)
    plain.build((2, 6, 6))
    plain.bn2.weight.value = np.zeros(4)
    assert not backend.to_numpy(plain(backend.asarray(x))).any()


def test_a_shortcut_needs_a_name_that_there_is() -> None:
    with pytest.raises(OptionError, match="shortcut must be one of 'identity', 'projection', 'padded', False, not 'A'"):
        BasicBlock(3, shortcut="A")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match='shortcuts must be "projection", "padded" or False'):
        ResNet(shortcuts="identity")
    with pytest.raises(OptionError, match="ResNet: blocks must be an integer of at least 1"):
        ResNet((2, 0))
    for blocks in (3, ()):
        with pytest.raises(OptionError, match="ResNet: blocks must be how many each stage has"):
            ResNet(blocks)  # type: ignore[arg-type]


def test_the_images_of_a_stage_are_half_the_size_of_those_before() -> None:
    model = ResNet20(input_shape=(1, 28, 28))
    sizes = {name: shape for name, shape in shapes_in(model).items() if name.endswith("relu")}
    assert sizes["layer1.2.relu"] == (16, 28, 28)
    assert sizes["layer2.0.relu"] == sizes["layer2.2.relu"] == (32, 14, 14)
    assert sizes["layer3.2.relu"] == (64, 7, 7)
    large = shapes_in(ResNet((1, 1), 4, input_shape=(3, 64, 64)))
    assert (large["conv1"], large["maxpool"], large["layer2.0.relu"]) == ((4, 32, 32), (4, 16, 16), (8, 8, 8))


def shapes_in(model: Any) -> dict[str, Any]:
    """The shape that each layer gives last, by its path."""
    from xpnet.core.watch import watched

    shapes: dict[str, Any] = {}
    paths = {id(layer): path for path, layer in model.named_layers()}
    with watched(model, lambda layer, y: shapes.update({paths[id(layer)]: tuple(y.shape[1:])})):
        model(np.zeros((1, *model.input_shape), np.float32))
    return shapes


def test_a_plain_network_has_as_many_layers_and_no_shortcut() -> None:
    plain, residual = ResNet(**SMALL, shortcuts=False), ResNet(**SMALL, shortcuts="padded")
    assert [p.shape for p in plain.parameters()] == [p.shape for p in residual.parameters()]
    assert not any(isinstance(layer, PaddedShortcut) for _, layer in plain.named_layers())
    blocks = [layer for _, layer in plain.named_layers() if isinstance(layer, BasicBlock)]
    assert len(blocks) == 2 and not any(block.shortcut for block in blocks)
