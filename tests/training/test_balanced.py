"""class_weight="balanced": n / (classes * count), of arrays, and of sources and Loaders that know their labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.kit.small import clusters, network
from xpnet import layers, random
from xpnet.callbacks import Callback
from xpnet.data import Arrays, ImageFolder, Loader, MappedArrays, Subset, hold_out
from xpnet.errors import DTypeError, OptionError
from xpnet.losses import SoftmaxCrossEntropy
from xpnet.model import Model, Sequential

X, T = clusters(40)
KEPT = np.concatenate([np.flatnonzero(c == T)[:n] for c, n in ((0, 2), (1, 3), (2, 7))])
X, T = X[KEPT], T[KEPT]
WEIGHTS = {0: 12 / (3 * 2), 1: 12 / (3 * 3), 2: 12 / (3 * 7)}


def trained(x: Any, t: Any = None, loss: Any = "softmax_cross_entropy", **options: Any) -> tuple[float, np.ndarray]:
    random.seed(3)
    model = network()
    model.compile("sgd", loss)
    history = model.fit(x, t, epochs=2, verbose=0, **options).history
    return history["loss"][-1], np.concatenate([w.ravel() for w in model.get_weights()])


def same(a: tuple[float, np.ndarray], b: tuple[float, np.ndarray]) -> bool:
    return a[0] == b[0] and np.array_equal(a[1], b[1])


def test_the_weights_are_those_of_scikit_learn() -> None:
    assert same(trained(X, T, class_weight="balanced"), trained(X, T, class_weight=WEIGHTS))
    assert not same(trained(X, T, class_weight="balanced"), trained(X, T))
    pytest.importorskip("sklearn")
    from sklearn.utils.class_weight import compute_class_weight

    assert np.allclose(compute_class_weight("balanced", classes=np.arange(3), y=T), list(WEIGHTS.values()))


def test_rows_count_too_and_what_is_held_out_does_not() -> None:
    rows = np.eye(3, dtype=np.float32)[T]
    assert same(trained(X, rows, class_weight="balanced"), trained(X, rows, class_weight=WEIGHTS))
    more = np.concatenate([X, X[:12]]), np.concatenate([T, np.zeros(12, np.int64)])
    split = trained(*more, class_weight="balanced", validation_split=0.5, shuffle=False)
    assert same(split, trained(X, T, class_weight=WEIGHTS, shuffle=False))


def test_ignored_labels_are_not_counted() -> None:
    loss = SoftmaxCrossEntropy(ignored_label=-1)
    x, t = np.concatenate([X, X[:5]]), np.concatenate([T, np.full(5, -1)])
    assert same(trained(x, t, loss, class_weight="balanced"), trained(x, t, loss, class_weight=WEIGHTS))
    with pytest.raises(OptionError, match="all labels are ignored"):
        trained(X, np.full(len(X), -1), loss, class_weight="balanced")


def test_one_output() -> None:
    t = (T == 2).astype(np.float32)
    found = []
    for weights in ("balanced", {0: 12 / (2 * 5), 1: 12 / (2 * 7)}):
        random.seed(1)
        model = Sequential([layers.Dense(1)])
        model.compile("sgd", "binary_cross_entropy")
        found.append(model.fit(X, t[:, None], class_weight=weights, verbose=0).history["loss"])
    assert found[0] == found[1]


def test_sources_and_loaders_that_know_their_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "t.npy", T)
    order = np.random.default_rng(0).permutation(len(T))
    twice = Subset(Subset(Arrays(X, T), order), np.argsort(order))
    for source in ((X, T), Arrays(X, T), MappedArrays(tmp_path / "x.npy", tmp_path / "t.npy"), twice):
        balanced, by_hand = (
            trained(Loader(source, 4, shuffle=False), class_weight=weights) for weights in ("balanced", WEIGHTS)
        )
        assert same(balanced, by_hand)


def test_what_does_not_tell_its_classes_is_refused() -> None:
    batches = [(X, T)]
    for unknown in (batches, Loader((X, np.eye(3, dtype=np.float32)[T]), 4)):
        with pytest.raises(OptionError, match=r"these batches do not tell them.*give \{class: weight\}"):
            trained(unknown, class_weight="balanced")
    with pytest.raises(OptionError, match=r"or be 'balanced', not 'equal'"):
        trained(X, T, class_weight="equal")
    model = network()
    model.compile("sgd", "mean_squared_error")
    with pytest.raises(OptionError, match="class_weight needs targets that name one class"):
        model.fit(X, np.random.default_rng(0).random((12, 3)), class_weight="balanced")


# ---- folders of images -----------------------------------------------------------------------------------------------


def folder(place: Path) -> Path:
    for name, grey, count in (("cat", 40, 8), ("dog", 200, 4)):
        (place / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (6, 5), (grey + i, grey, grey)).save(place / name / f"{i}.png")
    return place


def picture_network() -> Model:
    model = Sequential([layers.Flatten(), layers.Dense(2)])
    model.compile("sgd")
    return model


def test_fit_keeps_the_names_of_the_classes_and_how_a_file_is_read(tmp_path: Path) -> None:
    train, held_out = hold_out(ImageFolder(folder(tmp_path), 4, grayscale=True), 0.25, seed=0)
    assert np.bincount(train.labels).tolist() == [6, 3]
    model = picture_network()
    assert model.class_names is None and model.preparation is None

    class Early(Callback):
        def on_train_begin(self, logs: Any) -> None:
            self.names = model.class_names

    early = Early()
    model.fit(Loader(train, 3), class_weight="balanced", validation_data=Loader(held_out), callbacks=early, verbose=0)
    assert model.class_names == early.names == ["cat", "dog"] and model.preparation is not None
    x, _ = next(iter(Loader(held_out, 1, shuffle=False)))
    assert np.array_equal(model.preparation.read(held_out.name(0)), x)
    assert model.predict(model.preparation.read(held_out.name(0))).shape == (1, 2)
    before = model.preparation
    model.fit(*next(iter(Loader(train, 9))), verbose=0)  # arrays say nothing of it
    assert model.preparation is before


@pytest.mark.parametrize("x", ["photos", "photos/cat/a b.png", Path("photos"), ["a.png", "b.JPG"], [Path("a.png")]])
def test_a_path_is_no_data(x: Any) -> None:
    model = network()
    model.compile()
    for verb in (model.fit, model.predict, model.evaluate, model.train_on_batch):
        with pytest.raises(DTypeError, match=r"are a path, '.*ImageFolder.*model\.preparation\.read\(path\)"):
            verb(x)
    with pytest.raises(DTypeError, match=r"the input data are <U.*, text"):
        model.predict("what is this?")
