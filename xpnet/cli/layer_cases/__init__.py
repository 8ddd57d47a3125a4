"""The table of layers: each in several configurations, with inputs for it, in a file for each family.

`xpnet gradcheck` and the tests go through it: a row here is all that a new layer needs to be held to the laws.
"""

from xpnet.cli.layer_cases import (
    activations,
    adaptive,
    attention,
    convolution,
    dense,
    dropout,
    embedding,
    merge,
    normalization,
    padding,
    pooling,
    recurrent,
    residual,
    resize,
    sample_norm,
    shaping,
    transformer,
)
from xpnet.cli.layer_cases.base import LayerCase, Shape

__all__ = ["LAYER_CASES", "LayerCase", "Shape"]

LAYER_CASES: tuple[LayerCase, ...] = (
    *activations.CASES,
    *adaptive.CASES,
    *attention.CASES,
    *convolution.CASES,
    *dense.CASES,
    *dropout.CASES,
    *embedding.CASES,
    *merge.CASES,
    *normalization.CASES,
    *padding.CASES,
    *pooling.CASES,
    *recurrent.CASES,
    *residual.CASES,
    *resize.CASES,
    *sample_norm.CASES,
    *shaping.CASES,
    *transformer.CASES,
)
