"""A recurrent network that tags each letter of a text with marks: *bold*, _italic_, or plain, as no letter itself says.

Run it: python examples/tag_sequence.py
"""

import argparse

import numpy as np

import xpnet
from xpnet import Sequential, data, layers, losses, optimizers

LETTERS = " abcdefgh*_"  # a letter's number is its place; what is behind the end of a text is 0, a space
TAGS = "plain", "bold", "italic", "mark"
IGNORED = -1  # the label of what is behind the end


def write_text(random: np.random.Generator) -> tuple[list[int], list[int]]:
    """The numbers of 5 to 40 letters, and their tags. A mark opens, and the same mark closes."""
    letters, tags, within = [], [], ""
    for _ in range(random.integers(5, 41)):
        letter = random.choice(list(LETTERS[1:9])) if random.random() < 0.8 else within or random.choice(["*", "_"])
        if letter in "*_":
            tags.append(TAGS.index("mark"))
            within = "" if within else letter
        else:
            tags.append({"": 0, "*": 1, "_": 2}[within])
        letters.append(LETTERS.index(letter))
    return letters, tags


def make_texts(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Letters and tags of so many texts, both (N, T), T the length of the longest."""
    random = np.random.default_rng(seed)
    letters, tags = zip(*(write_text(random) for _ in range(count)), strict=True)
    return data.pad(letters)[0], data.pad(tags, value=IGNORED)[0]


def accuracy_by_letter(x: np.ndarray, t: np.ndarray, x_test: np.ndarray, t_test: np.ndarray) -> float:
    """The share of letters whose tag is the most frequent one of their letter in the training texts."""
    counts = np.zeros((len(LETTERS), len(TAGS)))
    np.add.at(counts, (x[t != IGNORED], t[t != IGNORED]), 1)
    return float((counts.argmax(axis=1)[x_test] == t_test)[t_test != IGNORED].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a recurrent network to tag each letter of a text.")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--limit", type=int, default=2000, help="train on this many texts")
    args = parser.parse_args()

    xpnet.seed(0)
    x, t = make_texts(args.limit, seed=1)
    x_test, t_test = make_texts(500, seed=2)
    print(f"texts {x.shape}, {(t != IGNORED).sum():,} letters; the tags behind the ends are {IGNORED} and do not count")

    model = Sequential([layers.Embedding(len(LETTERS), 8), layers.SimpleRNN(32), layers.Dense(len(TAGS))])
    model.compile(optimizers.Adam(lr=0.005), losses.SoftmaxCrossEntropy(ignored_label=IGNORED), metrics=["accuracy"])
    model.fit(x, t, batch_size=50, epochs=args.epochs, verbose=2)
    loss, accuracy = model.evaluate(x_test, t_test)
    print(f"test accuracy by letter alone {accuracy_by_letter(x, t, x_test, t_test):.4f}")
    print(f"test accuracy of the network  {accuracy:.4f}, loss {loss:.4f}")

    text = "ab*cde*f_gh_a"
    numbers = np.array([[LETTERS.index(letter) for letter in text]])
    tags = model.predict(numbers)[0].argmax(axis=1)  # a text of its own length needs no padding
    print(text, "".join(TAGS[tag][0] for tag in tags), sep="\n")


if __name__ == "__main__":
    main()
