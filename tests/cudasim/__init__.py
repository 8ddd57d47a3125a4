"""A stand-in for an NVIDIA GPU, so that CuPy runs on a CPU: README.md says what it shows and what it cannot.

from tests import cudasim
cudasim.activate()        # before anything imports cupy
import cupy
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cudasim.build import Unavailable, built, check, kernel_command

__all__ = [
    "Unavailable", "activate", "activate_for_tests", "calls", "check_guards", "counters", "is_active", "order", "reset",
    "set_memory_limit", "set_order", "why_not",
]  # fmt: skip

ORDERS = ("forward", "backward", "shuffled")
MEMORY = 4 << 30  # bytes of the device, unless set_memory_limit says otherwise

_library: ctypes.CDLL | None = None
_loaded: list[ctypes.CDLL] = []
_why_not = "it was not activated"


def is_active() -> bool:
    return _library is not None


def activate() -> None:
    """Put the stand-in in the place of CUDA for this process, and import CuPy on it.

    Raises `Unavailable`, saying why, if it cannot be built here or CuPy was imported already.
    """
    global _library
    if is_active():
        return
    if "cupy" in sys.modules:
        raise Unavailable("cupy was imported before the stand-in device: call cudasim.activate() first")
    home = built()
    _library = _load(home)
    _library.cudasim_set_compiler(kernel_command(home).encode())
    name, _, seed = os.environ.get("CUDASIM_ORDER", "forward").partition(":")
    set_order(name, int(seed or 0))

    from tests.cudasim import install

    install.before_cupy(home)
    install.import_cupy(_library)


def activate_for_tests() -> None:
    """Activate unless XPNET_CUDASIM=0, the machine has a GPU, or something is missing; `why_not` then says which."""
    global _why_not
    try:
        if os.environ.get("XPNET_CUDASIM") == "0":
            raise Unavailable("it is switched off by XPNET_CUDASIM=0")
        check()
        if _has_gpu():
            raise Unavailable("this machine has an NVIDIA GPU, which is used in its place")
        activate()
    except Unavailable as why:
        _why_not = str(why)


def why_not() -> str:
    """Why the stand-in is not in use, where it is not."""
    return _why_not


def counters() -> dict[str, int]:
    """What the device did since `reset`; "allocated_bytes" is now, "peak_bytes" the most since then.

    Copies are counted by direction, their bytes apart; "blocking_copies" are those of them that made the host wait.
    "synchronizations" is the sum of the three kinds.
    """
    import cupy

    cupy.get_default_memory_pool().free_all_blocks()  # what is no longer used is not counted as allocated
    names = _device().cudasim_counter_names().decode().split()
    values = (ctypes.c_uint64 * len(names))()
    _device().cudasim_counters(values)
    result = dict(zip(names, values, strict=True))
    result["synchronizations"] = sum(n for name, n in result.items() if name.endswith("_synchronizations"))
    return result


def calls() -> dict[str, int]:
    """How often each kernel and library function was called since `reset`, by name."""
    lines = _device().cudasim_calls().decode().splitlines()
    return {name: int(count) for name, _, count in (line.rpartition(" ") for line in lines)}


def reset() -> None:
    """Set all counters to 0, and the peak to what is allocated now."""
    counters()  # frees what is no longer used
    _device().cudasim_reset()


def set_order(name: str, seed: int = 0) -> None:
    """The order of blocks and of threads: "forward", "backward" or "shuffled" (another for each launch and seed)."""
    if name not in ORDERS:
        raise ValueError(f"order {name!r}: expected one of {', '.join(ORDERS)}")
    _device().cudasim_set_order(ORDERS.index(name), seed)


@contextmanager
def order(name: str, seed: int = 0) -> Iterator[None]:
    """`set_order` for a while, then forward again."""
    set_order(name, seed)
    try:
        yield
    finally:
        set_order("forward")


def set_memory_limit(size: int | None = None) -> None:
    """How many bytes the device has; None: as many as at the start."""
    _device().cudasim_set_memory_limit(MEMORY if size is None else size)


def check_guards() -> None:
    """Raise AssertionError if anything was written beside an array. Launches and products have checked it already."""
    damage = _device().cudasim_check_guards().decode()
    if damage:
        raise AssertionError(f"something {damage}")


def _device() -> ctypes.CDLL:
    if _library is None:
        raise RuntimeError("the stand-in device is not active: call tests.cudasim.activate() first")
    return _library


def _load(home: Path) -> ctypes.CDLL:
    """Load the libraries under their real names, so that CuPy finds them loaded and looks no further.

    CUDASIM_WITHOUT=nvrtc leaves that one out, for the tests of what CuPy says then.
    """
    without = os.environ.get("CUDASIM_WITHOUT", "none")
    paths = [path for path in sorted(home.glob("lib*.so.*")) if without not in path.name]
    _loaded.extend(ctypes.CDLL(str(path)) for path in paths)
    library = ctypes.CDLL(str(home / "libcudasim.so"))
    for name in ("cudasim_counter_names", "cudasim_calls", "cudasim_check_guards"):
        getattr(library, name).restype = ctypes.c_char_p
    library.cudasim_counters.argtypes = [ctypes.POINTER(ctypes.c_uint64)]
    library.cudasim_hand_out.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.cudasim_set_memory_limit.argtypes = [ctypes.c_size_t]
    library.cudasim_set_order.argtypes = [ctypes.c_int, ctypes.c_uint]
    library.cudasim_set_compiler.argtypes = [ctypes.c_char_p]
    return library


# In a process of its own: a real driver that is loaded here, and then finds no device, could not be replaced any more.
_COUNT_GPUS = """
import ctypes
driver, count = ctypes.CDLL("libcuda.so.1"), ctypes.c_int()
raise SystemExit(driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or count.value == 0)
"""


def _has_gpu() -> bool:
    return subprocess.run([sys.executable, "-S", "-c", _COUNT_GPUS], capture_output=True).returncode == 0
