"""Activations, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import IMAGE, VECTOR, LayerCase

CASES = (
    LayerCase("relu", layers.ReLU, IMAGE, has_kinks=True),
    LayerCase("leaky relu", layers.LeakyReLU, IMAGE, has_kinks=True),
    LayerCase("leaky relu of another slope", lambda: layers.LeakyReLU(0.3), VECTOR, has_kinks=True),
    LayerCase("sigmoid", layers.Sigmoid, IMAGE),
    LayerCase("tanh", layers.Tanh, VECTOR),
    LayerCase("tanh of LeNet", lambda: layers.Tanh(1.7159, 2 / 3), IMAGE),
    LayerCase("softmax", layers.Softmax, VECTOR, wrong=(((),),)),
    LayerCase("softmax of the last axis", lambda: layers.Softmax(-1), IMAGE),
    LayerCase("log softmax", layers.LogSoftmax, VECTOR, wrong=(((),),)),
    LayerCase("log softmax of the last axis", lambda: layers.LogSoftmax(-1), IMAGE),
)
