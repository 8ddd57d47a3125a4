"""Pictures of training and of mistakes."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from xpnet import LRSearch, Sequential, callbacks, metrics, visualize
from xpnet.callbacks import History
from xpnet.errors import DataError, FileError, MissingExtraError, OptionError, ShapeError
from xpnet.layers import Dense, Flatten

EPOCHS = {
    "loss": [0.9, 0.5, 0.4, 0.35],
    "accuracy": [0.7, 0.8, 0.9, 0.91],
    "val_loss": [0.8, 0.45, 0.43, 0.5],
    "val_accuracy": [0.75, 0.86, 0.85, 0.84],
}


def ring(figure: Figure, panel: int) -> tuple[float, float]:
    """Where the best epoch is marked: the last thing drawn."""
    (x,), (y,) = figure.axes[panel].lines[-1].get_data()
    return float(x), float(y)


def identity(inputs: int, *after: Any) -> Sequential:
    """A model of flat inputs whose outputs are its inputs."""
    model = Sequential([Flatten(), Dense(inputs), *after])
    model.build((1, 2, inputs // 2))
    model.set_weights([np.eye(inputs, dtype=np.float32), np.zeros(inputs, np.float32)])
    return model


def test_history_shows_loss_and_accuracy_side_by_side_with_the_best_epoch() -> None:
    figure = visualize.plot_history(EPOCHS)
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy"]
    assert all(axes.get_xlabel() == "epoch" for axes in figure.axes)
    training, validation, _ = figure.axes[0].lines
    assert list(training.get_xdata()) == list(validation.get_xdata()) == [1, 2, 3, 4]
    assert list(training.get_ydata()) == EPOCHS["loss"] and list(validation.get_ydata()) == EPOCHS["val_loss"]
    assert ring(figure, 0) == (3, 0.43) and ring(figure, 1) == (2, 0.86)
    texts = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert texts == ["training", "validation", "best: 0.8600 in epoch 2"]


def test_the_best_epoch_is_what_the_metric_calls_best() -> None:
    class Rising(metrics.Metric):
        name = "score"
        larger_is_better = True

        def count(self, y: Any, t: Any, backend: Any) -> Any:
            rising.append(len(rising))
            return y.sum() * 0 + len(y) * len(rising)

    rising: list[int] = []
    model = identity(4)
    model.compile("sgd", metrics=[Rising()])
    stop = callbacks.EarlyStopping("score", patience=1)
    history = model.fit(np.zeros((6, 4), np.float32), np.zeros(6, np.int64), epochs=3, callbacks=[stop])
    assert history.epoch == [0, 1, 2] and ring(visualize.plot_history(history), 1) == (3, 3)


@pytest.mark.parametrize("epochs", [1, 2, 3, 20, 300])
def test_epochs_are_whole_numbers(epochs: int) -> None:
    axes = visualize.plot_history({"loss": list(np.linspace(1, 0, epochs))}).axes[0]
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert ticks and all(tick == int(tick) and 1 <= tick <= epochs for tick in ticks)


@pytest.mark.parametrize(("first", "last", "every"), [(0, 9, 4), (4, 7, 2), (0, 2, 3), (2, 10, 5), (0, 4, 1)])
def test_validation_is_drawn_at_the_epochs_in_which_it_happened(first: int, last: int, every: int) -> None:
    x, t = np.zeros((6, 4), np.float32), np.zeros(6, np.int64)
    model = Sequential([Dense(4)])
    model.compile(metrics=["accuracy"])
    history = model.fit(
        x, t, batch_size=6, initial_epoch=first, epochs=last + 1, validation_data=(x, t), validation_freq=every
    )
    for axes in visualize.plot_history(history).axes:
        training, validation, _ = axes.lines
        assert list(training.get_xdata()) == list(range(first + 1, last + 2))
        expected = [epoch for epoch in range(first + 1, last + 2) if epoch % every == 0]
        assert list(validation.get_xdata()) == expected


def test_a_dict_of_shorter_series_is_spread_over_the_epochs() -> None:
    training, validation, _ = visualize.plot_history({"loss": EPOCHS["loss"], "val_loss": [0.4, 0.3]}).axes[0].lines
    assert list(training.get_xdata()) == [1, 2, 3, 4] and list(validation.get_xdata()) == [2, 4]


def test_metrics_that_are_no_numbers_are_not_drawn() -> None:
    history = History()
    for epoch in range(2):
        matrix = np.eye(2, dtype=np.int64)
        history.on_epoch_end(epoch, {"loss": 0.5, "confusion_matrix": matrix, "val_confusion_matrix": matrix})
    for given in (history, history.history):
        assert [axes.get_ylabel() for axes in visualize.plot_history(given).axes] == ["loss"]


def test_nan_is_not_the_best_epoch() -> None:
    nan = float("nan")
    figure = visualize.plot_history({"loss": [nan, 0.5, 0.6], "accuracy": [nan, 0.7, 0.8], "error": [nan, nan, nan]})
    assert ring(figure, 0) == (2, 0.5) and ring(figure, 1) == (3, 0.8)
    assert len(figure.axes[2].lines) == 1, "there is no best epoch to mark"


def test_a_history_without_epochs() -> None:
    for empty in ({}, {"loss": []}, History()):
        with pytest.raises(DataError, match="history is empty"):
            visualize.plot_history(empty)


def test_misclassified_shows_the_surest_mistakes_first() -> None:
    model = identity(4)
    x = np.zeros((5, 1, 2, 2), np.float32)
    x.reshape(5, 4)[[0, 1, 2, 3, 4], [0, 1, 2, 3, 0]] = [5, 1, 3, 2, 4]  # the guesses, and how sure they are
    figure = visualize.plot_misclassified(model, x, np.array([0, 0, 0, 0, 1]), count=3)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert [title.split("\n")[0] for title in titles] == ["1 taken for 0", "0 taken for 2", "0 taken for 3"]
    assert titles[0].split("\n")[1] == f"{100 * np.exp(4) / (np.exp(4) + 3):.1f} %"
    assert np.array_equal(figure.axes[0].images[0].get_array(), x[4, 0])
    assert figure.get_suptitle().startswith("4 of 5 images misclassified")
    one_hot = np.eye(4, dtype=np.float32)[[0, 0, 0, 0, 1]]
    assert visualize.plot_misclassified(model, x, one_hot).get_suptitle() == figure.get_suptitle()


def test_flat_squares_and_no_mistakes() -> None:
    model = Sequential([Dense(4)])
    model.build((4,))
    model.set_weights([np.eye(4, dtype=np.float32), np.zeros(4, np.float32)])
    figure = visualize.plot_misclassified(model, np.eye(4, dtype=np.float32), np.arange(4))
    assert figure.get_suptitle() == "0 of 4 images misclassified"
    figure = visualize.plot_misclassified(model, np.eye(4, dtype=np.float32), np.arange(4)[::-1])
    assert figure.axes[0].images[0].get_array().shape == (2, 2)


def test_misclassified_refuses_what_it_cannot_show() -> None:
    model = identity(4)
    x, t = np.zeros((3, 1, 2, 2), np.float32), np.zeros(3, np.int64)
    with pytest.raises(OptionError, match="count"):
        visualize.plot_misclassified(model, x, t, count=0)
    with pytest.raises(DataError, match="3 images"):
        visualize.plot_misclassified(model, x, t[:2])
    with pytest.raises(ShapeError, match=r"\(3, 2, 2, 2\)"):
        visualize.plot_misclassified(model, np.zeros((3, 2, 2, 2), np.float32), t)


def test_pictures_are_saved_in_the_format_of_the_ending(tmp_path: Path) -> None:
    for name, start in (("a.png", b"\x89PNG"), ("b.PDF", b"%PDF"), ("c.svg", b"<?xml"), ("d", b"\x89PNG")):
        visualize.plot_history(EPOCHS, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    with pytest.raises(OptionError, match=r"saved as \.doc"):
        visualize.plot_history(EPOCHS, tmp_path / "e.doc")
    with pytest.raises(FileError, match="cannot write"):
        visualize.plot_history(EPOCHS, tmp_path / "d" / "f.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.PDF", "c.svg", "d"]
    visualize.plot_history(EPOCHS, tmp_path / "new" / "g.png")
    assert (tmp_path / "new" / "g.png").exists()


def test_no_window_and_no_global_state() -> None:
    before = "matplotlib.pyplot" in sys.modules
    visualize.plot_history(EPOCHS)
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_without_matplotlib_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
        monkeypatch.setitem(sys.modules, name, None)
    model, x, t = identity(4), np.zeros((1, 1, 2, 2), np.float32), np.zeros(1, np.int64)
    search = LRSearch(np.ones(3), np.ones(3), np.ones(3), None)
    draws: dict[str, tuple[Any, ...]] = {
        "plot_activations": ({"layer": x},),
        "plot_confusion_matrix": (np.eye(2),),
        "plot_exciting_patches": (model, x),
        "plot_feature_maps": (model, x),
        "plot_filters": (model,),
        "plot_grad_cam": (model, x),
        "plot_history": (EPOCHS,),
        "plot_images": (x, t),
        "plot_lr_search": (search,),
        "plot_misclassified": (model, x, t),
        "plot_saliency": (model, x),
    }
    assert set(draws) == {name for name in visualize.__all__ if name.startswith("plot_")}
    for name, given in draws.items():
        with pytest.raises(MissingExtraError, match=r'pip install "xpnet\[plot\]"'):
            getattr(visualize, name)(*given)
    assert visualize.saliency(model, x).shape == (1, 2, 2)  # numbers need no matplotlib
