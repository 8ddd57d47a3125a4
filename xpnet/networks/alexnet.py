"""AlexNet, with which convolutional networks won ImageNet's competition: as it was published, and in one tower."""

from typing import Any

from xpnet.core.declare import Shape
from xpnet.core.layer import Layer
from xpnet.errors import OptionError
from xpnet.layers import AdaptiveAvgPool2D, Conv2D, Dense, Dropout, Flatten, LocalResponseNorm, MaxPool2D, ReLU
from xpnet.model import Model
from xpnet.networks.chain import through


class AlexNet(Model):
    """Five convolutions, three of them with max pooling of 3x3 and stride 2, whose windows overlap; dense `hidden`
    (4096) twice, and `classes`; ReLU behind each but the last.

    variant "2014" (61,100,840 parameters with 1000 classes): one tower of 64, 192, 384, 256 and 256 maps, which are
    brought to 6x6 by their means, so that images of other sizes than 224x224 fit; dropout in front of the two dense
    layers. Names and shapes of the weights are torchvision's. Weights are He's.
    Source: Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014.

    variant "2012" (60,965,224 parameters with 1000 classes): 96, 256, 384, 384 and 256 maps of images of 227x227 (of
    which the paper says 224), the second, fourth and fifth convolution in two groups, one for each of the two GPUs;
    local response normalisation behind the first and second; dropout behind the two dense layers. Weights are
    N(0, 0.01), and the biases of the second, fourth and fifth convolution and of the two dense layers start at 1.
    Source: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks", 2012.

    input_shape: by default (3, 224, 224), or (3, 227, 227) of the variant "2012".

    Elsewhere: torchvision.models.alexnet.
    """

    kind = "alexnet"

    def __init__(
        self,
        classes: int = 1000,
        variant: str = "2014",
        hidden: int = 4096,
        dropout: float = 0.5,
        input_shape: Shape | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        if variant not in ("2012", "2014"):
            raise OptionError(f'AlexNet: variant must be "2012" or "2014", not {variant!r}')
        self.classes, self.variant, self.hidden, self.dropout = classes, variant, hidden, dropout
        published = variant == "2012"
        self.features: list[Layer] = _as_published() if published else _one_tower()
        self.avgpool = None if published else AdaptiveAvgPool2D(6)
        self.flatten = Flatten()
        std: Any = 0.01 if published else "he_normal"
        classifier: list[Layer] = []
        for _ in range(2):
            dense = [Dense(hidden, initializer=std), ReLU()]
            classifier += [*dense, Dropout(dropout)] if published else [Dropout(dropout), *dense]
        self.classifier = [*classifier, Dense(classes, initializer=0.01)]
        self.build(input_shape or ((3, 227, 227) if published else (3, 224, 224)))
        if published:
            for layer in (*(self.features[place] for place in (4, 10, 12)), *self.classifier[:-1]):
                if isinstance(layer, (Conv2D, Dense)) and layer.bias is not None:
                    layer.bias.value = self.xp.ones_like(layer.bias.value)

    def call(self, x: Any) -> Any:
        x = through(self.features, x)
        if self.avgpool is not None:
            x = self.avgpool(x)
        return through(self.classifier, self.flatten(x))


def _one_tower() -> list[Layer]:
    return [
        Conv2D(64, 11, 4, padding=2), ReLU(), MaxPool2D(3, 2),
        Conv2D(192, 5, padding=2), ReLU(), MaxPool2D(3, 2),
        Conv2D(384, 3, padding=1), ReLU(),
        Conv2D(256, 3, padding=1), ReLU(),
        Conv2D(256, 3, padding=1), ReLU(), MaxPool2D(3, 2),
    ]  # fmt: skip


def _as_published() -> list[Layer]:
    def normalize() -> LocalResponseNorm:
        return LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)  # the paper's alpha 1e-4, which is not divided by 5

    return [
        Conv2D(96, 11, 4, initializer=0.01), ReLU(), normalize(), MaxPool2D(3, 2),
        Conv2D(256, 5, padding=2, groups=2, initializer=0.01), ReLU(), normalize(), MaxPool2D(3, 2),
        Conv2D(384, 3, padding=1, initializer=0.01), ReLU(),
        Conv2D(384, 3, padding=1, groups=2, initializer=0.01), ReLU(),
        Conv2D(256, 3, padding=1, groups=2, initializer=0.01), ReLU(), MaxPool2D(3, 2),
    ]  # fmt: skip
