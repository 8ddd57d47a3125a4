"""A vector for each number of a vocabulary."""

from collections.abc import Iterable
from typing import Any

from xpnet import initializers, regularizers
from xpnet.backend import Array
from xpnet.base.checks import whole
from xpnet.core.declare import Declared, Shape
from xpnet.core.layer import Back, Layer
from xpnet.core.parameter import Parameter
from xpnet.errors import DataError, OptionError

__all__ = ["Embedding"]


class Embedding(Layer):
    """y = weight[x]: x (N, ...) integers from 0 to vocabulary - 1, weight (vocabulary, size), y (N, ..., size).

    dweight[v] is the sum of dy where x is v, in the order of the batch: the same bits each time. Words as vectors that
    are learned: Bengio et al., 2003.

    vocabulary: how many numbers there are.  size: of a vector.  initializer: of the weight; the default is a standard
    deviation of 1, as in PyTorch.  regularizer: of the weight: a name ("l2", ...), regularizers.L2(1e-4) or None.
    padding_index: a number that stands for nothing, such as what sequences are padded with: its vector starts as zeros
    and takes no gradient.

    Raises DataError for a number out of range; on a GPU, which would have to be waited for, such a y is arbitrary.

    Elsewhere: torch.nn.Embedding; keras.layers.Embedding; the book's TimeEmbedding.
    """

    kind = "embedding"
    gives = "scores"
    takes_integers = True
    weight: Parameter

    def __init__(
        self,
        vocabulary: int,
        size: int,
        initializer: Any = 1.0,
        name: str | None = None,
        regularizer: Any = None,
        padding_index: int | None = None,
    ) -> None:
        super().__init__(name)
        self.vocabulary, self.size = whole("Embedding: vocabulary", vocabulary), whole("Embedding: size", size)
        initializers.get(initializer)  # an unknown one is an error now, not at build
        self.initializer, self.regularizer = initializer, regularizers.get(regularizer)
        if padding_index is not None and whole("Embedding: padding_index", padding_index, 0) >= vocabulary:
            raise OptionError(
                f"Embedding: padding_index must be one of the numbers 0 to {vocabulary - 1}, not {padding_index}"
            )
        self.padding_index = padding_index

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape, self.size)

    def declare(self, shape: Shape) -> Iterable[Declared]:
        fans = self.vocabulary, self.size
        yield Declared("weight", (self.vocabulary, self.size), self.initializer, *fans, regularizer=self.regularizer)

    def build_inside(self, output: Shape) -> None:
        if self.padding_index is not None:
            value = self.backend.copy(self.weight.value)
            value[self.padding_index, ...] = 0
            self.weight.value = value

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        if not self.backend.lazy:
            self._check_range(x)
        y = self.backend.embedding(x, self.weight.value)

        def back(dy: Array) -> None:
            dw = self.backend.embedding_backward(dy, x, self.vocabulary)
            if self.padding_index is not None:
                dw[self.padding_index, ...] = 0
            self.weight.add_grad(dw)

        return y, back

    def _check_range(self, x: Array) -> None:
        for number in (int(self.xp.min(x)), int(self.xp.max(x))):
            if not 0 <= number < self.vocabulary:
                raise DataError(
                    f"{self.label}: the input holds {number}, but a vocabulary of {self.vocabulary} has the numbers 0"
                    f" to {self.vocabulary - 1}"
                )
