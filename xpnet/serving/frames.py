"""What pages and server say to each other: frames, each a JSON header and arrays, in one binary WebSocket message.

    4 bytes    length of the header, little-endian
    header     JSON in UTF-8: {"kind": ..., "arrays": [[name, dtype, shape], ...], and the fields of this kind}
    arrays     one behind the other, in that order

The header is filled up with spaces, and each array but the last with zeros, so that every array begins at a multiple of
8 bytes and the browser reads it where it lies. pages/shared/wire.js is the other end.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpnet.errors import FormatError

DTYPES = {"float32": np.float32, "uint8": np.uint8, "int32": np.int32}
ALIGNED = 8  # bytes
MOST_ARRAYS, MOST_AXES = 64, 8


class Frame(NamedTuple):
    """A message: what kind it is, its fields, and its arrays by name."""

    kind: str
    fields: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]


def pack(kind: str, fields: Mapping[str, Any] | None = None, **arrays: npt.NDArray[Any]) -> bytes:
    """The bytes of a frame. A field that is NaN or infinite becomes null, which JSON has no other word for.

    TypeError for an array of another dtype than those of DTYPES: the browser has no such arrays, or reads them slowly.
    """
    listed = [(name, _plain(name, array)) for name, array in arrays.items()]
    described = [[name, array.dtype.name, list(array.shape)] for name, array in listed]
    header = json.dumps({"kind": kind, **_finite(fields or {}), "arrays": described}, allow_nan=False).encode()
    header += b" " * (-(4 + len(header)) % ALIGNED)
    parts = [len(header).to_bytes(4, "little"), header]
    for _, array in listed:
        parts += [array.tobytes(), b"\0" * (-array.nbytes % ALIGNED)]
    return b"".join(parts)


def unpack(data: bytes) -> Frame:
    """The frame that the bytes are; FormatError if they are none. Its arrays are read-only views of the bytes."""
    try:
        length = int.from_bytes(data[:4], "little")
        if len(data) < 4 + length:
            raise ValueError(f"its header has {length} bytes, and it has {len(data)} in all")
        header = json.loads(data[4 : 4 + length].decode(), parse_constant=_no_number)
        kind, described = header.pop("kind"), header.pop("arrays", [])
        if not isinstance(kind, str) or len(described) > MOST_ARRAYS:
            raise ValueError("its kind is no text, or it has too many arrays")
        arrays, place = {}, 4 + length
        for name, dtype, shape in described:
            arrays[str(name)], place = _array(data, place, DTYPES[dtype], shape)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        why = f"{type(error).__name__}: {error}"[:200]  # it may quote the message
        raise FormatError(f"a message is no frame ({why}); see serving/frames.py") from error
    return Frame(kind, header, arrays)


def _array(data: bytes, place: int, dtype: type, shape: list[int]) -> tuple[npt.NDArray[Any], int]:
    if len(shape) > MOST_AXES or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"{shape} is no shape of an array")
    count = math.prod(shape)
    end = place + count * np.dtype(dtype).itemsize
    if end > len(data):
        raise ValueError(f"an array of shape {shape} does not fit into it")
    return np.frombuffer(data, dtype, count, place).reshape(shape), end + -end % ALIGNED


def _plain(name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """In the order of C and little-endian."""
    dtype = DTYPES.get(array.dtype.name)
    if dtype is None:
        raise TypeError(f"a frame holds arrays of {', '.join(DTYPES)}, and {name} is of {array.dtype}")
    return np.asarray(array, np.dtype(dtype).newbyteorder("<"), order="C")


def _no_number(word: str) -> None:
    """What Python's JSON knows beyond the standard's."""
    raise ValueError(f"{word} is no number in JSON")


def _finite(value: Any) -> Any:
    """The same in what JSON knows: NumPy's numbers as Python's, None for those that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
