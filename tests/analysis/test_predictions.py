"""Probabilities, mistakes and confusions."""

from typing import Any

import numpy as np
import pytest

from tests.kit.small import clusters, network
from tests.visualize.test_visualize import identity
from xpnet import Sequential, analysis, metrics
from xpnet.backend import Backend
from xpnet.core.network import Network
from xpnet.errors import DataError, ShapeError
from xpnet.layers import Dense, Flatten, Softmax


def test_probabilities_add_up_to_one_and_a_softmax_is_not_applied_twice() -> None:
    x = np.random.default_rng(0).standard_normal((3, 1, 2, 2)).astype(np.float32) * 100
    plain, ending = (analysis.probabilities(identity(4, *after), x) for after in ((), (Softmax(),)))
    assert plain.dtype == np.float32 and np.allclose(plain.sum(axis=1), 1, atol=1e-6)
    assert np.allclose(plain, ending, atol=1e-6)
    one_output = Sequential([Flatten(), Dense(1)])
    with pytest.raises(ShapeError, match="two classes or more"):
        analysis.probabilities(one_output, x)


class Bare(Network):
    """A network without the verbs of a model."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = Dense(3)

    def call(self, x: Any) -> Any:
        return self.dense(x)


def test_a_network_that_is_no_model_is_analyzed_as_well() -> None:
    x, t = clusters()
    bare = Bare()
    model = Sequential([bare])
    model.build(x.shape[1:])
    assert np.array_equal(analysis.probabilities(bare, x), analysis.probabilities(model, x))
    assert np.array_equal(analysis.confusion_matrix(bare, x, t), analysis.confusion_matrix(model, x, t))


def test_a_model_that_predicts_in_its_own_way_is_asked() -> None:
    class Turned(Sequential):
        def predict(self, x: Any, batch_size: int | None = None, verbose: Any = 0) -> np.ndarray:
            return super().predict(x, batch_size, verbose)[:, ::-1]

    x, _ = clusters()
    dense = Dense(3)
    plain, turned = Sequential([dense]), Turned([dense])
    assert np.allclose(analysis.probabilities(turned, x), analysis.probabilities(plain, x)[:, ::-1], atol=1e-6)


def test_the_confusion_matrix_is_that_of_the_metric(backend: Backend) -> None:
    x, t = clusters()
    model = network(metrics=[metrics.ConfusionMatrix(3)])
    model.fit(x, t)
    matrix = analysis.confusion_matrix(model, x, t)
    assert matrix.dtype == np.int64
    assert np.array_equal(matrix, model.evaluate(x, t)[1])
    assert np.array_equal(matrix, analysis.confusion_matrix(model, x, np.eye(3, dtype="f4")[t]))
    with pytest.raises(DataError, match="labels reach from 0 to 3, but the model has 3 classes"):
        analysis.confusion_matrix(model, x, np.arange(len(x)) % 4)


def test_mistakes_are_told_the_surest_first() -> None:
    x = np.zeros((5, 1, 2, 2), np.float32)
    x.reshape(5, 4)[[0, 1, 2, 3, 4], [0, 1, 2, 3, 0]] = [5, 1, 3, 2, 4]  # the guesses, and how sure they are
    for t in ([0, 0, 0, 0, 1], np.eye(4, dtype="f4")[[0, 0, 0, 0, 1]]):
        found = analysis.misclassified(identity(4), x, t)
        assert found.indices.tolist() == [4, 2, 3, 1] and found.labels.tolist() == [1, 0, 0, 0]
        assert found.guesses.tolist() == [0, 2, 3, 1]
        assert np.allclose(found.probabilities, [np.exp(v) / (np.exp(v) + 3) for v in (4, 3, 2, 1)])
    assert len(analysis.misclassified(identity(4), x, [0, 1, 2, 3, 0]).indices) == 0
    with pytest.raises(DataError, match="5 images and labels of shape"):
        analysis.misclassified(identity(4), x, [0, 1])


def test_what_is_nan_is_taken_for_no_class() -> None:
    x = np.full((3, 1, 2, 2), np.nan, np.float32)
    x[2] = 0
    t = [0, 1, 0]
    assert analysis.misclassified(identity(4), x, t).indices.tolist() == [0, 1]
    matrix = analysis.confusion_matrix(identity(4), x, t)
    assert matrix[0, 0] == 1 and matrix.sum() == 1
