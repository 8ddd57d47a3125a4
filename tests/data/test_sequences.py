"""Sequences become one array and their lengths, and nothing behind an end counts."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.strategies import normal, seeds
from xpnet import data
from xpnet.backend import Backend
from xpnet.data import mask_after, mask_of, pad
from xpnet.errors import DataError, DTypeError, OptionError, ShapeError
from xpnet.losses import MeanSquaredError, SoftmaxCrossEntropy


@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    features=st.lists(st.integers(1, 3), max_size=2),
    more=st.one_of(st.none(), st.integers(0, 3)),
    seed=seeds,
)
def test_each_sequence_stands_at_the_beginning_of_its_row(
    sizes: list[int], features: list[int], more: int | None, seed: int
) -> None:
    sequences = [normal((T, *features), seed + T, "float32") for T in sizes]
    T = max(sizes) + (more or 0)
    padded, lengths = pad(sequences, None if more is None else T, value=-7)
    assert padded.shape == (len(sizes), T, *features) and padded.dtype == np.float32
    assert lengths.dtype == np.int64 and lengths.tolist() == sizes
    for row, sequence in zip(padded, sequences, strict=True):
        np.testing.assert_array_equal(row[: len(sequence)], sequence)
        assert (row[len(sequence) :] == -7).all()
    np.testing.assert_array_equal(mask_of(lengths, T), (np.arange(T)[None] < np.array(sizes)[:, None]))


@pytest.mark.parametrize(
    ("sequences", "value", "dtype"),
    [
        ([[1, 2], [3]], 0, "int64"),
        ([[1.5], [2]], 0, "float64"),
        ([np.ones(2, np.uint8), np.ones(1, np.uint8)], 255, "uint8"),
        ([np.ones(2, np.uint8), np.ones(1, np.int64)], -100, "int64"),
        ([np.ones(2, np.float32), np.ones(1, np.float32)], 0.1, "float32"),
        ([np.ones(2, np.float32)], np.nan, "float32"),
        ([[True], [False, True]], 0, "bool"),
    ],
)
def test_the_data_type_is_that_of_the_sequences(sequences: Any, value: float, dtype: str) -> None:
    padded, _ = pad(sequences, 3, value)
    assert padded.dtype == dtype
    np.testing.assert_array_equal(padded[:, 2:], np.full((len(sequences), 1), value, dtype))


def test_a_generator_of_sequences_will_do() -> None:
    padded, lengths = pad([n] * n for n in (2, 1))
    assert padded.tolist() == [[2, 2], [1, 0]] and lengths.tolist() == [2, 1]


def test_labels_behind_the_end_get_the_ignored_label() -> None:
    t = np.arange(6).reshape(2, 3)
    assert mask_after(t, [2, 0], -1).tolist() == [[0, 1, -1], [-1, -1, -1]]
    assert mask_after(t[:, :, None], [3, 1], -1)[..., 0].tolist() == [[0, 1, 2], [3, -1, -1]]
    assert t.tolist() == [[0, 1, 2], [3, 4, 5]]  # a copy was changed
    tags = [[1, 0, 1], [1]]
    padded, lengths = pad(tags)
    np.testing.assert_array_equal(mask_after(padded, lengths, -1), pad(tags, value=-1)[0])


def test_what_is_padded_changes_neither_loss_nor_gradient(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    scores, tags = [rng.random((T, 3)) for T in (2, 4)], [rng.integers(0, 3, T) for T in (2, 4)]
    y, t = pad(scores, value=99)[0], pad(tags, value=-1)[0]
    value, back = SoftmaxCrossEntropy(ignored_label=-1).forward(backend.asarray(y), backend.asarray(t), backend)
    flat = [backend.asarray(np.concatenate(each)) for each in (scores, tags)]
    expected, flat_back = SoftmaxCrossEntropy().forward(*flat, backend)
    assert float(value) == pytest.approx(float(expected), rel=1e-12)
    dy, flat_dy = backend.to_numpy(back()), backend.to_numpy(flat_back())
    np.testing.assert_allclose(dy[mask_of([2, 4], 4)], flat_dy, rtol=1e-12)
    assert not dy[0, 2:].any()


def test_the_mask_is_a_weight_of_elements(backend: Backend) -> None:
    y, t, w = np.ones((2, 3)), np.zeros((2, 3)), mask_of([1, 3], 3)
    value, back = MeanSquaredError().forward(*(backend.asarray(a) for a in (y, t)), backend, backend.asarray(w))
    assert float(value) == pytest.approx(4 / 6)
    np.testing.assert_allclose(backend.to_numpy(back()), w / 3, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: pad([]), DataError, "pad: there are no sequences"),
        (lambda: pad([[1], []]), DataError, "pad: sequence 1 is empty: leave it out"),
        (lambda: pad([[1, 2, 3], [1]], 2), DataError, r"sequence 0 has length 3, more than length=2: cut it, s\[:2\]"),
        (lambda: pad([[1]], 0), OptionError, "pad: length must be an integer of at least 1, not 0"),
        (lambda: pad([np.ones((2, 3)), np.ones((2, 4))]), ShapeError, r"sequence 1 has shape \(2, 4\), and sequence 0"),
        (lambda: pad([np.ones(2), np.ones((2, 1))]), ShapeError, r"sequence 1 has shape \(2, 1\)"),
        (lambda: pad([1, 2]), ShapeError, r"sequence 0 is a single number; .* as in \[\[1, 2\], \[3\]\]"),
        (lambda: pad(["cat", "dog"]), DTypeError, "pad: sequence 0 is <U3; needed are numbers"),
        (lambda: pad([np.ones(1, np.uint8)], value=-100), DataError, "pad: -100 is no uint8; convert .* int64"),
        (lambda: pad([[1]], value=0.5), DataError, r"pad: 0.5 is no int64"),
        (lambda: pad([[1]], value=np.nan), DataError, "pad: nan is no int64"),
        (lambda: pad([[1]], value=None), DataError, "pad: None is no number"),  # type: ignore[arg-type]
        (lambda: mask_of([1, 4], 3), DataError, "lengths reach from 1 to 4, and the sequences have 3 elements"),
        (lambda: mask_of([-1], 3), DataError, "from -1 to -1"),
        (lambda: mask_of([1.0], 3), DataError, r"lengths must be integers \(N,\), not float64 of shape \(1,\)"),
        (lambda: mask_of([[1]], 3), DataError, r"of shape \(1, 1\)"),
        (lambda: mask_after([1, 2], [1, 1], -1), ShapeError, r"labels have shape \(2,\) and lengths \(2,\)"),
        (lambda: mask_after([[1, 2]], [1, 1], -1), ShapeError, r"labels have shape \(1, 2\) and lengths \(2,\)"),
        (lambda: mask_after([[1, 2]], [3], -1), DataError, "lengths reach from 3 to 3"),
        (lambda: mask_after(np.ones((1, 2), np.uint8), [1], -1), DataError, "mask_after: -1 is no uint8"),
        (lambda: data.pad_sequences, AttributeError, "pad"),
    ],
)
def test_what_cannot_be_padded_is_refused(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()
