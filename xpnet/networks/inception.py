"""GoogLeNet's block, which looks at its input in four ways at once; and a small network of four of them."""

from typing import Any

from xpnet.core.declare import Shape
from xpnet.core.layer import Layer
from xpnet.core.network import Network
from xpnet.layers import BatchNorm2D, Concat, Conv2D, Dense, Dropout, GlobalAvgPool2D, MaxPool2D, ReLU
from xpnet.model import Model
from xpnet.networks.chain import through


class ConvNorm(Network):
    """y = relu(bn(conv(x))): a convolution that keeps the size of the images, with batch normalisation and ReLU.

    x (N, C, H, W), y (N, filters, H, W). Elsewhere: torchvision.models.googlenet.BasicConv2d.
    """

    kind = "conv_norm"

    def __init__(self, filters: int, kernel_size: int, name: str | None = None) -> None:
        super().__init__(name)
        self.filters, self.kernel_size = filters, kernel_size
        self.conv = Conv2D(filters, kernel_size, padding=kernel_size // 2, bias=False)
        self.bn, self.relu = BatchNorm2D(eps=1e-3), ReLU()

    def call(self, x: Any) -> Any:
        return self.relu(self.bn(self.conv(x)))


class Inception(Network):
    """Four branches, whose maps lie behind one another: a convolution of 1x1; one of 3x3 and one of 5x5, each behind
    one of 1x1 to fewer maps; and max pooling of 3x3, with one of 1x1 behind it.

    x (N, C, H, W), y (N, ones + threes + fives + pooled, H, W). before_threes, before_fives: the maps of the
    convolutions of 1x1 in front; the arguments are in the order of the paper's table 1.  largest: the kernel size of
    the third branch, 5; in torchvision's GoogLeNet it is 3. Convolutions have batch normalisation, as in torchvision.

    Szegedy et al., "Going deeper with convolutions", 2015. Elsewhere: torchvision.models.googlenet.Inception.
    """

    kind = "inception"

    def __init__(
        self,
        ones: int,
        before_threes: int,
        threes: int,
        before_fives: int,
        fives: int,
        pooled: int,
        largest: int = 5,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.ones, self.before_threes, self.threes = ones, before_threes, threes
        self.before_fives, self.fives, self.pooled, self.largest = before_fives, fives, pooled, largest
        self.branch1 = ConvNorm(ones, 1)
        self.branch2: list[Layer] = [ConvNorm(before_threes, 1), ConvNorm(threes, 3)]
        self.branch3: list[Layer] = [ConvNorm(before_fives, 1), ConvNorm(fives, largest)]
        self.branch4: list[Layer] = [MaxPool2D(3, 1, padding=1), ConvNorm(pooled, 1)]
        self.concat = Concat()

    def call(self, x: Any) -> Any:
        return self.concat(self.branch1(x), *(through(each, x) for each in (self.branch2, self.branch3, self.branch4)))


class InceptionNet(Model):
    """For small images: a convolution of 3x3 with 32 maps; two Inceptions of 64 and 96 maps; max pooling; two of 128
    and 160; the mean of each map; dropout and dense `classes`.

    A GoogLeNet of a size that a laptop trains: its blocks, and its mean in the place of large dense layers. Weights are
    He's, those of the last layer N(0, 0.01). 104,306 parameters for images of one channel and 10 classes.
    Input: (N, 1, 28, 28), or of other sizes.

    Source: Szegedy et al., "Going deeper with convolutions", 2015.
    """

    kind = "inceptionnet"

    def __init__(
        self, classes: int = 10, dropout: float = 0.2, input_shape: Shape = (1, 28, 28), name: str | None = None
    ) -> None:
        super().__init__(name)
        self.classes, self.dropout = classes, dropout
        self.features: list[Layer] = [
            ConvNorm(32, 3), MaxPool2D(2),
            Inception(16, 16, 32, 4, 8, 8), Inception(24, 24, 48, 6, 12, 12), MaxPool2D(2),
            Inception(32, 32, 64, 8, 16, 16), Inception(40, 40, 80, 10, 20, 20),
        ]  # fmt: skip
        self.avgpool, self.drop = GlobalAvgPool2D(), Dropout(dropout)
        self.fc = Dense(classes, initializer=0.01)
        self.build(input_shape)

    def call(self, x: Any) -> Any:
        return self.fc(self.drop(self.avgpool(through(self.features, x))))
