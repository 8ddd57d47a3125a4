"""First tries of recurrent networks, transformers and networks that are ready: what goes wrong is told."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kit.strategies import normal
from xpnet import data, layers, losses, metrics, networks
from xpnet.errors import DataError, DTypeError, FormatError, OptionError, ShapeError
from xpnet.model import Model, Sequential

X, LENGTHS = data.pad([[1, 2, 3], [4], [5, 5]])
T = np.array([0, 1, 0])
POINTS = normal((3, 2), 0, "float32")


class Reader(Model):
    """Sequences and what is beside them, their lengths or a mask."""

    def __init__(self, reads: layers.Layer) -> None:
        super().__init__()
        self.reads = reads
        self.embedding, self.flatten, self.output = layers.Embedding(6, 4), layers.Flatten(), layers.Dense(2)

    def call(self, x: Any, beside: Any) -> Any:
        return self.output(self.flatten(self.reads(self.embedding(x), beside)))


def read(reads: layers.Layer, beside: Any) -> dict[str, list[float]]:
    model = Reader(reads)
    model.compile()
    return model.fit((X, beside), T, verbose=0).history


def fit(model: Model, *given: Any) -> None:
    model.compile()
    model.fit(*given, verbose=0)


def chain(**options: Any) -> Sequential:
    return Sequential([layers.Embedding(6, 4), layers.LSTM(3, **options), layers.Dense(2)])


def with_forward() -> type:
    class Torch(Model):
        def forward(self, x: Any) -> Any:  # type: ignore[override]
            return x

    return Torch


def test_a_file_of_pytorch_that_is_pickled_is_told_what_to_be(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "weights.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
    with pytest.raises(FormatError, match=r"write its tensors with safetensors\.torch\.save_file"):
        chain().load_weights(tmp_path / "weights.pt")


def test_the_forms_that_the_messages_lead_to() -> None:
    mask = data.mask_of(LENGTHS, 3)
    fit(chain(return_sequence=False), X, T)
    for reads, beside in (
        (layers.LSTM(3, lengths=True), LENGTHS),
        (layers.TransformerEncoderLayer(2, mask=True), mask),
    ):
        assert np.isfinite(read(reads, beside)["loss"]).all()
    assert networks.sampling.generate(networks.GPT(6, 4, 1, 8, 2), [1, 2], 5).shape == (7,)


WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: fit(chain(), X, T), ShapeError, "a layer with return_sequence=False, or give labels"),
    (lambda: fit(chain(), (X, LENGTHS), T), DataError, "several, such as sequences and their lengths, are for a Model"),
    (
        lambda: layers.LSTM(3, lengths=LENGTHS),
        OptionError,
        "True or False, not array.*; the lengths are the second inp",
    ),  # type: ignore[arg-type]
    (
        lambda: read(layers.LSTM(3, lengths=True), LENGTHS / 1),
        DTypeError,
        r"LSTM.: input 2 is float32, .* takes integers .* lengths or a mask; .*x\.astype\(.int64.\)",
    ),
    (
        lambda: read(layers.TransformerEncoderLayer(2, mask=True), data.mask_of(LENGTHS, 3) / 1),
        DTypeError,
        "MultiHeadAttention.: input 2 is float32, and the layer takes integers",
    ),
    (
        lambda: read(layers.TransformerEncoderLayer(2, mask=True), LENGTHS),
        ShapeError,
        r"a mask \(N, 3\), as data\.mask_of\(lengths, 3\) makes it",
    ),
    (
        lambda: read(layers.TransformerEncoderLayer(2), LENGTHS),
        ShapeError,
        "1 masks came, and its options take 0: mask=True takes one",
    ),
    (
        lambda: layers.TransformerEncoderLayer(512, 8),
        OptionError,
        r"less than heads=512; .*TransformerEncoderLayer\(8\)",
    ),
    (lambda: layers.MultiHeadAttention(512, 8), OptionError, "not 8; heads alone is a number"),  # type: ignore[arg-type]
    (lambda: layers.LayerNorm(16).build((5, 16)), ShapeError, "16 axes or more .*: axes is how many, not how long"),
    (lambda: data.pad(["one", "two"]), DTypeError, r"as Vocabulary\.encode makes them"),
    (lambda: data.Vocabulary("abc").encode(["a"]), DataError, "encode each by itself"),  # type: ignore[arg-type]
    (lambda: networks.sampling.generate(networks.GPT(6), "she", 1), DataError, r"goes through Vocabulary\.encode"),
    (lambda: fit(networks.VAE(2, 3), np.zeros((2, 1, 28, 28))), DataError, r"VAE: .* as in fit\(x, x\)"),
    (with_forward, OptionError, r"Torch: .* is called call\(self, x\); forward is made from it"),
    (
        lambda: chain().compile("adam", losses.SoftmaxCrossEntropy(), [metrics.F1("micro"), metrics.F1("macro")]),
        OptionError,
        r"they are \['f1', 'f1'\]: name= gives another",
    ),
]


@pytest.mark.parametrize(("mistake", "error", "words"), WRONG)
def test_what_is_not_so_here_is_told(mistake: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        mistake()
