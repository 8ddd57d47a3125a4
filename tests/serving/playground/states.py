"""States of the playground, many enough that each of their fields is not the default in some."""

from typing import Any

LAYERS = [{"units": 5, "activation": "relu"}, {"units": 3, "activation": "sigmoid"}]
OWN = [[1.5, -2.25, 0], [-3, 4.125, 1], [0, 0, 1], [5.5, 1, 2], [-1, -1, 0], [0.1, 0.2, 2], [6, -6, 1]]

STATES: dict[str, dict[str, Any]] = {
    "default": {},
    "no hidden layer": {"hidden": [], "data": "gauss", "noise": 20, "seed": 5},
    "six layers": {"hidden": [{"units": 8 - n, "activation": "relu"} for n in range(6)], "initializer": "he"},
    "all inputs": {"inputs": ["x1", "x2", "x1^2", "x2^2", "x1x2", "sin x1", "sin x2"], "data": "xor", "noise": 10},
    "uniform": {"initializer": "uniform", "train": 90, "batch": 30},
    "small": {"initializer": "small", "train": 10, "batch": 1},
    "large": {"initializer": "large", "batch": 7},
    "zeros": {"initializer": "zeros"},
    "squares": {"loss": "mean_squared_error"},
    "hinge": {"loss": "hinge", "data": "xor"},
    "squared hinge": {"loss": "squared_hinge"},
    "three arms": {"data": "spiral", "classes": 3, "hidden": LAYERS, "noise": 5},
    "five blobs": {"data": "blobs", "classes": 5, "loss": "mean_squared_error", "noise": 30},
    "four blobs": {"data": "blobs", "classes": 4, "loss": "multi_class_hinge"},
    "own classes": {"data": "own", "points": OWN, "classes": 3, "batch": 2, "train": 70},
    "own numbers": {"problem": "regression", "data": "own", "points": [[1, 2, 0.5], [-1, -2, -0.25]], "train": 90},
    "plane": {"problem": "regression", "data": "plane", "noise": 15, "hidden": LAYERS},
    "multigauss": {"problem": "regression", "data": "multigauss", "loss": "huber"},
    "absolute": {"problem": "regression", "data": "plane", "loss": "mean_absolute_error"},
    "dropout": {"hidden": [{"units": 8, "dropout": 0.3}, {"units": 8, "activation": "relu", "dropout": 0.5}]},
    "batch norm": {"hidden": [{"units": 4, "batch_norm": True}, {"units": 3, "activation": "linear"}]},
    "norm and dropout": {
        "hidden": [{"units": 6, "batch_norm": True, "dropout": 0.2, "activation": "relu"}] * 2,
        "regularization": "L2", "rate": 0.003, "data": "spiral", "optimizer": "adam",
    },
    "linear norm": {"hidden": [{"units": 4, "batch_norm": True, "activation": "linear"}]},
    "L1": {"regularization": "L1", "rate": 0.01},
    "L2": {"regularization": "L2", "rate": 0.1, "problem": "regression", "data": "multigauss"},
}  # fmt: skip
for _name in ("momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "nadam", "radam", "lion", "muon"):
    STATES[_name] = {"optimizer": _name, "lr": 0.01}
