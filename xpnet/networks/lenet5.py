"""LeNet-5: as it is taught today, and as it was published in 1998."""

from collections.abc import Iterable, Sequence

import numpy as np

from xpnet.backend import Array
from xpnet.backend.window import Window
from xpnet.core.declare import Declared, Shape
from xpnet.core.layer import Back, Layer
from xpnet.core.parameter import Parameter
from xpnet.errors import OptionError
from xpnet.initializers import Initializer, uniform
from xpnet.layers import Conv2D, Dense, Flatten, MaxPool2D, Tanh
from xpnet.model import Sequential
from xpnet.networks.radial_basis import DIGIT_CODES, RadialBasis

# Which maps of S2 each map of C3 sees: table I of the paper, column by column.
CONNECTIONS = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip


class LeNet5(Sequential):
    """Convolutions 6@5x5 and 16@5x5, each with pooling 2x2; dense 120, 84, 10.

    variant "modern" (61,706 parameters): ReLU, max pooling, C3 sees all maps of S2.
    variant "1998" (60,850): scaled tanh 1.7159 tanh(2/3 x), sub-sampling with a learned scale and bias for each map,
    and the paper's table of connections between S2 and C3. The layers up to F6 have the paper's 60,000 parameters; in
    the place of the paper's fixed radial basis functions stands a dense layer of 850.
    output "rbf" (60,000), of that variant: the paper's own, RadialBasis. What comes out are scores, the paper's
    penalties with the sign turned round, so the largest is the answer; the paper's loss is "rubbish_cross_entropy".

    Both pad 28x28 images to the paper's 32x32. Source: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning
    applied to document recognition", 1998.
    """

    kind = "lenet5"

    def __init__(
        self,
        classes: int = 10,
        variant: str = "modern",
        input_shape: tuple[int, ...] = (1, 28, 28),
        name: str | None = None,
        output: str = "dense",
    ) -> None:
        if output not in ("dense", "rbf") or (output == "rbf" and (variant, classes) != ("1998", len(DIGIT_CODES))):
            raise OptionError(
                f'LeNet5: output must be "dense" or, for ten classes of variant "1998", "rbf", not {output!r}'
            )
        if variant == "modern":
            layers = _modern(classes)
        elif variant == "1998":
            layers = _as_published(classes, output)
        else:
            raise OptionError(f'LeNet5: variant must be "modern" or "1998", not {variant!r}')
        super().__init__(layers, name)
        self.classes, self.variant, self.output = classes, variant, output
        self.build(input_shape)


def _modern(classes: int) -> list[Layer]:
    return [
        Conv2D(6, 5, padding=2, activation="relu", name="c1"),
        MaxPool2D(2, name="s2"),
        Conv2D(16, 5, activation="relu", name="c3"),
        MaxPool2D(2, name="s4"),
        Flatten(),
        Dense(120, activation="relu", name="c5"),
        Dense(84, activation="relu", name="f6"),
        Dense(classes, name="output"),
    ]


def _as_published(classes: int, output: str) -> list[Layer]:
    def squash() -> Tanh:
        return Tanh(amplitude=1.7159, slope=2 / 3)

    xavier = "xavier_uniform"
    return [
        Conv2D(6, 5, padding=2, activation=squash(), initializer=xavier, name="c1"),
        Subsampling(name="s2"),
        squash(),
        TableConv2D(CONNECTIONS, 5, name="c3"),
        squash(),
        Subsampling(name="s4"),
        squash(),
        Flatten(),
        Dense(
            120, activation=squash(), initializer=xavier, name="c5"
        ),  # on 5x5 maps a convolution of 5x5 is a dense layer
        Dense(84, activation=squash(), initializer=xavier, name="f6"),
        RadialBasis(name="output") if output == "rbf" else Dense(classes, initializer=xavier, name="output"),
    ]


class Subsampling(Layer):
    """y[c] = weight[c] * (sum of each 2x2 window of x[c]) + bias[c]: (N, C, H, W) -> (N, C, H/2, W/2). LeCun, 1998."""

    kind = "subsampling"
    weight: Parameter
    bias: Parameter
    window = Window(kernel=(2, 2), stride=(2, 2))

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3 or min(shape[1:]) < 2:
            raise self.wrong_shape(shape, "(N, C, H, W) of at least 2x2")
        if self._built and shape[0] != self.weight.shape[0]:
            raise self.wrong_shape(shape, f"(N, {self.weight.shape[0]}, H, W)")
        return shape[0], shape[1] // 2, shape[2] // 2

    def declare(self, shape: Shape) -> Iterable[Declared]:
        return Declared("weight", shape[:1], value=0.25), Declared("bias", shape[:1])  # starts as the mean

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        xp, size = self.xp, x.shape[2:]
        total = self.backend.avg_pool2d(x, self.window) * 4
        scale = xp.reshape(self.weight.value, (1, -1, 1, 1))
        y = total * scale + xp.reshape(self.bias.value, (1, -1, 1, 1))

        def back(dy: Array) -> Array:
            self.weight.add_grad(self.backend.sum(dy * total, axis=(0, 2, 3)))
            self.bias.add_grad(self.backend.sum(dy, axis=(0, 2, 3)))
            return self.backend.avg_pool2d_backward(dy * scale * 4, size, self.window)

        return y, back


class _EachByItsFanIn(Initializer):
    """Uniform in +-2.4 / fan_in, as the paper's appendix has it, and each kernel has its own."""

    def __init__(self, fans_in: Sequence[int]) -> None:
        self.fans_in = fans_in

    def __call__(self, shape: Shape, fan_in: int, fan_out: int) -> np.ndarray:
        limits = np.array([2.4 / n for n in self.fans_in], np.float32)
        return uniform(shape, 1.0) * limits[:, None, None]  # (connections, K, K)


class TableConv2D(Layer):
    """A convolution whose output map o sees the input maps table[o] only; `weight` holds a kernel for each connection.

    weight (connections, K, K), in the order of the table; bias (len(table),).
    """

    kind = "conv"
    weight: Parameter
    bias: Parameter

    def __init__(self, table: tuple[tuple[int, ...], ...], kernel_size: int, name: str | None = None) -> None:
        super().__init__(name)
        if not table or not all(row and len(set(row)) == len(row) and min(row) >= 0 for row in table):
            raise OptionError(
                "TableConv2D: the table must list, for each output map, the different input maps that it sees"
            )
        self.table, self.kernel_size = tuple(tuple(row) for row in table), kernel_size
        self.window = Window(kernel=(kernel_size, kernel_size))

    def output_shape(self, shape: Shape) -> Shape:
        K, C = self.kernel_size, max(max(row) for row in self.table) + 1
        if len(shape) != 3 or shape[0] != C or min(shape[1:]) < K:
            raise self.wrong_shape(shape, f"(N, {C}, H, W) of at least {K}x{K}")
        return len(self.table), shape[1] - K + 1, shape[2] - K + 1

    def declare(self, shape: Shape) -> Iterable[Declared]:
        K, fans_in = self.kernel_size, [len(row) * self.kernel_size**2 for row in self.table for _ in row]
        return (
            Declared("weight", (len(fans_in), K, K), _EachByItsFanIn(fans_in)),
            Declared("bias", (len(self.table),)),
        )

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        full = self._full_kernel(x.shape[1])
        y = self.backend.conv2d(x, full, self.bias.value, self.window)

        def back(dy: Array) -> Array:
            dx, dw, db = self.backend.conv2d_backward(dy, x, full, y, self.window)
            assert dw is not None  # as it was not left out
            connected = [dw[o : o + 1, c, ...] for o, row in enumerate(self.table) for c in row]  # each (1, K, K)
            self.weight.add_grad(self.xp.concat(connected, axis=0))
            self.bias.add_grad(db)
            return dx

        return y, back

    def _full_kernel(self, C: int) -> Array:
        """(maps out, maps in, K, K), zero where the table has no connection."""
        K, connection = self.kernel_size, 0
        full = self.backend.zeros((len(self.table), C, K, K), self.dtype)
        for o, row in enumerate(self.table):
            for c in row:
                full[o, c, ...] = self.weight.value[connection, ...]
                connection += 1
        return full
