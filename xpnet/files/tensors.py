"""Reading of the files that hold tensors by name."""

import contextlib
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from xpnet.base import budget
from xpnet.base.atomic_files import checked_path, file_errors
from xpnet.base.file_kinds import other_kind
from xpnet.base.regular_files import opened
from xpnet.errors import FormatError

# What safetensors calls the floating point numbers that NumPy has not, and none of the backends computes with.
UNREADABLE = {"F8_": "float8", "F6_": "float6", "F4": "float4"}


def read_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """All tensors, as NumPy arrays, and the header's texts; safetensors checks sizes, offsets and data types.

    bfloat16, which NumPy has not, becomes float32, which holds each of its numbers.

    Raises FileError if the file cannot be read, FormatError if it is not what it should be.
    """
    path = checked_path(path)
    with _safely(path) as file:
        types = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
        _refuse_small_floats(path, types)
        tensors = {
            name: _bfloat16(path, name) if dtype == "BF16" else file.get_tensor(name) for name, dtype in types.items()
        }
        return tensors, dict(file.metadata() or {})


def read_texts(path: str | os.PathLike[str]) -> dict[str, str]:
    """The header's texts alone; errors as of `read_safetensors`."""
    with _safely(checked_path(path)) as file:
        return dict(file.metadata() or {})


@contextlib.contextmanager
def _safely(path: Path) -> Iterator[Any]:
    """The file as safetensors opens it; what goes wrong in the block becomes an error that names the file."""
    from safetensors import SafetensorError, safe_open

    try:
        with file_errors(f"cannot read {path}", advice=""):
            with opened(path) as whole:  # for the operating system's own word on what is wrong
                _check_header(path, whole)
            with safe_open(os.fspath(path), framework="numpy") as file:
                yield file
    except FormatError:
        raise
    except (SafetensorError, ValueError, TypeError, MemoryError, AttributeError) as error:
        if found := other_kind(path, "safetensors", weights=True):
            raise FormatError(f"{path} is no safetensors file: {found}") from error
        raise FormatError(f"{path} is no safetensors file, or it is damaged: {error}") from error


def _check_header(path: Path, file: IO[bytes]) -> None:
    """FormatError for one that asks for too much; what else may be wrong with it, safetensors says."""
    length = int.from_bytes(file.read(8), "little")
    if length > os.fstat(file.fileno()).st_size:
        return
    if length > budget.HEADER:
        raise FormatError(f"{path} has a header of {length} bytes, and {budget.HEADER} are allowed")
    if (tensors := file.read(length).count(b'"data_offsets"')) > budget.TENSORS:
        raise FormatError(f"{path} holds {tensors} tensors, and {budget.TENSORS} are allowed")


def _refuse_small_floats(path: Path, types: dict[str, str]) -> None:
    for name, dtype in types.items():
        if dtype[:3] in UNREADABLE:
            raise FormatError(
                f"{path}: {name} holds {UNREADABLE[dtype[:3]]} ({dtype}), which is not read here: write the file anew"
                " with float32, float16 or bfloat16, where it was made"
            )


def _bfloat16(path: Path, name: str) -> np.ndarray:
    """A tensor of bfloat16 as float32, of whose bits it has the upper half. The header has been checked by then."""
    with opened(path) as file:
        size = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(size))[name]
        file.seek(8 + size + entry["data_offsets"][0])
        shape = tuple(entry["shape"])
        halves = np.fromfile(file, "<u2", math.prod(shape))
    return (halves.astype(np.uint32) << 16).view(np.float32).reshape(shape)
