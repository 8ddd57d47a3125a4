"""Layers and losses of xpnet as functions of PyTorch's: what stands around them, and its gradient, is PyTorch's."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from xpnet.core.layer import Layer
from xpnet.losses import Loss


class _Through(torch.autograd.Function):
    """`run(*arrays)` returns an output, or a tuple of outputs, and the way back: so do layers and losses."""

    @staticmethod
    def forward(ctx: Any, run: Callable[..., Any], anchor: Any, *xs: Any) -> Any:
        y, ctx.back = run(*(x.detach().numpy() for x in xs))
        ctx.several = isinstance(y, tuple)
        return tuple(map(_tensor, y)) if ctx.several else _tensor(y)

    @staticmethod
    def backward(ctx: Any, *dys: Any) -> Any:
        arrays = tuple(dy.numpy() for dy in dys)
        dxs = ctx.back(arrays if ctx.several else arrays[0])
        dxs = dxs if isinstance(dxs, tuple) else (dxs,)
        return None, None, *(None if dx is None else _tensor(dx) for dx in dxs)


def _tensor(x: Any) -> Any:
    return torch.from_numpy(np.array(x))  # a copy: PyTorch may write into what it gets


def _through(run: Callable[..., Any], *xs: Any) -> Any:
    anchor = torch.zeros((), requires_grad=True)  # so that there is a way back where all inputs are integers
    return _Through.apply(run, anchor, *xs)


def run_layer(layer: Layer, *xs: Any, train: bool) -> Any:
    """The layer's output for these tensors."""
    return _through(lambda *arrays: layer.forward(*arrays, train=train), *xs)


def run_loss(loss: Loss, y: Any, t: Any, weights: Any = None) -> Any:
    """The loss of outputs y; no gradient reaches the targets."""
    given = {} if weights is None else {"sample_weight": weights.numpy()}

    def run(y: Any) -> Any:
        value, back = loss.forward(y, t.detach().numpy(), **given)
        return np.asarray(value), lambda dvalue: dvalue * back()

    return _through(run, y)
