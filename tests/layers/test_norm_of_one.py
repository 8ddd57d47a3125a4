"""A norm over one value gives its bias and learns nothing: it says so, once."""

import warnings

import numpy as np
import pytest

from tests.kit.strategies import normal
from xpnet import Sequential, layers
from xpnet.backend import Backend

NORMS = [(layers.BatchNorm1D, (1, 3)), (layers.BatchNorm2D, (1, 3, 1, 1)), (layers.InstanceNorm2D, (5, 3, 1, 1))]


@pytest.mark.parametrize(("kind", "shape"), NORMS)
def test_it_warns_once(kind: type[layers.BatchNorm1D], shape: tuple[int, ...], backend: Backend) -> None:
    norm, x = kind(), backend.asarray(normal(shape, 0, "float32"))
    with pytest.warns(UserWarning, match="one value for each mean, itself, so that the output is the bias"):
        y, _ = norm.forward(x, train=True)
    assert not np.any(backend.to_numpy(y))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        norm.forward(x, train=True)
        other = kind()
        other.forward(x, train=False)
        if kind is not layers.InstanceNorm2D:
            other.trainable = False
            other.forward(x, train=True)  # by running statistics one sample is enough


def test_training_says_what_to_do() -> None:
    net = Sequential([layers.Dense(4), layers.BatchNorm1D(), layers.Dense(2)])
    net.compile("sgd")
    with pytest.warns(UserWarning, match=r"norm1 \(BatchNorm1D\): .*take batches of more samples .*drop_last=True"):
        net.fit(normal((5, 3), 0, "float32"), np.array([0, 1, 0, 1, 0]), batch_size=4, verbose=0)
