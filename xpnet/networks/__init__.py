"""Networks that are ready to train, a file each; every one says its source and its number of parameters."""

from xpnet.networks.deepconvnet import DeepConvNet
from xpnet.networks.lenet5 import LeNet5, Subsampling, TableConv2D
from xpnet.networks.mlp import MLP
from xpnet.networks.multicolumn import MultiColumn
from xpnet.networks.simpleconvnet import SimpleConvNet

__all__ = ["MLP", "DeepConvNet", "LeNet5", "MultiColumn", "SimpleConvNet", "Subsampling", "TableConv2D"]
