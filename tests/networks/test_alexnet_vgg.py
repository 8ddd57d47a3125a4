"""AlexNet in both its forms, and VGG: the layers of the papers, and what their options change."""

from pathlib import Path

import numpy as np
import pytest

import xpnet
from tests.kit.strategies import normal
from xpnet import networks, optimizers
from xpnet.errors import OptionError, ShapeError
from xpnet.layers import Conv2D, Dense, Dropout, LocalResponseNorm, MaxPool2D, ReLU
from xpnet.networks import VGG, VGG11, VGG16, AlexNet


def small(variant: str, name: str | None = None) -> AlexNet:
    return AlexNet(4, variant, 32, 0.0, (3, 67, 67) if variant == "2012" else (3, 64, 64), name)


@pytest.mark.parametrize("variant", ["2012", "2014"])
def test_alexnet_learns_and_comes_back_from_a_file(tmp_path: Path, variant: str) -> None:
    model = small(variant, "saved")
    t = np.arange(8) % 4
    x = normal((8, *(model.input_shape or ())), 0, "float32") + 2 * t[:, None, None, None].astype("float32")
    model.compile(optimizers.Adam(0.001))
    losses = [model.train_on_batch(x, t) for _ in range(8)]
    assert losses[0] == pytest.approx(np.log(4), abs=0.3)
    assert losses[-1] < losses[0] - 0.003
    model.save(tmp_path / "net")
    again = xpnet.load(tmp_path / "net")
    assert repr(again) == repr(model)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_alexnet_of_2012_is_that_of_the_paper() -> None:
    model = small("2012")
    convolutions = [layer for layer in model.features if isinstance(layer, Conv2D)]
    assert [layer.groups for layer in convolutions] == [1, 2, 1, 2, 2]
    assert [layer.filters for layer in convolutions] == [96, 256, 384, 384, 256]
    ones = [bool(layer.bias is not None and layer.bias.value.all()) for layer in convolutions]
    assert ones == [False, True, False, True, True]
    dense = [layer for layer in model.classifier if isinstance(layer, Dense)]
    assert [bool(layer.bias is not None and layer.bias.value.all()) for layer in dense] == [True, True, False]
    assert [layer.weight.value.std() for layer in (*convolutions, *dense[:1])] == pytest.approx([0.01] * 6, rel=0.05)
    norms = [layer for layer in model.features if isinstance(layer, LocalResponseNorm)]
    assert [(norm.size, norm.alpha, norm.beta, norm.k) for norm in norms] == [(5, 5e-4, 0.75, 2.0)] * 2
    pools = [layer for layer in model.features if isinstance(layer, MaxPool2D)]
    assert [(pool.pool_size, pool.stride) for pool in pools] == [((3, 3), (2, 2))] * 3
    assert [type(layer) for layer in model.classifier] == [Dense, ReLU, Dropout, Dense, ReLU, Dropout, Dense]
    assert [type(layer) for layer in small("2014").classifier] == [Dropout, Dense, ReLU, Dropout, Dense, ReLU, Dense]


def test_alexnet_of_2014_takes_other_sizes_and_that_of_2012_does_not() -> None:
    assert small("2014").predict(normal((1, 3, 90, 70), 0, "float32")).shape == (1, 4)
    with pytest.raises(ShapeError, match="the input has shape"):
        small("2012").predict(normal((1, 3, 99, 99), 0, "float32"))
    with pytest.raises(OptionError, match='AlexNet: variant must be "2012" or "2014"'):
        AlexNet(variant="1998")


def test_a_small_vgg_for_digits_is_one_line() -> None:
    model = VGG(((8, 8), (16, 16)), classes=10, hidden=32, input_shape=(1, 28, 28))
    assert model.avgpool.output_shape((16, 7, 7)) == (16, 7, 7)
    assert model.predict(normal((2, 1, 28, 28), 0, "float32")).shape == (2, 10)
    names = [name for name, _ in VGG(((4,), (6, 6)), True, 5, 1, input_shape=(3, 8, 8)).named_parameters()]
    assert names[:2] == ["features.0.weight", "features.0.bias"] and names[2] == "features.1.weight"
    assert [name for name in names if name.startswith("features") and name.endswith(".bias")] == [
        f"features.{place}.bias" for place in (0, 1, 4, 5, 7, 8)
    ]
    assert names[-6:] == [f"classifier.{place}.{kind}" for place in (0, 3, 6) for kind in ("weight", "bias")]


def test_a_vgg_has_as_many_layers_as_its_name_says() -> None:
    for kind in (networks.VGG11, networks.VGG13, networks.VGG16, networks.VGG19):
        model = kind(2, hidden=3, pooled=1, input_shape=(1, 32, 32))
        weighted = [layer for _, layer in model.named_layers() if isinstance(layer, (Conv2D, Dense))]
        assert len(weighted) == int(kind.__name__.removeprefix("VGG"))
    assert VGG16(2, hidden=3, pooled=1, input_shape=(1, 32, 32)).stages[2] == (256, 256, 256)


def test_images_that_the_pooling_of_a_vgg_uses_up_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"features\.20 \(MaxPool2D\): the window covers 2x2"):
        VGG11(2, hidden=3, input_shape=(1, 16, 16))
    with pytest.raises(OptionError, match="VGG: stages must be an integer of at least 1, not 0"):
        VGG(((8, 0),))
    for stages in (3, (), (8, 16)):
        with pytest.raises(OptionError, match="VGG: stages must be the filters of each stage, such as"):
            VGG(stages)  # type: ignore[arg-type]
