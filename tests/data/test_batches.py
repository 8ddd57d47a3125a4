"""Batches cover the data once, in order or in an order that the seed fixes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xpnet.random
from xpnet.data import Batches, split
from xpnet.errors import DataError, OptionError

X = np.arange(20, dtype=np.float32).reshape(10, 2)
T = np.arange(10)


@given(N=st.integers(1, 40), size=st.integers(1, 50), shuffle=st.booleans(), drop_last=st.booleans())
def test_every_sample_appears_once_beside_its_target(N, size, shuffle, drop_last):
    if drop_last:
        size = min(size, N)
    x = np.arange(3 * N, dtype=np.float32).reshape(N, 3)
    batches = Batches(x, np.arange(N), size, shuffle, drop_last)
    got = list(batches)
    assert len(got) == len(batches) == (N // size if drop_last else -(-N // size))
    order = np.concatenate([t for _, t in got])
    assert all(len(t) == size for _, t in got[:-1])
    assert len(set(order.tolist())) == len(order) == (N // size * size if drop_last else N)
    assert np.array_equal(np.concatenate([b for b, _ in got]), x[order])
    assert shuffle or np.array_equal(order, np.arange(len(order)))


def test_without_targets_batches_are_arrays():
    got = list(Batches(X, batch_size=4))
    assert [b.shape for b in got] == [(4, 2), (4, 2), (2, 2)]


def test_in_order_batches_are_views():
    assert all(np.shares_memory(X, x) and np.shares_memory(T, t) for x, t in Batches(X, T, 4))


def test_shuffling_copies_and_leaves_the_data_alone():
    x = X.copy()
    for batch in Batches(x, batch_size=4, shuffle=True):
        batch[:] = -1
    assert np.array_equal(x, X)


def test_each_epoch_has_an_order_of_its_own_and_the_seed_fixes_them_all():
    def epochs():
        xpnet.random.seed(7)
        batches = Batches(T, batch_size=3, shuffle=True)
        return [np.concatenate(list(batches)).tolist() for _ in range(3)]

    with xpnet.random.preserved_state():
        first, again = epochs(), epochs()
    assert first == again
    assert first[0] != first[1] != first[2]


def test_without_shuffling_no_random_number_is_drawn():
    with xpnet.random.preserved_state():
        before = xpnet.random.get_state()
        list(Batches(X, T))
        assert xpnet.random.get_state() == before


@pytest.mark.parametrize("size", [0, -1, 2.0, "8", None, True])
def test_a_batch_size_that_is_not_a_positive_integer_is_refused(size):
    with pytest.raises(OptionError, match="batch_size must be an integer of 1 or more"):
        Batches(X, T, size)


def test_a_batch_size_may_be_a_numpy_integer():
    assert len(Batches(X, T, np.int64(3))) == 4


def test_data_without_samples_is_refused():
    with pytest.raises(DataError, match=r"no data: x has shape \(0, 2\)"):
        Batches(X[:0])
    with pytest.raises(DataError, match="single numbers"):
        Batches(1.0)
    with pytest.raises(DataError, match="single numbers"):
        Batches(X, 1.0)


def test_lengths_that_differ_are_refused():
    with pytest.raises(DataError, match="x has 10 samples but t has 9"):
        Batches(X, T[:9])
    with pytest.raises(DataError, match="x has 10 samples but t has 9"):
        split(X, T[:9], 0.5)


def test_an_epoch_without_a_batch_is_refused():
    with pytest.raises(DataError, match="do not fill one batch of 11"):
        Batches(X, T, 11, drop_last=True)


def test_split_gives_the_last_part_as_views():
    (x, t), (x_val, t_val) = split(X, T, 0.2)
    assert np.array_equal(t, T[:8]) and np.array_equal(t_val, T[8:])
    assert np.array_equal(x, X[:8]) and np.array_equal(x_val, X[8:])
    assert all(np.shares_memory(X, part) for part in (x, x_val))


@pytest.mark.parametrize(("N", "fraction", "train"), [(7, 0.2, 5), (1000, 0.9, 100), (60000, 0.1, 54000), (3, 0.5, 1)])
def test_split_rounds_as_keras_does_but_not_wrongly(N, fraction, train):
    (_, t), (_, t_val) = split(np.zeros(N), np.zeros(N), fraction)
    assert (len(t), len(t_val)) == (train, N - train)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_a_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(OptionError, match="greater than 0 and less than 1"):
        split(X, T, fraction)


def test_a_split_with_an_empty_part_is_refused():
    with pytest.raises(DataError, match="leaves one part empty"):
        split(X[:1], T[:1], 0.5)
    with pytest.raises(DataError, match="no data"):
        split(X[:0], T[:0], 0.5)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
def test_an_iteration_that_begins_later_has_the_same_batches_and_takes_as_many_keys(shuffle, drop_last):
    batches = Batches(np.arange(11), np.arange(11), 3, shuffle=shuffle, drop_last=drop_last)
    xpnet.random.seed(4)
    whole, after = list(batches), xpnet.random.get_state()
    for first in range(len(batches) + 1):
        xpnet.random.seed(4)
        rest = list(batches.starting_at(first))
        assert xpnet.random.get_state() == after
        assert [[part.tolist() for part in batch] for batch in rest] == [
            [part.tolist() for part in batch] for batch in whole[first:]
        ]
