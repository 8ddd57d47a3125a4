"""Frames: what is packed is unpacked, and bytes that are no frame are refused."""

import json
import math
import tracemalloc
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from xpnet.errors import FormatError
from xpnet.serving.frames import DTYPES, pack, unpack

names = st.text(min_size=1, max_size=8).filter(lambda name: name not in ("kind", "arrays", "fields"))
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(
    -1e15, 1e15
)  # beyond, the browser writes as whole what is not
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
fields = st.dictionaries(names, values, max_size=4)
arrays = st.dictionaries(
    names,
    st.sampled_from(list(DTYPES.values())).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    ),
    max_size=4,
)


def frame_bytes(header: Any, rest: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(4, "little") + text + rest


@given(st.text(max_size=8), fields, arrays)
def test_a_frame_comes_back(kind: str, given: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> None:
    data = pack(kind, given, **arrays)
    frame = unpack(data)
    assert (frame.kind, frame.fields, list(frame.arrays)) == (kind, given, list(arrays))
    for name, array in arrays.items():
        back = frame.arrays[name]
        assert (back.dtype, back.shape) == (array.dtype, array.shape) and not back.flags.writeable
        np.testing.assert_array_equal(back, array)


@given(arrays)
def test_every_array_begins_where_the_browser_can_read_it(arrays: dict[str, npt.NDArray[Any]]) -> None:
    data = pack("kind", **arrays)
    places = [array.ctypes.data for array in unpack(data).arrays.values() if array.size]
    start = np.frombuffer(data, np.uint8).ctypes.data
    assert all((place - start) % 8 == 0 for place in places)


@given(st.binary(max_size=64) | st.binary(max_size=64).map(lambda rest: len(rest).to_bytes(4, "little") + rest))
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    try:
        unpack(data)
    except FormatError as error:
        assert len(str(error)) < 400


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "float32", "uint8", "name"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["kind", "arrays", "x"]), inner),
    max_leaves=12,
)
described = st.lists(
    st.tuples(anything, st.sampled_from([*DTYPES, "float64"]) | anything, st.lists(anything)), max_size=3
)


@given(
    st.fixed_dictionaries({"kind": st.text(max_size=3) | anything, "arrays": described | anything}) | anything,
    st.binary(max_size=64),
)
@example({"kind": "k", "arrays": [["x", "uint8", [2**80, 0]]]}, b"")
@example({"kind": "k", "arrays": [["x", "uint8", [2**40, 2**40, 0]]]}, b"")
@example({"kind": "k", "arrays": [["x", "float32", [2**62, 4]]]}, b"")
@example({"kind": "k", "arrays": [["x", "uint8", [-1]]]}, b"")
@example({"kind": "k", "arrays": [["x", "uint8", [True]]]}, b"1")
@example({"kind": "k", "arrays": [["x", "uint8", ""]]}, b"1")
@example({"kind": "k", "arrays": [["x", "uint8", {}]]}, b"1")
@example({"kind": "k", "arrays": [["x", "float64", [1]]]}, bytes(8))
@example({"kind": "k", "arrays": [["x", "uint8", [1]]] * 65}, bytes(999))
@example({"kind": "k", "arrays": [["x", "uint8", [0] * 9]]}, b"")
@example({"kind": "k", "arrays": 5}, b"")
@example({"kind": "k", "arrays": [[]]}, b"")
@example(["kind"], b"")
@example(None, b"")
@example({"arrays": []}, b"")
def test_any_header_is_one_of_a_frame_or_refused(header: Any, rest: bytes) -> None:
    try:
        frame = unpack(frame_bytes(header, rest))
    except FormatError as error:
        assert len(str(error)) < 400
    else:
        assert sum(array.nbytes for array in frame.arrays.values()) <= len(rest) + 8 * len(header.get("arrays", []))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0\0\0", b"\xff\xff\xff\xff{}", frame_bytes(b"\xff\xfe{\0}\0"), frame_bytes(b'{"kind": "k", "x": NaN}'),
        frame_bytes(b'{"kind": "k", "x": -Infinity}'), frame_bytes(b'{"kind": "' + b"\xe4" + b'"}'),
        frame_bytes(b"[" * 100_000), frame_bytes(b'{"x":' * 100_000), frame_bytes(b"9" * 100_000),
        frame_bytes(b'{"kind": "k", "arrays": [["x", "' + b"y" * 100_000 + b'", [1]]]}'),
    ],
)  # fmt: skip
def test_what_no_browser_sends_is_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(FormatError, match="is no frame") as error:
        unpack(data)
    assert len(str(error.value)) < 400


def test_a_message_takes_little_memory() -> None:
    """A page may send 1 MiB: what is made of it is in proportion."""
    worst = frame_bytes(b'{"kind": "k", "x": [' + b"[]," * 340_000 + b"0]}")
    claims = frame_bytes({"kind": "k", "arrays": [["x", "float32", [2**30]]]})
    tracemalloc.start()
    try:
        unpack(worst)
        with pytest.raises(FormatError):
            unpack(claims)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_numbers_of_numpy_and_those_that_are_not_finite() -> None:
    given = {"a": np.float32(0.5), "b": np.int64(3), "c": [math.nan, math.inf, 1.5], "d": {"e": (np.bool_(True), None)}}
    assert unpack(pack("k", given)).fields == {"a": 0.5, "b": 3, "c": [None, None, 1.5], "d": {"e": [True, None]}}


@pytest.mark.parametrize("dtype", ["float64", "int64", "bool", "float16", "U3", "object"])
def test_an_array_that_the_browser_does_not_have_is_not_packed(dtype: str) -> None:
    with pytest.raises(TypeError, match="labels"):
        pack("k", labels=np.zeros(3, dtype))


def test_arrays_of_any_layout() -> None:
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    given = {"turned": x.T, "spread": x[:, ::2], "big": x.astype(">f4"), "one": np.float32(3)}
    for name, array in unpack(pack("k", **given)).arrays.items():
        np.testing.assert_array_equal(array, given[name])
        assert array.shape == np.shape(given[name]) and array.dtype == np.float32
