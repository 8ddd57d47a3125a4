"""ResNet: blocks of convolutions that learn what is to be added to their input."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from xpnet.backend import Array
from xpnet.backend.window import Window
from xpnet.base.checks import whole
from xpnet.core.chains import add_and
from xpnet.core.declare import Shape
from xpnet.core.layer import Back, Layer
from xpnet.core.network import Network
from xpnet.errors import OptionError
from xpnet.layers import BatchNorm2D, Conv2D, Dense, GlobalAvgPool2D, MaxPool2D, ReLU
from xpnet.model import Model
from xpnet.networks.chain import through

Shortcut = Literal["identity", "projection", "padded", False]
SHORTCUTS = ("identity", "projection", "padded", False)


class PaddedShortcut(Layer):
    """y[n,c,i,j] = x[n, c, i*stride, j*stride] for the C channels of x, and zero for those above up to `filters`.

    x (N, C, H, W), y (N, filters, ceil(H / stride), ceil(W / stride)). It has no parameters: option A of He et al.,
    2016, for the shortcut past a block that halves its images and doubles their channels.
    """

    kind = "shortcut"
    gives = "scores"

    def __init__(self, filters: int, stride: int = 2, name: str | None = None) -> None:
        super().__init__(name)
        self.filters, self.stride = whole("PaddedShortcut: filters", filters), whole("PaddedShortcut: stride", stride)

    @property
    def window(self) -> Window:
        """What a place of the output sees."""
        return Window(stride=(self.stride, self.stride))

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3 or shape[0] > self.filters:
            raise self.wrong_shape(shape, f"(N, C, H, W) of at most {self.filters} channels")
        return self.filters, *(-(-side // self.stride) for side in shape[1:])

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        xp, C, s = self.xp, x.shape[1], self.stride
        part = x[:, :, ::s, ::s]
        zeros = [xp.zeros_like(part)] * (-(-self.filters // C) - 1)  # in the memory order of x
        y = xp.concat([part, *zeros], axis=1)[:, : self.filters, ...]

        def back(dy: Array) -> Array:
            dx = xp.zeros_like(x)
            dx[:, :, ::s, ::s] = dy[:, :C, ...]
            return dx

        return y, back


class BasicBlock(Network):
    """y = relu(f(x) + shortcut(x)), f two convolutions of 3x3 with `filters` maps, each with batch normalisation.

    x (N, C, H, W), y (N, filters, ceil(H / stride), ceil(W / stride)). stride: of the first convolution.
    shortcut: "identity", which needs stride 1 and C = filters; "projection", a convolution of 1x1 and batch
    normalisation (option B of the paper); "padded" (PaddedShortcut, option A); False leaves it out: y = relu(f(x)).

    He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016.
    Elsewhere: torchvision.models.resnet.BasicBlock.
    """

    kind = "block"
    expansion = 1  # how many times `filters` maps come out

    def __init__(self, filters: int, stride: int = 1, shortcut: Shortcut = "identity", name: str | None = None) -> None:
        super().__init__(name)
        self.filters, self.stride, self.shortcut = filters, stride, shortcut
        self.conv1, self.bn1 = Conv2D(filters, 3, stride, padding=1, bias=False), BatchNorm2D()
        self.conv2, self.bn2 = Conv2D(filters, 3, padding=1, bias=False), BatchNorm2D()
        self.relu = ReLU()
        self.downsample = shortcut_layers(shortcut, filters, stride)

    def call(self, x: Any) -> Any:
        y = through([self.conv1, self.bn1, self.relu, self.conv2, self.bn2], x)
        return add_and(self.relu, y, through(self.downsample, x)) if self.shortcut else self.relu(y)


class Bottleneck(Network):
    """y = relu(f(x) + shortcut(x)), f convolutions of 1x1, 3x3 and 1x1 with `filters`, `filters` and 4 * filters maps.

    As BasicBlock otherwise. The stride is that of the convolution of 3x3, as in torchvision and all later networks; the
    paper has it at the first one of 1x1, which is a little less accurate.

    He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016.
    Elsewhere: torchvision.models.resnet.Bottleneck.
    """

    kind = "block"
    expansion = 4

    def __init__(self, filters: int, stride: int = 1, shortcut: Shortcut = "identity", name: str | None = None) -> None:
        super().__init__(name)
        self.filters, self.stride, self.shortcut = filters, stride, shortcut
        self.conv1, self.bn1 = Conv2D(filters, 1, bias=False), BatchNorm2D()
        self.conv2, self.bn2 = Conv2D(filters, 3, stride, padding=1, bias=False), BatchNorm2D()
        self.conv3, self.bn3 = Conv2D(4 * filters, 1, bias=False), BatchNorm2D()
        self.relu = ReLU()
        self.downsample = shortcut_layers(shortcut, 4 * filters, stride)

    def call(self, x: Any) -> Any:
        y = through([self.conv1, self.bn1, self.relu, self.conv2, self.bn2, self.relu, self.conv3, self.bn3], x)
        return add_and(self.relu, y, through(self.downsample, x)) if self.shortcut else self.relu(y)


def shortcut_layers(shortcut: Shortcut, filters: int, stride: int) -> list[Layer]:
    """The layers that the input of a block goes through on its way past it."""
    if shortcut not in SHORTCUTS:
        raise OptionError(f"shortcut must be one of {', '.join(map(repr, SHORTCUTS))}, not {shortcut!r}")
    if shortcut == "projection":
        return [Conv2D(filters, 1, stride, bias=False), BatchNorm2D()]
    return [PaddedShortcut(filters, stride)] if shortcut == "padded" else []


class ResNet(Model):
    """A convolution of 7x7 and max pooling, both of stride 2; stages of blocks; the mean of each map; dense `classes`.

    blocks: how many each stage has. The first stage has `filters` (64) in its blocks and each later one twice as many,
    on images of half the size.  bottleneck: whether they are Bottlenecks, else BasicBlocks.  shortcuts: "projection" or
    "padded" where a block changes the shape, and then the identity in all others; False leaves all out, which is the
    plain network of the paper.  small_images: the first convolution is 3x3 of stride 1, without pooling, as for CIFAR.

    Names and shapes of the weights are torchvision's. They start as He's, those of the last layer as N(0, 0.01). Counts
    of parameters are of those that are learned: the running statistics of batch normalisation come on top.
    Source: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016.

    Elsewhere: torchvision.models.ResNet.
    """

    kind = "resnet"

    def __init__(
        self,
        blocks: Sequence[int] = (2, 2, 2, 2),
        filters: int = 64,
        bottleneck: bool = False,
        shortcuts: Shortcut = "projection",
        small_images: bool = False,
        classes: int = 1000,
        input_shape: Shape = (3, 224, 224),
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        if shortcuts == "identity":
            raise OptionError('ResNet: shortcuts must be "projection", "padded" or False, not \'identity\'')
        if not isinstance(blocks, (tuple, list)) or not blocks:
            raise OptionError(f"ResNet: blocks must be how many each stage has, such as (2, 2, 2, 2), not {blocks!r}")
        self.blocks = tuple(whole("ResNet: blocks", count) for count in blocks)
        self.filters, self.bottleneck, self.shortcuts = filters, bottleneck, shortcuts
        self.small_images, self.classes = small_images, classes
        size, stride = (3, 1) if small_images else (7, 2)
        self.conv1, self.bn1 = Conv2D(filters, size, stride, padding=size // 2, bias=False), BatchNorm2D()
        self.relu, self.maxpool = ReLU(), None if small_images else MaxPool2D(3, 2, padding=1)
        for stage, count in enumerate(self.blocks):
            setattr(self, f"layer{stage + 1}", self._stage(stage, count))
        self.avgpool, self.fc = GlobalAvgPool2D(), Dense(classes, initializer=0.01)
        self.build(input_shape)

    def _stage(self, stage: int, count: int) -> list[Network]:
        """Its blocks: the first one may change the shape."""
        kind, filters, stride = Bottleneck if self.bottleneck else BasicBlock, self.filters * 2**stage, 1 + (stage > 0)
        changes = stage > 0 or kind.expansion > 1
        rest: Shortcut = "identity" if self.shortcuts else False
        return [
            kind(filters, stride, self.shortcuts if changes else rest),
            *(kind(filters, 1, rest) for _ in range(count - 1)),
        ]

    def call(self, x: Any) -> Any:
        x = self.relu(self.bn1(self.conv1(x)))
        if self.maxpool is not None:
            x = self.maxpool(x)
        for stage in range(len(self.blocks)):
            x = through(getattr(self, f"layer{stage + 1}"), x)
        return self.fc(self.avgpool(x))


class _ForImageNet(ResNet):
    """The base of those that the paper has for ImageNet: only the blocks of their stages differ."""

    published: ClassVar[Sequence[int]]
    published_bottleneck = False

    def __init__(
        self,
        classes: int = 1000,
        shortcuts: Shortcut = "projection",
        small_images: bool = False,
        input_shape: Shape = (3, 224, 224),
        name: str | None = None,
    ) -> None:
        super().__init__(
            self.published, 64, self.published_bottleneck, shortcuts, small_images, classes, input_shape, name
        )


class ResNet18(_ForImageNet):
    """ResNet of 2, 2, 2 and 2 BasicBlocks (He et al., 2016): 11,689,512 parameters with 1000 classes.

    Input: (N, 3, 224, 224), or of other sizes.
    Elsewhere: torchvision.models.resnet18.
    """

    published = (2, 2, 2, 2)


class ResNet34(_ForImageNet):
    """ResNet of 3, 4, 6 and 3 BasicBlocks (He et al., 2016): 21,797,672 parameters with 1000 classes.

    Input: (N, 3, 224, 224), or of other sizes.
    Elsewhere: torchvision.models.resnet34.
    """

    published = (3, 4, 6, 3)


class ResNet50(_ForImageNet):
    """ResNet of 3, 4, 6 and 3 Bottlenecks (He et al., 2016): 25,557,032 parameters with 1000 classes.

    Input: (N, 3, 224, 224), or of other sizes.
    Elsewhere: torchvision.models.resnet50; keras.applications.ResNet50.
    """

    published = (3, 4, 6, 3)
    published_bottleneck = True


class _ForCIFAR(ResNet):
    """The base of those that the paper has for CIFAR: only the number of blocks differs."""

    published: ClassVar[Sequence[int]]

    def __init__(
        self,
        classes: int = 10,
        shortcuts: Shortcut = "padded",
        input_shape: Shape = (3, 32, 32),
        name: str | None = None,
    ) -> None:
        super().__init__(self.published, 16, False, shortcuts, True, classes, input_shape, name)


class ResNet20(_ForCIFAR):
    """ResNet of 20 layers for images (N, 3, 32, 32), such as CIFAR's (He et al., 2016, section 4.2): three stages of 3
    BasicBlocks with 16, 32 and 64 filters. 269,722 parameters for 10 classes.

    The shortcuts are those of the paper, "padded" (option A), without parameters; "projection" is option B, and False
    gives the plain network of as many layers.
    """

    published = (3, 3, 3)


class ResNet56(_ForCIFAR):
    """ResNet of 56 layers for images (N, 3, 32, 32), such as CIFAR's (He et al., 2016, section 4.2): three stages of 9
    BasicBlocks with 16, 32 and 64 filters. 853,018 parameters for 10 classes.

    The shortcuts are those of the paper, "padded" (option A), without parameters; "projection" is option B, and False
    gives the plain network of as many layers.
    """

    published = (9, 9, 9)
