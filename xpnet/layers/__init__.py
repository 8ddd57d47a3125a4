"""Every layer by its name; a file for each family."""

from xpnet.base.hints import explained
from xpnet.core.layer import Layer
from xpnet.layers.activations import LeakyReLU, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from xpnet.layers.convolution import Conv2D
from xpnet.layers.dense import Dense
from xpnet.layers.dropout import Dropout
from xpnet.layers.embedding import Embedding
from xpnet.layers.flatten import Flatten
from xpnet.layers.merge import Add, Average, Concat, Split
from xpnet.layers.normalization import BatchNorm1D, BatchNorm2D, LocalResponseNorm
from xpnet.layers.pooling import AvgPool2D, GlobalAvgPool2D, MaxPool2D
from xpnet.layers.recurrent import SimpleRNN

__all__ = [
    "Add",
    "Average",
    "AvgPool2D",
    "BatchNorm1D",
    "BatchNorm2D",
    "Concat",
    "Conv2D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAvgPool2D",
    "Layer",
    "LeakyReLU",
    "LocalResponseNorm",
    "LogSoftmax",
    "MaxPool2D",
    "ReLU",
    "Sigmoid",
    "SimpleRNN",
    "Softmax",
    "Split",
    "Tanh",
]

__getattr__ = explained(__name__)
