"""A nested state in one safetensors file: its arrays are the tensors, all else is JSON in the header.

The header has two texts. `xpnet_backup` is {"version": VERSION, "state": ...}; in the place of an array stands
{"$tensor": name}, and a key that begins with $ has a second one in front. `checksum` is the CRC-32 of that text and of
all tensors, in the order of their names ("name dtype shape", then the bytes): safetensors does not notice a changed
byte by itself.

VERSION goes up by one whenever files that were written before would be misread or refused: a key or its meaning
changes, or the default of a constructor's argument does. Keys may be added without that if a file that lacks them still
means the same. A new version reads all older ones (tests/golden holds a file of each), and refuses newer ones. Only
version 1 is refused: its random numbers were counted, one after the other, and those of a key cannot go on with them.
"""

import json
import os
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from xpnet.base import budget
from xpnet.base.atomic_files import checked_path, write_atomically
from xpnet.base.file_kinds import other_kind
from xpnet.errors import FormatError, OptionError
from xpnet.files.tensors import read_safetensors

VERSION = 2
KEY = "xpnet_backup"
DTYPES = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
)


def write_state(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write numbers, strings, None, lists and dicts of those, and NumPy arrays; whole or not at all.

    Raises OptionError, naming the place, for anything else, or if there are so many numbers outside of arrays that
    `read_state` would refuse the file; and FileError if the file cannot be written.
    """
    from safetensors.numpy import save

    tensors: dict[str, np.ndarray] = {}
    text = json.dumps({"version": VERSION, "state": _packed(state, "", tensors)})
    data = save(tensors, metadata={KEY: text, "checksum": _checksum(text, tensors)})
    try:
        budget.check_text(text, len(data))
    except FormatError as error:
        raise OptionError(f"no backup with this state would be read ({error}): keep it in NumPy arrays") from None
    write_atomically(path, lambda file: file.write(data))


def read_state(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `write_state` wrote; tuples have become lists, and NumPy's numbers arrays.

    Raises FileError if the file cannot be read, FormatError if it is damaged, of version 1 or a newer one, or something
    else.
    """
    try:
        tensors, metadata = read_safetensors(path)
    except FormatError as error:
        found = other_kind(checked_path(path), "safetensors")
        if found and "is empty" not in found:  # it may be of worth to somebody
            raise FormatError(f"{path} is no backup of a training: {found}. Choose another path for that") from error
        raise FormatError(f"{error}. Remove it, and training begins anew") from error
    if KEY not in metadata:
        raise FormatError(
            f"{path} is a safetensors file, but no backup of a training: choose another path, or remove it"
        )
    try:
        content = budget.parsed(metadata[KEY], os.path.getsize(checked_path(path)))
        version = content["version"]
        if isinstance(version, int) and version > VERSION:
            raise FormatError(
                f"{path} has format version {version}, this xpnet reads versions up to {VERSION}: update xpnet"
            )
        if version == 1:
            raise FormatError(
                f"{path} has format version 1, of an xpnet 0.1 that counted its random draws: this xpnet draws other"
                " numbers, and cannot go on with the same. Finish that training with the xpnet that began it, or move"
                " the file away, and training begins anew"
            )
        if version != VERSION or metadata.get("checksum") != _checksum(metadata[KEY], tensors):
            raise ValueError("its checksum is wrong" if version == VERSION else f"version {version!r}")
        state = _unpacked(content["state"], tensors)
        if not isinstance(state, dict):
            raise TypeError("no state")
    except FormatError as error:
        raise error if str(path) in str(error) else FormatError(f"{path}: {error}") from None
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, MemoryError) as error:
        raise FormatError(f"{path} is damaged ({error}): remove it, and training begins anew") from error
    return state


def _packed(value: Any, where: str, tensors: dict[str, np.ndarray]) -> Any:
    """The value as JSON has it; its arrays go into `tensors`, named after their place."""
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.name in DTYPES:
        tensors[where] = np.asarray(value, dtype=value.dtype.newbyteorder("="), order="C")
        return {"$tensor": where}
    if isinstance(value, (type(None), bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_packed(item, f"{where}/{index}", tensors) for index, item in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {
            "$" + key if key.startswith("$") else key: _packed(item, f"{where}/{key}" if where else key, tensors)
            for key, item in value.items()
        }
    raise OptionError(
        f"a backup cannot hold {value!r}, which {where} is: a state is made of numbers, strings, None, NumPy arrays,"
        " and lists and dicts of those whose keys are strings"
    )


def _unpacked(value: Any, tensors: Mapping[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_unpacked(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if "$tensor" in value:
        return tensors[value["$tensor"]]
    return {key.removeprefix("$"): _unpacked(item, tensors) for key, item in value.items()}


def _checksum(text: str, tensors: Mapping[str, np.ndarray]) -> str:
    crc = zlib.crc32(text.encode())
    for name, tensor in sorted(tensors.items()):
        crc = zlib.crc32(f"{name} {tensor.dtype} {tensor.shape}".encode(), crc)
        crc = zlib.crc32(tensor.tobytes(), crc)
    return f"{crc:08x}"
