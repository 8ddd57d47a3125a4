"""VGG: nothing but convolutions of 3x3 and pooling of 2x2, and many of them."""

from collections.abc import Sequence
from typing import Any, ClassVar

from xpnet.base.checks import whole
from xpnet.core.declare import Shape
from xpnet.core.layer import Layer
from xpnet.errors import OptionError
from xpnet.layers import AdaptiveAvgPool2D, BatchNorm2D, Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU
from xpnet.model import Model
from xpnet.networks.chain import through


class VGG(Model):
    """Stages of convolutions of 3x3, each with ReLU, and max pooling of 2x2 behind a stage; dense `hidden` (4096)
    twice, each with ReLU and dropout, and dense `classes`.

    stages: the filters of the convolutions of each stage, such as ((64,), (128,), (256, 256)).  batch_norm: whether
    there is batch normalisation behind each convolution.  pooled: the maps are brought to this size (7) in front of the
    dense layers, by the mean of as many pixels as it takes, so that images of any size fit that survives the pooling.

    A small one for MNIST: VGG(((32, 32), (64, 64)), classes=10, hidden=128, input_shape=(1, 28, 28)).

    Names and shapes of the weights are torchvision's. They start as He's, those of the last layer as N(0, 0.01).
    Source: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015.

    Elsewhere: torchvision.models.VGG.
    """

    kind = "vgg"

    def __init__(
        self,
        stages: Sequence[Sequence[int]] = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)),
        batch_norm: bool = False,
        hidden: int = 4096,
        pooled: int = 7,
        dropout: float = 0.5,
        classes: int = 1000,
        input_shape: Shape = (3, 224, 224),
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        several = stages if isinstance(stages, (tuple, list)) else ()
        if not several or not all(isinstance(stage, (tuple, list)) for stage in several):
            raise OptionError(f"VGG: stages must be the filters of each stage, such as ((64,), (128,)), not {stages!r}")
        self.stages = tuple(tuple(whole("VGG: stages", filters) for filters in stage) for stage in stages)
        self.batch_norm, self.hidden, self.pooled, self.dropout = batch_norm, hidden, pooled, dropout
        self.classes = classes
        features: list[Layer] = []
        for stage in self.stages:
            for filters in stage:
                norm = [BatchNorm2D()] if batch_norm else []
                features += [Conv2D(filters, 3, padding=1), *norm, ReLU()]
            features.append(MaxPool2D(2))
        dense = [layer for _ in range(2) for layer in (Dense(hidden), ReLU(), Dropout(dropout))]
        self.features, self.avgpool, self.flatten = features, AdaptiveAvgPool2D(pooled), Flatten()
        self.classifier = [*dense, Dense(classes, initializer=0.01)]
        self.build(input_shape)

    def call(self, x: Any) -> Any:
        x = self.avgpool(through(self.features, x))
        return through(self.classifier, self.flatten(x))


class _Published(VGG):
    """The base of those that the paper has: only the filters of their stages differ."""

    published: ClassVar[Sequence[Sequence[int]]]

    def __init__(
        self,
        classes: int = 1000,
        batch_norm: bool = False,
        hidden: int = 4096,
        pooled: int = 7,
        dropout: float = 0.5,
        input_shape: Shape = (3, 224, 224),
        name: str | None = None,
    ) -> None:
        super().__init__(self.published, batch_norm, hidden, pooled, dropout, classes, input_shape, name)


class VGG11(_Published):
    """VGG of 11 layers with weights (Simonyan and Zisserman, 2015): 132,863,336 parameters with 1000 classes,
    132,868,840 parameters with batch_norm=True.

    Input: (N, 3, 224, 224), or of other sizes from 32 on.
    Elsewhere: torchvision.models.vgg11 and vgg11_bn.
    """

    published = (64,), (128,), (256, 256), (512, 512), (512, 512)


class VGG13(_Published):
    """VGG of 13 layers with weights (Simonyan and Zisserman, 2015): 133,047,848 parameters with 1000 classes,
    133,053,736 parameters with batch_norm=True.

    Input: (N, 3, 224, 224), or of other sizes from 32 on.
    Elsewhere: torchvision.models.vgg13 and vgg13_bn.
    """

    published = (64, 64), (128, 128), (256, 256), (512, 512), (512, 512)


class VGG16(_Published):
    """VGG of 16 layers with weights (Simonyan and Zisserman, 2015): 138,357,544 parameters with 1000 classes,
    138,365,992 parameters with batch_norm=True.

    Input: (N, 3, 224, 224), or of other sizes from 32 on.
    Elsewhere: torchvision.models.vgg16 and vgg16_bn; keras.applications.VGG16.
    """

    published = (64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)


class VGG19(_Published):
    """VGG of 19 layers with weights (Simonyan and Zisserman, 2015): 143,667,240 parameters with 1000 classes,
    143,678,248 parameters with batch_norm=True.

    Input: (N, 3, 224, 224), or of other sizes from 32 on.
    Elsewhere: torchvision.models.vgg19 and vgg19_bn; keras.applications.VGG19.
    """

    published = (64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4
