"""Downloads, from a server on this machine: mirrors in turn, checksums, and nothing half-written left behind."""

import gzip
import hashlib
import http.server
import io
import socket
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

from xpnet.data import datasets, write_idx
from xpnet.data.cifar import read_cifar
from xpnet.data.downloads import cache_folder, fetch
from xpnet.errors import DataError, FileError, FormatError, MissingExtraError

pytest.importorskip("pooch", reason="the extra `data` is not installed")

CONTENT = np.random.default_rng(0).bytes(100_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """Serves `files` by path; asked for what begins with one of the names below, it misbehaves in that way."""

    def __init__(self):
        self.files = {}
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                way, _, name = self.path[1:].partition("/")
                content = outer.files.get(name)
                if way == "forbidden":
                    self.send_error(403)
                elif content is None or way == "missing":
                    self.send_error(404)
                else:
                    self.answer(way, content)

            def answer(self, way, content):
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if way == "broken":
                    self.wfile.write(content[: len(content) // 2])
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                elif way == "wrong":
                    self.wfile.write(content[:-1] + b"?")
                else:
                    self.wfile.write(content)

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self.http.server_address[1]}/"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "XPNET_OFFLINE", "XPNET_DATA"):
        monkeypatch.delenv(name, raising=False)
    running = Server()
    running.files["file.bin"] = CONTENT
    yield running
    running.close()


def urls(server, *ways):
    return [f"{server.root}{way}/file.bin" for way in ways]


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_mirrors_are_tried_in_turn_until_one_gives_the_file(server, tmp_path):
    path = tmp_path / "new" / "file.bin"
    ways = ("wrong", "broken", "forbidden", "missing", "good", "never")
    assert fetch(path, SHA256, ["http://127.0.0.1:9/file.bin", *urls(server, *ways)]) == path
    assert path.read_bytes() == CONTENT
    assert everything(tmp_path) == ["new", "new/file.bin"]
    assert server.asked == [f"/{way}/file.bin" for way in ways[:-1]]
    fetch(path, SHA256, urls(server, "good"))
    assert len(server.asked) == 5  # it is there


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("wrong", "the file has another SHA-256 than expected"),
        ("broken", "ChunkedEncodingError"),
        ("forbidden", "403 Forbidden"),
        ("missing", "404 Not Found"),
    ],
)
def test_a_mirror_that_fails_leaves_nothing_and_is_named_with_its_reason(server, tmp_path, way, reason):
    with pytest.raises(FileError, match=rf"could not be downloaded(.|\n)*{way}/file\.bin: {reason}") as error:
        fetch(tmp_path / "a" / "file.bin", SHA256, urls(server, way, way))
    assert str(error.value).count(reason) == 2 and "by hand" in str(error.value)
    assert everything(tmp_path) == ["a"]


def test_a_mirror_that_is_not_there_is_named(server, tmp_path):
    with pytest.raises(FileError, match=r"127\.0\.0\.1:9/file\.bin: ConnectionError"):
        fetch(tmp_path / "file.bin", SHA256, ["http://127.0.0.1:9/file.bin"])
    assert everything(tmp_path) == []


def test_a_damaged_file_in_the_cache_is_replaced(server, tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(FileError):
        fetch(path, SHA256, urls(server, "broken"))
    assert path.read_bytes() == CONTENT[:-1]  # until there is a better one
    fetch(path, SHA256, urls(server, "good"))
    assert path.read_bytes() == CONTENT and everything(tmp_path) == ["file.bin"]


def test_offline_never_asks_the_network(server, tmp_path, monkeypatch):
    path = tmp_path / "file.bin"
    with pytest.raises(FileError, match=r"is not there, and offline nothing is downloaded; put there .*good/file\.bin"):
        fetch(path, SHA256, urls(server, "good"), offline=True)
    path.write_bytes(b"something else")
    monkeypatch.setenv("XPNET_OFFLINE", "1")
    with pytest.raises(FormatError, match=r"has the SHA-256 .*, expected"):
        fetch(path, SHA256, urls(server, "good"))
    path.write_bytes(CONTENT)
    assert fetch(path, SHA256, urls(server, "good")) == path
    assert server.asked == []
    path.unlink()
    fetch(path, SHA256, urls(server, "good"), offline=False)  # what is said outranks the environment
    assert server.asked == ["/good/file.bin"]


def test_a_folder_that_cannot_be_written_to_is_named(server, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(FileError, match="Choose another folder with XPNET_DATA"):
        fetch(tmp_path / "file" / "file.bin", SHA256, urls(server, "good"))


def test_without_pooch_the_error_says_how_to_install_it(server, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingExtraError, match=r'pip install "xpnet\[data\]"'):
        fetch(tmp_path / "file.bin", SHA256, urls(server, "good"))
    (tmp_path / "file.bin").write_bytes(CONTENT)
    fetch(tmp_path / "file.bin", SHA256, urls(server, "good"))  # what is there needs no pooch


def test_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XPNET_DATA", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("XPNET_DATA")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache" / "xpnet" / "data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "xpnet" / "data"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == Path.home() / "Library" / "Caches" / "xpnet" / "data"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert cache_folder() == tmp_path / "xpnet" / "data"


def test_importing_needs_none_of_it():
    code = "import sys, xpnet.data; xpnet.data.mnist, xpnet.data.Loader; print(*sys.modules)"
    root = Path(__file__).parents[2]
    found = subprocess.run([sys.executable, "-c", code], check=True, cwd=root, capture_output=True, text=True).stdout
    assert not {"pooch", "requests", "concurrent.futures.process"} & set(found.split())


# ---- the data sets ---------------------------------------------------------------------------------------------------


def sums(server, names, prefix=""):
    return {name: hashlib.sha256(server.files[prefix + name]).hexdigest() for name in names}


@pytest.mark.parametrize("named", [False, True])
def test_fashion_mnist(server, tmp_path, monkeypatch, named):
    images = np.random.default_rng(0).integers(0, 256, (10, 28, 28), np.uint8)
    for name in datasets._FASHION_MNIST:
        write_idx(tmp_path / name, np.arange(10, dtype=np.uint8) if "labels" in name else images)
        server.files[name] = (tmp_path / name).read_bytes()
    monkeypatch.setattr(datasets, "_FASHION_MNIST", sums(server, datasets._FASHION_MNIST))
    monkeypatch.setattr(datasets, "_FASHION_MNIST_MIRRORS", (f"{server.root}forbidden/", f"{server.root}good/"))
    monkeypatch.setenv("XPNET_DATA", str(tmp_path / "cache"))
    folder = tmp_path / "here" if named else None
    (x, t), (x_test, _) = datasets.fashion_mnist(folder)
    assert x.shape == x_test.shape == (10, 1, 28, 28) and x.dtype == np.float32 and t.tolist() == list(range(10))
    assert (tmp_path / ("here" if named else "cache/fashion-mnist") / "t10k-labels-idx1-ubyte.gz").exists()
    asked = len(server.asked)
    assert datasets.fashion_mnist(folder, flatten=True, normalize=False, offline=True)[0][0].dtype == np.uint8
    assert asked == len(server.asked) == 8
    assert len(datasets.FASHION_MNIST_CLASSES) == len(datasets.CIFAR10_CLASSES) == 10


def cifar(folder, records=3, change=None, mode="w:gz"):
    """An archive like CIFAR-10's, with so many records a file: label i % 10, red i, green 100 + i, blue 200 + i."""
    path = folder / "cifar-10-binary.tar.gz"
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    with tarfile.open(path, mode) as archive:
        for number, name in enumerate(["readme.html", *names]):
            content = b"".join(
                bytes([i % 10]) + b"".join(bytes([c * 100 + i]) * 1024 for c in range(3))
                for i in range(number * records, (number + 1) * records)
            )
            if change and name in change:
                content = change[name]
            if content is not None:
                info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def test_cifar10(server, tmp_path, monkeypatch):
    server.files["cifar-10-binary.tar.gz"] = cifar(tmp_path).read_bytes()
    monkeypatch.setattr(datasets, "_CIFAR10", sums(server, datasets._CIFAR10))
    monkeypatch.setattr(datasets, "_CIFAR10_MIRRORS", (f"{server.root}good/",))
    (x, t), (x_test, t_test) = datasets.cifar10(tmp_path / "cache", normalize=False)
    assert x.shape == (15, 3, 32, 32) and x.dtype == np.uint8 and x_test.shape == (3, 3, 32, 32)
    assert t.dtype == np.int64 and t.tolist() == [i % 10 for i in range(3, 18)] and t_test.tolist() == [8, 9, 0]
    assert np.array_equal(x[:, :, 31, 31], np.arange(3, 18)[:, None] + [0, 100, 200])
    x, _ = datasets.cifar10(tmp_path / "cache", offline=True)[0]
    assert x.dtype == np.float32 and 0 < x.max() <= 1
    assert everything(tmp_path / "cache") == ["cifar-10-binary.tar.gz"]


def test_archives_that_are_not_cifar10_are_refused(tmp_path):
    with pytest.raises(FileError, match="No such file"):
        read_cifar(tmp_path / "none.tar.gz")
    path = cifar(tmp_path)
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", gzip.compress(b"no archive" * 100), b"\x1f\x8b" + b"?" * 50):
        path.write_bytes(damaged)
        with pytest.raises(FormatError):
            read_cifar(path)
    with pytest.raises(FormatError, match=r"holds no cifar-10-batches-bin/data_batch_3\.bin"):
        read_cifar(cifar(tmp_path, change={"data_batch_3.bin": None}))
    for wrong in (b"", bytes(3072)):
        with pytest.raises(FormatError, match="expected records of 3073"):
            read_cifar(cifar(tmp_path, change={"test_batch.bin": wrong}))
    with pytest.raises(FormatError, match="no file of at most"):
        read_cifar(cifar(tmp_path, change={"test_batch.bin": bytes(3073 * 10_001)}))
    with pytest.raises(DataError, match="the label 10"):
        read_cifar(cifar(tmp_path, change={"test_batch.bin": b"\n" + bytes(3072)}))


def test_the_pinned_sums_and_mirrors_are_well_formed():
    for hashes, mirrors in (
        (datasets._FASHION_MNIST, datasets._FASHION_MNIST_MIRRORS),
        (datasets._CIFAR10, datasets._CIFAR10_MIRRORS),
    ):
        assert all(len(value) == 64 and int(value, 16) for value in hashes.values())
        assert len(mirrors) >= 2 and all(mirror.endswith("/") for mirror in mirrors)
