"""The stand-in device keeps its promises: it notices what it must, counts exactly, and runs every thread."""

import ctypes
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests import cudasim

if not cudasim.is_active():
    pytest.skip(f"no stand-in device: {cudasim.why_not()}", allow_module_level=True)

import cupy as cp


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    cudasim.set_order("forward")
    cudasim.set_memory_limit()
    cudasim.check_guards()


def kernel(body: str, arguments: str = "float* x, int n", before: str = "") -> Any:
    return cp.RawKernel(before + f'extern "C" __global__ void tried({arguments}) {{ {body} }}', "tried")


INDEX = "int i = blockIdx.x * blockDim.x + threadIdx.x;"


# ---- memory


def test_a_fresh_array_is_nan() -> None:
    for dtype in (np.float16, np.float32, np.float64, np.complex64):
        assert cp.isnan(cp.empty((3, 5), dtype)).all()


def test_a_reused_array_is_nan() -> None:
    x = cp.ones(1000, np.float32)
    del x
    assert all(np.isnan(cp.empty(1000, np.float32).get()).all() for _ in range(5))


def test_a_pool_of_ones_own_gives_nan_too() -> None:
    pool = cp.cuda.MemoryPool()
    with cp.cuda.using_allocator(pool.malloc):
        cp.ones(1000, np.float32)
        assert np.isnan(cp.empty(1000, np.float32).get()).all()


def test_the_pool_keeps_its_accounts() -> None:
    pool = cp.get_default_memory_pool()
    before = pool.used_bytes()
    x = cp.zeros(1024, np.float32)
    assert pool.used_bytes() == before + x.nbytes


WRITES = {"store": "1", "increment": "x[i] + 1", "scale": "2 * x[i]"}


@pytest.mark.parametrize("value", WRITES.values(), ids=WRITES.keys())
@pytest.mark.parametrize("size", [100, 128, 1, 1000])  # within what CuPy's pool would round up to, and at its edge
def test_a_write_behind_an_array_is_reported(value: str, size: int) -> None:
    x = cp.ones(size, np.float32)
    place = "|".join(str(4 * size + i) for i in range(4))  # the first byte that changed
    message = f"kernel 'tried' wrote outside an array of {4 * size} bytes, at byte ({place})"
    with pytest.raises(cp.cuda.driver.CUDADriverError, match=message):
        kernel(f"{INDEX} if (i <= n) x[i] = {value};")((size // 64 + 1,), (64,), (x, np.int32(size)))
    cudasim.check_guards()  # the guard was mended: one error, not one for each call from now on


def test_a_write_before_an_array_is_reported() -> None:
    x = cp.ones(10, np.float32)
    with pytest.raises(cp.cuda.driver.CUDADriverError, match="at byte -4"):
        kernel("x[-1] = 0;")((1,), (1,), (x, np.int32(10)))


def test_a_copy_from_one_edge_to_another_is_reported() -> None:
    x, y = cp.ones(10, np.float32), cp.ones(10, np.float32)
    with pytest.raises(cp.cuda.driver.CUDADriverError, match="outside an array of 40 bytes"):
        kernel("y[threadIdx.x] = x[threadIdx.x];", "float* x, float* y")((1,), (32,), (x, y))


@pytest.mark.parametrize("dtype, c_type", [(np.float32, "float"), (np.float64, "double")])
@pytest.mark.parametrize("index", ["10", "11", "-1", "-10"])
def test_a_read_outside_an_array_is_nan(dtype: Any, c_type: str, index: str) -> None:
    x, y = cp.ones(10, dtype), cp.ones(1, dtype)
    kernel(f"y[0] = x[{index}];", f"{c_type}* x, {c_type}* y")((1,), (1,), (x, y))
    assert np.isnan(y.item())


def test_an_address_that_is_not_the_devices_is_an_error_that_names_the_thread() -> None:
    x = cp.zeros(4, np.float32)
    wild = kernel("if (blockIdx.x == 1 && threadIdx.x == 3) x[1ll << 44] = 1;")
    with pytest.raises(cp.cuda.driver.CUDADriverError, match=r"'tried', block \(1, 0, 0\), thread \(3, 0, 0\)"):
        wild((2,), (4,), (x, np.int32(0)))
    assert (x + 1).sum() == 4  # and the device can still be used


def test_the_guards_can_be_checked_on_demand() -> None:
    x = cp.zeros(10, np.uint8)
    ctypes.memset(x.data.ptr + 10, 0, 1)
    with pytest.raises(AssertionError, match="outside an array of 10 bytes, at byte 10"):
        cudasim.check_guards()


def test_a_copy_beyond_an_array_is_an_error() -> None:
    x, host = cp.zeros(10, np.float32), np.zeros(20, np.float32)
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="outside an array"):
        cp.cuda.runtime.memcpy(x.data.ptr, host.ctypes.data, host.nbytes, cp.cuda.runtime.memcpyHostToDevice)


def test_out_of_memory_at_the_limit_and_the_process_goes_on() -> None:
    gc.collect()  # CuPy does so before it gives up, and may find room in what other tests left behind
    cudasim.set_memory_limit(cudasim.counters()["allocated_bytes"] + 2**20)
    x = cp.zeros(2**16, np.float32)
    with pytest.raises(cp.cuda.memory.OutOfMemoryError, match="Out of memory allocating"):
        cp.zeros(2**20, np.float32)
    assert x.sum() == 0
    free, total = cp.cuda.runtime.memGetInfo()
    assert 0 < free < total


def test_pinned_memory_holds_what_is_written() -> None:
    memory = cp.cuda.alloc_pinned_memory(400)
    host = np.frombuffer(memory, np.float32, 100)
    assert np.isnan(host).all() or host.flags.writeable
    host[:] = np.arange(100)
    x, stream = cp.empty(100, np.float32), cp.cuda.Stream(non_blocking=True)
    x.set(host, stream)
    stream.synchronize()
    np.testing.assert_array_equal(x.get(), host)


# ---- launches


@pytest.mark.parametrize(
    "grid, block, shared",
    [
        ((1,), (1025,), 0),
        ((1,), (32, 33), 0),
        ((1,), (1, 1, 65), 0),
        ((1, 65536), (1,), 0),
        ((1, 1, 65536), (1,), 0),
        ((1,), (1,), 48 * 1024 + 1),
    ],
)
def test_an_illegal_launch_is_refused(grid: tuple[int, ...], block: tuple[int, ...], shared: int) -> None:
    with pytest.raises(cp.cuda.driver.CUDADriverError, match="CUDA_ERROR_INVALID_VALUE"):
        kernel("")(grid, block, (cp.zeros(1, np.float32), np.int32(1)), shared_mem=shared)


def test_more_shared_memory_must_be_asked_for() -> None:
    greedy = kernel("extern __shared__ float s[]; s[n - 1] = 1; x[0] = s[n - 1];")
    x = cp.zeros(1, np.float32)
    greedy.max_dynamic_shared_size_bytes = 64 * 1024
    greedy((1,), (1,), (x, np.int32(16 * 1024)), shared_mem=64 * 1024)
    assert x.item() == 1


def test_every_thread_of_every_block_runs_once() -> None:
    body = """int t = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
              int b = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
              x[b * blockDim.x * blockDim.y * blockDim.z + t] += 1;"""
    for name in cudasim.ORDERS:
        x = cp.zeros(2 * 3 * 5 * 4 * 3 * 2, np.float32)
        with cudasim.order(name):
            kernel(body)((2, 3, 5), (4, 3, 2), (x, np.int32(0)))
        assert (x == 1).all()


REVERSE = """__shared__ float s[256];
             s[threadIdx.x] = x[threadIdx.x];
             {barrier}
             x[threadIdx.x] = s[n - 1 - threadIdx.x];"""


def test_syncthreads_waits_for_every_thread() -> None:
    for name in cudasim.ORDERS:
        x = cp.arange(256, dtype=np.float32)
        with cudasim.order(name):
            kernel(REVERSE.format(barrier="__syncthreads();"))((1,), (256,), (x, np.int32(256)))
        np.testing.assert_array_equal(x.get(), np.arange(256)[::-1])


def test_a_missing_syncthreads_shows() -> None:
    results = {}
    for name in cudasim.ORDERS:
        x = cp.arange(256, dtype=np.float32)
        with cudasim.order(name):
            kernel(REVERSE.format(barrier=""))((1,), (256,), (x, np.int32(256)))
        results[name] = x.get()
    assert np.isnan(results["forward"]).any()  # shared memory that was not yet written
    assert not np.array_equal(results["forward"], results["backward"], equal_nan=True)


def test_a_race_shows_as_an_answer_that_depends_on_the_order() -> None:
    answers = {}
    for name in cudasim.ORDERS:
        x = cp.zeros(1, np.float32)
        with cudasim.order(name, seed=1):
            kernel(f"{INDEX} x[0] = i;")((4,), (32,), (x, np.int32(0)))
        answers[name] = x.item()
    assert answers["forward"] == 127 and answers["backward"] == 0 and answers["shuffled"] not in (0, 127)


def test_shared_memory_does_not_outlive_a_block() -> None:
    x = cp.zeros(2, np.float32)
    kernel("__shared__ float s; if (blockIdx.x == 0) s = 1; x[blockIdx.x] = s;")((2,), (1,), (x, np.int32(0)))
    assert x[0] == 1 and cp.isnan(x[1])


def test_a_write_beyond_dynamic_shared_memory_is_reported() -> None:
    with pytest.raises(cp.cuda.driver.CUDADriverError, match="outside its 64 bytes of shared memory"):
        kernel("extern __shared__ float s[]; s[n] = 1;")((1,), (1,), (cp.zeros(1), np.int32(16)), shared_mem=64)


def test_threads_at_different_barriers_are_an_error() -> None:
    body = "if (threadIdx.x < 16) { __syncthreads(); }\nelse { __syncthreads(); }"
    with pytest.raises(cp.cuda.driver.CUDADriverError, match="different barriers"):
        kernel(body)((1,), (32,), (cp.zeros(1, np.float32), np.int32(0)))
    assert cp.ones(3).sum() == 3


def test_shuffles_sum_a_warp_and_warps_do_not_meet() -> None:
    body = """float v = x[threadIdx.x];
              for (int d = 16; d > 0; d /= 2) v += __shfl_{how}_sync(0xffffffff, v, d);
              if (threadIdx.x >= 64) __syncthreads(); else __syncthreads();
              x[threadIdx.x] = __shfl_sync(0xffffffff, v, 0);"""
    for how in ("down", "xor"):
        for name in cudasim.ORDERS:
            x = cp.arange(128, dtype=np.float32)
            with cudasim.order(name):
                kernel(body.replace("{how}", how))((1,), (128,), (x, np.int32(0)))
            np.testing.assert_array_equal(x.get(), np.arange(128).reshape(4, 32).sum(1).repeat(32))


def test_atomics_vote_and_constants() -> None:
    x = cp.zeros(3, np.float32)
    body = """atomicAdd(&x[0], step);
              unsigned ballot = __ballot_sync(0xffffffff, threadIdx.x % 2);
              if (threadIdx.x == 0) { x[1] = __popc(ballot); x[2] = ballot == 0xaaaaaaaau; }"""
    kernel(body, before="__constant__ float step = 0.5f;\n")((3,), (32,), (x, np.int32(0)))
    assert x.tolist() == [48, 16, 1]


def test_a_template_is_launched_by_its_expression() -> None:
    source = "template <typename T, int N> __global__ void fill(T* x) { x[threadIdx.x] = T(N); }"
    module = cp.RawModule(code=source, name_expressions=("fill<double, 3>", "fill<int, 4>"))
    x, y = cp.zeros(5), cp.zeros(5, np.int32)
    module.get_function("fill<double, 3>")((1,), (5,), (x,))
    module.get_function("fill<int, 4>")((1,), (5,), (y,))
    assert (x == 3).all() and (y == 4).all()


def test_an_error_in_the_source_is_told_with_its_line() -> None:
    with pytest.raises(cp.cuda.compiler.CompileException, match=r"kernel\.cu:2"):
        kernel("\nx[0] = unknown;").compile()


def test_two_threads_of_the_host_may_launch_at_once() -> None:
    results: list[float] = []

    def work(value: int) -> None:
        x = cp.full(1000, value, np.float32)
        results.append(float(sum((x * 2).sum().item() for _ in range(20))))

    workers = [threading.Thread(target=work, args=(value,)) for value in (1, 2, 3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(results) == [40_000, 80_000, 120_000]


def test_a_destroyed_stream_is_refused() -> None:
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="cudaErrorInvalidResourceHandle"):
        cp.cuda.runtime.streamSynchronize(12345678)


# ---- counters


def test_counters_are_exact() -> None:
    host = np.ones((8, 16), np.float32)
    add = kernel(f"{INDEX} if (i < n) x[i] += 1;")
    add((1,), (1,), (cp.zeros(1, np.float32), np.int32(1)))  # compiled and loaded before anything is counted
    cudasim.reset()
    allocated = cudasim.counters()["allocated_bytes"]
    x = cp.asarray(host)
    add((2,), (64,), (x, np.int32(128)))
    add((2,), (64,), (x, np.int32(128)))
    y = cp.empty_like(x)
    y.data.copy_from_device_async(x.data, x.nbytes)
    z = cp.zeros((3, 3), np.float32)
    stream, event = cp.cuda.Stream(), cp.cuda.Event()
    event.record(stream)
    stream.wait_event(event)
    event.synchronize()
    stream.synchronize()
    cp.cuda.Device().synchronize()
    back = y.get()
    got = cudasim.counters()
    assert (back == 3).all() and z.shape == (3, 3)
    assert (got["launches"], got["library_calls"], cudasim.calls()) == (2, 0, {"tried": 2})
    assert (got["host_to_device"], got["host_to_device_bytes"]) == (1, 512)
    assert (got["device_to_host"], got["device_to_host_bytes"]) == (1, 512)
    assert (got["device_to_device"], got["device_to_device_bytes"]) == (1, 512)
    assert got["memsets"] == 1 and got["allocations"] == 3
    assert got["allocated_bytes"] - allocated == 512 + 512 + 36
    assert (got["event_synchronizations"], got["device_synchronizations"]) == (1, 1)
    assert got["synchronizations"] == 2 + got["stream_synchronizations"]
    del x, y, z
    after = cudasim.counters()
    assert after["allocated_bytes"] == allocated and after["peak_bytes"] - allocated == 512 + 512 + 36


def test_a_product_is_one_library_call() -> None:
    a = cp.ones((4, 5, 6), np.float32)
    b = cp.ones((4, 6, 7), np.float32)
    cudasim.reset()
    cp.matmul(a, b)
    cp.dot(a[0], b[0])
    assert cudasim.counters()["library_calls"] == 2
    assert sum(n for name, n in cudasim.calls().items() if name.startswith("cublas")) == 2


# ---- numbers


def test_denormal_floats_count_as_0_in_kernels_and_are_copied_as_they_are() -> None:
    """CuPy has its kernels and those of others compiled with -ftz=true."""
    x = cp.asarray(np.array([1e-45, -1e-39, 1e-38, 1e-37], np.float32))
    assert (x > 0).tolist() == [False, False, False, True]
    assert (x * np.float32(1)).tolist() == [0, 0, 0, x[3].item()]
    y = cp.empty_like(x)
    kernel("y[threadIdx.x] = x[threadIdx.x];", "float* x, float* y")((1,), (4,), (x, y))
    assert y.get().tobytes() == x.copy().get().tobytes() == x.get().tobytes() and x.get()[0] > 0
    kernel("x[threadIdx.x] = 0 < x[threadIdx.x];")((1,), (4,), (x, np.int32(4)))
    assert x.tolist() == [0, 0, 0, 1]
    assert np.float32(1e-39) * np.float32(1) > 0  # the processor counts as before


# ---- how it is started


def test_any_script_runs_on_it(tmp_path: Any) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys, cupy; print(sys.argv[1:], cupy.arange(4).sum(), __name__)")
    command = [sys.executable, "-m", "tests.cudasim", str(script), "--steps", "3"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "['--steps', '3'] 6 __main__\n"), done.stderr


def ask_why_not(environment: dict[str, str]) -> str:
    code = "from tests import cudasim; cudasim.activate_for_tests(); print(cudasim.why_not())"
    env = {**os.environ, **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True).stdout


def test_a_missing_compiler_is_named() -> None:
    assert "no C++ compiler: 'no-g++' was not found" in ask_why_not({"CXX": "no-g++"})


def test_it_can_be_switched_off() -> None:
    assert "switched off by XPNET_CUDASIM=0" in ask_why_not({"XPNET_CUDASIM": "0"})


def test_other_processes_see_the_stock_cupy() -> None:
    done = subprocess.run([sys.executable, "-c", "import cupy; cupy.zeros(1)"], capture_output=True, text=True)
    assert "cudaErrorInsufficientDriver" in done.stderr
