"""Gradients that are too large, made smaller, on the device: by value, or by the norm of all together."""

from collections.abc import Iterable, Sequence
from typing import Any

from xpnet.core.flat import Flat
from xpnet.core.parameter import Parameter


def clip_values(pieces: Iterable[Parameter | Flat], limit: float) -> None:
    """Each entry into -limit ... limit."""
    for p in pieces:
        grad = p.grad
        grad[...] = p.backend.xp.clip(grad, -limit, limit)


def clip_norm(pieces: Sequence[Parameter | Flat], limit: float) -> None:
    """Scale all gradients by min(1, limit / norm); the norm is that of all together."""
    total: Any = 0.0
    for p in pieces:
        total = p.backend.sum(p.grad * p.grad) + total
    for p in pieces:
        xp, grad = p.backend.xp, p.grad
        grad *= xp.minimum(limit / (xp.sqrt(total) + 1e-12), xp.ones_like(total))
