"""xpnet: deep learning that one person can read in an evening, on NumPy or CuPy."""

from xpnet import (
    callbacks,
    data,
    errors,
    initializers,
    layers,
    losses,
    metrics,
    networks,
    optimizers,
    regularizers,
    schedules,
    visualize,
)
from xpnet.backend import Backend, Memory, get_backend, use_backend
from xpnet.checkpoint import load
from xpnet.cross_validation import CrossValidation, cross_validate
from xpnet.data import datasets
from xpnet.errors import XpnetError
from xpnet.gradient_check import gradient_check
from xpnet.layer import Layer
from xpnet.lr_finder import LRSearch, find_lr
from xpnet.model import Model, Sequential
from xpnet.parameter import Parameter
from xpnet.random import seed

__version__ = "0.1.0"


def memory() -> Memory:
    """(used, held, limit): bytes of the device's memory, on the current backend; zeros on a CPU."""
    return get_backend().memory()


__all__ = [
    "Backend",
    "CrossValidation",
    "LRSearch",
    "Layer",
    "Model",
    "Parameter",
    "Sequential",
    "XpnetError",
    "callbacks",
    "cross_validate",
    "data",
    "datasets",
    "errors",
    "find_lr",
    "get_backend",
    "gradient_check",
    "initializers",
    "layers",
    "load",
    "losses",
    "memory",
    "metrics",
    "networks",
    "optimizers",
    "regularizers",
    "schedules",
    "seed",
    "use_backend",
    "visualize",
]
