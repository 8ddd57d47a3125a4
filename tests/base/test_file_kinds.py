"""Files that are something else than what was asked for: the error names what they are, by their content."""

import gzip
import io
import lzma
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import xpnet
from xpnet import Sequential, data, layers
from xpnet.base.file_kinds import kind_of, other_kind
from xpnet.callbacks import Backup
from xpnet.data.cifar import read_cifar
from xpnet.data.digit_image import read_digit
from xpnet.data.idx import read_idx, write_idx
from xpnet.errors import FormatError


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x" * 10)
    return buffer.getvalue()


def of_numpy(write: Callable[..., Any], *args: Any, **arrays: Any) -> bytes:
    buffer = io.BytesIO()
    write(buffer, *args, **arrays)
    return buffer.getvalue()


def picture(kind: str) -> bytes:
    return of_numpy(Image.new("L", (3, 3)).save, format=kind)


# What torch.save wrote before it wrote zip archives: the pickle of a number that tells.
OLD_TORCH = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
# ir_version 8, producer_name "pytorch", then a graph; and one without the name.
ONNX = b"\x08\x08\x12\x07pytorch\x3a\x05\x12\x03abc"
NET = {"W1": np.zeros((2, 3)), "b1": np.zeros(3)}

FILES: list[tuple[bytes, str, str]] = [  # the content, what it is, and what to do if weights were wanted
    (b"", "empty", "get it again"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git-lfs", "git lfs pull"),
    (b"<!DOCTYPE html>\n<html><body>404</body></html>", "an HTML page", "not the file itself"),
    (b"\xef\xbb\xbf \n<html lang=en>", "an HTML page", "not the file itself"),
    (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML file", "not the file itself"),
    (b'{"error": "not found"}', "a JSON text", "not the file itself"),
    (b"Entry not found", "a text file", "not the file itself"),
    (zipped("archive/data.pkl", "archive/data/0", "archive/version"), "PyTorch", "safetensors.torch.save_file"),
    (OLD_TORCH + b"more", "PyTorch", "safetensors.torch.save_file"),
    (of_numpy(np.savez, x=np.zeros(3)), r"\(\.npz\)", "np.load"),
    (of_numpy(np.save, np.zeros(3)), r"\(\.npy\)", "np.load"),
    (zipped("metadata.json", "config.json", "model.weights.h5"), "Keras", "safetensors.numpy.save_file"),
    (b"\x89HDF\r\n\x1a\n" + bytes(500), "HDF5", "safetensors.numpy.save_file"),
    *((pickle.dumps(NET, protocol), "a pickle", "can run code") for protocol in range(6)),
    (ONNX, "ONNX", "onnx.numpy_helper"),
    (b"\x08\x07\x3a\x05\x12\x03abc", "ONNX", "onnx.numpy_helper"),
    (b"\x1c\0\0\0TFL3" + bytes(50), "TensorFlow Lite", "safetensors.numpy.save_file"),
    (gzip.compress(b"x"), "gzip", "unpack"),
    (lzma.compress(b"x"), "xz", "unpack"),
    (bytes(range(200, 256)) + bytes(201) + b"ustar\x00" + bytes(250), "a tar archive", "unpack"),
    (zipped("a.bin"), "a zip archive", "unpack"),
    (zipped("archive/data.pkl")[:40], "cut off", "get it again"),
    (struct.pack(">HBB1I", 0, 8, 1, 2) + b"ab", "an IDX file", ""),
    *((picture(kind), "a picture", "") for kind in ("png", "jpeg", "gif", "webp")),
]
EACH = pytest.mark.parametrize(("content", "kind", "advice"), FILES, ids=[f"{i}-{f[1]}" for i, f in enumerate(FILES)])


def net() -> Sequential:
    model = Sequential([layers.Dense(2)])
    model.build((3,))
    return model


@EACH
def test_in_place_of_a_network_and_of_weights(content: bytes, kind: str, advice: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    for read in (xpnet.load, net().load_weights):
        with pytest.raises(FormatError, match=rf"model\.safetensors is no safetensors file: it is .*{kind}") as caught:
            read(path)
        assert advice in str(caught.value)


@EACH
def test_in_place_of_a_backup_nobody_is_told_to_remove_it(
    content: bytes, kind: str, advice: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.backup"
    path.write_bytes(content)
    model = net()
    model.compile("sgd", "mean_squared_error")
    with pytest.raises(FormatError, match=rf"it is .*{kind}") as caught:
        model.fit(np.zeros((4, 3), "float32"), np.zeros((4, 2), "float32"), callbacks=Backup(path), verbose=0)
    assert ("Remove it" in str(caught.value)) == (not content), "what is not empty may be of worth to somebody"
    assert path.read_bytes() == content


READERS: list[tuple[str, Callable[[Path], Any], tuple[str, ...]]] = [  # and the kinds that they read, or unpack
    ("an IDX file", read_idx, ("an IDX file", "gzip", "xz", "empty")),
    ("a picture", read_digit, ("a picture",)),
    ("an .npz file", data.read_npz, (r"\(\.npz\)", r"\(\.npy\)")),
    ("an .npy file", data.MappedArrays, (r"\(\.npy\)",)),
    ("a vocabulary", data.Vocabulary.load, ("a JSON text",)),
    ("an archive of CIFAR-10", read_cifar, ("gzip",)),
    ("an image in a folder", lambda path: data.ImageFolder(path.parent.parent)[:1], ("a picture",)),
]


@pytest.mark.parametrize("reader", READERS, ids=[name for name, _, _ in READERS])
@EACH
def test_in_place_of_data(reader: Any, content: bytes, kind: str, advice: str, tmp_path: Path) -> None:
    _, read, own = reader
    if kind in own:
        return
    path = tmp_path / "folder" / "class" / "a.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(FormatError, match=rf"(?s)a\.png .*it is .*{kind}"):
        read(path)


def test_what_is_not_known_has_no_name(tmp_path: Path) -> None:
    for length in (1, 2, 3, 7, 100, 5000):
        content = np.random.default_rng(length).bytes(length - 1) + b"\xfe"
        assert kind_of(content) is None or length < 5, content
    assert kind_of(tmp_path / "nowhere") is None
    net().save(tmp_path / "net")
    assert "safetensors" in other_kind(tmp_path / "net") and not other_kind(tmp_path / "net", "safetensors")
    write_idx(tmp_path / "a.idx", np.zeros((2, 3), np.uint8))
    assert "IDX" in other_kind(tmp_path / "a.idx")
