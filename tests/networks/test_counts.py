"""Every network has as many parameters as it says, and the names that it should; the large ones are not drawn."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from xpnet import initializers, networks
from xpnet.model import Model

Make = Callable[[], Model]


def published_alexnet() -> networks.AlexNet:
    return networks.AlexNet(variant="2012")


def small_gpt() -> networks.GPT:
    return networks.GPT(65)


def gpt2() -> networks.GPT:
    return networks.GPT(50257, 1024, 12, 768, 12)


COUNTS: list[tuple[Make, int]] = [
    (networks.ResNet18, 11_689_512),
    (networks.ResNet34, 21_797_672),
    (networks.ResNet50, 25_557_032),
    (networks.ResNet20, 269_722),
    (networks.ResNet56, 853_018),
    (networks.MobileNetV1, 4_231_976),
    (networks.MobileNetV2, 3_504_872),
    (networks.InceptionNet, 104_306),
    (networks.AlexNet, 61_100_840),
    (published_alexnet, 60_965_224),
    (networks.VGG11, 132_863_336),
    (networks.VGG13, 133_047_848),
    (networks.VGG16, 138_357_544),
    (networks.VGG19, 143_667_240),
    (networks.UNet, 482_466),
    (networks.Autoencoder, 209_968),
    (networks.ConvAutoencoder, 115_217),
    (networks.VAE, 652_824),
    (networks.DCGAN, 898_370),
    (networks.RecurrentClassifier, 82_186),
    (networks.ViT, 138_890),
    (small_gpt, 809_856),
    (gpt2, 124_439_808),
]


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights are zeros, which take no memory until somebody writes them."""

    def zeros(initializer: Any, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return np.zeros(shape, np.float32)

    monkeypatch.setattr(initializers, "draw", zeros)


def learned(model: Model) -> int:
    return sum(p.size for p in model.parameters() if p.learned)


@pytest.mark.parametrize(("make", "count"), COUNTS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_the_number_of_parameters_is_the_one_that_it_says(undrawn: None, make: Any, count: int) -> None:
    model = make()
    assert learned(model) == count
    assert f"{count:,} parameters" in " ".join((type(model).__doc__ or "").split())


def test_options_that_change_the_number(undrawn: None) -> None:
    """Option B has a projection where A has none, twice: 16 * 32 + 2 * 32 and 32 * 64 + 2 * 64."""
    assert learned(networks.ResNet20(shortcuts="projection")) == 269_722 + 576 + 2176
    assert learned(networks.ResNet20(shortcuts=False)) == 269_722
    for make, count in (
        (networks.VGG11, 132_868_840), (networks.VGG13, 133_053_736), (networks.VGG16, 138_365_992),
        (networks.VGG19, 143_678_248),
    ):  # fmt: skip
        assert f"{count:,} parameters" in (make.__doc__ or "")
        small = {"hidden": 8, "classes": 2, "input_shape": (3, 32, 32)}  # else it is a gigabyte
        norms = learned(make(batch_norm=True, **small)) - learned(make(**small))
        assert norms == count - dict(COUNTS)[make]
    assert learned(networks.MobileNetV1(width=0.25)) == 470_072
    assert learned(networks.MobileNetV2(width=0.5)) == 1_968_680
    assert learned(networks.ResNet18(10, small_images=True, input_shape=(3, 32, 32))) == 11_173_962


def test_recurrent_networks_have_the_layers_of_pytorch(undrawn: None) -> None:
    """nn.LSTM(28, 128) has 80,896 parameters, nn.GRU three quarters of them, nn.RNN a quarter."""
    for cell, gates, languages in (("lstm", 4, 111_873), ("gru", 3, 87_041), ("rnn", 1, 37_377)):
        model = networks.RecurrentClassifier(cell)
        assert sum(p.size for p in model.rnn.parameters()) == gates * 80_896 // 4
        assert learned(model) == gates * 80_896 // 4 + 1290
        assert f"{learned(model):,}" in (type(model).__doc__ or "")
        language_model = networks.RecurrentLanguageModel(65, cell=cell)
        assert learned(language_model) == languages
        assert f"{languages:,}" in (type(language_model).__doc__ or "")
    assert dict(networks.RecurrentClassifier().named_parameters()).keys() == {
        "rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_ih_l0", "rnn.bias_hh_l0", "fc.weight", "fc.bias",
    }  # fmt: skip
