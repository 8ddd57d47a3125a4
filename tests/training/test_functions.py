"""Losses and metrics that are functions of the user's own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from xpnet import Sequential, layers, losses, metrics
from xpnet.backend import Backend, get_backend
from xpnet.errors import OptionError

X = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
T = X[:, :1] * 2


def squares(y: Any, t: Any) -> Any:
    d = y - t
    return get_backend().xp.mean(d * d), lambda: 2 * d / (d.shape[0] * d.shape[1])


def close(y: Any, t: Any) -> Any:
    return abs(y - t)[:, 0] < 0.5


def error(y: Any, t: Any) -> Any:
    return get_backend().xp.mean(abs(y - t))


def fitted(loss: Any, metrics: Any = None, seed: int = 0, **options: Any) -> Sequential:
    xpnet.seed(seed)
    model = Sequential([layers.Dense(1)])
    model.compile("sgd", loss, metrics)
    model.fit(X, T, batch_size=6, epochs=3, verbose=0, **options)
    return model


def test_a_function_is_a_loss_and_a_metric(backend: Backend) -> None:
    own, known = fitted(squares, [error, close]), fitted("mse", ["mae"])
    for a, b in zip(own.get_weights(), known.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    results, expected = own.evaluate(X, T, return_dict=True), known.evaluate(X, T)
    y = own.predict(X)
    assert list(results) == ["loss", "error", "close"]
    np.testing.assert_allclose([results["loss"], results["error"]], expected, rtol=1e-5)
    assert results["close"] == pytest.approx(np.mean(np.abs(y - T) < 0.5))
    assert own.history is not None and len(own.history.history["error"]) == 3


def test_a_file_holds_the_network_without_them(tmp_path: Path) -> None:
    model = fitted(squares, [error, "mse"])
    model.save(tmp_path / "net")
    loaded = xpnet.load(tmp_path / "net")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    with pytest.raises(OptionError, match="not compiled"):
        loaded.fit(X, T)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda y, t: abs(y - t).mean(), r"must return \(value, back\), where back\(\) gives the gradient .*float"),
        (lambda y, t: (abs(y - t), lambda: y), r"must be one number, the mean over the batch, not an array \(6, 1\)"),
        (lambda y, t: (abs(y - t).mean(), lambda: 1.0), r"the gradient with respect to y, \(6, 1\), not float"),
    ],
)
def test_functions_that_are_no_losses(loss: Any, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        fitted(loss)


@pytest.mark.parametrize("metric", [lambda y, t: None, lambda y, t: y - t, lambda y, t: "much", lambda y, t: [1, 2]])
def test_functions_that_are_no_metrics(metric: Any) -> None:
    with pytest.raises(OptionError, match="must return one number, or one for each of 6 samples; it returned"):
        fitted("mse", [metric])


def test_what_else_is_refused_as_before() -> None:
    for kind in (losses.MeanSquaredError, metrics.AUC):
        with pytest.raises(OptionError, match="give an object, not the class"):
            fitted(kind) if issubclass(kind, losses.Loss) else fitted("mse", [kind])
    with pytest.raises(OptionError, match="takes no sample weights"):
        fitted(squares, sample_weight=np.ones(20))
