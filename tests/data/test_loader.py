"""The Loader: the same batches for any number of workers, errors with the sample's name, and no thread left behind."""

import gc
import threading
import time

import numpy as np
import pytest

import xpnet
from xpnet.data import Arrays, Batches, Loader, Stream, augment
from xpnet.errors import DataError, DTypeError, OptionError, ShapeError, XpnetError

X = np.random.default_rng(0).random((23, 1, 8, 8), np.float32)
T = np.arange(23)
DISTORT = augment.Compose([augment.Rotate(20), augment.Elastic(10, 2), augment.Noise(0.1)])


def bits(batches):
    return [tuple(part.tobytes() for part in batch) for batch in batches]


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("xpnet-loader")]


class Slow(Arrays):
    """Batches that are asked for earlier take longer."""

    def __getitem__(self, indices):
        time.sleep(0.004 * (indices[0] % 3))
        return super().__getitem__(indices)


class Broken(Arrays):
    """Fails at sample 13, with an error of its own."""

    def name(self, i):
        return f"row {i} of the table"

    def __getitem__(self, indices):
        if 13 in indices:
            raise KeyError("thirteen")
        return super().__getitem__(indices)


def test_batches_are_those_of_batches_in_the_same_order():
    for shuffle, drop_last in ((True, False), (False, True)):
        xpnet.seed(1)
        expected = bits(Batches(X, T, 5, shuffle, drop_last))
        xpnet.seed(1)
        loader = Loader((X, T), 5, shuffle, drop_last=drop_last)
        assert len(loader) == len(expected) and bits(loader) == expected


@pytest.mark.parametrize("options", [{"prefetch": 0}, {"prefetch": 1}, {"prefetch": 9}, {"workers": 1}, {"workers": 3}])
def test_the_same_bits_for_any_number_of_workers_and_any_depth(options):
    def epochs(**options):
        xpnet.seed(2)
        loader = Loader(Slow(X, T), 5, augment=DISTORT, **options)
        return [bits(loader) for _ in range(2)]

    first, second = epochs(prefetch=0)
    assert first != second
    assert epochs(**options) == [first, second]


def test_one_key_is_taken_at_the_start_of_an_iteration():
    for options in ({}, {"shuffle": False}, {"augment": DISTORT, "workers": 2}, {"prefetch": 0}):
        loader = Loader((X, T), 5, **options)
        xpnet.seed(98)
        iterator = iter(loader)
        assert xpnet.random.get_state() == (98, 0, {"['batches']": 1})
        xpnet.seed(99)  # nothing more comes from it
        list(iterator)
        assert xpnet.random.get_state() == (99, 0, {})


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("stream", [False, True])
def test_an_epoch_can_start_at_any_batch(stream, prefetch):
    source = Stream(lambda rng: ((rng.random((1, 4, 4), np.float32), i) for i in range(23)), 23, buffer=7)
    loader = Loader(source if stream else (X, T), 5, augment=DISTORT, prefetch=prefetch)
    state = xpnet.random.get_state()
    whole = bits(loader)
    after = xpnet.random.get_state()
    for k in range(len(loader) + 1):
        xpnet.random.set_state(state)
        assert bits(loader.starting_at(k)) == whole[k:]
        assert xpnet.random.get_state() == after
    with pytest.raises(OptionError, match="has 5 batches; it cannot start at batch 6"):
        loader.starting_at(6)


def test_iterations_do_not_disturb_each_other():
    xpnet.seed(3)
    loader = Loader((X, T), 5, augment=DISTORT, workers=2)
    first, second = bits(loader), bits(loader)
    xpnet.seed(3)
    pairs = list(zip(loader, loader, strict=True))
    assert bits(a for a, _ in pairs) == first and bits(b for _, b in pairs) == second


def test_batches_are_made_ahead_and_not_further():
    asked = []

    class Counting(Arrays):
        def __getitem__(self, indices):
            asked.append(indices[0])
            return super().__getitem__(indices)

    iterator = iter(Loader(Counting(X, T), 1, shuffle=False, prefetch=3))
    assert asked == []
    next(iterator)
    deadline = time.monotonic() + 5
    while len(asked) < 4 and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(0.02)
    assert asked == [0, 1, 2, 3]
    iterator.close()


@pytest.mark.parametrize("workers", [0, 3])
def test_threads_end_with_the_iteration_and_when_it_is_abandoned(workers):
    loader = Loader(Slow(X, T), 2, workers=workers)
    list(loader)
    assert loader_threads() == []
    for _ in loader:
        assert loader_threads()
        break
    gc.collect()
    assert loader_threads() == []
    iterator = iter(loader)
    next(iterator)
    del iterator
    gc.collect()
    assert loader_threads() == []


@pytest.mark.parametrize("options", [{"prefetch": 0}, {}, {"workers": 2}])
def test_an_error_reaches_the_caller_with_the_name_of_the_sample(options):
    loader = Loader(Broken(X, T), 5, shuffle=False, **options)
    iterator = iter(loader)
    assert [len(next(iterator)[0]) for _ in range(2)] == [5, 5]
    with pytest.raises(DataError, match="row 13 of the table cannot be read: KeyError: 'thirteen'"):
        next(iterator)
    assert loader_threads() == []

    class Nameless(Arrays):
        def __getitem__(self, indices):
            raise ValueError("broken" if len(indices) > 1 or indices[0] == 7 else "whole")

    with pytest.raises(DataError, match="sample 0 cannot be read: ValueError: whole"):
        list(Loader(Nameless(X, T), 5, shuffle=False, **options))


def test_an_error_that_no_single_sample_causes_names_the_batch():
    class Joint(Arrays):
        def __getitem__(self, indices):
            if len(indices) > 1:
                raise ValueError("too many")
            return super().__getitem__(indices)

    with pytest.raises(DataError, match="samples 0 and 4 others cannot be read: ValueError: too many"):
        list(Loader(Joint(X, T), 5, shuffle=False))


def test_bytes_become_floats_then_come_augmentation_and_transform():
    x = np.full((4, 1, 2, 2), 255, np.uint8)
    (y,) = Loader(x, 4, augment=lambda x, rng: x * np.float32(0.5), transform=lambda x: x + 1)
    assert y.dtype == np.float32 and (y == 1.5).all()
    assert next(iter(Loader(x, 4, normalize=False))).dtype == np.uint8
    with pytest.raises(DTypeError, match="uint8, expected float32"):
        list(Loader(x, 4, normalize=False, augment=DISTORT))
    assert (x == 255).all()


def test_a_third_array_comes_along():
    weights = np.linspace(0, 1, 23, dtype=np.float32)
    for x, t, w in Loader(Arrays(X, T, weights), 5):
        assert np.array_equal(w, weights[t]) and np.array_equal(x, X[t])


# ---- streams ---------------------------------------------------------------------------------------------------------


def counting(rng):
    i = 0
    while True:
        yield np.float32([i]), i
        i += 1


@pytest.mark.parametrize("prefetch", [0, 3])
def test_a_stream_is_cut_into_batches(prefetch):
    loader = Loader(Stream(counting, 11), 4, shuffle=False, prefetch=prefetch)
    assert [t.tolist() for _, t in loader] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    assert all(x.shape == (len(t), 1) and x.dtype == np.float32 and t.dtype == np.int64 for x, t in loader)
    assert [len(t) for _, t in Loader(Stream(counting, 11), 4, drop_last=True)] == [4, 4]


def test_a_stream_is_shuffled_within_its_buffer():
    loader = Loader(Stream(counting, 100, buffer=10), 10)
    first, second = (np.concatenate([t for _, t in loader]) for _ in range(2))
    assert sorted(first) == list(range(100)) and not np.array_equal(first, second)
    assert (first - np.arange(100)).max() <= 10  # nothing comes earlier than the buffer reaches
    assert not np.array_equal(first, np.arange(100))


def test_what_a_stream_draws_follows_the_seed():
    def noise(rng):
        while True:
            yield rng.standard_normal(3).astype(np.float32), 0.5

    def epochs(prefetch):
        xpnet.seed(5)
        loader = Loader(Stream(noise, 10), 4, prefetch=prefetch)
        return [bits(loader) for _ in range(2)]

    first, second = epochs(0)
    assert first != second and epochs(2) == [first, second]
    assert next(iter(Loader(Stream(noise, 10), 4)))[1].dtype == np.float32


@pytest.mark.parametrize("prefetch", [0, 2])
def test_a_generator_is_closed_when_the_iteration_is_abandoned(prefetch):
    closed = []

    def resource(rng):
        try:
            yield from counting(rng)
        finally:
            closed.append(True)

    iterator = iter(Loader(Stream(resource, 100), 2, shuffle=False, prefetch=prefetch))
    next(iterator)
    assert closed == []
    del iterator
    gc.collect()
    assert closed == [True] and loader_threads() == []


def test_errors_of_streams():
    with pytest.raises(DataError, match="ended after 6 samples; expected 9"):
        list(Loader(Stream(lambda rng: ((np.zeros(1), i) for i in range(6)), 9), 4))

    def failing(rng):
        yield np.zeros(2), 0
        raise RuntimeError("no more")

    with pytest.raises(DataError, match="failed in batch 0: RuntimeError: no more"):
        list(Loader(Stream(failing, 9), 4, shuffle=False))
    with pytest.raises(DataError, match="different shapes"):
        list(Loader(Stream(lambda rng: (np.zeros(i + 1) for i in range(9)), 9), 4))
    with pytest.raises(DataError, match="different lengths"):
        list(Loader(Stream(lambda rng: ((0.5,) * (i + 1) for i in range(9)), 9), 4))
    with pytest.raises(DataError, match="needs a function"):
        Stream(iter([1]), 9)
    with pytest.raises(OptionError, match="workers must be 0"):
        Loader(Stream(counting, 9), 4, workers=2)


# ---- misuse ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Loader(iter([1]), 2), OptionError, "data.Stream"),
        (lambda: Loader((X, T[:5]), 2), DataError, "23 and 5 samples"),
        (lambda: Loader((X[:0], T[:0]), 2), DataError, "no data"),
        (lambda: Loader((X, T), 0), OptionError, "batch_size must be"),
        (lambda: Loader((X, T), 2, prefetch=-1), OptionError, "prefetch must be"),
        (lambda: Loader((X, T), 2, workers=1.5), OptionError, "workers must be"),
        (lambda: Loader((X, T), 2, processes=True), OptionError, "number of processes"),
        (
            lambda: Loader((X, T), 2, augment=3),
            OptionError,
            "augment must be a function or an object",
        ),
        (lambda: Loader((X, T), 24, drop_last=True), DataError, "do not fill one batch of 24"),
        (lambda: Arrays(), DataError, "at least one array"),
        (lambda: Arrays(1.0), DataError, "single number"),
        (lambda: Arrays(["a"]), DTypeError, "expected numbers"),
    ],
)
def test_misuse_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_source_or_augmentation_that_loses_samples_is_refused():
    class Short(Arrays):
        def __getitem__(self, indices):
            return super().__getitem__(indices[1:])

    with pytest.raises(ShapeError, match=r"shape \(4, 1, 8, 8\) for 5 samples"):
        list(Loader(Short(X, T), 5))
    with pytest.raises(ShapeError, match=r"made shape \(2, 1, 8, 8\) of 5 samples; they must return"):
        list(Loader((X, T), 5, augment=lambda x, rng: x[:2]))
    assert issubclass(ShapeError, XpnetError)


def test_each_batch_is_augmented_by_numbers_of_its_own():
    """Which follow from the key of the epoch and the number of the batch alone."""
    drawn = []

    def note(x, rng):
        drawn.append(rng.random(20).tolist())
        return x

    list(Loader((X, T), 8, augment=note, prefetch=0))
    assert len(drawn) == 3 == len(set(map(tuple, drawn)))
    xpnet.seed(3)
    key = xpnet.random.next_key("batches")
    xpnet.seed(3)
    drawn.clear()
    list(Loader((X, T), 8, augment=note, prefetch=0))
    assert drawn == [xpnet.random.stream(key, 1, number).random(20).tolist() for number in range(3)]
