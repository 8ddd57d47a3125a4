"""What is drawn of a training of one epoch: a curve over its steps, from the means that the loop keeps anyway."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.small import clusters, network
from xpnet.callbacks import LambdaCallback
from xpnet.cli.results import Results
from xpnet.cli.step_curve import POINTS, StepCurve


def fit(samples: int, *around: Any, epochs: int = 1) -> Any:
    xpnet.seed(0)
    model = network(metrics=["accuracy"])
    model.fit(*clusters(samples), batch_size=3, epochs=epochs, callbacks=list(around), verbose=0, shuffle=False)
    return model


def test_pieces_are_the_means_of_their_steps() -> None:
    losses: list[float] = []
    curve = StepCurve()
    fit(3 * 150 + 1, curve, LambdaCallback(on_train_batch_end=lambda batch, logs: losses.append(float(logs["loss"]))))
    each = 151 // POINTS
    assert curve.steps == list(range(each, 152, each))
    expected = np.array(losses[: 150 // each * each]).reshape(-1, each).mean(axis=1)
    np.testing.assert_allclose(
        curve.values["loss"][: len(expected)], expected, rtol=1e-4
    )  # float32, and differences of sums
    assert len(curve.values["accuracy"]) == len(curve.steps) >= POINTS


def test_it_changes_no_bit_of_the_training() -> None:
    with_curve, without = fit(30, StepCurve()), fit(30)
    for a, b in zip(with_curve.get_weights(), without.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert with_curve.history.history == without.history.history


@pytest.mark.parametrize(("epochs", "label"), [(1, "step"), (2, "epoch")])
def test_one_epoch_is_drawn_over_its_steps(
    epochs: int, label: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    from xpnet.visualize import history as drawing

    drawn: list[Any] = []
    monkeypatch.setattr(drawing, "saved", lambda figure, path: drawn.append(figure))
    curve = StepCurve()
    model = fit(30, curve, epochs=epochs)
    Results(str(tmp_path), "net", pictures=True).draw_history(model.history, ("training", "test"), curve)
    (figure,) = drawn
    assert [axes.get_xlabel() for axes in figure.axes] == [label] * 2
    assert len(figure.axes[0].lines[0].get_xdata()) == (10 if epochs == 1 else 2)
