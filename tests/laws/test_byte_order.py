"""Big-endian numbers, as FITS files, IDX files and old workstations have them, are converted on the way in."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit import layer_table, loss_table, optimizer_table
from tests.kit.helpers import bits
from xpnet import Model, Sequential, analysis, data, gradient_check, layers
from xpnet.backend import Backend, make_backend, use_backend
from xpnet.base.nested import leaves
from xpnet.core.parameter import Parameter
from xpnet.data import augment

RNG = np.random.default_rng(0)
X, T = RNG.standard_normal((40, 1, 8, 8)).astype("float32"), RNG.integers(0, 3, 40)


def big(x: Any) -> Any:
    return x.astype(x.dtype.newbyteorder(">"))


def network() -> Sequential:
    xpnet.seed(0)
    model = Sequential([layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(3)])
    model.compile("adam", metrics=["accuracy"])
    return model


def test_they_are_what_is_said_of_them() -> None:
    assert not big(X).dtype.isnative and not big(T).dtype.isnative


def test_from_data_to_predictions(backend: Backend) -> None:
    weights = np.ones(40, "float32")
    results = []
    for change in (np.asarray, big):
        model = network()
        model.fit(change(X), change(T), epochs=2, verbose=0, sample_weight=change(weights), validation_split=0.2)
        model.train_on_batch(change(X), change(T))
        results.append([*model.get_weights(), model.evaluate(change(X), change(T)), model.predict(change(X))])
    for native, swapped in zip(*results, strict=True):
        np.testing.assert_array_equal(native, swapped)


def test_from_batches_and_to_a_step_of_the_users_own(backend: Backend, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=big(X), t=big(T))
    np.save(tmp_path / "x.npy", big(X))
    np.save(tmp_path / "t.npy", big(T))
    sources: list[Any] = [
        [(big(X), big(T))],
        data.Loader((big(X), big(T)), 16),
        data.Loader(data.read_npz(tmp_path / "data.npz"), 16, augment=augment.Shift(1)),
        data.Loader(data.MappedArrays(tmp_path / "x.npy", tmp_path / "t.npy"), 16),
        data.Batches(big(X), big(T), 16),
    ]
    model = network()
    for source in sources:
        model.fit(source, verbose=0)
        model.evaluate(source)

    class Own(Model):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network()

        def call(self, x: Any) -> Any:
            return self.inner(x)

        def train_step(self, batch: tuple[Any, ...]) -> dict[str, Any]:
            if backend.name in ("numpy", "reference"):
                assert all(part.dtype.isnative for part in batch)
            return super().train_step(batch)

    own = Own()
    own.compile("adam")
    own.fit(big(X), big(T), verbose=0)


def test_weights(backend: Backend) -> None:
    model = network()
    model.build((1, 8, 8))
    given = [RNG.standard_normal(w.shape).astype("float32") for w in model.get_weights()]
    model.set_weights([big(w) for w in given])
    for weight, want in zip(model.get_weights(), given, strict=True):
        np.testing.assert_array_equal(weight, want)
    parameter = Parameter(big(given[0]))
    parameter.grad = big(given[0])
    assert np.array_equal(backend.to_numpy(parameter.value), given[0])
    assert np.array_equal(backend.to_numpy(parameter.grad), given[0])
    assert backend.to_numpy(backend.asarray(big(T))).dtype == np.int64


@pytest.mark.parametrize("name", ["numpy", "reference"])
@pytest.mark.parametrize("case", layer_table.CASES, ids=lambda case: case.name)
def test_every_layer_called_directly(name: str, case: layer_table.Case) -> None:
    """There arrays are NumPy's own, and a user's may come."""
    results = []
    with use_backend(name) as backend:
        for change in (np.asarray, big):
            layer = case.layer(backend)
            xpnet.seed(0)
            y, back = layer.forward(*map(change, case.inputs(backend)), train=True)
            dys = tuple(change(np.ones_like(each)) for each in leaves(y))
            dxs = back(dys if isinstance(y, tuple) else dys[0])
            found = [dx for dx in leaves(dxs) if dx is not None]
            assert all(each.dtype.isnative for each in [*leaves(y), *found])
            results.append([bits(each) for each in [*leaves(y), *found, *(p.grad for p in layer.parameters())]])
    assert results[0] == results[1]


@pytest.mark.parametrize("case", loss_table.CASES, ids=repr)
def test_every_loss_called_directly(case: loss_table.LossCase) -> None:
    y, t = case.outputs(4, 3, 0).astype("float32"), case.targets(4, 3, 1)
    t = t if t.dtype.kind == "i" else t.astype("float32")
    backend = make_backend("numpy")
    found = []
    for change in (np.asarray, big):
        value, back = case.make(3).forward(change(y), change(t), backend)
        found.append((float(value), bits(back())))
        assert back().dtype.isnative
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", optimizer_table.ALL, ids=lambda kind: kind.__name__)
def test_every_optimizer(kind: Any) -> None:
    p = Parameter(big(np.ones((3, 2), "float32")))
    p.add_grad(np.ones((3, 2), "float32"))
    kind().update([p])
    assert p.value.dtype.isnative


def test_a_gradient_check() -> None:
    gradient_check(layers.Dense(3), big(X[:2].reshape(2, -1)))


def test_a_network_called(backend: Backend) -> None:
    model = network()
    model.build((1, 8, 8))
    if backend.name in ("numpy", "reference"):
        assert np.array_equal(model(big(X)), model(X)) and model(big(X)).dtype.isnative


TRANSFORMS = [data.Standardize(), data.MeanRemoval(), data.PCA(3), data.ZCA()]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda transform: type(transform).__name__)
def test_transforms(transform: Any) -> None:
    flat = X.reshape(40, -1)
    want = transform.fit(flat)(flat)
    got = transform.fit(big(flat))(big(flat))
    assert got.dtype == want.dtype and np.array_equal(got, want)


def test_what_else_takes_arrays() -> None:
    a, b = data.split(big(X), big(T), 0.2)
    assert len(a[0]) + len(b[0]) == 40
    x, _ = data.pad([big(X[0, 0, 0]), big(X[0, 0, 0, :3])])
    assert x.dtype.isnative
    assert data.one_hot(big(T)).dtype == np.float32
    assert augment.Rotate(10)(big(X)).dtype == np.float32
    drawn = np.zeros((28, 28), "float32")
    drawn[6:22, 13:16] = 1
    for dtype in ("float32", "uint16"):
        image = (drawn * (1 if dtype == "float32" else 65535)).astype(dtype)
        assert np.array_equal(data.digit_from_array(big(image)), data.digit_from_array(image))
    assert analysis.saliency(network(), big(X[:2]), big(T[:2])).shape[0] == 2
