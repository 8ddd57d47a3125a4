"""Builds the stand-in for the installed CuPy, once for each state of its sources; the result lies in .cache/cudasim.

Two things are made. `libcudasim.so` is the device with the driver, NVRTC, the runtime, cuBLAS and cuRAND; libraries
with the real names only point to it. And CuPy's own module `cupy_backends.cuda.api.runtime` is built anew from the
source of the same release: the wheel's has NVIDIA's runtime linked into it, which would look for a real driver.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata, util
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE / "src"
CACHE = HERE.parents[1] / ".cache" / "cudasim"
CXX = os.environ.get("CXX", "g++")
# _FORTIFY_SOURCE refuses the longjmp from one stack to another that fibers are made of.
COMMON = [CXX, "-std=c++17", "-shared", "-fPIC", "-fvisibility=hidden", "-U_FORTIFY_SOURCE", "-w"]
KERNEL = [*COMMON, "-O1", "-fpermissive", "-ffp-contract=off", f"-I{SOURCE}", f"-I{SOURCE / 'include'}"]
CUBLAS = "libcublas.so.13"
LIBRARIES = [CUBLAS, "libcublasLt.so.13", "libcuda.so.1", "libcudart.so.13", "libcurand.so.10", "libnvrtc.so.13"]
DISTRIBUTION = "cupy-cuda13x"
NOT_SUPPORTED = 15  # cuBLAS's status


class Unavailable(Exception):
    """The stand-in cannot be had here; the message says why."""


def check() -> None:
    """Raise Unavailable if something that the build needs is missing."""
    if not sys.platform.startswith("linux"):
        raise Unavailable("the stand-in device needs Linux")
    if not (installed(DISTRIBUTION) and util.find_spec("cupy")):
        raise Unavailable(f"CuPy is not installed: pip install {DISTRIBUTION}")
    if not shutil.which(CXX):
        raise Unavailable(f"no C++ compiler: {CXX!r} was not found (install g++, or name one in CXX)")
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        raise Unavailable("Python.h was not found: install the headers of this Python (python3-dev)")
    if not (installed("cython") or "").startswith("3."):
        raise Unavailable('Cython is not installed: pip install "cython<3.3"')


def installed(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def folder() -> Path:
    """Where the result belongs: a name made of everything that it depends on."""
    digest = hashlib.sha256()
    for path in [Path(__file__), *sorted(SOURCE.rglob("*.*"))]:
        digest.update(path.read_bytes())
    compiler = subprocess.run([CXX, "--version"], capture_output=True, text=True, check=True).stdout
    for version in [installed(DISTRIBUTION), installed("cython"), sys.version, compiler]:
        digest.update(str(version).encode())
    return CACHE / digest.hexdigest()[:16]


def built() -> Path:
    """The folder with the finished stand-in, made now if it is not there."""
    check()
    target = folder()
    if not target.exists():
        print(f"building the stand-in CUDA device in {target} (about a minute, once)", file=sys.stderr, flush=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            result = Path(scratch) / "result"
            result.mkdir()
            make(result, Path(scratch))
            try:
                result.rename(target)
            except OSError:  # another process was first
                if not target.exists():
                    raise
    return target


def make(result: Path, scratch: Path) -> None:
    with ThreadPoolExecutor(2) as two:
        device = two.submit(make_device, result)
        module = two.submit(make_runtime_source, scratch)
        device.result()
        make_libraries(result, scratch)
        # compiled beforehand, which halves the time that a kernel takes
        run([*KERNEL, "-x", "c++-header", "-o", result / "prelude.h.gch", SOURCE / "prelude.h"])
        source = module.result()
    include = [f"-I{sysconfig.get_paths()['include']}", f"-I{SOURCE / 'include'}"]
    run([*COMMON, "-O1", *include, "-o", result / "runtime.so", source, *link(result)], cwd=source.parent)


def make_device(result: Path) -> None:
    sources = sorted(SOURCE.glob("*.cpp"))
    run([*COMMON, "-O3", "-Wl,-soname,libcudasim.so", "-o", result / "libcudasim.so", *sources, "-ldl"])


def make_libraries(result: Path, scratch: Path) -> None:
    """The names under which CuPy looks for NVIDIA's libraries; what cublas.cpp lacks answers "not supported"."""
    stubs = scratch / "stubs.cpp"
    site = Path(util.find_spec("cupy_backends").origin).parent  # type: ignore[union-attr, arg-type]
    wanted = symbols("--undefined-only", *site.glob("cuda/libs/cublas.*.so"))
    missing = wanted - symbols("--defined-only", result / "libcudasim.so")
    function = 'extern "C" __attribute__((visibility("default"))) int {}(...) {{ return {}; }}\n'
    stubs.write_text("".join(function.format(name, NOT_SUPPORTED) for name in sorted(missing) if name[:6] == "cublas"))
    empty = scratch / "empty.cpp"
    empty.write_text("")
    for name in LIBRARIES:
        source = stubs if name == CUBLAS else empty
        run([*COMMON, f"-Wl,-soname,{name}", "-o", result / name, source, *link(result)])


def symbols(which: str, *libraries: Path) -> set[str]:
    lines = run(["nm", "-D", which, *libraries]).splitlines()
    return {line.split()[-1].split("@")[0] for line in lines if line}


def make_runtime_source(scratch: Path) -> Path:
    """CuPy's runtime module as C++, from the sdist of the installed release."""
    version = installed(DISTRIBUTION)
    sdist = CACHE / f"cupy-{version}.tar.gz"
    if not sdist.exists():
        download = f"-m pip download --quiet --no-deps --no-binary cupy cupy=={version} --dest".split()
        # READTHEDOCS: the sdist tells its metadata without looking for CUDA
        run([sys.executable, *download, CACHE], env={**os.environ, "READTHEDOCS": "True"})
    with tarfile.open(sdist) as archive:
        members = [m for m in archive if m.name.startswith(f"cupy-{version}/cupy_backends/")]
        archive.extractall(scratch, members, filter="data")
    root = scratch / f"cupy-{version}"
    # as CuPy's own build sets them for CUDA 13
    settings = ["CUPY_CUDA_VERSION=13020", "CUPY_HIP_VERSION=0", "CUPY_USE_CUDA_PYTHON=False"]
    settings += ["CUPY_CUFFT_STATIC=False", f"CUPY_CYTHON_VERSION={installed('cython')!r}"]
    directives = ["binding=False", "c_api_binop_methods=True", "embedsignature=True", "freethreading_compatible=True"]
    words = [f"-E{setting}" for setting in settings] + [f"-X{directive}" for directive in directives]
    cython = [sys.executable, "-m", "cython", "-3", "--cplus", "-I.", "-Xwarn.deprecated.IF=False"]
    run([*cython, *words, "cupy_backends/cuda/api/runtime.pyx"], cwd=root)
    return root / "cupy_backends" / "cuda" / "api" / "runtime.cpp"


def link(result: Path) -> list[str]:
    """Options that link against the device; it is found beside the library that needs it."""
    return [f"-L{result}", "-Wl,--no-as-needed", "-lcudasim", "-Wl,-rpath,$ORIGIN"]


def kernel_command(result: Path) -> str:
    """What compiles a kernel, but for its own options and files."""
    # -Bsymbolic: a kernel's global variable is its own, even if the C library has a function of that name
    return " ".join([KERNEL[0], f"-I{result}", *KERNEL[1:], "-Wl,-Bsymbolic", *link(result)])


def run(command: list[str | Path], cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=env, capture_output=True, text=True)
    if done.returncode:
        words = (done.stderr or done.stdout).strip()[-2000:]
        raise Unavailable(f"the stand-in could not be built: {command[0]} ended with {done.returncode}:\n{words}")
    return done.stdout
