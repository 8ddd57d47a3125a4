"""One seed, one curve: on every backend to rounding, dropout included; on one machine to the bit, with any threads."""

import functools
import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from tests.kit.small import digits
from xpnet import networks, optimizers, random
from xpnet.backend import Backend, make_backend, use_backend
from xpnet.layers import BatchNorm2D, Conv2D, Dense, Dropout, Flatten, MaxPool2D
from xpnet.model import Model, Sequential

STEPS, BATCH = 20, 16


def normed() -> Sequential:
    return Sequential(
        [
            Conv2D(4, 3, padding="same", activation="relu"), BatchNorm2D(), MaxPool2D(2), Dropout(0.25),
            Conv2D(6, 3), BatchNorm2D(), Flatten(), Dense(20, activation="tanh"), Dropout(0.5), Dense(10),
        ]
    )  # fmt: skip


def classic() -> Model:
    return networks.LeNet5(variant="1998")


def trained(make: Callable[[], Model], backend: Backend) -> tuple[list[float], list[np.ndarray]]:
    """The losses of 20 steps from the seed on, and the weights after them."""
    random.seed(3)
    x, t = digits()
    with use_backend(backend):
        model = make()
        model.compile(optimizers.Momentum(0.02))
        parts = np.split(random.generator().permutation(STEPS * BATCH), STEPS)
        return [model.train_on_batch(x[part], t[part]) for part in parts], model.get_weights()


@functools.cache
def on_numpy(make: Callable[[], Model]) -> tuple[list[float], list[np.ndarray]]:
    return trained(make, make_backend("numpy"))


@pytest.mark.parametrize("make", [networks.LeNet5, classic, normed], ids=lambda make: make.__name__)
def test_every_backend_follows_the_loss_curve_of_numpy(backend: Backend, make: Callable[[], Model]) -> None:
    """On numpy itself: the second run has the bits of the first."""
    losses, weights = trained(make, backend)
    expected_losses, expected_weights = on_numpy(make)
    same = backend.name == "numpy"
    assert losses == (expected_losses if same else pytest.approx(expected_losses, rel=1e-4))
    assert len(set(losses)) == STEPS
    for w, expected in zip(weights, expected_weights, strict=True):
        np.testing.assert_allclose(w, expected, rtol=0, atol=0 if same else 1e-3 * np.abs(expected).max() + 1e-5)


PROGRAM = """
import hashlib, sys
import numpy as np
from xpnet import networks, random, optimizers
random.seed(7)
rng = np.random.default_rng(0)
x, t = rng.random((48, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, 48)
model = networks.DeepConvNet()
model.compile(optimizers.Adam(0.01))
loss = model.fit(x, t, batch_size=24, epochs=1, verbose=0).history["loss"]
bits = b"".join(w.tobytes() for w in model.get_weights())
print(loss, hashlib.sha256(bits).hexdigest())
"""


def test_the_number_of_threads_does_not_change_a_bit() -> None:
    def run(threads: int) -> str:
        environment = os.environ | {"XPNET_NUM_THREADS": str(threads), "XPNET_BACKEND": "numpy"}
        environment.pop("OMP_NUM_THREADS", None)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=100
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    one = run(1)
    assert len(one.split()[-1]) == 64
    assert run(2) == one
