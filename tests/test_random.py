"""The one random stream: the same bits on every backend, and keys that nobody gets twice."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_lives_on
from xpnet import random
from xpnet.backend import Backend
from xpnet.backend.philox import philox_words
from xpnet.errors import OptionError

words64 = st.integers(0, 2**64 - 1)


@given(count=st.integers(1, 50), key=st.tuples(words64, words64))
def test_philox_is_that_of_numpy(backend: Backend, count: int, key: tuple[int, int]) -> None:
    words = philox_words(backend.xp, count, key, backend.device)
    assert_lives_on(backend, words, "int64")
    raw = np.random.Philox(key=np.array(key, np.uint64)).random_raw(count)
    expected = np.stack([raw & np.uint64(2**32 - 1), raw >> np.uint64(32)], axis=1).reshape(-1)[:count]
    np.testing.assert_array_equal(backend.to_numpy(words), expected.astype("int64"))


def test_a_longer_stream_begins_like_a_shorter_one(backend: Backend) -> None:
    long, short = (backend.to_numpy(philox_words(backend.xp, n, (3, 4), backend.device)) for n in (1000, 13))
    np.testing.assert_array_equal(long[:13], short)
    assert len(np.unique(long)) > 990


def test_the_seed_starts_everything_again() -> None:
    random.seed(5)
    first = [random.next_key(), random.next_key()], random.generator().random(3)
    random.seed(np.int64(5))
    again = [random.next_key(), random.next_key()], random.generator().random(3)
    assert first[0] == again[0] == [(5, 1), (5, 2)]
    np.testing.assert_array_equal(first[1], again[1])
    random.seed(6)
    assert not np.array_equal(random.generator().random(3), first[1])


def test_generators_have_streams_of_their_own() -> None:
    one, two = random.generator(), random.generator()
    assert not np.intersect1d(one.random(100), two.random(100)).size


def test_a_state_can_be_returned_to() -> None:
    random.seed(1)
    random.next_key()
    state = random.get_state()
    assert state == (1, 1)
    following = random.next_key()
    random.seed(2)
    random.set_state(state)
    assert random.next_key() == following
    assert state == (1, 1)  # a snapshot, not the state itself


def test_the_state_is_preserved_around_a_block_and_after_an_error() -> None:
    random.seed(1)
    before = random.get_state()
    with random.preserved_state():
        random.seed(9)
        random.next_key()
    assert random.get_state() == before
    with pytest.raises(ZeroDivisionError), random.preserved_state():
        random.next_key()
        raise ZeroDivisionError
    assert random.get_state() == before


def test_threads_never_get_the_same_key() -> None:
    keys: list[tuple[int, int]] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        keys.extend([random.next_key() for _ in range(500)])

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(keys) == [(0, n) for n in range(1, 2001)]


@pytest.mark.parametrize("value", [-1, 2**63, 1.0, "0", None, True, np.int64(-1)])
def test_a_wrong_seed_is_refused_and_changes_nothing(value: object) -> None:
    before = random.get_state()
    with pytest.raises(OptionError, match=r"the seed must be an integer from 0 to 2\*\*63 - 1, not "):
        random.seed(value)  # type: ignore[arg-type]
    assert random.get_state() == before


@pytest.mark.parametrize("value", [0, 2**63 - 1])
def test_the_first_and_the_last_seed_work(value: int) -> None:
    random.seed(value)
    assert random.next_key() == (value, 1)
    assert 0 <= random.generator().random() < 1
