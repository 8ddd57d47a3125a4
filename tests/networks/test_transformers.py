"""Transformers: GPT learns strings by heart and writes them, ViT tells digits apart."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.helpers import assert_close
from tests.kit.small import digits
from tests.kit.strategies import normal
from xpnet import gradient_check
from xpnet.backend import Backend, make_backend, use_backend
from xpnet.data import pad
from xpnet.errors import DataError, OptionError, ShapeError
from xpnet.losses import SoftmaxCrossEntropy
from xpnet.networks import GPT, RecurrentLanguageModel, ViT
from xpnet.networks.sampling import generate

WORDS = [
    "anchor", "apple", "basket", "beetle", "cactus", "cedar", "daisy", "donkey", "eagle", "engine", "falcon",
    "feather", "garden", "ginger", "hammer", "hedge", "island", "ivory", "jacket", "jungle", "kettle", "koala",
    "ladder", "lemon", "magnet", "mirror", "needle", "noodle", "orange", "otter",
]  # fmt: skip
LETTERS = ".abcdefghijklmnopqrstuvwxyz"  # a dot begins and ends a word


def numbers(words: list[str]) -> list[list[int]]:
    return [[LETTERS.index(letter) for letter in word] for word in words]


def small_gpt(dropout: float = 0.0) -> GPT:
    return GPT(len(LETTERS), context=9, layers=2, width=32, heads=4, dropout=dropout)


@pytest.fixture(scope="module")
def speller() -> GPT:
    """It has learned thirty words by heart."""
    xpnet.seed(0)
    model, sequences = small_gpt(), numbers([f".{word}." for word in WORDS])
    x, _ = pad([sequence[:-1] for sequence in sequences])
    t, _ = pad([sequence[1:] for sequence in sequences], value=-1)
    model.compile(xpnet.optimizers.Adam(0.005), SoftmaxCrossEntropy(ignored_label=-1))
    assert model.evaluate(x, t) == pytest.approx(math.log(len(LETTERS)), abs=0.1)
    model.fit(x, t, batch_size=10, epochs=80, verbose=0)
    return model


def test_gpt_learns_words_by_heart(speller: GPT) -> None:
    assert len(WORDS) == 30
    for word in WORDS:
        text = generate(speller, numbers([f".{word[:2]}"])[0], len(word) - 1, temperature=0)
        assert "".join(LETTERS[number] for number in text) == f".{word}."


def test_what_is_drawn_are_words(speller: GPT) -> None:
    """Of a model that knows its words: nearly all of them, though each letter is drawn; and one seed, one text."""
    xpnet.seed(3)
    start = np.zeros((40, 1), np.int64)
    texts = generate(speller, start, 8, temperature=0.5, top_k=5)
    words = ["".join(LETTERS[number] for number in row).split(".")[1] for row in texts]
    assert texts.shape == (40, 9) and texts.dtype == np.int64
    assert sum(word in WORDS for word in words) >= 36
    assert len({*words}) >= 8
    xpnet.seed(3)
    np.testing.assert_array_equal(generate(speller, start, 8, temperature=0.5, top_k=5), texts)
    assert (generate(speller, start, 8, temperature=0.5, top_k=5) != texts).any()  # the next key


def test_a_text_may_be_longer_than_the_context(speller: GPT) -> None:
    assert generate(speller, [0], 30).shape == (31,)
    np.testing.assert_array_equal(generate(speller, [0, 1, 14], 0), [0, 1, 14])


def test_gpt_comes_back_from_a_file(speller: GPT, tmp_path: Path) -> None:
    speller.save(tmp_path / "net")
    again = xpnet.load(tmp_path / "net")
    x = np.array(numbers(["apple", "lemon"]))
    assert repr(again) == repr(speller)
    np.testing.assert_array_equal(again.predict(x), speller.predict(x))


def test_a_gpu_writes_the_same(speller: GPT, cupy: Any) -> None:
    moved = speller.copy().to("cupy")
    x = np.array(numbers(["apple", "lemon"]))
    np.testing.assert_allclose(moved.predict(x), speller.predict(x), rtol=1e-4, atol=1e-4)
    texts = []
    for model in (speller, moved):
        xpnet.seed(5)
        texts.append(generate(model, np.zeros((20, 1), np.int64), 8))
    np.testing.assert_array_equal(*texts)


@pytest.mark.parametrize("make", [small_gpt, lambda: ViT(3, 2, 8, 2, 2, input_shape=(2, 6, 4))], ids=["gpt", "vit"])
def test_backends_agree_in_value_and_gradient(backend: Backend, make: Any) -> None:
    xpnet.seed(0)
    with use_backend(make_backend("reference")):
        expected = make().astype("float64")
    with use_backend(backend):
        model = make().astype("float64")
    for parameter, other in zip(model.parameters(), expected.parameters(), strict=True):
        parameter.value = other.value
    x = np.random.default_rng(0).integers(0, 27, (2, 7)) if model.takes_integers else normal((2, 2, 6, 4), 0)
    (y, back), (want, want_back) = (each.forward(each.backend.asarray(x), train=True) for each in (model, expected))
    assert_close(y, want, backend)
    dy = normal(tuple(y.shape), 1)
    back(backend.asarray(dy))
    want_back(dy)
    for parameter, other in zip(model.parameters(), expected.parameters(), strict=True):
        assert_close(parameter.grad, other.grad, backend, 1e-11, scale=1.0)


def test_gpt_is_gpt2() -> None:
    """Its parts begin as in the paper: and the weights that add to the sum are smaller, the more of them there are."""
    model = GPT(50, 16, layers=8, width=64, heads=2)
    weights = dict(model.named_parameters())
    for name, std in (("embedding.weight", 0.02), ("encoder.layers.3.self_attn.in_proj_weight", 0.02),
                      ("encoder.layers.3.self_attn.out_proj.weight", 0.005), ("encoder.layers.7.linear2.weight", 0.005),
                      ("positions.weight", 0.02)):  # fmt: skip
        assert weights[name].value.std() == pytest.approx(std, rel=0.1)
    assert "head.weight" not in weights
    parts = "self_attn", "self_attn.out_proj", "linear1", "linear2", "norm1", "norm2"
    first = {name.rpartition(".")[0] for name in weights if name.startswith("encoder.layers.0.")}
    assert first == {f"encoder.layers.0.{part}" for part in parts}
    with pytest.raises(ShapeError, match="at most 16 elements"):
        model.predict(np.zeros((2, 17), np.int64))


def test_the_gradients_are_right() -> None:
    assert gradient_check(small_gpt(0.2), np.random.default_rng(0).integers(0, 27, (2, 6))) < 1e-5
    assert gradient_check(ViT(3, 2, 8, 2, 2, dropout=0.2, input_shape=(2, 6, 4)), normal((2, 2, 6, 4), 0)) < 1e-5


def test_vit_learns_and_comes_back_from_a_file(tmp_path: Path) -> None:
    x, t = digits(60)
    model = ViT(patch=7, width=32, depth=2, name="saved")
    model.compile(xpnet.optimizers.Adam(0.003), metrics=["accuracy"])
    assert model.evaluate(x, t)[0] == pytest.approx(math.log(10), abs=0.3)
    model.fit(x, t, batch_size=20, epochs=25, verbose=0)
    assert model.evaluate(x, t)[1] > 0.9
    model.save(tmp_path / "net")
    again = xpnet.load(tmp_path / "net")
    assert repr(again) == repr(model)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_an_image_must_be_made_of_patches() -> None:
    with pytest.raises(OptionError, match="ViT: images of 28x28 cannot be cut into patches of 5x5 pixels"):
        ViT(patch=5)
    with pytest.raises(OptionError, match=r"ViT: input_shape must be \(C, H, W\), not \(28, 28\)"):
        ViT(input_shape=(28, 28))
    x = normal((1, 1, 28, 28), 0, "float32")
    model = ViT()
    other = x.copy()
    other[0, 0, :4, :4], other[0, 0, 4:8, 4:8] = x[0, 0, 4:8, 4:8], x[0, 0, :4, :4]
    assert (model.predict(x) != model.predict(other)).any()  # it knows where a patch stands


@pytest.mark.parametrize("stateful", [True, False])
def test_a_recurrent_model_writes_too(stateful: bool) -> None:
    """One that carries its state is given each element once, and is afterwards as it was."""
    xpnet.seed(0)
    model = RecurrentLanguageModel(7, 5, 6, stateful=True)
    plain = RecurrentLanguageModel(7, 5, 6)
    plain.set_weights(model.get_weights())
    before = model.predict(np.array([[1, 2]]))
    model.reset_state()
    model.predict(np.array([[1]]))
    xpnet.seed(1)
    text = generate(model if stateful else plain, [[1, 2, 3], [4, 5, 6]], 12)
    xpnet.seed(1)
    np.testing.assert_array_equal(text, generate(plain, [[1, 2, 3], [4, 5, 6]], 12))
    np.testing.assert_allclose(model.predict(np.array([[2]]))[:, 0], before[:, 1], rtol=1e-5)


def test_what_cannot_be_generated_is_refused(speller: GPT) -> None:
    for start in ([], [0.5], [[[1]]], 3):
        with pytest.raises(DataError, match=r"generate: start must be integers \(T,\) or \(N, T\)"):
            generate(speller, start, 3)
    for options in ({"length": -1}, {"length": 1, "temperature": -0.5}, {"length": 1, "top_k": 0}):
        with pytest.raises(OptionError, match="generate: "):
            generate(speller, [0], **options)


def test_a_transformer_has_a_layer_at_least() -> None:
    with pytest.raises(OptionError, match="ViT: depth must be an integer of at least 1, not 0"):
        ViT(depth=0)
    with pytest.raises(OptionError, match="GPT: layers must be an integer of at least 1, not 0"):
        GPT(9, layers=0)
