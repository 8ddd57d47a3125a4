"""MobileNets: each map is convolved on its own and a convolution of 1x1 mixes them, at a ninth of the arithmetic."""

from typing import Any

from xpnet.base.checks import positive, whole
from xpnet.core.declare import Shape
from xpnet.core.layer import Layer
from xpnet.core.network import Network
from xpnet.layers import BatchNorm2D, Conv2D, Dense, Dropout, GlobalAvgPool2D, ReLU, ReLU6
from xpnet.model import Model
from xpnet.networks.chain import through


class MobileNetV1(Model):
    """A convolution of 3x3 and stride 2; thirteen pairs of a depthwise convolution of 3x3 and one of 1x1, each with
    batch normalisation and ReLU; the mean of each map; dense `classes`.

    width: every number of maps is multiplied by it, such as 0.25 or 0.5. Weights are He's, those of the last layer
    N(0, 0.01). 4,231,976 parameters with 1000 classes.
    Input: (N, 3, 224, 224), or of other sizes; it is divided by 32, so that 32x32 ends with single pixels.

    Source: Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications", 2017.
    Elsewhere: keras.applications.MobileNet.
    """

    kind = "mobilenet"
    # the filters and the stride of each pair; the paper's last stride, 2, is a slip: its maps stay 7x7
    TABLE = (
        (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1),
    )  # fmt: skip

    def __init__(
        self,
        classes: int = 1000,
        width: float = 1.0,
        input_shape: Shape = (3, 224, 224),
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.classes, self.width = classes, positive("MobileNetV1: width", width)
        maps = max(1, int(32 * width))
        features = [convolution(maps, 3, ReLU(), 2)]
        for filters, stride in self.TABLE:
            features.append(convolution(maps, 3, ReLU(), stride, groups=maps))
            maps = max(1, int(filters * width))
            features.append(convolution(maps, 1, ReLU()))
        self.features, self.avgpool, self.fc = features, GlobalAvgPool2D(), Dense(classes, initializer=0.01)
        self.build(input_shape)

    def call(self, x: Any) -> Any:
        return self.fc(self.avgpool(through(self.features, x)))


class InvertedResidual(Network):
    """y = conv1x1(depthwise3x3(conv1x1(x))), with batch normalisation each and ReLU6 behind the first two; y + x where
    the shapes are the same. Wide inside and narrow outside: the inverse of a Bottleneck.

    x (N, maps, H, W), y (N, filters, ceil(H / stride), ceil(W / stride)). expansion: how many times the maps of x there
    are inside; with 1 the first convolution is left out.

    Sandler, Howard, Zhu, Zhmoginov and Chen, "MobileNetV2: inverted residuals and linear bottlenecks", 2018.
    Elsewhere: torchvision.models.mobilenetv2.InvertedResidual.
    """

    kind = "block"

    def __init__(self, maps: int, filters: int, stride: int = 1, expansion: int = 6, name: str | None = None) -> None:
        super().__init__(name)
        self.maps, self.filters = whole("InvertedResidual: maps", maps), filters
        self.stride, self.expansion = stride, whole("InvertedResidual: expansion", expansion)
        inside = maps * expansion
        first = [convolution(inside, 1, ReLU6())] if expansion > 1 else []
        depthwise = convolution(inside, 3, ReLU6(), stride, groups=inside)
        self.conv: list[Any] = [*first, depthwise, Conv2D(filters, 1, bias=False), BatchNorm2D()]

    def call(self, x: Any) -> Any:
        y = through(self.conv, x)
        return y + x if self.stride == 1 and self.maps == self.filters else y


class MobileNetV2(Model):
    """A convolution of 3x3 and stride 2; seventeen InvertedResiduals; a convolution of 1x1 to 1280 maps; the mean of
    each map; dropout and dense `classes`.

    width: every number of maps is multiplied by it and rounded to a multiple of 8, and the last one only if it grows.
    Names and shapes of the weights are torchvision's. They start as He's, those of the last layer as N(0, 0.01).
    3,504,872 parameters with 1000 classes.
    Input: (N, 3, 224, 224), or of other sizes; it is divided by 32, so that 32x32 ends with single pixels.

    Source: Sandler, Howard, Zhu, Zhmoginov and Chen, "MobileNetV2: inverted residuals and linear bottlenecks", 2018.
    Elsewhere: torchvision.models.mobilenet_v2; keras.applications.MobileNetV2.
    """

    kind = "mobilenet"
    # expansion, filters, how many blocks, and the stride of the first of them
    TABLE = (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    )  # fmt: skip

    def __init__(
        self,
        classes: int = 1000,
        width: float = 1.0,
        dropout: float = 0.2,
        input_shape: Shape = (3, 224, 224),
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.classes, self.width, self.dropout = classes, positive("MobileNetV2: width", width), dropout
        maps = to_eights(32 * width)
        features: list[Any] = [convolution(maps, 3, ReLU6(), 2)]
        for expansion, base, count, stride in self.TABLE:
            filters = to_eights(base * width)
            for number in range(count):
                features.append(InvertedResidual(maps, filters, 1 if number else stride, expansion))
                maps = filters
        self.features = [*features, convolution(to_eights(1280 * max(1.0, width)), 1, ReLU6())]
        self.avgpool, self.classifier = GlobalAvgPool2D(), [Dropout(dropout), Dense(classes, initializer=0.01)]
        self.build(input_shape)

    def call(self, x: Any) -> Any:
        return through(self.classifier, self.avgpool(through(self.features, x)))


def convolution(filters: int, size: int, activation: Layer, stride: int = 1, groups: int = 1) -> list[Layer]:
    """With batch normalisation in the place of a bias, and an activation."""
    return [Conv2D(filters, size, stride, padding=size // 2, groups=groups, bias=False), BatchNorm2D(), activation]


def to_eights(maps: float) -> int:
    """The nearest multiple of 8, the next one if that is below nine tenths."""
    rounded = max(8, int(maps + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * maps else rounded + 8
