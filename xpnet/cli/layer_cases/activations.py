"""Activations, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import IMAGE, VECTOR, LayerCase

CASES = (
    LayerCase("relu", layers.ReLU, IMAGE, has_kinks=True),
    LayerCase("leaky relu", layers.LeakyReLU, IMAGE, has_kinks=True),
    LayerCase("leaky relu of another slope", lambda: layers.LeakyReLU(0.3), VECTOR, has_kinks=True),
    LayerCase("prelu", layers.PReLU, IMAGE, has_kinks=True),
    LayerCase(
        "prelu per channel",
        lambda: layers.PReLU(per_channel=True, start=0.1),
        IMAGE,
        has_kinks=True,
        wrong=(((3, 6, 5),), ((),)),
    ),
    LayerCase("elu", layers.ELU, VECTOR),
    LayerCase("elu of another alpha", lambda: layers.ELU(0.7), IMAGE, has_kinks=True),
    LayerCase("celu", lambda: layers.CELU(1.5), IMAGE),
    LayerCase("selu", layers.SELU, IMAGE, has_kinks=True),
    LayerCase("relu6", layers.ReLU6, IMAGE, has_kinks=True),
    LayerCase("softplus", layers.Softplus, VECTOR),
    LayerCase("softplus of another beta", lambda: layers.Softplus(2.0, threshold=30.0), IMAGE),
    LayerCase("gelu", layers.GELU, IMAGE),
    LayerCase("gelu by tanh", lambda: layers.GELU(tanh=True), IMAGE),
    LayerCase("silu", layers.SiLU, IMAGE),
    LayerCase("mish", layers.Mish, IMAGE),
    LayerCase("hard swish", layers.HardSwish, IMAGE),
    LayerCase("sigmoid", layers.Sigmoid, IMAGE),
    LayerCase("log sigmoid", layers.LogSigmoid, VECTOR),
    LayerCase("tanh", layers.Tanh, VECTOR),
    LayerCase("tanh of LeNet", lambda: layers.Tanh(1.7159, 2 / 3), IMAGE),
    LayerCase("softsign", layers.Softsign, VECTOR),
    LayerCase("hard sigmoid", layers.HardSigmoid, VECTOR),
    LayerCase("hard tanh", lambda: layers.HardTanh(-0.1, 0.3), IMAGE, has_kinks=True),
    LayerCase("softmax", layers.Softmax, VECTOR, wrong=(((),),)),
    LayerCase("softmax of the last axis", lambda: layers.Softmax(-1), IMAGE),
    LayerCase("log softmax", layers.LogSoftmax, VECTOR, wrong=(((),),)),
    LayerCase("log softmax of the last axis", lambda: layers.LogSoftmax(-1), IMAGE),
    LayerCase("glu", layers.GLU, IMAGE, wrong=(((3, 6, 5),), ((),))),
    LayerCase("glu of the last axis", lambda: layers.GLU(-1), VECTOR),
)
