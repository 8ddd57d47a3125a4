"""Reading of the files that hold tensors by name."""

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from xpnet.base.atomic_files import checked_path, file_errors
from xpnet.base.file_kinds import other_kind
from xpnet.errors import FormatError

# What safetensors calls the floating point numbers that NumPy has not, and none of the backends computes with.
UNREADABLE = {"F8_": "float8", "F6_": "float6", "F4": "float4"}


def read_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """All tensors, as NumPy arrays, and the header's texts; safetensors checks sizes, offsets and data types.

    bfloat16, which NumPy has not, becomes float32, which holds each of its numbers.

    Raises FileError if the file cannot be read, FormatError if it is not what it should be.
    """
    from safetensors import SafetensorError, safe_open

    path = checked_path(path)
    try:
        with file_errors(f"cannot read {path}", advice=""):
            with open(path, "rb"):  # for the operating system's own word on what is wrong
                pass
            with safe_open(os.fspath(path), framework="numpy") as file:
                types = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
                _refuse_small_floats(path, types)
                tensors = {
                    name: _bfloat16(path, name) if dtype == "BF16" else file.get_tensor(name)
                    for name, dtype in types.items()
                }
                return tensors, dict(file.metadata() or {})
    except FormatError:
        raise
    except (SafetensorError, ValueError, TypeError, MemoryError, AttributeError) as error:
        if found := other_kind(path, "safetensors", weights=True):
            raise FormatError(f"{path} is no safetensors file: {found}") from error
        raise FormatError(f"{path} is no safetensors file, or it is damaged: {error}") from error


def _refuse_small_floats(path: Path, types: dict[str, str]) -> None:
    for name, dtype in types.items():
        if dtype[:3] in UNREADABLE:
            raise FormatError(
                f"{path}: {name} holds {UNREADABLE[dtype[:3]]} ({dtype}), which is not read here: write the file anew"
                " with float32, float16 or bfloat16, where it was made"
            )


def _bfloat16(path: Path, name: str) -> np.ndarray:
    """A tensor of bfloat16 as float32, of whose bits it has the upper half. The header has been checked by then."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(size))[name]
        file.seek(8 + size + entry["data_offsets"][0])
        shape = tuple(entry["shape"])
        halves = np.fromfile(file, "<u2", math.prod(shape))
    return (halves.astype(np.uint32) << 16).view(np.float32).reshape(shape)
