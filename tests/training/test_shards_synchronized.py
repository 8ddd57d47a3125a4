"""With `sync=True`, batch normalization in shards is that of the whole batch, up to rounding."""

from typing import Any

import numpy as np
import pytest

import xpnet
from xpnet import layers, losses, optimizers
from xpnet.backend import Backend
from xpnet.model import Sequential

RNG = np.random.default_rng(0)
X, T, W = RNG.standard_normal((30, 2, 5, 5)), RNG.integers(0, 3, 30), RNG.random(30)
IGNORED = np.where(np.arange(30) < 6, -1, T)  # of eight shards of the first batches, some have nothing else
BATCHES: dict[str, dict[str, Any]] = {
    "all alike": {}, "weighted": {"sample_weight": W}, "in groups": {"accumulate": 2},
}  # fmt: skip


def trained(backend: Backend, shards: int, t: Any = T, sync: bool = True, **options: Any) -> list[np.ndarray]:
    xpnet.seed(0)
    norms = [layers.BatchNorm2D(sync=sync), layers.BatchNorm2D(affine=False, sync=sync)]
    last = [layers.Dense(4), layers.BatchNorm1D(momentum=None, sync=sync), layers.Tanh(), layers.Dense(3)]
    model = Sequential(
        [layers.Conv2D(3, 3), norms[0], layers.ReLU(), layers.Conv2D(3, 2), norms[1], layers.Flatten(), *last]
    )
    model.to(backend).astype("float64")
    loss = losses.SoftmaxCrossEntropy(ignored_label=-1)
    model.compile(optimizers.SGD(0.1, momentum=0.9), loss)
    model.fit(X, t, batch_size=12, epochs=2, verbose=0, shuffle=False, shards=shards, **options)
    return model.get_weights()


@pytest.mark.parametrize("shards", [2, 8])
@pytest.mark.parametrize("name", BATCHES)
def test_shards_have_the_statistics_of_the_batch(backend: Backend, name: str, shards: int) -> None:
    whole, cut = (trained(backend, count, **BATCHES[name]) for count in (1, shards))
    for one, other in zip(whole, cut, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shards", [2, 4, 8])
def test_gradients_go_through_a_shard_that_has_no_loss_of_its_own(backend: Backend, shards: int) -> None:
    for one, other in zip(trained(backend, 1, IGNORED), trained(backend, shards, IGNORED), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-12)


def test_without_it_each_shard_has_its_own(backend: Backend) -> None:
    whole, cut = (trained(backend, count, sync=False) for count in (1, 2))
    assert not all(np.allclose(one, other, rtol=1e-3) for one, other in zip(whole, cut, strict=True))
