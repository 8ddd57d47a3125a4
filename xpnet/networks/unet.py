"""UNet: down to small images and up again, where every size sees what it was on the way down."""

from typing import Any

from xpnet.base.checks import whole
from xpnet.core.declare import Shape
from xpnet.core.layer import Layer
from xpnet.core.network import Network
from xpnet.errors import OptionError
from xpnet.layers import BatchNorm2D, Concat, Conv2D, ConvTranspose2D, MaxPool2D, ReLU
from xpnet.model import Model
from xpnet.networks.chain import through

DEEPEST = 30  # levels; each halves the image


class DoubleConv(Network):
    """Twice a convolution of 3x3 that keeps the size, with batch normalisation and ReLU: (N, filters, H, W)."""

    kind = "double_conv"

    def __init__(self, filters: int, name: str | None = None) -> None:
        super().__init__(name)
        self.filters = filters
        once = [(Conv2D(filters, 3, padding=1, bias=False), BatchNorm2D(), ReLU()) for _ in range(2)]
        self.layers: list[Layer] = [*once[0], *once[1]]

    def call(self, x: Any) -> Any:
        return through(self.layers, x)


class UNet(Model):
    """A score for each class at each pixel: (N, C, H, W) -> (N, classes, H, W).

    `depth` (3) times two convolutions of 3x3 and max pooling of 2x2, with `filters` (16) maps and each time twice as
    many; two convolutions; and `depth` times a transposed convolution of 2x2 that doubles the size, the maps of the
    same size from the way down beside its own, and two convolutions; at the end one of 1x1. H and W must be multiples
    of 2**depth. Its loss is softmax_cross_entropy with labels (N, H, W), or binary_cross_entropy with one class and
    targets of the output's shape.

    The paper's has depth 4 and 64 filters, and loses two pixels in each convolution; here images are padded, and
    there is batch normalisation. Weights are He's. 482,466 parameters for images of one channel and 2 classes.

    Source: Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image segmentation", 2015.
    """

    kind = "unet"

    def __init__(
        self,
        classes: int = 2,
        filters: int = 16,
        depth: int = 3,
        input_shape: Shape = (1, 64, 64),
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.classes, self.filters, self.depth = classes, filters, whole("UNet: depth", depth)
        if self.depth > DEEPEST:
            raise OptionError(f"UNet: depth {depth} would halve images more often than any can be: at most {DEEPEST}")
        widths = [filters * 2**level for level in range(depth)]
        self.down = [DoubleConv(width) for width in widths]
        self.pool = MaxPool2D(2)
        self.bottom = DoubleConv(2 * widths[-1])
        self.enlarge = [ConvTranspose2D(width, 2, 2) for width in reversed(widths)]
        self.concat = Concat()
        self.up = [DoubleConv(width) for width in reversed(widths)]
        self.output = Conv2D(classes, 1)
        self.build(input_shape)

    def call(self, x: Any) -> Any:
        if any(side % 2**self.depth for side in x.shape[2:]):
            raise self.wrong_shape(tuple(x.shape[1:]), f"(N, C, H, W) with H and W multiples of {2**self.depth}")
        passed = []
        for block in self.down:
            x = block(x)
            passed.append(x)
            x = self.pool(x)
        x = self.bottom(x)
        for enlarge, block in zip(self.enlarge, self.up, strict=True):
            x = block(self.concat(passed.pop(), enlarge(x)))
        return self.output(x)
