"""Data that the tests of the estimators learn, and a classifier that learns them quickly."""

from typing import Any

import numpy as np
import pytest

from tests.kit.small import clusters

pytest.importorskip("sklearn", reason="the extra sklearn is not installed")

from xpnet.sklearn import Classifier

NAMES = np.array(["ash", "beech", "cedar"])


def trees(N: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Three clouds with names."""
    x, t = clusters(N)
    return x, NAMES[t]


def curve(N: int = 200) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).uniform(-2, 2, (N, 2))
    return x, np.sin(x[:, 0]) + x[:, 1] ** 2 / 4


def quick(**settings: Any) -> Any:
    return Classifier(**{"hidden": 16, "epochs": 10, "lr": 0.01, "random_state": 0} | settings)
