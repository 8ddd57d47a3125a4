"""What CuPy must find in other places than usual: a few modules, the headers, and the memory pool."""

import ctypes
import importlib.util
import os
import sys
import threading
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

REPLACEMENTS = Path(__file__).parent / "replacements"
INCLUDE = Path(__file__).parent / "src" / "include"


class Finder:
    """Finds the modules of CuPy that are replaced."""

    def __init__(self, home: Path) -> None:
        self.paths = {
            # the wheel's own have NVIDIA's runtime linked into them
            "cupy_backends.cuda.api.runtime": home / "runtime.so",
            "cupy.cuda.thrust": REPLACEMENTS / "thrust.py",
            "cupy.random._generator_api": REPLACEMENTS / "generator_api.py",
        }

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        found = self.paths.get(name)
        return importlib.util.spec_from_file_location(name, found) if found else None


def before_cupy(home: Path) -> None:
    sys.meta_path.insert(0, Finder(home))
    os.environ["CUPY_CACHE_DIR"] = str(home / "kernels")

    import cuda.pathfinder

    cuda.pathfinder.find_nvidia_header_directory = lambda name: str(INCLUDE)


def import_cupy(library: ctypes.CDLL) -> None:
    accelerators = os.environ.get("CUPY_ACCELERATORS")
    os.environ["CUPY_ACCELERATORS"] = ""  # CUB and cuTENSOR are not there
    import cupy

    if accelerators is None:
        del os.environ["CUPY_ACCELERATORS"]
    else:
        os.environ["CUPY_ACCELERATORS"] = accelerators

    class FreshPool(cupy.cuda.MemoryPool):  # type: ignore[misc]
        """CuPy's pool with its accounts and its limit, but every array is fresh memory of the device.

        CuPy's own hands out a freed block again, unseen by the device. This one gives freed blocks back first, so that
        each array begins as NaN, and tells the device the array's exact size, so that its guard begins there.
        """

        lock = threading.RLock()

        def malloc(self, size: int) -> Any:
            with self.lock:
                self.free_all_blocks()
                pointer = super().malloc(size)
                library.cudasim_hand_out(pointer.ptr, size)
            return pointer

    cupy.cuda.MemoryPool = cupy.cuda.memory.MemoryPool = FreshPool
    cupy._default_memory_pool = FreshPool()
    cupy.cuda.set_allocator(cupy._default_memory_pool.malloc)
