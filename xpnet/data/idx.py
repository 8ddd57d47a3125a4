"""Files in IDX, the format of MNIST: read safely, written whole or not at all.

Layout (Y. LeCun, "The MNIST database of handwritten digits"): two zero bytes, a byte for the element type, one for the
number of dimensions, each dimension as a big-endian uint32, then the elements, big-endian, last axis fastest.
"""

import contextlib
import gzip
import lzma
import math
import os
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt

from xpnet.base.atomic_files import checked_path, file_errors, write_atomically
from xpnet.base.budget import check_unpacked
from xpnet.base.file_kinds import other_kind
from xpnet.base.host import as_host
from xpnet.base.regular_files import opened
from xpnet.errors import DTypeError, FormatError, ShapeError

_TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(np.int16),
    0x0C: np.dtype(np.int32),
    0x0D: np.dtype(np.float32),
    0x0E: np.dtype(np.float64),
}
_CODES = {dtype: code for code, dtype in _TYPES.items()}

_GZIP_MAGIC = b"\x1f\x8b"
_XZ_MAGIC = b"\xfd7zXZ\x00"
_XZ_MEMORY = 256 * 2**20  # bytes; the strongest preset of xz needs 65 MiB to decompress
_CHUNK = 2**20  # bytes


def read_idx(
    path: str | os.PathLike[str], dtype: npt.DTypeLike | None = None, ndim: int | None = None
) -> npt.NDArray[Any]:
    """Read an IDX file, plain or compressed with gzip or xz (its content decides, not its name), as a writable array.

    Where `dtype` or `ndim` is given, a file with another element type or number of dimensions is refused.
    Memory grows with the data that is really there, never with what a header claims, and a compressed file is never
    decompressed by more than one byte beyond what its header announces.

    Raises FileError if the file cannot be read and FormatError if it is not a sound IDX file or not the expected one.
    """
    with _opened(path := checked_path(path)) as stream:
        return _array(path, stream, *_header(path, stream, dtype, ndim))


def idx_shape(
    path: str | os.PathLike[str], dtype: npt.DTypeLike | None = None, ndim: int | None = None
) -> tuple[int, ...]:
    """The shape that the header of an IDX file announces; the elements are not read. Errors as of `read_idx`."""
    with _opened(path := checked_path(path)) as stream:
        return _header(path, stream, dtype, ndim)[1]


def write_idx(path: str | os.PathLike[str], array: npt.ArrayLike) -> None:
    """Write `array` as an IDX file, with gzip if the name ends in .gz, with xz if it ends in .xz.

    The same array always gives the same bytes. The file appears whole or not at all.

    Raises DTypeError or ShapeError for what IDX cannot hold, FileError if the file cannot be written.
    """
    array = as_host(array)
    native = array.dtype.newbyteorder("=")
    if native not in _CODES:
        raise DTypeError(f"IDX holds {', '.join(map(str, _CODES))}, not {array.dtype}; convert it with astype")
    if any(size >= 2**32 for size in array.shape):
        raise ShapeError(f"IDX holds at most 2**32 - 1 entries along an axis, but the array has shape {array.shape}")
    header = struct.pack(f">HBB{array.ndim}I", 0, _CODES[native], array.ndim, *array.shape)
    elements = np.ascontiguousarray(array, dtype=native.newbyteorder(">")).reshape(-1).view(np.uint8)

    def write(file: IO[bytes]) -> None:
        with _compressing(file, Path(path).suffix) as stream:
            stream.write(header)
            stream.write(elements.data)

    write_atomically(path, write)


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[_Stream]:
    """The file's content, decompressed; what goes wrong in the block becomes an error that names the file."""
    try:
        with file_errors(f"cannot read {path}", advice=""), opened(path) as file:
            yield _decompressing(file)
    except (zlib.error, lzma.LZMAError, EOFError) as error:
        raise FormatError(f"{path} is truncated or corrupt ({error}); get the file again") from error


class _Inflater:
    """A compressed file as a stream; unlike `gzip.open` and `lzma.open` it never reads ahead, nor skips garbage."""

    def __init__(self, file: IO[bytes], new_decoder: Callable[[], Any]) -> None:
        self._file, self._new_decoder = file, new_decoder
        self._decoder, self._input = new_decoder(), b""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none only at the end. Raises EOFError if the file ends too early."""
        while True:
            if self._decoder.eof:  # another compressed stream may follow: both formats allow it
                self._input = self._decoder.unused_data or self._file.read(_CHUNK)
                if not self._input:
                    return b""
                self._decoder = self._new_decoder()
            part: bytes = self._decoder.decompress(self._input, size)
            self._input = getattr(self._decoder, "unconsumed_tail", b"")  # zlib hands it back, lzma keeps it inside
            if part:
                return part
            if not self._input and not self._decoder.eof:
                self._input = self._file.read(_CHUNK)
                if not self._input:
                    raise EOFError("it ends too early")


def _decompressing(file: Any) -> _Stream:
    magic: bytes = file.peek(len(_XZ_MAGIC))
    if magic.startswith(_GZIP_MAGIC):
        return _Inflater(file, lambda: zlib.decompressobj(wbits=16 + zlib.MAX_WBITS))  # 16: gzip's header and checksum
    if magic.startswith(_XZ_MAGIC):
        return _Inflater(file, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY))
    return file  # type: ignore[no-any-return]


def _compressing(file: IO[bytes], suffix: str) -> contextlib.AbstractContextManager[Any]:
    if suffix == ".gz":
        return gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)  # no name, no time: reproducible bytes
    if suffix == ".xz":
        return lzma.LZMAFile(file, "wb")
    return contextlib.nullcontext(file)


def _read_up_to(stream: _Stream, size: int) -> bytearray:
    data = bytearray()
    while len(data) < size and (part := stream.read(min(_CHUNK, size - len(data)))):
        data += part
    return data


def _header(
    path: str | os.PathLike[str], stream: _Stream, dtype: npt.DTypeLike | None, ndim: int | None
) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Type and shape of what follows."""
    magic = _read_up_to(stream, 4)
    if not magic:
        raise FormatError(f"{path} is empty; expected an IDX file: get it again")
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        if not isinstance(stream, _Inflater) and (found := other_kind(path)):
            raise FormatError(f"{path} is not an IDX file: {found}")
        raise FormatError(
            f"{path} is not an IDX file: it starts with the bytes {magic.hex(' ')}; expected 00 00, "
            f"a type ({', '.join(f'{code:02x}' for code in _TYPES)}) and the number of dimensions"
        )
    native, axes = _TYPES[magic[2]], magic[3]
    if dtype is not None and native != np.dtype(dtype):
        raise FormatError(f"{path} holds {native}; expected {np.dtype(dtype)}")
    if ndim is not None and axes != ndim:
        raise FormatError(f"{path} holds an array of {axes} dimensions; expected {ndim}")

    sizes = _read_up_to(stream, 4 * axes)
    if len(sizes) < 4 * axes:
        raise FormatError(f"{path} is truncated: it ends within its header; get the file again")
    return native, struct.unpack(f">{axes}I", sizes)


def _array(
    path: str | os.PathLike[str], stream: _Stream, native: np.dtype[Any], shape: tuple[int, ...]
) -> npt.NDArray[Any]:
    expected = check_unpacked(path, math.prod(shape) * native.itemsize)
    data = _read_up_to(stream, expected)
    if len(data) < expected:
        raise FormatError(
            f"{path} is truncated: its header announces {shape}, {expected} bytes, but {len(data)} follow; get it again"
        )
    if stream.read(1):
        raise FormatError(f"{path} is too long: bytes follow after the {expected} that its header announces")

    array: npt.NDArray[Any] = np.frombuffer(data, native)  # shares the memory of `data`, which is writable
    if sys.byteorder == "little":
        array.byteswap(inplace=True)
    try:
        return array.reshape(shape)
    except ValueError as error:  # more dimensions than NumPy has, or axes too long beside one of length 0
        raise FormatError(f"{path} announces shape {shape}, which no array can have") from error
