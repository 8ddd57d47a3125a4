"""The table of every layer, with what only the tests need: the laws of test_laws.py are held against it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tests.kit.strategies import normal, spaced
from xpnet.backend import Array, Backend
from xpnet.cli.layer_cases import LAYER_CASES, Shape
from xpnet.core.layer import Layer
from xpnet.layers import Conv2D, LeakyReLU


class Case(NamedTuple):
    """A layer and inputs for it, without the batch."""

    name: str
    make: Callable[[], Layer]
    shapes: tuple[Shape, ...]
    integers: int = 0  # how many numbers there are, for a layer of integers
    needs_spaced: bool = False  # the layer has kinks: no ties, no zeros
    wrong: tuple[tuple[Shape, ...], ...] = ()  # inputs that it cannot take once it is built

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
        if self.integers:
            rng = np.random.default_rng(seed)
            return [rng.integers(0, self.integers, (batch, *shape)) for shape in self.shapes]
        draw = spaced if self.needs_spaced else normal
        return [draw((batch, *shape), seed + i, dtype) for i, shape in enumerate(self.shapes)]

    def inputs(self, backend: Backend, dtype: str = "float32", seed: int = 10, batch: int = 3) -> list[Array]:
        return [backend.asarray(x) for x in self.host_inputs(dtype, seed, batch)]


NO_IMAGE: Any = (((4,),), ((4, 6),), ((1, 4, 6, 5),))
OTHER_CHANNELS: Any = (((3, 6, 5),), ((8, 6, 5),))

# Inputs that a layer cannot take once it is built, by the names of the cases.
WRONG: dict[str, Any] = {
    "conv": (*NO_IMAGE, *OTHER_CHANNELS, ((4, 2, 5),)),
    "conv same tanh": OTHER_CHANNELS,
    "conv same relu": NO_IMAGE,
    "conv groups dilated": OTHER_CHANNELS,
    "conv valid even kernel": OTHER_CHANNELS,
    "conv asymmetric": NO_IMAGE,
    "conv groups": OTHER_CHANNELS,
    "conv depthwise tanh": OTHER_CHANNELS,
    "conv gaps": OTHER_CHANNELS,
    "dense": (((4,),), ((6, 1),), ((),), ((6, 1, 1),)),
    "dense of a sequence": (((5, 4),), ((6, 6, 6),)),
    "dense sigmoid no bias": (((5,),),),
    "dense relu no bias": (((5,),),),
    "dense sigmoid": (((5,),),),
    "max pool": (*NO_IMAGE, ((4, 1, 5),)),
    "max pool overlapping": NO_IMAGE,
    "max pool same": NO_IMAGE,
    "max pool asymmetric": NO_IMAGE,
    "max pool of one pixel": NO_IMAGE,
    "average pool": (*NO_IMAGE, ((4, 1, 5),)),
    "average pool same": NO_IMAGE,
    "average pool overlapping": NO_IMAGE,
    "average pool of one pixel": NO_IMAGE,
    "global average pool": NO_IMAGE,
    "batch norm 1d": (((4,),), ((6, 2, 2),)),
    "batch norm 2d": (*NO_IMAGE, *OTHER_CHANNELS),
    "lrn": (((),),),
    "softmax": (((),),),
    "log softmax": (((),),),
    "add": (((2, 3),), ((2, 3), (2, 4))),
    "add three": (((5,), (5,), (4,)),),
    "average": (((2, 3),), ((2, 3), (2, 4))),
    "average of three": (((5,), (5,), (4,)),),
    "concat channels": (((2, 3, 3), (2, 3, 4)), ((2, 3, 3),)),
    "concat columns": (((2, 3), (2, 3)),),
    "split channels": (((3, 6, 5),), ((),)),
    "split columns": (((4, 6, 6),), ((4, 6),)),
    "split vector": (((2,),), ((7,),)),
    "rnn": (((5, 4),), ((6,),), ((0, 6),), ((5, 6), (3,))),
    "rnn from a state": (((5, 6), (4,)),),
    "rnn with state": (((5, 6), (3, 1)),),
    "rnn stateful": (((5, 6), (4,)),),
}
KINKED = ("max pool", "relu", "leaky relu")  # the beginnings of the names of layers with kinks

# Without a bias its outputs at the padding lie on the kink: gradients need the random parameters of `Case.layer`.
PADDED = Case(
    "conv 1x1 padded", lambda: Conv2D(3, 1, padding=(2, 1), activation=LeakyReLU(0.2)), ((4, 6, 5),), wrong=NO_IMAGE
)

CASES = (
    *(Case(*case, needs_spaced=case.name.startswith(KINKED), wrong=WRONG.get(case.name, ())) for case in LAYER_CASES),
    PADDED,
)
