"""The one random stream: the same bits on every backend, and keys that nobody gets twice, each for its purpose."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_lives_on, in_threads
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


@given(count=st.integers(0, 50), first=st.integers(0, 2**40), key=st.tuples(words64, words64))
def test_a_part_of_the_stream_is_that_part(backend: Backend, count: int, first: int, key: tuple[int, int]) -> None:
    words = philox_words(backend.xp, count, key, backend.device, first)
    raw = np.random.Philox(key=np.array(key, np.uint64)).advance(first // 8).random_raw(count // 2 + 8)
    halves = np.stack([raw & np.uint64(2**32 - 1), raw >> np.uint64(32)], axis=1).reshape(-1)
    np.testing.assert_array_equal(backend.to_numpy(words), halves[first % 8 :][:count].astype("int64"))


# ---- keys ------------------------------------------------------------------------------------------------------------


def test_the_seed_starts_everything_again() -> None:
    random.seed(5)
    first = [random.next_key(), random.next_key()], random.generator().random(3)
    random.seed(np.int64(5))
    again = [random.next_key(), random.next_key()], random.generator().random(3)
    assert first[0] == again[0] and first[0][0] != first[0][1]
    np.testing.assert_array_equal(first[1], again[1])
    random.seed(6)
    assert not np.array_equal(random.generator().random(3), first[1])


def test_the_keys_of_a_seed_stay_what_they_are() -> None:
    """Another way to make them would change the weights of every seed, and take a new version of backups."""
    random.seed(5)
    assert random.next_key() == (1309397750122043206, 13843939802149863113)
    assert random.next_key("batches", 3) == (7298822297708314980, 11180943189933728176)
    assert random.derive((1, 2), "step", 3) == (5219836111652572222, 3414606690271857501)


purposes = st.lists(st.one_of(st.integers(-(2**70), 2**70), st.text(max_size=5)), max_size=4).map(tuple)


@given(one=purposes, other=purposes, times=st.integers(0, 4))
def test_what_is_taken_for_one_purpose_changes_nothing_for_another(
    one: tuple[Any, ...], other: tuple[Any, ...], times: int
) -> None:
    random.seed(1)
    expected = [random.next_key(*one) for _ in range(3)]
    random.seed(1)
    found = []
    for _ in range(3):
        taken = [random.next_key(*other) for _ in range(times)] if other != one else []
        found.append(random.next_key(*one))
        assert found[-1] not in taken
    assert found == expected and len({*found}) == 3
    assert all(0 <= word < 2**64 for key in found for word in key)


@given(one=purposes, other=purposes)
def test_other_words_make_another_key(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    key = random.derive((1, 2), *one)
    assert (key == random.derive((1, 2), *other)) == (one == other)
    assert key != random.derive((1, 3), *one) != random.derive((2, 1), *one)
    assert key == random.derive((1, 2), *(word if isinstance(word, str) else Whole(word) for word in one))


class Whole:
    """An integer of somebody else's, such as NumPy's."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


def test_numbers_are_counted_for_each_purpose() -> None:
    assert [random.next_number("a"), random.next_number("a"), random.next_number("b", 1)] == [0, 1, 0]
    assert random.get_state() == (0, 0, {"['a']": 2, "['b', 1]": 1})


def test_a_state_is_plain_text_whatever_the_words() -> None:
    random.next_key("größe", 1)
    assert random.get_state()[2] == {"['gr\\xf6\\xdfe', 1]": 1} and random.next_key("a") != random.next_key("ä")


def test_generators_have_streams_of_their_own() -> None:
    one, two = random.generator(), random.generator()
    assert not np.intersect1d(one.random(100), two.random(100)).size
    random.seed(0)
    assert random.generator("x").random() != random.generator("y").random()


def test_each_place_and_number_of_a_key_has_a_stream_of_its_own() -> None:
    drawn = {
        (place, number): random.stream((3, 4), place, number).random(50).tolist()
        for place in range(3)
        for number in range(3)
    }
    assert len(set(map(tuple, drawn.values()))) == 9
    assert drawn[0, 0] == random.stream((3, 4)).random(50).tolist()
    everything = np.concatenate(list(drawn.values()))
    assert len(np.unique(everything)) == everything.size  # and none goes on where another began


# ---- states ----------------------------------------------------------------------------------------------------------


def test_a_state_can_be_returned_to() -> None:
    random.seed(1)
    random.next_key("a")
    state = random.get_state()
    assert state == (1, 0, {"['a']": 1})
    following = random.next_key("a"), random.next_key()
    random.seed(2)
    random.set_state(state)
    assert (random.next_key("a"), random.next_key()) == following
    assert state == (1, 0, {"['a']": 1})  # a snapshot, not the state itself
    random.set_state((1, 0))
    assert random.get_state() == (1, 0, {})
    assert json.loads(json.dumps(state)) == list(state)


def test_the_state_is_preserved_around_a_block_and_after_an_error() -> None:
    random.seed(1)
    random.next_key("a")
    before = random.get_state()
    with random.preserved_state():
        assert random.get_state() == before
        random.seed(9)
        random.next_key()
        assert random.chosen_seed() == 9
    assert random.get_state() == before and random.chosen_seed() == 1
    with random.preserved_state((7, 8)):
        assert random.get_state() == (7, 8, {})
    with pytest.raises(ZeroDivisionError), random.preserved_state():
        random.next_key()
        raise ZeroDivisionError
    assert random.get_state() == before


def test_a_block_draws_from_a_state_of_its_own() -> None:
    random.seed(1)
    random.next_key()
    before = random.get_state()
    key = (3, 4)
    with random.drawing_from(key, "step", 1):
        first = random.next_key(), random.next_key("a")
        with random.drawing_from(key, "step", 2):
            assert random.next_key() != first[0]
        assert random.get_state()[2] == {"[]": 1, "['a']": 1}
        assert random.chosen_seed() == 1
    assert random.get_state() == before
    random.seed(2)
    with random.drawing_from(key, "step", 1):
        assert (random.next_key(), random.next_key("a")) == first
        assert random.get_state()[:2] == random.derive(key, "step", 1)
    with random.drawing_from(key):
        assert random.get_state() == (3, 4, {})


def test_a_block_knows_its_first_sample_and_that_it_is_apart() -> None:
    assert (random.first_sample(), random.is_apart(), random.first_root()) == (0, False, 0)
    with random.drawing_from((1, 2), first_sample=5, root=3):
        for block in (random.preserved_state(), random.preserved_state((7, 8))):
            with block:
                assert (random.first_sample(), random.is_apart(), random.first_root()) == (5, True, 3)
        with random.drawing_from((1, 2)):
            assert (random.first_sample(), random.is_apart(), random.first_root()) == (0, True, 0)
    with random.preserved_state():
        assert not random.is_apart()


def test_nothing_is_computed_for_a_block_in_which_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "blake2b", None)
    with random.drawing_from((1, 2), "step", 3):
        assert random.first_sample() == 0


def test_threads_never_get_the_same_key() -> None:
    keys: list[tuple[int, int]] = []
    start = threading.Barrier(4)

    def work(_: int) -> None:
        start.wait()
        keys.extend([random.next_key() for _ in range(500)])

    in_threads(work)
    assert len({*keys}) == 2000 and random.get_state() == (0, 0, {"[]": 2000})


def test_the_blocks_of_threads_do_not_meet() -> None:
    start = threading.Barrier(4)
    found: list[Any] = [None] * 4

    def work(number: int) -> None:
        with random.preserved_state():
            random.seed(number)
            start.wait()
            found[number] = [random.next_key() for _ in range(200)]
            with random.drawing_from((number, 0)):
                start.wait()
                found[number] += [random.next_key() for _ in range(200)]

    before = random.get_state()
    in_threads(work)
    assert random.get_state() == before
    for number in range(4):
        random.seed(number)
        assert found[number] == [random.next_key() for _ in range(200)] * 2


# ---- seeds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-1, 2**63, 1.0, "0", None, True, np.int64(-1)])
def test_a_wrong_seed_is_refused_and_changes_nothing(value: object) -> None:
    before = random.get_state()
    with pytest.raises(OptionError, match=r"the seed must be an integer from 0 to 2\*\*63 - 1, not "):
        random.seed(value)  # type: ignore[arg-type]
    assert random.get_state() == before


@pytest.mark.parametrize("value", [0, 2**63 - 1])
def test_the_first_and_the_last_seed_work(value: int) -> None:
    random.seed(value)
    assert random.get_state() == (value, 0, {}) and random.chosen_seed() == value
    assert 0 <= random.generator().random() < 1


# ---- forks -----------------------------------------------------------------------------------------------------------

FORKED = """
import multiprocessing, os, sys, threading
import numpy as np
from xpnet import layers, random
from xpnet.data import augment

STATE = {}

def draw(_=None):
    layer = layers.Dense(3)
    layer.build((2,))
    images = np.arange(16.0).reshape(1, 1, 4, 4).astype("float32").repeat(2, axis=0)
    turned = augment.Rotate(30)(images)
    return random.next_key(), layer.weight.value.tobytes(), turned.tobytes(), random.get_state()[:2]

def by_fork():
    ends = []
    for _ in range(4):
        read, write = os.pipe()
        if os.fork() == 0:
            os.write(write, repr(draw()).encode())
            os._exit(0)
        os.close(write)
        ends.append(read)
    return [eval(os.fdopen(end, "rb").read()) for end in ends]

def by_pool():
    context, found = multiprocessing.get_context("fork"), []
    for _ in range(4):
        with context.Pool(1) as pool:
            found += pool.map(draw, [0])
    return found

how, expression, before = sys.argv[1:]
random.next_key()
exec(before)
with eval(expression):
    drawn = [*(by_pool() if how == "pool" else by_fork()), draw()]
print(*(len({each[i] for each in drawn}) for i in range(3)), random.chosen_seed())
"""
no_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
FREE = "random.preserved_state()"
STEP = "random.drawing_from(random.next_key('training'), 'train', 0)"


def run_forked(*arguments: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", FORKED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@no_fork
@pytest.mark.parametrize("how", ["fork", "pool"])
@pytest.mark.parametrize("block", ["threading.Lock()", FREE, STEP])
def test_without_a_seed_every_forked_process_draws_its_own(how: str, block: str) -> None:
    assert run_forked(how, block, "") == "5 5 5 None"


@no_fork
@pytest.mark.parametrize("how", ["fork", "pool"])
@pytest.mark.parametrize(
    ("block", "before", "seed"),
    [
        ("threading.Lock()", "random.seed(3)", "3"),
        ("threading.Lock()", "random.set_state(random.get_state())", "None"),
        (FREE, "random.seed(3)", "3"),
        (STEP, "random.seed(3)", "3"),
        ("random.preserved_state((5, 6))", "", "None"),
    ],
)
def test_what_was_chosen_stays_in_a_forked_process(how: str, block: str, before: str, seed: str) -> None:
    assert run_forked(how, block, before) == f"1 1 1 {seed}"


@no_fork
def test_a_fork_leaves_nothing_locked() -> None:
    """A thread of the parent holds every lock of the process while it forks; the child has no such thread."""
    script = """
import os, signal, sys, threading
import numpy as np
from xpnet import layers, losses, random
from xpnet.backend.cpu import blas, threads
from xpnet.backend.cpu.memory_pool import pool
from xpnet.base import locks as of_process
from xpnet.core import declare, parameter
of_process.PATIENCE = 0.2
held, done = threading.Event(), threading.Event()
limits = [library.get() for library in blas.libraries()]

def hold():
    locks = [declare.building.lock, parameter._adding.lock, pool._locked.lock]
    with threads.single_threaded_blas(), random._lock, blas._lock.lock, locks[0], locks[1], locks[2]:
        held.set()
        done.wait()

thread = threading.Thread(target=hold)
thread.start()
held.wait()
child = os.fork()
if child == 0:
    signal.alarm(20)
    assert [library.get() for library in blas.libraries()] == limits
    layer = layers.Dense(3)
    for _ in range(2):
        y, back = layer.forward(np.ones((2, 5), "float32"), train=True)
        back(y)
    pool.empty((1 << 20,), "float32")
    threads.run_tiles(lambda i: None, [(0,), (1,)])
    assert not blas._holders
    os._exit(0)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
done.set()
sys.exit(status)
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


@no_fork
def test_batches_of_a_loader_are_the_same_in_a_forked_process() -> None:
    """With a seed; its worker processes are its own, and those of its parent are not asked."""
    script = """
import os, sys
import numpy as np
from xpnet import random
from xpnet.data import Loader, augment

def epoch(loader):
    random.seed(4)
    return b"".join(x.tobytes() for x, _ in loader)

if __name__ == "__main__":
    x = np.arange(12 * 16, dtype="float32").reshape(12, 1, 4, 4)
    for kind in [{"workers": 2}, {"workers": 2, "processes": True}]:
        with_workers = Loader((x, np.arange(12)), 4, shuffle=True, augment=augment.Rotate(30), **kind)
        expected = epoch(Loader((x, np.arange(12)), 4, shuffle=True, augment=augment.Rotate(30)))
        assert epoch(with_workers) == expected
        child = os.fork()
        if child == 0:
            same = epoch(with_workers) == expected
            with_workers.close()
            os._exit(0 if same else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert epoch(with_workers) == expected
        with_workers.close()
"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "script.py"
        path.write_text(script)
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
        command = [sys.executable, "-W", "ignore", str(path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
