"""What a file is, by its content: for errors about files that are something else than what was asked for."""

import codecs
import io
import os
import re
import zipfile
from pathlib import Path
from typing import IO, NamedTuple

from xpnet.base.regular_files import opened

HEAD = 4096  # bytes that are looked at


class Kind(NamedTuple):
    """A kind of file: what it is called, what to do about it in any case, and what to do if weights were wanted."""

    name: str
    advice: str = ""
    weights: str = ""


_AGAIN = "look into it: if it was fetched, it is not the file itself"
_UNPACK = "unpack it first"
_TENSORS = "load it where it was made, and write its tensors with safetensors.torch.save_file(model.state_dict(), path)"
_ARRAYS = (
    "take the arrays out where it was made (Keras: model.get_weights()), and write them with"
    " safetensors.numpy.save_file, by the names, and in the shapes, that model.named_parameters() gives"
)
_PICKLE = (
    "nothing is ever unpickled here, since that can run code; if you trust whoever made it, load it with pickle in a"
    " script of yours, and write its arrays with safetensors.numpy.save_file, by the names, and in the shapes, that"
    " model.named_parameters() gives"
)
_NUMPY = "read it with np.load, and give its arrays to model.set_weights"
_ONNX = "take its weights out with onnx.numpy_helper.to_array, and give them to model.set_weights"

_EMPTY = Kind("empty", "writing or fetching it broke off: get it again")
_TORCH = Kind("a checkpoint of PyTorch (a zip archive with a pickle)", weights=_TENSORS)
_ONNX_KIND = Kind("an ONNX model", weights=_ONNX)
_PICKLED = Kind("a pickle of Python objects", weights=_PICKLE)

# Beginnings, the longest first where one begins like another.
_STARTS: tuple[tuple[bytes, Kind], ...] = (
    (b"version https://git-lfs", Kind("a pointer of git-lfs, not the file itself", "fetch that with git lfs pull")),
    (b"\x89HDF\r\n\x1a\n", Kind("an HDF5 file, such as Keras' .h5", weights=_ARRAYS)),
    (b"\x93NUMPY", Kind("an array of NumPy (.npy)", weights=_NUMPY)),
    (b"\x89PNG\r\n", Kind("a picture (PNG)")),
    (b"\xff\xd8\xff", Kind("a picture (JPEG)")),
    (b"GIF8", Kind("a picture (GIF)")),
    (b"%PDF", Kind("a PDF document")),
    (b"GGUF", Kind("a GGUF file, of llama.cpp", weights=_ARRAYS)),
    (b"\x1f\x8b", Kind("compressed with gzip", _UNPACK)),
    (b"\xfd7zXZ\x00", Kind("compressed with xz", _UNPACK)),
    (b"BZh", Kind("compressed with bzip2", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", Kind("compressed with zstd", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", Kind("an archive of 7-Zip", _UNPACK)),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19", Kind("a checkpoint of PyTorch (a pickle)", weights=_TENSORS)),
)  # fmt: skip
_HTML = re.compile(rb"<!doctype html|<html|<head|<\?xml", re.IGNORECASE)


def kind_of(content: str | os.PathLike[str] | bytes) -> Kind | None:
    """The kind of the file at a path, or of these bytes; None if it is none of those that are known here."""
    if isinstance(content, bytes):
        return _by_head(content[:HEAD]) or _of_zip(io.BytesIO(content))
    try:
        with opened(content) as file:
            return _by_head(file.read(HEAD)) or _of_zip(file)
    except OSError:
        return None


def other_kind(content: str | os.PathLike[str] | bytes, expected: str = "", weights: bool = False) -> str:
    """The end of a sentence that says what the file is and what to do: "it is an HTML page; ...". Nothing, if that is
    not known, or if `expected` is in the kind's name, such as "(.npz)".

    weights: whether it is about the weights of a network.
    """
    kind = kind_of(content)
    if kind is None or (expected and expected in kind.name):
        return ""
    advice = kind.advice or (kind.weights if weights else "")
    return f"it is {kind.name}" + (f"; {advice}" if advice else "")


def _by_head(head: bytes) -> Kind | None:
    if not head:
        return _EMPTY
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _HTML.match(text):
        return Kind("an XML file" if text[:2] == b"<?" else "an HTML page", _AGAIN)
    known = next((kind for start, kind in _STARTS if head.startswith(start)), None)
    return known or _binary(head) or _textual(head, text)


def _binary(head: bytes) -> Kind | None:
    """Kinds without a beginning of their own."""
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= 100_000_000:
        return Kind("a safetensors file")
    if re.match(rb"\0\0[\x08\x09\x0b-\x0e][\x01-\x04]", head):
        return Kind("an IDX file, the format of MNIST")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Kind("a picture (WebP)")
    if head[4:8] == b"TFL3":
        return Kind("a model of TensorFlow Lite", weights=_ARRAYS)
    if head[257:262] == b"ustar":
        return Kind("a tar archive", _UNPACK)
    if re.match(rb"\x80[\x02-\x05]|[}\]]q\0", head):  # the opcode PROTO and its number; protocol 1 has none
        return _PICKLED
    # Of protobuf, field 1 as a small number (the version), then a field of ModelProto that holds bytes.
    if re.match(rb"\x08[\x01-\x1f][\x12\x1a\x22\x32\x3a\x42]", head):
        return _ONNX_KIND
    return None


def _textual(head: bytes, text: bytes) -> Kind | None:
    if re.match(rb"\(?[dl]p?[0-9]*\n|c[a-z_.]+\n[A-Za-z_]+\n", head):  # pickled with protocol 0
        return _PICKLED
    if text[:1] in (b"{", b"["):
        return Kind("a JSON text", _AGAIN)
    try:
        letters = codecs.getincrementaldecoder("utf-8")().decode(head)  # the last letter may be cut off
    except UnicodeDecodeError:
        return None
    return None if re.search(r"[^\t\n\r\f -~\x80-\U0010ffff]", letters) else Kind("a text file", _AGAIN)


def _of_zip(file: IO[bytes]) -> Kind | None:
    """What a zip archive is for, by the names in it."""
    file.seek(0)
    if file.read(4) not in (b"PK\x03\x04", b"PK\x05\x06"):
        return None
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):  # what zipfile raises of one that is damaged
        return Kind("a zip archive, as PyTorch, NumPy and Keras write them, that is cut off or damaged", "get it again")
    ends = {Path(name).name for name in names}
    if "data.pkl" in ends:
        return _TORCH
    if "model.weights.h5" in ends:
        return Kind("a model of Keras (.keras)", weights=_ARRAYS)
    if names and all(name.endswith(".npy") for name in names):
        return Kind("an archive of NumPy's arrays (.npz)", weights=_NUMPY)
    return Kind("a zip archive", _UNPACK)
