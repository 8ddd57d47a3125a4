"""Networks that read sequences: classifiers and language models."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.small import digits
from tests.kit.strategies import normal
from xpnet.backend import Backend, use_backend
from xpnet.errors import NonFiniteError, OptionError
from xpnet.model import Model
from xpnet.networks import RecurrentClassifier, RecurrentLanguageModel, sampling
from xpnet.networks.sampling import generate

every_cell = pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])


@every_cell
def test_a_classifier_learns_and_comes_back_from_a_file(tmp_path: Path, cell: str) -> None:
    x, t = digits(40)
    model = RecurrentClassifier(cell, 16, layers=2, bidirectional=True, dropout=0.1, name="saved")
    model.compile(xpnet.optimizers.Adam(0.01))
    assert model.evaluate(x[:, 0], t) == pytest.approx(math.log(10), abs=0.4)
    model.fit(x[:, 0], t, batch_size=10, epochs=6, verbose=0)
    assert model.evaluate(x[:, 0], t) < 2.2
    model.save(tmp_path / "net")
    again = xpnet.load(tmp_path / "net")
    assert repr(again) == repr(model)
    np.testing.assert_array_equal(again.predict(x[:, 0]), model.predict(x[:, 0]))


def test_an_image_is_read_row_by_row() -> None:
    x, _ = digits(5)
    xpnet.seed(1)
    images = RecurrentClassifier("gru", 8, input_shape=(1, 28, 28))
    xpnet.seed(1)
    rows = RecurrentClassifier("gru", 8)
    np.testing.assert_array_equal(images.predict(x), rows.predict(x[:, 0]))
    assert rows.predict(normal((2, 9, 28), 0, "float32")).shape == (2, 10)  # of any length
    for shape in ((3, 32, 32), (28,), 28):
        with pytest.raises(OptionError, match=r"input_shape must be \(T, F\), or \(1, H, W\) of images"):
            RecurrentClassifier(input_shape=shape)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="there is no cell 'lstn'; choose one of rnn, lstm, gru"):
        RecurrentClassifier("lstn")


@every_cell
def test_a_language_model_learns_what_comes_next(tmp_path: Path, cell: str) -> None:
    """Each number is the one before it plus one."""
    x = (np.arange(12)[None] + np.arange(20)[:, None]) % 7
    x, t = x[:, :-1], x[:, 1:]
    model = RecurrentLanguageModel(7, 5, 12, cell, layers=2, dropout=0.1, name="saved")
    model.compile(xpnet.optimizers.Adam(0.02), metrics=["accuracy"])
    assert model.evaluate(x, t)[0] == pytest.approx(math.log(7), abs=0.3)
    model.fit(x, t, batch_size=10, epochs=25, verbose=0)
    assert model.evaluate(x, t)[1] > 0.95
    model.save(tmp_path / "net")
    again = xpnet.load(tmp_path / "net")
    assert repr(again) == repr(model)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_a_stateful_language_model_goes_on_where_it_was(backend: Backend) -> None:
    x = np.random.default_rng(0).integers(0, 7, (2, 10))
    with use_backend(backend):
        model = RecurrentLanguageModel(7, 5, 6, stateful=True)
        whole = model.predict(x)
        model.reset_state()
        parts = [model.predict(x[:, :4]), model.predict(x[:, 4:])]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=1e-4, atol=1e-5)


class Scores(Model):
    """The same scores for whatever follows."""

    def __init__(self, scores: Any) -> None:
        super().__init__()
        self.scores = scores

    def __call__(self, x: Any) -> Any:
        return np.tile(np.array(self.scores, "float32"), (*x.shape, 1))


def test_nothing_is_drawn_from_nan() -> None:
    for temperature in (0, 1):
        with pytest.raises(NonFiniteError, match="generate: the model's scores became NaN or infinite"):
            generate(Scores([0, np.nan, 1]), [0], 3, temperature)
    for scores in ([0, np.inf, 1], [-np.inf] * 3):
        with pytest.raises(NonFiniteError):
            generate(Scores(scores), [0], 3)
    assert generate(Scores([0, np.inf, 1]), [0], 3, 0).tolist() == [0, 1, 1, 1]
    assert set(generate(Scores([0, -np.inf, 1]), [0], 30).tolist()) <= {0, 2}


@pytest.mark.parametrize(
    ("temperature", "top_k"), [(1.0, None), (0.5, None), (2.0, None), (1.0, 2), (0.7, 3), (1.0, 1)]
)
def test_what_is_drawn_follows_the_softmax_of_the_scores(temperature: float, top_k: int | None) -> None:
    """Of those that are likely enough; an equal share of u belongs to each as to its probability."""
    scores = np.array([0.5, 2.0, -1.0, 1.0])
    chances = np.exp(scores / temperature)
    if top_k is not None:
        chances[np.argsort(-scores)[top_k:]] = 0
    chances /= chances.sum()
    u = (np.arange(20_000) + 0.5)[:, None] / 20_000
    drawn = sampling._choose(np.tile(scores, (len(u), 1)), temperature, top_k, u)
    np.testing.assert_allclose(np.bincount(drawn[:, 0], minlength=4) / len(u), chances, atol=2e-4)
