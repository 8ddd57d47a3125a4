"""Errors planted in the kernels: each must be seen by a comparison with the reference, or by the stand-in device."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests import cudasim
from tests.kit.helpers import assert_close
from tests.kit.strategies import integers, normal
from xpnet.backend import Backend, make_backend
from xpnet.backend.cuda import launch as cuda_launch
from xpnet.backend.reference import AdamStep, MomentStep
from xpnet.backend.window import Window
from xpnet.errors import BackendError

pytestmark = pytest.mark.slow

REFERENCE = Backend()
WINDOW = Window((3, 3), (2, 1), ((1, 1), (1, 1)))
SOURCE = cuda_launch.source()


@pytest.fixture
def device() -> Iterator[Backend]:
    """The backend on the stand-in device; afterwards with the kernels as they are."""
    if not cudasim.is_active():
        pytest.skip(f"planted errors run on the stand-in device only: {cudasim.why_not()}")
    try:
        yield make_backend("cupy")
    except BackendError as error:
        pytest.skip(f"needs the stand-in device: {error}")
    finally:
        forget()


def forget() -> None:
    cuda_launch.kernel.cache_clear()
    cuda_launch.module.cache_clear()


def agree(device: Backend, name: str, *args: Any, **options: Any) -> None:
    """The primitive, its results and what it changes in place, as the reference has it."""
    there = [device.copy(device.asarray(a)) if isinstance(a, np.ndarray) else a for a in args]
    here = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    got, expected = getattr(device, name)(*there, **options), getattr(REFERENCE, name)(*here, **options)
    results = [got] if not isinstance(got, tuple) else list(got)
    wanted = [expected] if not isinstance(expected, tuple) else list(expected)
    for actual, right in zip(results + there, wanted + here, strict=True):
        if isinstance(right, np.ndarray) and right.dtype.kind != "b":
            assert_close(actual, right, device, tolerance=1e-12, scale=1.0)


def convolution(device: Backend) -> None:
    x, w, dy = integers((2, 3, 5, 6), 1), integers((4, 3, 3, 3), 2), integers((2, 4, 3, 6), 3)
    y = REFERENCE.conv2d(x, w, w[:, 0, 0, 0], WINDOW, 1, "relu")
    agree(device, "conv2d", x, w, w[:, 0, 0, 0], WINDOW, 1, "relu")
    agree(device, "conv2d_backward", dy, x, w, y, WINDOW, 1, "relu")


def denormal(device: Backend) -> None:
    x = np.array([1e-45, 0, -0.0, -1e-45, -0.5, -2], np.float32)
    agree(device, "activate_backward", np.ones_like(x), x, "relu")
    back, expected = (b.activation(b.asarray(x), "hard_tanh", -1.0, 0.0)[1] for b in (device, REFERENCE))
    assert_close(back(device.asarray(np.ones_like(x))), expected(np.ones_like(x)), device)


def pooling(device: Backend) -> None:
    x, dy = integers((2, 3, 5, 6), 1, limit=1), integers((2, 3, 3, 6), 2)
    agree(device, "max_pool2d", x, WINDOW)
    agree(device, "max_pool2d_backward", dy, x, REFERENCE.max_pool2d(x, WINDOW), WINDOW)


def normalization(device: Backend) -> None:
    x, dy, gamma = normal((4, 3, 5, 6), 1), normal((4, 3, 5, 6), 2), normal((3,), 3)
    _, mean, var = REFERENCE.batch_norm(x, gamma, gamma, 0.1)
    agree(device, "batch_norm", x, gamma, gamma, 0.1)
    agree(device, "batch_norm_backward", dy, x, mean, var, gamma, 0.1)


def loss(device: Backend) -> None:
    agree(device, "softmax_cross_entropy", 300 * normal((5, 40), 1), np.arange(5))


def update(device: Backend) -> None:
    p, g, m, v = (normal((300,), i) for i in range(4))
    how = AdamStep(step=2, lr=0.1, beta1=0.9, beta2=0.99, eps=1e-3, weight_decay=0.1, decoupled=True)
    agree(device, "adam", p, g, m, v**2, how)


def late_update(device: Backend) -> None:
    p, g, m, v = (normal((300,), i) for i in range(4))
    agree(device, "moments", p, g, m, v**2, MomentStep(0.1, 0.2, 0.9, 0.99, 0.3, True, 1e-3, 0.3, 0.1))
    agree(device, "lion", p, g, m, **{"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.3})


def mask(device: Backend) -> None:
    agree(device, "dropout_mask", (7, 45), 0.3, (2**60 + 1, 2**61 + 3), "float64", 11)


def groups(device: Backend) -> None:
    weight = normal((9,), 3)
    for shape, count in (((3, 9, 2, 3), 3), ((20, 9), 1)):
        x, dy = normal(shape, 1), normal(shape, 2)
        _, mean, rstd = REFERENCE.group_norm(x, count, weight, None, 0.1)
        agree(device, "group_norm", x, count, weight, weight, 0.1)
        agree(device, "group_norm_backward", dy, x, count, mean, rstd, weight)


def noise(device: Backend) -> None:
    agree(device, "normal", (7, 45), (2**60 + 1, 2**61 + 3), "float64", 11)


def recurrent(device: Backend) -> None:
    T, N, H = 3, 4, 2
    alive, dhs, (h, c) = np.arange(T)[:, None] < np.array([3, 1, 0, 2]), normal((T, N, H), 1), normal((2, N, H), 2)
    z, w = normal((T, N, 4 * H), 3), normal((4 * H, H), 4)
    agree(device, "lstm", z, w, h, c, alive)
    agree(device, "lstm_backward", dhs, h, c, *REFERENCE.lstm(z, w, h, c, alive), w, alive)
    z, w = z[..., : 3 * H], w[: 3 * H]
    agree(device, "gru", z, w, w[:, 0], h, alive)
    agree(device, "gru_backward", dhs, h, *REFERENCE.gru(z, w, w[:, 0], h, alive), w, alive)


# The kernels' source holds the words once or more; all of them are replaced.
MUTANTS: dict[str, tuple[str, str, Callable[[Backend], None]]] = {
    "im2col without its bounds": ("*to = inside ?", "*to = true ?", convolution),
    "col2im one column too far": ("return from / stride < outputs ?", "return from / stride <= outputs ?", convolution),
    "no barrier between the turns of a sum": (
        "part[t] += part[t + half];\n        __syncthreads();", "part[t] += part[t + half];", normalization
    ),
    "no barrier before a sum": ("part[t] = value;\n    __syncthreads();", "part[t] = value;", normalization),
    "dx without the mean of dy": (" - sum / (Real)count", "", normalization),
    "dx without the slope": (" - normal * (product / (Real)count)", "", normalization),
    "the gradient to every maximum": ("if (!met_before(", "if (true || !met_before(", pooling),
    "relu passes everything back": ("if (relu && !is_above(", "if (false && !is_above(", convolution),
    "a denormal number taken for 0": ("rank_of((float)x) > rank_of((float)y)", "x > y", denormal),
    "negative numbers in the order of their bits": ("bits < 0 ?", "false ?", denormal),
    "groups without the mean of dy": ("(d - sum - normal", "(d - normal", groups),
    "groups that begin at the first channel": ("int c = first + p.c;", "int c = p.c;", groups),
    "a channel too many": ("c < shape.C) dweight", "c <= shape.C) dweight", groups),
    "sums of one lane too many": ("half >= lanes", "half > lanes", groups),
    "an odd first number": ("i + 1 >= 0 && i + 1 < count", "i >= 0 && i + 1 < count", noise),
    "softmax that overflows": ("shifted = y[c] - largest", "shifted = y[c]", loss),
    "a moment with its bias": ("(Real)(lr / unbias1)", "(Real)lr", update),
    "a step without the gradient": ("step += (Real)gradient * slope", "step += 0", late_update),
    "a step as large as the moment": ("Real sign = along > 0 ?", "Real sign = true ? along : along > 0 ?", late_update),
    "one round of Philox too few": ("round < 10", "round < 9", mask),
    "one entry too many": ("i >= 0 && i < count) mask[i]", "i >= 0 && i <= count) mask[i]", mask),
    "entries before the first": ("i >= 0 && i < count) mask[i]", "i < count) mask[i]", mask),
    "a cell that goes on behind the end": ("Real c = ended ?", "Real c = false ?", recurrent),
    "the gradient of the cell through another's gate": ("dc[i] = cell * forget;", "dc[i] = cell * in;", recurrent),
    "what passes a gate by left out": ("dh[i] = ended ? d : d * u;", "dh[i] = ended ? d : (Real)0;", recurrent),
    "the gradient of later steps left out": ("? later + dhs[at(", "? dhs[at(", recurrent),
    "a mask that begins with a block": ("+ half - first % 8", "+ half", mask),
}  # fmt: skip


@pytest.mark.parametrize(
    "check", [convolution, denormal, pooling, normalization, groups, loss, update, mask, noise, recurrent]
)
def test_the_kernels_as_they_are_pass(device: Backend, check: Callable[[Backend], None]) -> None:
    check(device)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_error_is_seen(device: Backend, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    import cupy

    words, others, check = MUTANTS[name]
    assert words in SOURCE, "the kernel has changed: plant the error anew"
    monkeypatch.setattr(cuda_launch, "source", lambda: SOURCE.replace(words, others))
    forget()
    with pytest.raises((AssertionError, cupy.cuda.driver.CUDADriverError)):
        check(device)
