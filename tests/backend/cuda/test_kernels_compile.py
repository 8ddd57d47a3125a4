"""The real NVRTC compiles every kernel for every architecture, without a device; registers and spills are reported.

`pip install nvidia-cuda-nvrtc cuda-bindings` and `pytest -rP tests/backend/cuda/test_kernels_compile.py` show the
report. NVRTC runs in a process of its own, `python -m tests.backend.cuda.test_kernels_compile`: in that of the tests,
the stand-in device has its name.
"""

import functools
import json
import re
import subprocess
import sys

import pytest

from xpnet.backend.cuda import launch as cuda_launch

pytestmark = pytest.mark.slow

KERNELS = sorted(re.findall(r"__global__ void (\w+)\(", cuda_launch.source()))
ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)
DTYPES = ("float32", "float64")
CASES = [(architecture, dtype, False) for architecture in ARCHITECTURES for dtype in DTYPES]
CASES += [(80, dtype, True) for dtype in DTYPES]  # indices of 64 bits
NOT_INSTALLED = 3  # the exit status that says so


def compile_kernels(architecture: int, dtype: str, wide: bool) -> str:
    """What the compiler said, after machine code came out."""
    from cuda.bindings import nvrtc

    _, program = nvrtc.nvrtcCreateProgram(cuda_launch.source().encode(), b"kernels.cu", 0, [], [])
    options = [f"--gpu-architecture=sm_{architecture}", "--ptxas-options=-v", *cuda_launch.options(dtype, wide)]
    options.append("-ftz=true")  # as CuPy does
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
    log = b" " * nvrtc.nvrtcGetProgramLogSize(program)[1]
    nvrtc.nvrtcGetProgramLog(program, log)
    text = log.decode().rstrip("\0 ")
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS, text
    code = b" " * nvrtc.nvrtcGetCUBINSize(program)[1]
    nvrtc.nvrtcGetCUBIN(program, code)
    assert code.startswith(b"\x7fELF")
    return text


def main() -> int:
    """Print, as JSON, what the compiler said of each case."""
    try:
        from cuda.bindings import nvrtc

        nvrtc.nvrtcVersion()
    except (ImportError, RuntimeError) as error:  # no bindings; bindings without the library
        print(str(error).strip().partition("\n")[0])
        return NOT_INSTALLED
    print(json.dumps([compile_kernels(*case) for case in CASES]))
    return 0


@functools.cache
def compiled() -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", __name__], capture_output=True, text=True, timeout=300)


def logs() -> dict[tuple[int, str, bool], str]:
    done = compiled()
    if done.returncode == NOT_INSTALLED:
        pytest.skip(f"NVRTC is not installed ({done.stdout.strip()}): pip install nvidia-cuda-nvrtc cuda-bindings")
    assert done.returncode == 0, done.stderr
    return dict(zip(CASES, json.loads(done.stdout), strict=True))


def usage(log: str) -> dict[str, tuple[int, int]]:
    """Registers, and bytes spilled to memory, of each kernel in the words of the compiler."""
    found = {}
    for name, words in re.findall(r"Compiling entry function '(\w+)'(.*?)(?=Compiling entry|\Z)", log, re.DOTALL):
        spilled = sum(map(int, re.findall(r"(\d+) bytes spill", words)))
        found[name] = int(re.findall(r"Used (\d+) registers", words)[0]), spilled
    return found


@pytest.mark.parametrize(("architecture", "dtype", "wide"), CASES)
def test_every_kernel_compiles_without_spilling(architecture: int, dtype: str, wide: bool) -> None:
    log = logs()[architecture, dtype, wide]
    assert "warning" not in log, log
    found = usage(log)
    assert sorted(found) == KERNELS
    print(f"sm_{architecture} {dtype}:", ", ".join(f"{name} {registers}" for name, (registers, _) in found.items()))
    assert not {name: spilled for name, (_, spilled) in found.items() if spilled}
    assert max(registers for registers, _ in found.values()) <= 64  # so that blocks of 1024 threads can run


if __name__ == "__main__":
    sys.exit(main())
