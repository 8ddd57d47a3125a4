"""IDX files: what is written comes back, and no file from outside does harm."""

import gzip
import lzma
import os
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from xpnet.data import read_idx, write_idx
from xpnet.errors import DTypeError, FileError, FormatError, ShapeError

TYPES = ["u1", "i1", "i2", "i4", "f4", "f8"]
DTYPES = st.sampled_from([order + kind for order in "<>" for kind in TYPES])
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
COMPRESS = {"plain": bytes, "gzip": gzip.compress, "xz": lzma.compress}

SMALL = np.arange(6, dtype=np.uint8).reshape(2, 3)
SMALL_BYTES = b"\0\0\x08\x02" + struct.pack(">II", 2, 3) + bytes(range(6))


@pytest.fixture(params=COMPRESS)
def compress(request):
    return COMPRESS[request.param]


def assert_refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


@given(array=DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, SHAPES)), suffix=st.sampled_from(["", ".gz", ".xz"]))
def test_what_is_written_is_read_back_in_native_byte_order(tmp_path_factory, array, suffix):
    path = tmp_path_factory.getbasetemp() / f"array{suffix}"
    write_idx(path, array)
    back = read_idx(path)
    assert back.dtype == array.dtype.newbyteorder("=") and back.dtype.isnative
    assert back.shape == array.shape
    assert back.tobytes() == array.astype(back.dtype).tobytes()  # bytes, so that NaN equals NaN


def test_the_array_read_is_writable_and_contiguous(tmp_path):
    write_idx(tmp_path / "a", SMALL)
    back = read_idx(tmp_path / "a")
    back += 1
    assert back.flags.c_contiguous and np.array_equal(back, SMALL + 1)


def test_a_non_contiguous_array_is_written_in_order(tmp_path):
    write_idx(tmp_path / "a", SMALL.T[::-1])
    assert np.array_equal(read_idx(tmp_path / "a"), SMALL.T[::-1])


def test_the_bytes_are_those_of_the_format(tmp_path):
    write_idx(tmp_path / "a", SMALL)
    assert (tmp_path / "a").read_bytes() == SMALL_BYTES
    write_idx(tmp_path / "b", np.array([-2], np.int16))
    assert (tmp_path / "b").read_bytes() == b"\0\0\x0b\x01\0\0\0\x01\xff\xfe"


def test_compression_follows_the_name_when_writing_and_is_reproducible(tmp_path, monkeypatch):
    for suffix, decompress in ((".gz", gzip.decompress), (".xz", lzma.decompress)):
        write_idx(tmp_path / f"a{suffix}", SMALL)
        first = (tmp_path / f"a{suffix}").read_bytes()
        assert decompress(first) == SMALL_BYTES
        with monkeypatch.context() as patch:
            patch.setattr("time.time", lambda: 2e9)
            write_idx(tmp_path / f"b{suffix}", SMALL)
        assert (tmp_path / f"b{suffix}").read_bytes() == first


def test_compression_follows_the_content_when_reading(tmp_path, compress):
    for name in ("a", "a.gz", "a.xz"):
        (tmp_path / name).write_bytes(compress(SMALL_BYTES))
        assert np.array_equal(read_idx(tmp_path / name), SMALL)


@pytest.mark.parametrize("kind", ["gzip", "xz"])
def test_concatenated_streams_are_one_file(tmp_path, kind):
    (tmp_path / "a").write_bytes(COMPRESS[kind](SMALL_BYTES[:7]) + COMPRESS[kind](SMALL_BYTES[7:]))
    assert np.array_equal(read_idx(tmp_path / "a"), SMALL)


def test_dtype_and_ndim_are_checked_on_request(tmp_path):
    write_idx(tmp_path / "a", SMALL)
    assert np.array_equal(read_idx(tmp_path / "a", dtype="uint8", ndim=2), SMALL)
    with pytest.raises(FormatError, match="holds uint8; expected float32"):
        read_idx(tmp_path / "a", dtype=np.float32)
    with pytest.raises(FormatError, match="2 dimensions; expected 3"):
        read_idx(tmp_path / "a", ndim=3)


def test_an_empty_file_is_refused(tmp_path, compress):
    assert_refused(tmp_path / "a", compress(b""), "is empty")


@pytest.mark.parametrize("start", [b"\x89PNG", b"hello", b"\0\0", b"\0\0\x0a\1", b"\0\1\x08\1", b"\1\0\x08\1"])
def test_another_format_is_refused(tmp_path, start, compress):
    assert_refused(tmp_path / "a", compress(start), "not an IDX file")


@pytest.mark.parametrize("length", range(4, len(SMALL_BYTES)))
def test_a_truncated_file_is_refused(tmp_path, length, compress):
    assert_refused(tmp_path / "a", compress(SMALL_BYTES[:length]), "truncated")


@pytest.mark.parametrize("kind", ["gzip", "xz"])
def test_a_truncated_stream_is_refused_wherever_it_ends(tmp_path, kind):
    whole = COMPRESS[kind](SMALL_BYTES)
    for length in range(6, len(whole)):
        assert_refused(tmp_path / "a", whole[:length], "truncated or corrupt")


@pytest.mark.parametrize("kind", ["gzip", "xz"])
def test_a_corrupt_stream_is_never_taken_for_something_else(tmp_path, kind):
    whole = COMPRESS[kind](SMALL_BYTES)
    outcomes = []
    for i in range(6, len(whole)):
        (tmp_path / "a").write_bytes(whole[:i] + bytes([whole[i] ^ 0x55]) + whole[i + 1 :])
        try:
            outcomes.append(np.array_equal(read_idx(tmp_path / "a"), SMALL))  # gzip's header has bytes without meaning
        except FormatError:
            outcomes.append(True)
    assert all(outcomes)


def test_bytes_after_the_end_are_refused(tmp_path, compress):
    assert_refused(tmp_path / "a", compress(SMALL_BYTES + b"\0"), "too long")


@pytest.mark.parametrize("kind", ["gzip", "xz"])
def test_garbage_after_a_compressed_stream_is_refused(tmp_path, kind):
    assert_refused(tmp_path / "a", COMPRESS[kind](SMALL_BYTES) + b"garbage", "truncated or corrupt")


def test_absurd_sizes_in_a_header_cost_no_memory(tmp_path, compress):
    path = tmp_path / "a"
    path.write_bytes(compress(b"\0\0\x0e\x03" + b"\xff" * 12 + b"few bytes"))
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=r"announces .* bytes of content"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20  # of which xz's dictionary takes 8
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["gzip", "xz"])
def test_a_decompression_bomb_is_stopped_after_what_its_header_announces(tmp_path, kind):
    path = tmp_path / "a"
    path.write_bytes(COMPRESS[kind](SMALL_BYTES + bytes(2**26)))
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="too long"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20  # of which xz's dictionary takes 8
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "sizes", [(0, 2**32 - 1, 2**32 - 1, 2**32 - 1), (1,) * 65, (1,) * 255], ids=["overflow", "65 axes", "255 axes"]
)
def test_shapes_that_numpy_cannot_have_are_refused(tmp_path, sizes):
    content = struct.pack(f">HBB{len(sizes)}I", 0, 8, len(sizes), *sizes) + (b"" if 0 in sizes else b"\0")
    assert_refused(tmp_path / "a", content, "no array can have")


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    with pytest.raises(FileError, match="missing: No such file"):
        read_idx(tmp_path / "missing")
    with pytest.raises(FileError, match="directory"):
        read_idx(tmp_path)

    def forbid(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbid)
    with pytest.raises(FileError, match="secret: Permission denied"):
        read_idx("secret")


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.float16, np.bool_, np.complex64, "U3", object])
def test_types_that_idx_cannot_hold_are_refused(tmp_path, dtype):
    with pytest.raises(DTypeError, match="convert it with astype"):
        write_idx(tmp_path / "a", np.zeros(3, dtype))
    assert not list(tmp_path.iterdir())


def test_an_axis_too_long_for_idx_is_refused(tmp_path):
    with pytest.raises(ShapeError, match="4294967296"):
        write_idx(tmp_path / "a", np.empty((2**32, 0), np.uint8))


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a"
    write_idx(path, SMALL)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="No space left"):
        write_idx(path, SMALL + 1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]
    assert np.array_equal(read_idx(path), SMALL)


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "a", tmp_path / "folder"):
        with pytest.raises(FileError, match=f"cannot write {path}"):
            write_idx(path, SMALL)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
def test_numbers_of_several_bytes_begin_with_the_largest(tmp_path, dtype):
    """In the file; what is read has the order of the machine, and the same values."""
    array = np.array([[1, 2, 3], [-4, 100, 0]]).astype(dtype)
    write_idx(tmp_path / "a", array)
    header = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}[dtype]
    expected = bytes([0, 0, header, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + array.astype(array.dtype.newbyteorder(">")).tobytes()
    assert (tmp_path / "a").read_bytes() == expected
    found = read_idx(tmp_path / "a")
    assert np.array_equal(found, array) and found.dtype == dtype and found.dtype.isnative
