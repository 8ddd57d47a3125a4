"""Where the time of a step goes on a GPU: what single calls take of the host, and what steps take of the device.

    python bench/gpu_calls.py
    python bench/gpu_calls.py --networks deepconvnet --batches 100 1024 4096 --tf32
    python -m tests.cudasim bench/gpu_calls.py --networks mlp --batches 4 --rounds 2 --steps 1    # that it runs

A call is made many times in a row: "host" is the time until Python goes on, "in all" until the device is through. A
step's time on the device is taken while the device is behind: a kernel that only waits holds it up until Python has
asked for all steps, so that it does them without a pause. "clock" is the same steps without that kernel, from an idle
device to an idle device, as in bench/gpu.py. All are microseconds, the best of the rounds.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parent))  # where python -m tests.cudasim runs it
from gpu import VARIANTS, Runner, begin, torch_runner, xpnet_runner
from peers import BATCH

Calls = dict[str, Callable[[], Any]]

WAIT = r"""
__device__ long long now() { long long t; asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t)); return t; }
extern "C" __global__ void wait(long long ns) { for (long long start = now(); now() - start < ns;) {} }
"""


def single_calls() -> Calls:
    import cupy as cp
    from cupy_backends.cuda.libs import cublas

    import xpnet
    from xpnet.backend.cuda import launch, products

    f32, backend = np.dtype("float32"), xpnet.get_backend()
    x, w, out, losses = (cp.ones(shape, f32) for shape in ((100, 64), (64, 64), (100, 64), (100,)))
    images, t = np.ones((100, 1, 28, 28), f32), np.zeros(100, np.int64)
    nothing = cp.RawKernel('extern "C" __global__ void nothing(float* x) {}', "nothing")
    one, zero = (np.full(1, value, f32) for value in (1, 0))
    handle, factors = cp.cuda.device.get_cublas_handle(), (one.ctypes.data, zero.ctypes.data)

    def relu() -> None:
        launch.elementwise("bias_activation", f32, x.size, x, None, x.size, 1, 64, 1)

    def sgemm() -> None:
        a, b, c = x.data.ptr, w.data.ptr, out.data.ptr
        cublas.sgemm(handle, 0, 0, 64, 100, 64, factors[0], b, 64, a, 64, factors[1], c, 64)

    return {
        "launch of a RawKernel": lambda: nothing((1,), (32,), (x,)),
        "launch of a kernel of xpnet": relu,
        "cublas.sgemm, (100, 64) by (64, 64)": sgemm,
        "the same, xpnet's products.product": lambda: products.product(x, w, out),
        "the same, cupy.matmul": lambda: cp.matmul(x, w),
        "cupy: x * x, (100, 64)": lambda: x * x,
        "cupy: x / 100": lambda: x / 100,
        "cupy: mean of 100": lambda: cp.mean(losses),
        "cupy.empty": lambda: cp.empty((100, 64), f32),
        "cupy.ndarray": lambda: cp.ndarray((100, 64), f32),
        "cupy.empty_like": lambda: cp.empty_like(x),
        "x.reshape": lambda: x.reshape(10, 640),
        "copy of a batch, 100 images of 28 by 28": lambda: backend.batch((images, t), f32),
    }


def microseconds(step: Callable[[], Any], wait: Callable[[], Any], count: int) -> tuple[float, float]:
    """What one step takes until Python goes on, and until the device is through."""
    wait()
    start = time.perf_counter()
    for _ in range(count):
        step()
    asked = time.perf_counter()
    wait()
    return (asked - start) / count * 1e6, (time.perf_counter() - start) / count * 1e6


def on_device(runner: Runner, count: int, hold: Callable[[float], None]) -> tuple[float, float]:
    """What one step takes of the device when it need not wait for Python, and what it takes by the clock."""
    import cupy as cp

    _, clock = microseconds(runner.step, runner.wait, count)
    start, end = cp.cuda.Event(), cp.cuda.Event()
    hold(2 * clock * count + 5000)
    start.record()
    for _ in range(count):
        runner.step()
    end.record()
    end.synchronize()
    return cp.cuda.get_elapsed_time(start, end) / count * 1e3, clock


def print_calls(rounds: int, count: int) -> None:
    import xpnet

    print("\n| call | host | in all |\n|---|---|---|")
    for name, call in single_calls().items():
        call()
        times = [microseconds(call, xpnet.get_backend().synchronize, count) for _ in range(rounds)]
        print(f"| {name} | {min(host for host, _ in times):.1f} | {min(whole for _, whole in times):.1f} |")


def print_steps(arguments: argparse.Namespace, variants: list[str], hold: Callable[[float], None]) -> None:
    import xpnet

    heads = ["network", "mode", "batch", *(f"{name}, device (clock)" for name in ("xpnet", *variants))]
    print("\n| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for network in arguments.networks:
        for batch in arguments.batches or [BATCH[network]]:
            for mode in ("train", "infer"):
                xpnet.get_backend().free_memory()
                runners = [xpnet_runner(network, batch, mode == "train")]
                runners += [torch_runner(network, batch, mode == "train", name, "cuda") for name in variants]
                cells = [network, mode, str(batch)]
                for runner in runners:
                    microseconds(runner.step, runner.wait, 5)  # compile, and fill the pools of memory
                    times = [on_device(runner, arguments.steps, hold) for _ in range(arguments.rounds)]
                    cells += [f"{min(device for device, _ in times):,.0f} ({min(clock for _, clock in times):,.0f})"]
                print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="*", default=["mlp", "lenet5", "simpleconvnet", "deepconvnet"])
    parser.add_argument("--batches", nargs="+", type=int, help="samples in a batch (default: each network's own)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8, help="steps in a round; 40 times as many of a single call")
    parser.add_argument("--tf32", action="store_true", help="on both sides")
    parser.add_argument("--peers", choices=["torch", "none"], default="torch")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS[:2])
    arguments = parser.parse_args()
    arguments.torch_device = "cuda"
    variants, remark, gpu = begin(parser, arguments)

    import cupy

    name = gpu["device 0"]
    simulated = "no GPU" in name
    print(f"{name}, {remark}; TF32 {'on' if arguments.tf32 else 'off'}")
    if simulated:
        print("**On a stand-in device: these times say nothing about a GPU**")
    wait = None if simulated else cupy.RawKernel(WAIT, "wait")

    def hold(microseconds: float) -> None:
        if wait is not None:  # the stand-in does everything at once, and has no clock
            wait((1,), (1,), (int(microseconds * 1000),))

    print_calls(arguments.rounds, 40 * arguments.steps)
    print_steps(arguments, variants, hold)


if __name__ == "__main__":
    main()
