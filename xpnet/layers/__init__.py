"""Every layer by its name; a file for each family, which lists in its `__all__` what it has."""

from xpnet.base.hints import explained
from xpnet.core.layer import Layer
from xpnet.layers import (
    adaptive,
    attention,
    convolution,
    convolution1d,
    dense,
    dropout,
    embedding,
    gated,
    gru,
    lstm,
    merge,
    normalization,
    padding,
    pooling,
    positions,
    rectifiers,
    relu,
    residual,
    resize,
    sample_norm,
    separable,
    shaping,
    simple_rnn,
    softmax,
    squashing,
    time_distributed,
    transformer,
    transposed,
)
from xpnet.layers.adaptive import *
from xpnet.layers.attention import *
from xpnet.layers.convolution import *
from xpnet.layers.convolution1d import *
from xpnet.layers.dense import *
from xpnet.layers.dropout import *
from xpnet.layers.embedding import *
from xpnet.layers.gated import *
from xpnet.layers.gru import *
from xpnet.layers.lstm import *
from xpnet.layers.merge import *
from xpnet.layers.normalization import *
from xpnet.layers.padding import *
from xpnet.layers.pooling import *
from xpnet.layers.positions import *
from xpnet.layers.rectifiers import *
from xpnet.layers.relu import *
from xpnet.layers.residual import *
from xpnet.layers.resize import *
from xpnet.layers.sample_norm import *
from xpnet.layers.separable import *
from xpnet.layers.shaping import *
from xpnet.layers.simple_rnn import *
from xpnet.layers.softmax import *
from xpnet.layers.squashing import *
from xpnet.layers.time_distributed import *
from xpnet.layers.transformer import *
from xpnet.layers.transposed import *

__all__ = ["Layer"]
__all__ += adaptive.__all__
__all__ += attention.__all__
__all__ += convolution.__all__
__all__ += convolution1d.__all__
__all__ += dense.__all__
__all__ += dropout.__all__
__all__ += embedding.__all__
__all__ += gated.__all__
__all__ += gru.__all__
__all__ += lstm.__all__
__all__ += merge.__all__
__all__ += normalization.__all__
__all__ += padding.__all__
__all__ += pooling.__all__
__all__ += positions.__all__
__all__ += rectifiers.__all__
__all__ += relu.__all__
__all__ += residual.__all__
__all__ += resize.__all__
__all__ += sample_norm.__all__
__all__ += separable.__all__
__all__ += shaping.__all__
__all__ += simple_rnn.__all__
__all__ += softmax.__all__
__all__ += squashing.__all__
__all__ += time_distributed.__all__
__all__ += transformer.__all__
__all__ += transposed.__all__

__getattr__ = explained(__name__)
