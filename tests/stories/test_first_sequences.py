"""First tries with sequences, several inputs and a training step of one's own: what goes wrong is told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.strategies import normal
from xpnet import callbacks, data, layers, losses, optimizers
from xpnet.errors import DataError, DTypeError, OptionError, ShapeError
from xpnet.model import Model, Sequential

X = np.random.default_rng(0).integers(0, 6, (12, 5))
T = (X + 1) % 6
POINTS = normal((12, 2), 0, "float32")


def reader(**options: Any) -> Sequential:
    xpnet.seed(0)
    model = Sequential([layers.Embedding(6, 4), layers.SimpleRNN(4, **options), layers.Dense(6)])
    model.compile("adam", metrics=["accuracy"])
    return model


class Pair(Model):
    """Two inputs, one output."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = layers.Dense(3), layers.Dense(3)

    def call(self, image: Any, features: Any) -> Any:
        return self.a(image) + self.b(features)


class Shrinks(Model):
    """A network inside, and a step of its own, which gives what `logs` makes of the loss."""

    def __init__(self, logs: Callable[[Any], Any] = lambda loss: {"loss": loss}, update: Any = None) -> None:
        super().__init__()
        self.logs, self.update = logs, update
        self.inner, self.own = Sequential([layers.Dense(2)]), optimizers.SGD(0.1)

    def train_step(self, batch: tuple[Any, ...]) -> Any:
        y, back = self.inner.forward(batch[0], train=True)
        loss, loss_back = losses.MeanSquaredError().forward(y, self.backend.zeros(y.shape), self.backend)
        back(loss_back(), need_dx=False)
        self.step.apply_gradients(*(self.update(self) if self.update else (self.own, self.inner)))
        return self.logs(loss)


def test_batches_of_a_model_that_carries_state_must_be_in_order() -> None:
    model = reader(stateful=True)
    for shuffled in (data.Loader((X, T), batch_size=4), data.Batches(X, T, 4, shuffle=True)):
        with pytest.raises(OptionError, match="batches must be in order: shuffle=False"):
            model.fit(shuffled, verbose=0)
    with pytest.raises(OptionError, match=r"find_lr: .*give batches in order, find_lr\(model, data.Batches"):
        xpnet.find_lr(model, X, T, batch_size=4)
    xpnet.find_lr(model, data.Batches(X, T, 4), steps=10)


def test_validation_goes_on_from_batch_to_batch_in_those_of_training() -> None:
    """All rows at once would be as many texts as there are rows."""
    model = reader(stateful=True)
    history = model.fit(X, T, batch_size=4, shuffle=False, validation_data=(X, T), verbose=0).history
    model.reset_state()
    np.testing.assert_allclose(history["val_loss"], [model.evaluate(X, T, batch_size=4)[0]], rtol=1e-6)
    model.reset_state()
    assert abs(model.evaluate(X, T)[0] - history["val_loss"][0]) > 1e-6


WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: Pair().build((3,)), ShapeError, "Pair: its call takes image, features; build takes the shape of each"),
    (lambda: Pair().build(((3,), (2,))), ShapeError, r"as an argument of its own: build\(\(3,\), \(2,\)\)"),
    (lambda: Pair()((POINTS, POINTS)), DTypeError, r"each array as an argument of its own, as in forward\(a, b\)"),
    (lambda: Pair().predict([POINTS, POINTS]), DataError, "the inputs are a list, and the model's call takes image"),
    (
        lambda: reader().fit([[1, 2], [3]], [[1, 2], [3]]),
        DataError,
        r"the input data are a list .*data.pad\(sequences\)",
    ),
    (lambda: reader().fit(["one", "two"], T[:2]), DTypeError, "are <U3, text; .* go into layers.Embedding first"),
    (lambda: reader()([[1, 2]]), DTypeError, r'asarray\(x, "int64"\)'),
    (lambda: Sequential([layers.SimpleRNN(3)]).predict(X), DTypeError, "words go into layers.Embedding first"),
    (lambda: layers.SimpleRNN(8, 16), OptionError, "return_sequence must be True or False, not 16"),  # type: ignore[arg-type]
    (lambda: losses.SoftmaxCrossEntropy().forward(POINTS, POINTS[:, 0]), DataError, "class numbers must be integers"),
    (lambda: Sequential([layers.Dense(2)]).forward(POINTS, train=True)[1](POINTS[:, :1]), ShapeError, r"not \(12, 1\)"),
    (lambda: Shrinks(lambda loss: None).fit(POINTS), OptionError, "return a dict of numbers by name, .*, not None"),
    (lambda: Shrinks(lambda loss: {"a": None}).fit(POINTS), OptionError, "a number for each name; 'a' has None"),
    (lambda: Shrinks(lambda loss: {"a": POINTS}).fit(POINTS), OptionError, r"'a' has an array \(12, 2\)"),
    (lambda: Shrinks(update=lambda m: (m.inner, m.own)).fit(POINTS), OptionError, "not Sequential and SGD"),
    (lambda: Shrinks(update=lambda m: ("sgd", m.inner)).fit(POINTS), OptionError, "not str and Sequential"),
    (lambda: Shrinks(update=lambda m: (m.own, m.parameters())).fit(POINTS), OptionError, "not SGD and list"),
    (lambda: Shrinks().fit(POINTS, validation_split=0.5), OptionError, "validation_split needs targets"),
    (lambda: Shrinks().fit(POINTS, class_weight={0: 1.0}), OptionError, "class_weight needs targets"),
]


@pytest.mark.parametrize(("mistake", "error", "words"), WRONG)
def test_what_is_not_so_here_is_told(mistake: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        mistake()


def test_numbers_of_any_kind_name_the_type_of_integers() -> None:
    for dtype in ("int64", np.int64, int, np.dtype("int64"), [np.int64]):
        model = reader()
        model.build((5,), dtype=dtype)  # type: ignore[arg-type]
        assert model.input_dtypes == ("int64",)


def test_a_backup_does_not_leave_out_an_optimizer(tmp_path: Path) -> None:
    hidden = optimizers.Momentum(0.1)
    model = Shrinks(update=lambda m: (hidden, m.inner))
    with pytest.raises(
        OptionError, match=r"Momentum.* is no optimizer that the model has as an attribute, where a Backup"
    ):
        model.fit(POINTS, verbose=0, callbacks=callbacks.Backup(tmp_path / "b"))


def test_a_model_without_a_call_says_which_networks_can_be_saved(tmp_path: Path) -> None:
    model = Shrinks()
    with pytest.raises(OptionError, match="the model has no weights yet"):
        model.save(tmp_path / "m")
    model.fit(POINTS, verbose=0)
    with pytest.raises(OptionError, match=r"networks inside it are: save those, as in model.inner.save\(path\)"):
        model.save(tmp_path / "m")
    model.inner.save(tmp_path / "m")
    np.testing.assert_array_equal(xpnet.load(tmp_path / "m").predict(POINTS), model.inner.predict(POINTS))


class Reads(Model):
    """Words, and how many of them there are, or which."""

    def __init__(self, read: layers.Layer) -> None:
        super().__init__()
        self.embedding, self.read, self.flatten, self.dense = (
            layers.Embedding(9, 4),
            read,
            layers.Flatten(),
            layers.Dense(2),
        )

    def call(self, words: Any, beside: Any) -> Any:
        return self.dense(self.flatten(self.read(self.embedding(words), beside)))


@pytest.mark.parametrize(
    ("read", "beside"),
    [
        (lambda: layers.GRU(3, lengths=True), np.full(12, 2.0)),
        (lambda: layers.TransformerEncoderLayer(2, 4, mask=True), np.ones((12, 5))),
    ],
)
def test_lengths_and_masks_of_floats_are_refused_and_not_the_words(read: Any, beside: Any) -> None:
    words, kinds = np.ones((12, 5), np.int64), np.zeros(12, np.int64)
    model = Reads(read())
    model.compile("sgd")
    with pytest.raises(DTypeError, match="input 2 is float32, and the layer takes integers"):
        model.fit((words, beside), kinds, verbose=0)
    model.fit((words, beside.astype("int64")), kinds, verbose=0)
    with pytest.raises(DTypeError, match="an input is float64, and the network takes integers there"):
        model.fit((words, beside), kinds, verbose=0)
