"""MNIST: the original bytes in the box, and checked files from a folder of the user's."""

import hashlib

import numpy as np
import pytest

from xpnet.data import mnist, write_idx
from xpnet.data.datasets import mnist_part, mnist_sizes
from xpnet.errors import DataError, FileError, FormatError, OptionError

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 28, 28), np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 10


def fill(folder, images=IMAGES, labels=LABELS, mark="-", suffix=""):
    for part in ("train", "t10k"):
        write_idx(folder / f"{part}-images{mark}idx3-ubyte{suffix}", images)
        write_idx(folder / f"{part}-labels{mark}idx1-ubyte{suffix}", labels)
    return folder


def test_mnist_has_the_types_and_shapes_that_networks_take(mnist_data):
    for (x, t), N in zip(mnist_data, (60000, 10000), strict=True):
        assert x.shape == (N, 1, 28, 28) and x.dtype == np.float32 and x.flags.c_contiguous
        assert x.min() == 0 and x.max() == 1
        assert t.shape == (N,) and t.dtype == np.int64
        assert np.array_equal(np.unique(t), np.arange(10))


def test_mnist_in_the_box_is_the_original(mnist_data):
    sums = [
        ("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 0x803, 0),
        ("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 0x801, 1),
        ("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 0x803, 0),
        ("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 0x801, 1),
    ]
    arrays = [array for part in mnist_data for array in part]
    for array, (expected, magic, is_labels) in zip(arrays, sums, strict=True):
        header = np.array([magic, len(array)] + ([] if is_labels else [28, 28]), ">u4").tobytes()
        content = array if is_labels else np.rint(array * np.float32(255))
        assert hashlib.sha256(header + content.astype(np.uint8).tobytes()).hexdigest() == expected


@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_a_folder_is_read_in_every_spelling(tmp_path, mark, suffix):
    fill(tmp_path, mark=mark, suffix=suffix)
    for x, t in mnist(tmp_path, normalize=False):
        assert x.dtype == np.uint8 and np.array_equal(x[:, 0], IMAGES)
        assert t.dtype == np.int64 and np.array_equal(t, LABELS)


def test_flatten_and_normalize(tmp_path):
    (x, _), _ = mnist(str(fill(tmp_path)), flatten=True)
    assert x.shape == (12, 784) and x.dtype == np.float32
    assert np.array_equal(x, IMAGES.reshape(12, 784) / np.float32(255))


def test_one_part_is_read_alone(tmp_path):
    fill(tmp_path)
    both = mnist(tmp_path, flatten=True)
    for part, other, (x, t) in zip(("train", "test"), ("t10k", "train"), both, strict=True):
        hidden = [file.rename(tmp_path / f"hidden-{file.name}") for file in tmp_path.glob(f"{other}-*")]
        assert len(hidden) == 2
        alone = mnist_part(part, tmp_path, flatten=True)
        assert np.array_equal(alone[0], x) and np.array_equal(alone[1], t)
        for file in hidden:
            file.rename(tmp_path / file.name.removeprefix("hidden-"))
    with pytest.raises(OptionError, match='part must be "train" or "test", not \'t10k\''):
        mnist_part("t10k", tmp_path)


def test_sizes_come_from_the_headers_alone(tmp_path):
    assert mnist_sizes() == (60_000, 10_000)
    fill(tmp_path)
    for file, header in (("images-idx3", 16), ("labels-idx1", 8)):
        path = tmp_path / f"t10k-{file}-ubyte"
        path.write_bytes(path.read_bytes()[:header])
    assert mnist_sizes(tmp_path) == (12, 12)
    with pytest.raises(FormatError, match="truncated"):
        mnist(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FormatError, match="ends within its header"):
        mnist_sizes(tmp_path)


def test_a_missing_folder_or_file_is_named(tmp_path):
    with pytest.raises(FileError, match="nowhere is not a folder"):
        mnist(tmp_path / "nowhere")
    (fill(tmp_path) / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileError, match="no t10k-labels-idx1-ubyte"):
        mnist(tmp_path)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES, LABELS[:11], "12 images but .* 11 labels"),
        (IMAGES[:, :27], LABELS, r"\(27, 28\)"),
        (IMAGES, LABELS + 1, "the label 10"),
        (IMAGES[:0], LABELS[:0], "no image"),
    ],
    ids=["counts", "size", "label", "empty"],
)
def test_data_that_is_not_mnist_is_refused(tmp_path, images, labels, message):
    with pytest.raises(DataError, match=message):
        mnist(fill(tmp_path, images, labels))
    if "the label" not in message:  # the headers alone show it
        with pytest.raises(DataError, match=message):
            mnist_sizes(tmp_path)


def test_files_of_another_kind_are_refused(tmp_path):
    with pytest.raises(FormatError, match="holds float32"):
        mnist(fill(tmp_path, images=IMAGES.astype(np.float32)))
    with pytest.raises(FormatError, match="2 dimensions; expected 1"):
        mnist(fill(tmp_path, labels=LABELS[:, None]))
