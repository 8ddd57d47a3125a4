"""Networks that give a class for each element: what is ignored changes no number, however the data are cut up."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.kit.strategies import normal
from xpnet import layers, optimizers
from xpnet.backend import Backend
from xpnet.data import pad
from xpnet.errors import DataError, OptionError
from xpnet.losses import SoftmaxCrossEntropy
from xpnet.model import Model, Sequential

IGNORED = -1


def pixels(N: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images of three channels, the largest of which is a pixel's class; few of some images' pixels have a label."""
    rng = np.random.default_rng(seed)
    x = rng.random((N, 3, 2, 4), np.float32)
    labelled = rng.random((N, 2, 4)) < rng.random((N, 1, 1))
    labelled[-1] = False  # none of the last one
    return x, np.where(labelled, x.argmax(axis=1), IGNORED)


def network(kind: Any = layers.Conv2D, loss: Any = None, **options: Any) -> Sequential:
    """A class for each pixel, from its channels alone; its steps change nothing unless an optimizer is given."""
    model = Sequential([layers.Conv2D(3, 1) if kind is layers.Conv2D else layers.Dense(3)])
    options = {"optimizer": optimizers.SGD(1e-30), "metrics": ["accuracy"]} | options
    model.compile(loss=loss or SoftmaxCrossEntropy(ignored_label=IGNORED), **options)
    return model


def test_results_do_not_depend_on_how_many_labels_a_batch_has(backend: Backend) -> None:
    (x, t), model = pixels(7), network()
    model.build((3, 2, 4))
    rows, labels = x.transpose(0, 2, 3, 1)[t != IGNORED], t[t != IGNORED]
    flat = Sequential([layers.Dense(3)])
    flat.compile("sgd", metrics=["accuracy"])
    flat.build((3,))
    flat.set_weights([w.reshape(3, 3) if w.ndim > 1 else w for w in model.get_weights()])
    expected = flat.evaluate(rows, labels)
    for batch_size in (1, 2, 5, 7):
        assert model.evaluate(x, t, batch_size=batch_size) == pytest.approx(expected, rel=1e-5)
        history = model.fit(x, t, batch_size=batch_size, verbose=0, validation_data=(x, t)).history
        for prefix in ("", "val_"):
            assert [history[prefix + name][0] for name in ("loss", "accuracy")] == pytest.approx(expected, rel=1e-5)


def test_batches_of_other_lengths_weigh_as_many_as_they_have_elements(backend: Backend) -> None:
    model = network(layers.Dense, "softmax_cross_entropy")
    parts = [(normal((2, T, 3), T, "float32"), np.arange(2 * T).reshape(2, T) % 3) for T in (1, 4, 2)]
    x, t = pad([row for part, _ in parts for row in part]), pad([row for _, part in parts for row in part], value=-1)
    padded = network(layers.Dense)
    model.build((1, 3))
    padded.build((4, 3))
    padded.set_weights(model.get_weights())
    assert model.evaluate(iter(parts)) == pytest.approx(padded.evaluate(x[0], t[0]), rel=1e-5)


def test_a_network_learns_from_the_few_labels_that_there_are() -> None:
    x, t = pixels(60)
    model = network(optimizer=optimizers.Adam(0.1))
    model.fit(x, t, batch_size=10, epochs=40, verbose=0)
    test_x, _ = pixels(50, 1)
    assert model.evaluate(test_x, test_x.argmax(axis=1))[1] > 0.95


def test_weights_of_samples_of_elements_and_of_classes_are_multiplied(backend: Backend) -> None:
    (x, t), model = pixels(6), network()
    model.build((3, 2, 4))
    w, of_class = np.random.default_rng(0).random((6, 2, 4)), np.array([1.0, 3.0, 0.5])
    classes = {1: 3.0, 2: 0.5}  # none for the ignored label
    own = of_class[np.where(t == IGNORED, 0, t)]
    for weights, full in ((None, own), (w[:, 0, 0], w[:, :1, :1] * own), (w[:, :, 0], w[:, :, :1] * own), (w, w * own)):
        expected = model.evaluate(x, t, sample_weight=full, batch_size=4)[0]
        history = model.fit(x, t, sample_weight=weights, class_weight=classes, batch_size=4, verbose=0).history
        assert history["loss"][0] == pytest.approx(expected, rel=1e-5)

    def batches() -> Iterator[tuple[np.ndarray, ...]]:
        yield x[:2], t[:2], w[:2]
        yield x[2:], t[2:], w[2:]

    history = model.fit(batches(), steps_per_epoch=2, class_weight=classes, verbose=0).history
    assert history["loss"][0] == pytest.approx(model.evaluate(x, t, sample_weight=w * own)[0], rel=1e-5)


def test_class_weights_of_rows_and_of_another_axis() -> None:
    x = normal((4, 5, 3), 0, "float32")
    t = np.random.default_rng(0).integers(0, 3, (4, 5))
    model = network(layers.Dense, "softmax_cross_entropy")
    model.build((5, 3))
    expected = model.evaluate(x, t, sample_weight=np.where(t == 2, 4.0, 1.0))[0]
    for labels in (t, np.eye(3)[t]):
        history = model.fit(x, labels, class_weight={2: 4.0}, verbose=0).history
        assert history["loss"][0] == pytest.approx(expected, rel=1e-5)


class Two(Model):
    """Two inputs; one output, or two."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.outputs, self.one, self.other = outputs, layers.Dense(3), layers.Dense(3)

    def call(self, a: Any, b: Any) -> Any:
        a, b = self.one(a), self.other(b)
        return a + b if self.outputs == 1 else (a, b)


def test_class_weights_of_several_inputs_and_not_of_several_outputs() -> None:
    x, t = (normal((4, 2, 5), 0, "float32"), normal((4, 2, 2), 1, "float32")), np.array([[0, 1]] * 4)
    model = Two(1)
    model.compile(optimizers.SGD(1e-30), "softmax_cross_entropy")
    history = model.fit(x, t, class_weight={1: 3.0}, verbose=0).history
    expected = model.evaluate(x, t, sample_weight=np.where(t == 1, 3.0, 1.0))
    assert history["loss"][0] == pytest.approx(expected, rel=1e-5)
    both = Two(2)
    both.compile("sgd", ("softmax_cross_entropy", "softmax_cross_entropy"))
    with pytest.raises(OptionError, match="class_weight is for a network of one output"):
        both.fit(x, (t, t), class_weight={1: 3.0})


def test_weights_that_cannot_be_are_refused() -> None:
    (x, t), model = pixels(4), network()
    with pytest.raises(OptionError, match="there is no class 3; the classes are 0 to 2"):
        model.fit(x, t, class_weight={3: 1.0})
    for shape in ((4, 3), (4, 2, 3), (4, 2, 4, 1)):
        for classes in (None, {1: 2.0}):
            with pytest.raises(DataError, match="sample_weight has shape"):
                model.fit(x, t, sample_weight=np.ones(shape), class_weight=classes)
