"""Blocks with a shortcut, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import IMAGE, VECTOR, LayerCase

CASES = (
    LayerCase("residual", lambda: layers.Residual(layers.Dense(6, activation="tanh")), VECTOR, wrong=(((5,),),)),
    LayerCase(
        "residual with a shortcut",
        lambda: layers.Residual(
            [layers.Conv2D(3, 3, stride=2, padding=1), layers.GroupNorm(1), layers.Conv2D(3, 3, padding=1)],
            shortcut=[layers.Conv2D(3, 1, stride=2), layers.GroupNorm(1)],
            activation="gelu",
        ),
        IMAGE,
    ),
    LayerCase(
        "residual with a learned activation", lambda: layers.Residual([layers.Tanh()], None, layers.PReLU()), VECTOR
    ),
)
