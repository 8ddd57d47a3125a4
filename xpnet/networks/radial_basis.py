"""The output of LeNet-5 in 1998: how far the last hidden layer is from the picture of each digit."""

from collections.abc import Sequence

from xpnet.backend import Array
from xpnet.base.checks import integer
from xpnet.core.declare import Shape
from xpnet.core.layer import Back, Layer
from xpnet.errors import OptionError
from xpnet.layers.constants import constant

# Ten digits of 7 x 12 pixels, after figure 3 of the paper: digits that look alike have codes that are alike.
PICTURES = """
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
..###.. ...##.. .#####. .#####. ....##. ####### ..####. ####### .#####. .#####.
.##.##. ..###.. ##...## ##...## ...###. ##..... .##.... .....## ##...## ##...##
##...## .####.. ##...## .....## ..####. ##..... ##..... .....## ##...## ##...##
##...## ...##.. .....## .....## .##.##. ######. ##..... ....##. ##...## ##...##
##...## ...##.. ....##. ..####. ##..##. .....## ######. ....##. .#####. .######
##...## ...##.. ...##.. .....## ####### .....## ##...## ...##.. ##...## .....##
##...## ...##.. ..##... .....## ....##. .....## ##...## ...##.. ##...## .....##
##...## ...##.. .##.... .....## ....##. .....## ##...## ..##... ##...## .....##
.##.##. ...##.. ##..... ##...## ....##. ##...## ##...## ..##... ##...## ....##.
..###.. .###### ####### .#####. ....##. .#####. .#####. ..##... .#####. .####..
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
"""
_ROWS = [line.split() for line in PICTURES.split("\n") if line]  # of ten digits each
# 84 numbers for each digit, its rows behind one another: 1 for ink, -1 for paper.
DIGIT_CODES = tuple(tuple(1 if p == "#" else -1 for row in _ROWS for p in row[digit]) for digit in range(10))


class RadialBasis(Layer):
    """y[n,i] = -sum_j (x[n,j] - codes[i][j])**2;  dx[n] = -2 sum_i dy[n,i] (x[n] - codes[i]).

    The paper's radial basis functions are penalties, of which the smallest is the answer. Here they are negative, so
    that they are scores like any other: the largest is the answer. Up to a constant, they are logarithms of what a
    normal distribution around each code makes of x.

    Shapes: x (N, J), y (N, classes). codes: `classes` rows of J whole numbers, which are not learned.

    Source: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", 1998.
    """

    kind = "radial_basis"
    gives = "scores"

    def __init__(self, codes: Sequence[Sequence[int]] = DIGIT_CODES, name: str | None = None) -> None:
        super().__init__(name)
        self.codes = tuple(tuple(integer("RadialBasis: codes", number) for number in row) for row in codes)
        if not self.codes or not self.codes[0] or len({len(row) for row in self.codes}) > 1:
            raise OptionError("RadialBasis: codes must be rows of one length, one for each class")

    def output_shape(self, shape: Shape) -> Shape:
        if shape != (len(self.codes[0]),):
            raise self.wrong_shape(shape, f"(N, {len(self.codes[0])}), as many as each code has numbers")
        return (len(self.codes),)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        difference = x[:, None, :] - constant(self.backend, self.dtype, tuple, self.codes)  # (N, classes, J)

        def back(dy: Array) -> Array:
            return -2 * self.backend.sum(dy[:, :, None] * difference, axis=1)

        return -self.backend.sum(difference * difference, axis=2), back
