"""xpnet: deep learning whose core one person can read in an evening, on NumPy or CuPy.

    from xpnet import Sequential, datasets, layers

    (x, t), (x_test, t_test) = datasets.mnist()
    model = Sequential([layers.Conv2D(16, 3, activation="relu"), layers.Flatten(), layers.Dense(10)])
    model.compile("adam", metrics=["accuracy"])
    model.fit(x, t, batch_size=100, epochs=2)
    print(model.evaluate(x_test, t_test))
    model.save("digits.safetensors")

Networks      Sequential, Model, load; networks: those of the papers, a file each
Their parts   layers, losses, metrics, optimizers, schedules, initializers, regularizers, callbacks
Data          datasets: MNIST and others; data: batches, loaders, augmentation, text, folds
Looking in    analysis: numbers about networks; visualize: pictures of them
Searching     find_lr, cross_validate; sklearn: networks as its estimators
Inside        Layer and Parameter; gradient_check, for layers of your own; seed; errors
Where it runs get_backend, use_backend; memory()

Read on with help(xpnet.layers.Conv2D), dir(xpnet.layers), or `xpnet --help` in a shell. What follows here is each class
in full.
"""

from importlib.util import find_spec as _find_spec
from typing import TYPE_CHECKING

from xpnet.base import locks as _locks  # noqa: F401 (first: a fork while another thread imports the rest waits for it)
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
    _extras = ["sklearn"] if _find_spec("sklearn") else []  # no part of `import *`, which would import all of it
    __getattr__, __dir__ = imported_on_demand(__name__, _PLACES, __all__, _extras)
