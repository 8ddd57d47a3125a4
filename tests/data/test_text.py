"""Texts become numbers and come back; windows foretell what comes next; like lengths are padded together."""

import doctest
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xpnet
from xpnet import Sequential, data, layers
from xpnet.data import ByLength, Vocabulary, text, windows, windows_in_rows
from xpnet.errors import DataError, FormatError, OptionError, ShapeError

texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=4)


def halves(word: str) -> list[str]:
    return [word[: len(word) // 2], word[len(word) // 2 :]]


# ---- vocabularies ---------------------------------------------------------------------------------------------------


@given(all_texts=texts)
def test_what_is_encoded_comes_back(all_texts: list[str]) -> None:
    if not any(all_texts):
        all_texts = [*all_texts, "a"]
    vocabulary = Vocabulary(all_texts)
    assert len(vocabulary) == len(set("".join(all_texts))) + 1
    for each in all_texts:
        numbers = vocabulary.encode(each)
        assert numbers.dtype == np.int64 and numbers.shape == (len(each),) and (numbers > 0).all()
        assert vocabulary.decode(numbers) == each


def test_the_examples_of_the_docstrings_run() -> None:
    found = doctest.testmod(text)
    assert found.attempted >= 7 and not found.failed


def test_the_most_frequent_come_first_and_of_equals_the_first_character() -> None:
    assert Vocabulary("banana").entries == ("<padding>", "a", "n", "b")
    assert Vocabulary(["b a", "c c"], split="words").entries == ("<padding>", "c", "a", "b")
    assert Vocabulary(["b a", "c c"], split="words", size=3).entries == ("<padding>", "<unknown>", "c")
    assert Vocabulary(iter(["ab", "b"]), unknown=True).entries == ("<padding>", "<unknown>", "b", "a")


def test_what_is_not_in_it_is_refused_or_unknown() -> None:
    with pytest.raises(DataError, match=r"'x', at place 2 of the text, is not in the vocabulary; .*unknown=True"):
        Vocabulary("abc").encode("abxc")
    vocabulary = Vocabulary(["abc", "abc b"], split="words", size=3)
    assert vocabulary.unknown == 1
    numbers = vocabulary.encode("abc b d")
    assert numbers.tolist() == [2, 1, 1]
    assert vocabulary.decode([*numbers, vocabulary.padding]) == "abc <unknown> <unknown>"


def test_special_entries_are_no_words() -> None:
    vocabulary = Vocabulary("<unknown> <padding> a", split="words")
    assert vocabulary.entries == ("<padding>", "a") and vocabulary.unknown is None
    with pytest.raises(DataError, match="'<unknown>', at place 0"):
        vocabulary.encode("<unknown> a")


@pytest.mark.parametrize("split", ["characters", "words", halves])
def test_it_is_kept_in_a_file(split: Any, tmp_path: Path) -> None:
    vocabulary = Vocabulary(["zwölf Boxkämpfer", "\ufeff \\u0000"], split=split, unknown=True)
    vocabulary.save(tmp_path / "vocabulary.json")
    again = Vocabulary.load(tmp_path / "vocabulary.json", *([split] if callable(split) else []))
    assert again.entries == vocabulary.entries and again.unknown == 1 and again.split == split
    assert again.encode("zwölf 12").tolist() == vocabulary.encode("zwölf 12").tolist()
    assert again.compared() == vocabulary.compared() and repr(again) == repr(vocabulary)


@pytest.mark.parametrize(
    "content",
    [
        "", "[", "[]", "{}", '"a"', "null", '{"entries": ["<padding>", "a"]}', '{"split": "lines", "entries": []}',
        '{"split": "words", "entries": []}', '{"split": "words", "entries": ["a"]}', "[" * 100_000, "\xff",
        '{"split": "words", "entries": ["<padding>", "a", "a"]}', '{"split": "words", "entries": ["<padding>", 1]}',
        '{"split": ["words"], "entries": ["<padding>"]}', '{"split": "words", "entries": ["<padding>", ["a"]]}',
    ],
)  # fmt: skip
def test_another_file_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(FormatError, match=r"a\.json is no vocabulary that was saved"):
        Vocabulary.load(tmp_path / "a.json")


WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: Vocabulary([]), DataError, "made from texts, and there is nothing"),
    (lambda: Vocabulary(["", ""]), DataError, "made from texts, and there is nothing"),
    (lambda: Vocabulary([1]), DataError, "a text is a string, not 1"),  # type: ignore[list-item]
    (lambda: Vocabulary("a").encode(["a"]), DataError, r"a text is a string, not \['a'\]"),  # type: ignore[arg-type]
    (lambda: Vocabulary("a", split="lines"), OptionError, 'split must be "characters", "words" or a function'),
    (lambda: Vocabulary("a", split=3), OptionError, "split must be"),  # type: ignore[arg-type]
    (lambda: Vocabulary("a", size=2), OptionError, "size must be an integer of at least 3"),
    (lambda: Vocabulary("a", max_tokens=2), TypeError, "here it is size"),  # type: ignore[call-arg]
    (lambda: Vocabulary("a").decode([0, 2]), DataError, "reach from 0 to 2, and the vocabulary has 2 entries"),
    (lambda: Vocabulary("a").decode([[0]]), DataError, r"integers \(T,\), not int64 of shape \(1, 1\)"),
    (lambda: Vocabulary("a").decode([0.5]), DataError, r"integers \(T,\), not float64"),
    (lambda: windows([1, 2, 3], 3), DataError, "windows of 3 elements need 4"),
    (lambda: windows("abc", 2), ShapeError, "goes through Vocabulary.encode first"),
    (lambda: windows(1, 1), ShapeError, r"numbers \(T,\)"),
    (lambda: windows([1, 2], 0), OptionError, "length must be an integer of at least 1"),
    (lambda: windows([1, 2], 1, 0), OptionError, "stride must be"),
    (lambda: windows_in_rows([1, 2, 3, 4], 2, 2), DataError, "2 rows of 2 elements need 5; there are 4"),
    (lambda: ByLength([[1], [2, 3]], [1]), DataError, "2 sequences and 1 targets"),
    (lambda: ByLength([[1], [2, 3]], [[1], [2]], label=-1), DataError, "each as long as its own"),
    (lambda: ByLength([[1], [2, 3]], label=-1), DataError, "each as long as its own"),
    (lambda: ByLength([]), DataError, "there are no sequences"),
    (lambda: Vocabulary(3), DataError, "a Vocabulary is made from a text or several, not from 3"),  # type: ignore[arg-type]
    (lambda: data.Tokenizer, AttributeError, "here it is Vocabulary"),  # type: ignore[attr-defined]
]


@pytest.mark.parametrize(("mistake", "error", "words"), WRONG)
def test_what_cannot_be_is_told(mistake: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        mistake()


def test_a_function_that_splits_is_given_again(tmp_path: Path) -> None:
    path = tmp_path / "v"
    Vocabulary("ab", split=halves).save(path)
    with pytest.raises(OptionError, match=r"needs its function: load\(path, split\)"):
        Vocabulary.load(path)
    Vocabulary("ab").save(path)
    assert json.loads(path.read_text()) == {"split": "characters", "entries": ["<padding>", "a", "b"]}
    with pytest.raises(OptionError, match="is one of characters: leave split out"):
        Vocabulary.load(path, halves)


# ---- windows --------------------------------------------------------------------------------------------------------


@given(
    T=st.integers(2, 40),
    length=st.integers(1, 8),
    stride=st.none() | st.integers(1, 9),
    inside=st.sampled_from([(), (2,)]),
)
def test_windows_are_all_that_are_filled(T: int, length: int, stride: int | None, inside: tuple[int, ...]) -> None:
    series = np.random.default_rng(0).standard_normal((T, *inside))
    starts = range(0, T - length, stride or length)
    if not starts:
        return
    x, t = windows(series, length, stride)
    np.testing.assert_array_equal(x, [series[i : i + length] for i in starts])
    np.testing.assert_array_equal(t, [series[i + 1 : i + length + 1] for i in starts])
    assert not x.flags.writeable and np.shares_memory(x, series)


@given(T=st.integers(2, 60), length=st.integers(1, 5), rows=st.integers(1, 4), inside=st.sampled_from([(), (2,)]))
def test_rows_go_on_from_batch_to_batch(T: int, length: int, rows: int, inside: tuple[int, ...]) -> None:
    series = np.random.default_rng(0).standard_normal((T, *inside))
    each = (T - 1) // rows
    if each < length:
        return
    x, t = windows_in_rows(series, length, rows)
    B = each // length
    assert x.shape == t.shape == (B * rows, length, *inside)
    for row in range(rows):
        np.testing.assert_array_equal(np.concatenate(x[row::rows]), series[row * each :][: B * length])
        np.testing.assert_array_equal(np.concatenate(t[row::rows]), series[row * each + 1 :][: B * length])


def test_a_stateful_model_learns_to_spell() -> None:
    """What comes behind "ab" is known from further back only: the state goes from window to window."""
    vocabulary = Vocabulary("abcabd" * 200)
    x, t = windows_in_rows(vocabulary.encode("abcabd" * 200), length=1, rows=10)
    xpnet.seed(1)
    model = Sequential(
        [layers.Embedding(len(vocabulary), 8), layers.SimpleRNN(16, stateful=True), layers.Dense(len(vocabulary))]
    )
    model.compile(xpnet.optimizers.Adam(0.03))
    model.fit(
        *windows_in_rows(vocabulary.encode("abcabd" * 200), length=6, rows=10),
        batch_size=10,
        shuffle=False,
        epochs=30,
        verbose=0,
    )
    model.reset_state()
    spelled = model.predict(x, batch_size=10).argmax(axis=2)
    assert (spelled[100:] == t[100:]).mean() > 0.95


# ---- sequences of like lengths --------------------------------------------------------------------------------------


@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=20), batch_size=st.integers(1, 5), shuffle=st.booleans())
def test_each_sequence_is_in_one_batch_with_others_of_its_length(
    sizes: list[int], batch_size: int, shuffle: bool
) -> None:
    sequences = [[10 * n + 1] * T for n, T in enumerate(sizes)]
    batches = ByLength(sequences, np.arange(len(sizes)), batch_size, shuffle)
    found = list(batches)
    assert len(found) == len(batches)
    assert sorted(number for _, t in found for number in t) == list(range(len(sizes)))
    for (x, lengths), t in found:
        assert x.shape == (len(t), max(lengths))
        for row, T, number in zip(x, lengths, t, strict=True):
            assert row.tolist() == sequences[number] + [0] * (len(row) - T)
    in_order = sorted((sorted(lengths.tolist()) for (_, lengths), _ in found), key=lambda each: (each[0], each[-1]))
    assert [T for each in in_order for T in each] == sorted(sizes)
    if not shuffle:
        assert [T for (_, lengths), _ in found for T in lengths] == sorted(sizes)


def test_the_order_follows_from_the_seed_and_can_be_entered_in_its_middle() -> None:
    batches = ByLength([[n] * (n % 3 + 1) for n in range(1, 30)], batch_size=4)
    epochs = []
    for first in (0, 0, 2):
        if first or not epochs:
            xpnet.seed(5)
        epochs.append([x.tolist() for x, _ in batches.starting_at(first)])
    assert epochs[0] != epochs[1] and sorted(map(str, epochs[0])) != sorted(map(str, epochs[1]))
    assert epochs[2] == epochs[0][2:]


def test_labels_of_elements_are_padded_with_the_one_that_is_ignored() -> None:
    ((x, lengths), t), *_ = ByLength([[1, 2], [3]], [[0, 1], [1]], label=-100, shuffle=False, value=9)
    assert x.tolist() == [[3, 9], [1, 2]] and lengths.tolist() == [1, 2] and t.tolist() == [[1, -100], [0, 1]]
