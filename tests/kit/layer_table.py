"""The table of every layer, with what only the tests need: the laws of tests/laws are held against it."""

from typing import NamedTuple

import numpy as np

from tests.kit.strategies import normal, spaced
from xpnet.backend import Array, Backend
from xpnet.cli.layer_cases import LAYER_CASES, LayerCase
from xpnet.cli.layer_cases.base import NO_IMAGE, Shapes
from xpnet.core.layer import Layer
from xpnet.layers import Conv2D, LeakyReLU


class Case(NamedTuple):
    """A row of the table, with inputs for its layer."""

    row: LayerCase

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def shapes(self) -> Shapes:
        return self.row.shapes

    @property
    def all_integers(self) -> bool:
        return all(self.row.counts)

    def make(self) -> Layer:
        return self.row.make()

    def layer(self, backend: Backend, dtype: str = "float32", seed: int = 1) -> Layer:
        """The layer, built, with random parameters; running variances are positive."""
        layer = self.make().to(backend).astype(dtype)
        layer.forward(*self.inputs(backend, dtype))
        layer.reset_state()
        for index, parameter in enumerate(layer.parameters()):
            value = normal(parameter.shape, seed + index, dtype)
            parameter.value = np.abs(value) + 0.5 if "var" in parameter.name else value
        return layer

    def host_inputs(self, dtype: str = "float32", seed: int = 10, batch: int = 3) -> list[np.ndarray]:
        draw = spaced if self.row.has_kinks else normal
        return [
            np.random.default_rng(seed + i).integers(0, count, (batch, *shape))
            if count
            else draw((batch, *shape), seed + i, dtype)
            for i, (shape, count) in enumerate(zip(self.shapes, self.row.counts, strict=True))
        ]

    def inputs(self, backend: Backend, dtype: str = "float32", seed: int = 10, batch: int = 3) -> list[Array]:
        return [backend.asarray(x) for x in self.host_inputs(dtype, seed, batch)]

    def zeros(self, backend: Backend, batch: int = 2, dtype: str = "float32") -> list[Array]:
        """Inputs of zeros; `dtype` is that of floating point numbers."""
        kinds = ["int64" if count else dtype for count in self.row.counts]
        return [backend.zeros((batch, *shape), kind) for shape, kind in zip(self.shapes, kinds, strict=True)]


# Without a bias its outputs at the padding lie on the kink: gradients need the random parameters of `Case.layer`.
PADDED = LayerCase(
    "conv 1x1 padded", lambda: Conv2D(3, 1, padding=(2, 1), activation=LeakyReLU(0.2)), ((4, 6, 5),), wrong=NO_IMAGE
)

CASES = tuple(Case(row) for row in (*LAYER_CASES, PADDED))
