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

Result = tuple[list[float], list[np.ndarray]]

STEPS, BATCH = 20, 16
FIRST = 4  # steps in which rounding has not grown yet
ON_A_DEVICE = 6  # steps of a stand-in, which takes ten times as long for each


def normed() -> Sequential:
    return Sequential(
        [
            Conv2D(4, 3, padding="same", activation="relu"), BatchNorm2D(), MaxPool2D(2), Dropout(0.25),
            Conv2D(6, 3), BatchNorm2D(), Flatten(), Dense(20, activation="tanh"), Dropout(0.5), Dense(10),
        ]
    )  # fmt: skip


def classic() -> Model:
    return networks.LeNet5(variant="1998")


def steps_on(backend: Backend) -> int:
    return ON_A_DEVICE if backend.name == "cupy" else STEPS


def trained(make: Callable[[], Model], backend: Backend, dtype: str, steps: int) -> Result:
    """The losses of so many steps from the seed on, and the weights after them."""
    random.seed(11)
    x, t = digits()
    with use_backend(backend):
        model = make().astype(dtype)
        model.compile(optimizers.Momentum(0.02))
        parts = np.split(random.generator().permutation(STEPS * BATCH), STEPS)
        return [model.train_on_batch(x[part], t[part]) for part in parts[:steps]], model.get_weights()


@functools.cache
def on_numpy(make: Callable[[], Model], dtype: str, steps: int) -> Result:
    return trained(make, make_backend("numpy"), dtype, steps)


every_network = pytest.mark.parametrize("make", [networks.LeNet5, classic, normed], ids=lambda make: make.__name__)


@every_network
def test_every_backend_follows_the_loss_curve_of_numpy(backend: Backend, make: Callable[[], Model]) -> None:
    """In float64 nothing but a fault can part the curves. On numpy itself: the second run has the bits of the first."""
    steps = steps_on(backend)
    losses, weights = trained(make, backend, "float64", steps)
    expected_losses, expected_weights = on_numpy(make, "float64", steps)
    same = backend.name == "numpy"
    assert losses == (expected_losses if same else pytest.approx(expected_losses, rel=1e-10))
    assert len(set(losses)) == steps
    for w, expected in zip(weights, expected_weights, strict=True):
        assert w.dtype == np.float64
        np.testing.assert_allclose(w, expected, rtol=0, atol=0 if same else 1e-10 * np.abs(expected).max() + 1e-12)


@every_network
def test_in_float32_they_part_by_rounding_only(backend: Backend, make: Callable[[], Model]) -> None:
    """The first steps agree to a few units in the last place, the later ones to some thousandths.

    A step hands on what it rounded, and the next makes more of it. Worse: where two entries of a pooling window or the
    two sides of a ReLU are nearly equal, the order in which a product was summed decides where the gradient goes, and
    from there on the weights are others by as much as the learning rate makes of one sample. So a bound for 20 steps
    tells little; what float32 alone can break (a kernel's other instance) shows in the first ones.
    """
    steps = steps_on(backend)
    losses, weights = trained(make, backend, "float32", steps)
    expected_losses, expected_weights = on_numpy(make, "float32", steps)
    same = backend.name == "numpy"
    assert losses[:FIRST] == (expected_losses[:FIRST] if same else pytest.approx(expected_losses[:FIRST], rel=1e-5))
    assert losses == (expected_losses if same else pytest.approx(expected_losses, rel=1e-2))
    for w, expected in zip(weights, expected_weights, strict=True):
        assert w.dtype == np.float32
        np.testing.assert_allclose(w, expected, rtol=0, atol=0 if same else 1e-2 * np.abs(expected).max() + 1e-4)


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
