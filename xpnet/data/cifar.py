"""The binary version of CIFAR-10: an archive of files of records, one byte for the label, 3 x 32 x 32 of image."""

import gzip
import os
import tarfile
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from xpnet.base.atomic_files import checked_path, file_errors, without_number
from xpnet.base.file_kinds import other_kind
from xpnet.base.regular_files import opened
from xpnet.errors import DataError, FileError, FormatError

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

_RECORD = 1 + 3 * 32 * 32  # bytes
_LARGEST = 10_000 * _RECORD  # bytes of a file
_WHOLE = 12 * _LARGEST  # bytes that are unpacked at most; the archive has 6 files
_TRAIN = [f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6)]
_TEST = "cifar-10-batches-bin/test_batch.bin"


def read_cifar(path: str | os.PathLike[str]) -> tuple[tuple[Pixels, Labels], tuple[Pixels, Labels]]:
    """((x, t), (x_test, t_test)) from cifar-10-binary.tar.gz, which is read without being unpacked.

    x is uint8 (N, 3, 32, 32), t int64 (N,).

    Raises FileError if the file cannot be read, FormatError if it is not such an archive or damaged, DataError if a
    label is not 0 to 9.
    """
    files: dict[str, bytes] = {}
    path = checked_path(path)
    try:
        reading = file_errors(f"cannot read {path}", "", foreign=without_number)
        with reading, opened(path) as file, gzip.GzipFile(fileobj=file) as whole:
            stream: Any = _AtMost(whole, _WHOLE)
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    if member.name in (*_TRAIN, _TEST):
                        files[member.name] = _content(archive, member)
    except FileError:
        raise
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:  # OSError: gzip's, for a damaged file
        why = other_kind(path, "gzip") or error
        raise FormatError(f"{path} is truncated or corrupt ({why}); remove it, so that it is fetched again") from error
    missing = [name for name in (*_TRAIN, _TEST) if name not in files]
    if missing:
        raise FormatError(f"{path} holds no {missing[0]}; expected the binary version of CIFAR-10")
    train = [_records(path, name, files[name]) for name in _TRAIN]
    return (np.concatenate([x for x, _ in train]), np.concatenate([t for _, t in train])), _records(
        path, _TEST, files[_TEST]
    )


class _AtMost:
    """A stream of which no more than so many bytes are read: few packed ones can be many."""

    def __init__(self, stream: Any, most: int) -> None:
        self._stream, self._left, self._most = stream, most, most

    def read(self, size: int) -> bytes:
        data: bytes = self._stream.read(min(size, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise tarfile.ReadError(f"it holds more than {self._most} bytes")
        return data


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member) if member.isfile() and member.size <= _LARGEST else None
    if file is None:
        raise tarfile.ReadError(f"{member.name} is no file of at most {_LARGEST} bytes")
    return file.read()


def _records(path: Any, name: str, content: bytes) -> tuple[Pixels, Labels]:
    if not content or len(content) % _RECORD:
        raise FormatError(f"{name} in {path} has {len(content)} bytes; expected records of {_RECORD}")
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    t = records[:, 0].astype(np.int64)
    if t.max() > 9:
        raise DataError(f"{name} in {path} holds the label {t.max()}; expected 0 to 9")
    return records[:, 1:].reshape(-1, 3, 32, 32), t
