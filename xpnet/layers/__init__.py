"""Every layer by its name; a file for each family, which lists in its `__all__` what it has."""

from xpnet.base.hints import explained
from xpnet.core.layer import Layer
from xpnet.layers import (
    activations,
    attention,
    convolution,
    dense,
    dropout,
    embedding,
    flatten,
    merge,
    normalization,
    pooling,
    recurrent,
)
from xpnet.layers.activations import *
from xpnet.layers.attention import *
from xpnet.layers.convolution import *
from xpnet.layers.dense import *
from xpnet.layers.dropout import *
from xpnet.layers.embedding import *
from xpnet.layers.flatten import *
from xpnet.layers.merge import *
from xpnet.layers.normalization import *
from xpnet.layers.pooling import *
from xpnet.layers.recurrent import *

__all__ = ["Layer"]
__all__ += activations.__all__
__all__ += attention.__all__
__all__ += convolution.__all__
__all__ += dense.__all__
__all__ += dropout.__all__
__all__ += embedding.__all__
__all__ += flatten.__all__
__all__ += merge.__all__
__all__ += normalization.__all__
__all__ += pooling.__all__
__all__ += recurrent.__all__

__getattr__ = explained(__name__)
