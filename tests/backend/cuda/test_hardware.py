"""What only the hardware can show: that nothing waits, that copies overlap computing, and what TF32 rounds.

The rest of the suite runs on a GPU too, where there is one, and on the stand-in device where there is none.
"""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests import cudasim
from xpnet import networks, random
from xpnet.backend import Backend, make_backend, use_backend
from xpnet.backend.cuda import backend as cuda_backend
from xpnet.errors import BackendError

pytestmark = pytest.mark.gpu

SPIN = (
    'extern "C" __global__ void spin(long long cycles) { for (auto start = clock64(); clock64() - start < cycles;); }'
)
CYCLES = 1 << 30  # half a second, about


@pytest.fixture
def gpu() -> Iterator[Backend]:
    if cudasim.is_active():
        pytest.skip("needs an NVIDIA GPU: on the stand-in device everything is done at once, in the order of the calls")
    try:
        backend = make_backend("cupy")
    except BackendError as error:
        pytest.skip(f"needs an NVIDIA GPU: {error}")
    with use_backend(backend):
        yield backend


def keep_busy() -> Any:
    """Work for the stream that computes, and the event of its end."""
    import cupy

    cupy.RawKernel(SPIN, "spin")((1,), (1,), (np.int64(CYCLES),))
    return cupy.cuda.get_current_stream().record(cupy.cuda.Event(disable_timing=True))


def test_a_training_step_does_not_wait_for_the_device(gpu: Backend) -> None:
    random.seed(0)
    model = networks.DeepConvNet()
    model.compile("adam")
    step = model.make_step()
    x, t = np.random.default_rng(0).random((100, 1, 28, 28), np.float32), np.arange(100) % 10
    for _ in range(3):  # compile, and fill the pools of memory: taking more of the device's may wait for it
        step(gpu.batch((x, t), "float32"), "warming up")
    gpu.synchronize()
    spun = keep_busy()
    value = step(gpu.batch((x, t), "float32"), "the test")["loss"]
    assert not spun.done, "the step waited for the work before it"
    assert np.isfinite(float(value)) and spun.done


def test_the_next_batch_is_copied_while_the_device_computes(gpu: Backend) -> None:
    x, t = np.ones((3, 1000, 784), np.float32), np.zeros((3, 1000), np.int64)
    x[1], x[2] = 2, 3
    means = []
    for batch, _ in gpu.staged(zip(x, t, strict=True), "float32"):
        spun = keep_busy()
        copies = [event for event, _ in gpu.in_flight]  # type: ignore[attr-defined]
        until = time.monotonic() + 0.2
        while not all(event.done for event in copies) and time.monotonic() < until:
            time.sleep(0.001)
        assert all(event.done for event in copies) and not spun.done
        means.append(float(batch.mean()))
    assert means == [1, 2, 3]


def test_batches_come_from_pinned_memory(gpu: Backend) -> None:
    import cupy

    gpu.batch((np.ones((4, 3), np.float32), np.zeros(4, np.int64)), "float32")
    _, host = gpu.in_flight[-1]  # type: ignore[attr-defined]
    assert cupy.cuda.runtime.pointerGetAttributes(host.ptr).type == 1  # cudaMemoryTypeHost: allocated or registered


def test_tf32_rounds_factors_to_ten_bits(gpu: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((256, 512), np.float32), rng.standard_normal((128, 512), np.float32)
    exact = x.astype(np.float64) @ w.T

    def error(backend: Backend) -> float:
        y = backend.to_numpy(backend.dense(backend.asarray(x), backend.asarray(w), None))
        return float(np.abs(y - exact).max() / np.abs(exact).max())

    assert error(gpu) < 1e-5
    monkeypatch.setenv("XPNET_TF32", "1")
    assert 1e-5 < error(cuda_backend.CupyBackend()) < 5e-3
