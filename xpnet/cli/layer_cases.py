"""Every layer in several configurations, with inputs for it: what `xpnet gradcheck` and the tests go through."""

from collections.abc import Callable
from typing import NamedTuple

from xpnet import layers
from xpnet.core.layer import Layer

Shape = tuple[int, ...]


class LayerCase(NamedTuple):
    """A layer, and the shapes of inputs for it, without the batch."""

    name: str
    make: Callable[[], Layer]
    shapes: tuple[Shape, ...]
    integers: int = 0  # how many numbers there are, for a layer of integers


VECTOR, IMAGE = ((6,),), ((4, 6, 5),)
SEQUENCE = ((5, 6),)
CHANNELS = ((6, 2, 3),)  # of a normalization across them

LAYER_CASES = (
    LayerCase("conv", lambda: layers.Conv2D(3, 3), IMAGE),
    LayerCase("conv same tanh", lambda: layers.Conv2D(3, 3, stride=2, padding="same", activation="tanh"), IMAGE),
    LayerCase("conv same relu", lambda: layers.Conv2D(3, 3, stride=2, padding="same", activation="relu"), IMAGE),
    LayerCase(
        "conv groups dilated",
        lambda: layers.Conv2D(4, (2, 3), padding=((1, 2), (0, 1)), dilation=2, groups=2, bias=False),
        IMAGE,
    ),
    LayerCase("conv valid even kernel", lambda: layers.Conv2D(2, (2, 4), padding="valid"), IMAGE),
    LayerCase("conv asymmetric", lambda: layers.Conv2D(3, (3, 2), (2, 1), ((1, 2), (0, 3)), (2, 1)), IMAGE),
    LayerCase("conv groups", lambda: layers.Conv2D(6, 3, padding=1, groups=2, bias=False), IMAGE),
    LayerCase("conv depthwise tanh", lambda: layers.Conv2D(4, 3, groups=4, activation="tanh"), IMAGE),
    LayerCase("conv gaps", lambda: layers.Conv2D(2, 1, stride=3), IMAGE),
    LayerCase("dense", lambda: layers.Dense(4), VECTOR),
    LayerCase("dense sigmoid no bias", lambda: layers.Dense(4, bias=False, activation="sigmoid"), VECTOR),
    LayerCase("dense relu no bias", lambda: layers.Dense(4, bias=False, activation="relu"), VECTOR),
    LayerCase("dense sigmoid", lambda: layers.Dense(3, activation="sigmoid", initializer=0.1), VECTOR),
    LayerCase("dense of a sequence", lambda: layers.Dense(4, activation="softmax"), SEQUENCE),
    LayerCase("max pool", lambda: layers.MaxPool2D(2), IMAGE),
    LayerCase("max pool overlapping", lambda: layers.MaxPool2D(3, stride=1, padding=1), IMAGE),
    LayerCase("max pool same", lambda: layers.MaxPool2D((3, 2), 2, "same"), IMAGE),
    LayerCase("max pool asymmetric", lambda: layers.MaxPool2D(3, (1, 2), ((0, 2), (1, 0))), IMAGE),
    LayerCase("max pool of one pixel", lambda: layers.MaxPool2D(1, stride=2), IMAGE),
    LayerCase("average pool", lambda: layers.AvgPool2D(2), IMAGE),
    LayerCase("average pool same", lambda: layers.AvgPool2D(3, stride=2, padding="same"), IMAGE),
    LayerCase("average pool overlapping", lambda: layers.AvgPool2D((3, 2), 1, ((1, 2), (0, 1))), IMAGE),
    LayerCase("average pool of one pixel", lambda: layers.AvgPool2D(1), IMAGE),
    LayerCase("global average pool", layers.GlobalAvgPool2D, IMAGE),
    LayerCase("flatten image", layers.Flatten, IMAGE),
    LayerCase("flatten vector", layers.Flatten, VECTOR),
    LayerCase("relu", layers.ReLU, IMAGE),
    LayerCase("leaky relu", layers.LeakyReLU, IMAGE),
    LayerCase("leaky relu of another slope", lambda: layers.LeakyReLU(0.3), VECTOR),
    LayerCase("sigmoid", layers.Sigmoid, IMAGE),
    LayerCase("tanh", layers.Tanh, VECTOR),
    LayerCase("tanh of LeNet", lambda: layers.Tanh(1.7159, 2 / 3), IMAGE),
    LayerCase("softmax", layers.Softmax, VECTOR),
    LayerCase("softmax of the last axis", lambda: layers.Softmax(-1), IMAGE),
    LayerCase("log softmax", layers.LogSoftmax, VECTOR),
    LayerCase("log softmax of the last axis", lambda: layers.LogSoftmax(-1), IMAGE),
    LayerCase("dropout", layers.Dropout, IMAGE),
    LayerCase("dropout of little", lambda: layers.Dropout(0.2), VECTOR),
    LayerCase("dropout of nothing", lambda: layers.Dropout(0.0), VECTOR),
    LayerCase("batch norm 1d", layers.BatchNorm1D, VECTOR),
    LayerCase("batch norm 2d", layers.BatchNorm2D, IMAGE),
    LayerCase("batch norm 2d of another momentum", lambda: layers.BatchNorm2D(momentum=0.5, eps=1e-3), IMAGE),
    LayerCase("lrn", layers.LocalResponseNorm, IMAGE),
    LayerCase("lrn of three channels", lambda: layers.LocalResponseNorm(3, alpha=0.5, k=2.0), IMAGE),
    LayerCase("lrn even size", lambda: layers.LocalResponseNorm(4, alpha=0.8, beta=0.5), CHANNELS),
    LayerCase("lrn one channel", lambda: layers.LocalResponseNorm(1, alpha=0.5), ((3,),)),
    LayerCase("lrn wider than the channels", lambda: layers.LocalResponseNorm(9, alpha=0.9), ((3, 2, 2),)),
    LayerCase("add", layers.Add, (*IMAGE, *IMAGE)),
    LayerCase("add three", layers.Add, (*VECTOR, *VECTOR, *VECTOR)),
    LayerCase("average", layers.Average, (*IMAGE, *IMAGE)),
    LayerCase("average of three", layers.Average, (*VECTOR, *VECTOR, *VECTOR)),
    LayerCase("concat channels", layers.Concat, ((1, 3, 2), (4, 3, 2))),
    LayerCase("concat columns", lambda: layers.Concat(3), ((2, 3, 2), (2, 3, 3))),
    LayerCase("concat three", layers.Concat, ((2, 3, 3), (1, 3, 3), (4, 3, 3))),
    LayerCase("split channels", lambda: layers.Split(2), IMAGE),
    LayerCase("split columns", lambda: layers.Split((1, 3, 1), axis=3), IMAGE),
    LayerCase("split vector", lambda: layers.Split(3), VECTOR),
    LayerCase("embedding", lambda: layers.Embedding(7, 4), ((5,),), 7),
    LayerCase("embedding of one number", lambda: layers.Embedding(4, 3, initializer=0.1), ((),), 4),
    LayerCase("embedding of a table", lambda: layers.Embedding(9, 2), ((3, 2),), 9),
    LayerCase("rnn", lambda: layers.SimpleRNN(4), SEQUENCE),
    LayerCase("rnn last state", lambda: layers.SimpleRNN(4, return_sequence=False), SEQUENCE),
    LayerCase("rnn from a state", lambda: layers.SimpleRNN(3), (*SEQUENCE, (3,))),
    LayerCase("rnn with state", lambda: layers.SimpleRNN(3, return_state=True), (*SEQUENCE, (3,))),
    LayerCase("rnn stateful", lambda: layers.SimpleRNN(4, stateful=True, initializer="xavier_normal"), SEQUENCE),
)
