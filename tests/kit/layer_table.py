"""One table of every layer, in several configurations each: what the laws of test_laws.py are held against."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tests.kit.strategies import normal, spaced
from xpnet.backend import Array, Backend
from xpnet.core.layer import Layer
from xpnet.layers import (
    Add,
    Average,
    AvgPool2D,
    BatchNorm1D,
    BatchNorm2D,
    Concat,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    LeakyReLU,
    LocalResponseNorm,
    LogSoftmax,
    MaxPool2D,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)

Shape = tuple[int, ...]


class Case(NamedTuple):
    """A layer and inputs for it, without the batch."""

    name: str
    make: Callable[[], Layer]
    shapes: tuple[Shape, ...]
    needs_spaced: bool = False  # the layer has kinks: no ties, no zeros
    wrong: tuple[tuple[Shape, ...], ...] = ()  # inputs that it cannot take once it is built

    def layer(self, backend: Backend, dtype: str = "float32", seed: int = 1) -> Layer:
        """The layer, built, with random parameters; running variances are positive."""
        layer = self.make().to(backend).astype(dtype)
        layer.forward(*self.inputs(backend, dtype))
        for index, parameter in enumerate(layer.parameters()):
            value = normal(parameter.shape, seed + index, dtype)
            parameter.value = np.abs(value) + 0.5 if "var" in parameter.name else value
        return layer

    def host_inputs(self, dtype: str = "float32", seed: int = 10, batch: int = 3) -> list[np.ndarray]:
        draw = spaced if self.needs_spaced else normal
        return [draw((batch, *shape), seed + i, dtype) for i, shape in enumerate(self.shapes)]

    def inputs(self, backend: Backend, dtype: str = "float32", seed: int = 10, batch: int = 3) -> list[Array]:
        return [backend.asarray(x) for x in self.host_inputs(dtype, seed, batch)]


IMAGE = ((4, 6, 5),)
NO_IMAGE: Any = (((4,),), ((4, 6),), ((1, 4, 6, 5),))
OTHER_CHANNELS: Any = (((3, 6, 5),), ((8, 6, 5),))

CASES = (
    Case("conv", lambda: Conv2D(3, 3), IMAGE, wrong=(*NO_IMAGE, *OTHER_CHANNELS, ((4, 2, 5),))),
    Case("conv same relu", lambda: Conv2D(3, 3, stride=2, padding="same", activation="relu"), IMAGE, wrong=NO_IMAGE),
    Case("conv valid even kernel", lambda: Conv2D(2, (2, 4), padding="valid"), IMAGE, wrong=OTHER_CHANNELS),
    Case("conv asymmetric", lambda: Conv2D(3, (3, 2), (2, 1), ((1, 2), (0, 3)), (2, 1)), IMAGE, wrong=NO_IMAGE),
    Case("conv groups", lambda: Conv2D(6, 3, padding=1, groups=2, bias=False), IMAGE, wrong=OTHER_CHANNELS),
    Case("conv depthwise tanh", lambda: Conv2D(4, 3, groups=4, activation="tanh"), IMAGE, wrong=OTHER_CHANNELS),
    Case("conv 1x1 padded", lambda: Conv2D(3, 1, padding=(2, 1), activation=LeakyReLU(0.2)), IMAGE, wrong=NO_IMAGE),
    Case("conv gaps", lambda: Conv2D(2, 1, stride=3), IMAGE, wrong=OTHER_CHANNELS),
    Case("max pool", lambda: MaxPool2D(2), IMAGE, True, (*NO_IMAGE, ((4, 1, 5),))),
    Case("max pool overlapping", lambda: MaxPool2D(3, stride=1, padding=1), IMAGE, True, NO_IMAGE),
    Case("max pool same", lambda: MaxPool2D((3, 2), 2, "same"), IMAGE, True, NO_IMAGE),
    Case("max pool asymmetric", lambda: MaxPool2D(3, (1, 2), ((0, 2), (1, 0))), IMAGE, True, NO_IMAGE),
    Case("max pool of one pixel", lambda: MaxPool2D(1, stride=2), IMAGE, True, NO_IMAGE),
    Case("average pool", lambda: AvgPool2D(2), IMAGE, wrong=(*NO_IMAGE, ((4, 1, 5),))),
    Case("average pool overlapping", lambda: AvgPool2D((3, 2), 1, ((1, 2), (0, 1))), IMAGE, wrong=NO_IMAGE),
    Case("average pool of one pixel", lambda: AvgPool2D(1), IMAGE, wrong=NO_IMAGE),
    Case("global average pool", GlobalAvgPool2D, IMAGE, wrong=NO_IMAGE),
    Case("dense", lambda: Dense(4), ((5,),), wrong=(((4,),), ((5, 1),), ((),))),
    Case("dense relu no bias", lambda: Dense(4, bias=False, activation="relu"), ((5,),), wrong=(((6,),),)),
    Case("dense sigmoid", lambda: Dense(3, activation="sigmoid", initializer=0.1), ((5,),), wrong=(((6,),),)),
    Case("flatten image", Flatten, ((2, 3, 4),)),
    Case("flatten vector", Flatten, ((5,),)),
    Case("batch norm 1d", BatchNorm1D, ((5,),), wrong=(((4,),), ((5, 2, 2),))),
    Case("batch norm 2d", lambda: BatchNorm2D(0.3, 1e-3), IMAGE, wrong=(*NO_IMAGE, *OTHER_CHANNELS)),
    Case("lrn", lambda: LocalResponseNorm(3, alpha=0.5, k=2.0), ((6, 2, 3),), wrong=(((),),)),
    Case("lrn even size", lambda: LocalResponseNorm(4, alpha=0.8, beta=0.5), ((6, 2, 3),)),
    Case("lrn one channel", lambda: LocalResponseNorm(1, alpha=0.5), ((3,),)),
    Case("lrn wider than the channels", lambda: LocalResponseNorm(9, alpha=0.9), ((3, 2, 2),)),
    Case("relu", ReLU, ((4, 3),), True),
    Case("leaky relu", lambda: LeakyReLU(0.3), ((4, 3),), True),
    Case("sigmoid", Sigmoid, ((4, 3),)),
    Case("tanh", Tanh, ((7,),)),
    Case("tanh of LeNet", lambda: Tanh(1.7159, 2 / 3), ((2, 3, 2),)),
    Case("softmax", Softmax, ((6,),), wrong=(((),),)),
    Case("softmax of the last axis", lambda: Softmax(-1), ((2, 3, 4),)),
    Case("log softmax", LogSoftmax, ((6,),), wrong=(((),),)),
    Case("log softmax of the last axis", lambda: LogSoftmax(-1), ((2, 3, 4),)),
    Case("dropout", lambda: Dropout(0.4), ((4, 5),)),
    Case("dropout of nothing", lambda: Dropout(0.0), ((4, 5),)),
    Case("add", Add, ((2, 3), (2, 3)), wrong=(((2, 3),), ((2, 3), (2, 4)))),
    Case("add three", Add, ((5,), (5,), (5,)), wrong=(((5,), (5,), (4,)),)),
    Case("average", Average, ((2, 3), (2, 3)), wrong=(((2, 3),), ((2, 3), (2, 4)))),
    Case("average of three", Average, ((5,), (5,), (5,)), wrong=(((5,), (5,), (4,)),)),
    Case("concat channels", Concat, ((2, 3, 3), (1, 3, 3), (4, 3, 3)), wrong=(((2, 3, 3), (2, 3, 4)), ((2, 3, 3),))),
    Case("concat columns", lambda: Concat(3), ((2, 3, 1), (2, 3, 4)), wrong=(((2, 3), (2, 3)),)),
)
