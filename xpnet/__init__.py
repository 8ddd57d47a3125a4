"""xpnet: deep learning whose core one person can read in an evening, on NumPy or CuPy."""

from typing import TYPE_CHECKING

from xpnet.base.interrupt import interruptible

with interruptible():
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
    from xpnet.base.on_demand import imported_on_demand
    from xpnet.core.layer import Layer
    from xpnet.core.parameter import Parameter
    from xpnet.errors import XpnetError
    from xpnet.files.network import register as _register
    from xpnet.gradient_check import gradient_check
    from xpnet.model import Model, Sequential, load
    from xpnet.random import seed

if TYPE_CHECKING:
    from xpnet import analysis, datasets, visualize
    from xpnet import sklearn as sklearn
    from xpnet.experiments.cross_validation import CrossValidation, cross_validate
    from xpnet.experiments.find_lr import LRSearch, find_lr

__version__ = "0.1.0"


# What a file may name. Classes of the user's own are given to `load`.
_register("xpnet.model", lambda: ["Sequential"])
_register("xpnet.networks", lambda: networks.__all__)
_register("xpnet.layers", lambda: [name for name in layers.__all__ if name != "Layer"])
_register("xpnet.losses", lambda: [*(cls.__name__ for cls in losses.LOSSES.values()), "Joint"])
_register("xpnet.metrics", lambda: [*(cls.__name__ for cls in metrics.METRICS.values()), "OfOutput"])
_register("xpnet.optimizers", lambda: [*(cls.__name__ for cls in optimizers.OPTIMIZERS.values()), "Group"])
_register("xpnet.schedules", lambda: ["Constant", "Cosine", "Exponential", "OneCycle", "Step", "Warmup"])
_register("xpnet.initializers", lambda: [cls.__name__ for cls in initializers.INITIALIZERS.values()])
_register("xpnet.regularizers", lambda: [cls.__name__ for cls in regularizers.REGULARIZERS.values()])

# What is imported when somebody asks for it, so that `import xpnet` stays quick.
_PLACES = {
    "analysis": (),
    "experiments.cross_validation": ("CrossValidation", "cross_validate"),
    "experiments.find_lr": ("LRSearch", "find_lr"),
    "datasets": (),
    "sklearn": (),
    "visualize": (),
}


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
    "analysis",
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

if not TYPE_CHECKING:  # which should know no name that is not there
    __getattr__, __dir__ = imported_on_demand(__name__, _PLACES, __all__)
