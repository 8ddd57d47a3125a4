"""xpnet: deep learning that one person can read in an evening, on NumPy or CuPy."""

import importlib
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from xpnet import visualize

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Pictures are imported when somebody asks for them."""
    if name == "visualize":
        return importlib.import_module("xpnet.visualize")
    raise AttributeError(f"module 'xpnet' has no attribute {name!r}")


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
