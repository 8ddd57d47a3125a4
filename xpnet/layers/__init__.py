"""Every layer by its name; a file for each family, which lists in its `__all__` what it has."""

from typing import TYPE_CHECKING

from xpnet.base.on_demand import families_on_demand
from xpnet.core.layer import Layer as Layer

if TYPE_CHECKING:
    __all__: list[str]
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

# Each is imported when somebody asks for a layer that is in it, or behind it here, so that `import xpnet` stays quick.
_PLACES = (
    "dense", "convolution", "pooling", "shaping", "relu", "dropout", "normalization", "rectifiers", "squashing",
    "softmax", "merge", "embedding", "adaptive", "attention", "convolution1d", "gated", "gru", "lstm", "padding",
    "positions", "residual", "resize", "sample_norm", "separable", "simple_rnn", "time_distributed", "transformer",
    "transposed",
)  # fmt: skip

if not TYPE_CHECKING:  # which should know no name that is not there
    __getattr__, __dir__ = families_on_demand(__name__, _PLACES, ["Layer"])
