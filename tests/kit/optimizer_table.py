"""One table of every optimizer: its steps by the textbook's lines, written out in NumPy."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from xpnet import optimizers
from xpnet.optimizers import (
    SGD,
    AdaGrad,
    Adam,
    AdamW,
    Lion,
    Momentum,
    Muon,
    Nadam,
    Nesterov,
    Optimizer,
    RAdam,
    RMSProp,
)

Gradients = list[np.ndarray]


def sgd(p: np.ndarray, gradients: Gradients, lr: float, momentum: float, nesterov: bool, decay: float) -> np.ndarray:
    v = np.zeros_like(p)
    for g in gradients:
        g = g + decay * p
        v = momentum * v + g
        p = p - lr * (g + momentum * v if nesterov else v)
    return p


def adagrad(p: np.ndarray, gradients: Gradients, lr: float, eps: float, decay: float) -> np.ndarray:
    s = np.zeros_like(p)
    for g in gradients:
        g = g + decay * p
        s = s + g**2
        p = p - lr * g / (np.sqrt(s) + eps)
    return p


def rmsprop(p: np.ndarray, gradients: Gradients, lr: float, rho: float, eps: float, decay: float) -> np.ndarray:
    s = np.zeros_like(p)
    for g in gradients:
        g = g + decay * p
        s = rho * s + (1 - rho) * g**2
        p = p - lr * g / (np.sqrt(s) + eps)
    return p


def adam(
    p: np.ndarray, gradients: Gradients, lr: float, b1: float, b2: float, eps: float, decay: float, decoupled: bool
) -> np.ndarray:
    m, v = np.zeros_like(p), np.zeros_like(p)
    for step, g in enumerate(gradients, start=1):
        if decoupled:
            p = p - lr * decay * p
        else:
            g = g + decay * p
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        p = p - lr * (m / (1 - b1**step)) / (np.sqrt(v / (1 - b2**step)) + eps)
    return p


def nadam(
    p: np.ndarray,
    gradients: Gradients,
    lr: float,
    b1: float,
    b2: float,
    eps: float,
    decay: float,
    k: float,
    apart: bool,
) -> np.ndarray:
    m, v, product = np.zeros_like(p), np.zeros_like(p), 1.0
    for step, g in enumerate(gradients, start=1):
        if apart:
            p = p - lr * decay * p
        else:
            g = g + decay * p
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        now, then = (b1 * (1 - 0.96 ** (s * k) / 2) for s in (step, step + 1))
        product *= now
        along = (1 - now) / (1 - product) * g + then / (1 - product * then) * m
        p = p - lr * along / (np.sqrt(v / (1 - b2**step)) + eps)
    return p


def radam(
    p: np.ndarray, gradients: Gradients, lr: float, b1: float, b2: float, eps: float, decay: float, apart: bool
) -> np.ndarray:
    m, v, limit = np.zeros_like(p), np.zeros_like(p), 2 / (1 - b2) - 1
    for step, g in enumerate(gradients, start=1):
        if apart:
            p = p - lr * decay * p
        else:
            g = g + decay * p
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        along, length = m / (1 - b1**step), limit - 2 * step * b2**step / (1 - b2**step)
        if length > 5:
            r = math.sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length))
            along = r * along * np.sqrt(1 - b2**step) / (np.sqrt(v) + eps)
        p = p - lr * along
    return p


def lion(p: np.ndarray, gradients: Gradients, lr: float, b1: float, b2: float, decay: float) -> np.ndarray:
    m = np.zeros_like(p)
    for g in gradients:
        p = p - lr * (np.sign(b1 * m + (1 - b1) * g) + decay * p)
        m = b2 * m + (1 - b2) * g
    return p


def muon(
    p: np.ndarray, gradients: Gradients, lr: float, momentum: float, nesterov: bool, decay: float, factor: float
) -> np.ndarray:
    m = np.zeros_like(p)
    for g in gradients:
        m = momentum * m + (1 - momentum) * g
        u, s, v = np.linalg.svd(momentum * m + (1 - momentum) * g if nesterov else m, full_matrices=False)
        s = s / np.sqrt((s**2).sum())
        for _ in range(5):
            s = 3.4445 * s - 4.775 * s**3 + 2.0315 * s**5
        p = p - lr * decay * p - lr * factor * (u * s) @ v
    return p


RULES: list[tuple[Optimizer, Callable[[np.ndarray, Gradients], np.ndarray]]] = [
    (SGD(), lambda p, g: sgd(p, g, 0.01, 0, False, 0)),
    (SGD(0.1, weight_decay=0.3), lambda p, g: sgd(p, g, 0.1, 0, False, 0.3)),
    (SGD(0.1, 0.8, weight_decay=0.1), lambda p, g: sgd(p, g, 0.1, 0.8, False, 0.1)),
    (SGD(0.1, 0.8, True, 0.1), lambda p, g: sgd(p, g, 0.1, 0.8, True, 0.1)),
    (Momentum(), lambda p, g: sgd(p, g, 0.01, 0.9, False, 0)),
    (Nesterov(), lambda p, g: sgd(p, g, 0.01, 0.9, True, 0)),
    (AdaGrad(), lambda p, g: adagrad(p, g, 0.01, 1e-10, 0)),
    (AdaGrad(0.2, 0.1, 0.3), lambda p, g: adagrad(p, g, 0.2, 0.1, 0.3)),
    (RMSProp(), lambda p, g: rmsprop(p, g, 0.001, 0.99, 1e-8, 0)),
    (RMSProp(0.1, 0.7, 0.1, 0.3), lambda p, g: rmsprop(p, g, 0.1, 0.7, 0.1, 0.3)),
    (Adam(), lambda p, g: adam(p, g, 0.001, 0.9, 0.999, 1e-8, 0, False)),
    (Adam(0.1, 0.5, 0.7, 0.1, 0.3), lambda p, g: adam(p, g, 0.1, 0.5, 0.7, 0.1, 0.3, False)),
    (AdamW(), lambda p, g: adam(p, g, 0.001, 0.9, 0.999, 1e-8, 0.01, True)),
    (AdamW(0.1, 0.5, 0.7, 0.1, 0.3), lambda p, g: adam(p, g, 0.1, 0.5, 0.7, 0.1, 0.3, True)),
    (Nadam(), lambda p, g: nadam(p, g, 0.002, 0.9, 0.999, 1e-8, 0, 0.004, False)),
    (Nadam(0.1, 0.5, 0.7, 0.1, 0.3, 0.1), lambda p, g: nadam(p, g, 0.1, 0.5, 0.7, 0.1, 0.3, 0.1, False)),
    (Nadam(0.1, 0.5, 0.7, 0.1, 0.3, 0.1, True), lambda p, g: nadam(p, g, 0.1, 0.5, 0.7, 0.1, 0.3, 0.1, True)),
    (RAdam(), lambda p, g: radam(p, g, 0.001, 0.9, 0.999, 1e-8, 0, False)),
    (RAdam(0.1, 0.5, 0.9, 0.1, 0.3), lambda p, g: radam(p, g, 0.1, 0.5, 0.9, 0.1, 0.3, False)),
    (RAdam(0.1, 0.5, 0.9, 0.1, 0.3, True), lambda p, g: radam(p, g, 0.1, 0.5, 0.9, 0.1, 0.3, True)),
    (Lion(), lambda p, g: lion(p, g, 0.0001, 0.9, 0.99, 0)),
    (Lion(0.1, 0.5, 0.7, 0.3), lambda p, g: lion(p, g, 0.1, 0.5, 0.7, 0.3)),
    (Muon(), lambda p, g: muon(p, g, 0.001, 0.95, True, 0.1, 0.2 * 2)),
    (Muon(0.1, 0.5, False, 0.3, False), lambda p, g: muon(p, g, 0.1, 0.5, False, 0.3, 1)),
    (Muon(0.1, orthogonal=False), lambda p, g: adam(p, g, 0.1, 0.9, 0.999, 1e-8, 0.1, True)),
]
ALL: list[Any] = list(optimizers.OPTIMIZERS.values())


def fresh(optimizer: Optimizer) -> Optimizer:
    """One with the same settings and no state."""
    return type(optimizer)(**optimizer.config())
