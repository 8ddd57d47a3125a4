"""A part that is frozen does not move: its running statistics stay, and its output does."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.helpers import assert_same
from tests.kit.strategies import normal
from xpnet import Sequential, callbacks
from xpnet.backend import Backend
from xpnet.core.layer import Layer
from xpnet.layers import BatchNorm1D, BatchNorm2D, Dense, Flatten, InstanceNorm1D, InstanceNorm2D

NORMS: list[tuple[Callable[[], Any], tuple[int, ...]]] = [
    (lambda: BatchNorm1D(), (3,)),
    (lambda: BatchNorm1D(affine=False), (3, 4)),
    (lambda: BatchNorm2D(momentum=None), (3, 4, 4)),
    (lambda: InstanceNorm1D(affine=True, running_statistics=True), (3, 4)),
    (lambda: InstanceNorm2D(running_statistics=True), (3, 4, 4)),
]
each_norm = pytest.mark.parametrize(("make", "shape"), NORMS, ids=["1d", "no weights", "average", "instance", "2d"])


def values(layer: Layer) -> list[Any]:
    return [np.array(p.backend.to_numpy(p.value)) for p in layer.parameters()]


@each_norm
@pytest.mark.parametrize("built", [True, False])
def test_it_does_in_training_what_it_does_in_inference(
    make: Callable[[], Any], shape: tuple[int, ...], built: bool, backend: Backend
) -> None:
    norm, x, dy = make(), *(backend.asarray(normal((5, *shape), seed, "float32")) for seed in (0, 1))
    if built:
        norm.build(shape)
        norm.forward(x, train=True)
    Sequential([norm]).trainable = False
    norm.build(shape)
    before = values(norm)
    y, back = norm.forward(x, train=True)
    expected, expected_back = norm.forward(x, train=False)
    assert_same(y, expected)
    assert_same(back(dy), expected_back(dy))
    for now, then in zip(values(norm), before, strict=True):
        assert np.array_equal(now, then)
    norm.trainable = True
    norm.forward(2 * x, train=True)
    assert not all(np.array_equal(now, then) for now, then in zip(values(norm), before, strict=True))


def test_without_running_statistics_freezing_changes_nothing() -> None:
    norm, x = BatchNorm1D(running_statistics=False), normal((5, 3), 0, "float32")
    y, _ = norm.forward(x, train=True)
    norm.trainable = False
    assert_same(norm.forward(x, train=True)[0], y)


def test_parameters_that_are_frozen_alone_leave_the_statistics_to_the_batches() -> None:
    """As the docstring says: the way to have what was before."""
    norm, x = BatchNorm1D(), normal((5, 3), 0, "float32")
    norm.build((3,))
    y, _ = norm.forward(x, train=True)
    before = values(norm)
    norm.weight.trainable = norm.bias.trainable = False  # type: ignore[union-attr]
    assert_same(norm.forward(x, train=True)[0], y)
    assert not np.array_equal(values(norm)[2], before[2])


def transfer() -> Sequential:
    xpnet.seed(0)
    base = Sequential(
        [Dense(4, activation="relu"), BatchNorm1D(), Sequential([BatchNorm1D(affine=False)])], name="base"
    )
    return Sequential([base, Dense(2)])


X = normal((40, 3), 0, "float32")
T = (X[:, 0] > 0).astype(int)


@pytest.mark.parametrize("backend_name", ["numpy", "reference"])
def test_a_frozen_base_gives_the_same_after_training(backend_name: str) -> None:
    model = transfer().to(backend_name)
    model.compile("adam")
    model.fit(X, T, epochs=2, verbose=0)
    base = model[0]
    assert isinstance(base, Sequential)
    base.trainable = False
    before = base.predict(X)
    model.fit(X, T, epochs=2, verbose=0)
    assert np.array_equal(base.predict(X), before)
    base.trainable = True
    model.fit(X, T, verbose=0)
    assert not np.array_equal(base.predict(X), before)


def frozen_layers(model: Layer) -> list[str]:
    return [path for path, layer in model.named_layers() if layer.is_frozen]


def description_of(path: Path) -> tuple[bytes, dict[str, Any]]:
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return content[8 + length :], json.loads(content[8 : 8 + length])


def test_a_file_says_which_layers_are_frozen(tmp_path: Path) -> None:
    model, path = transfer(), tmp_path / "net.safetensors"
    model.build((3,))
    model.save(path)
    assert "frozen_layers" not in description_of(path)[1]["__metadata__"]["xpnet"]
    model[0].trainable = False
    inner = dict(model.named_layers())["base.sequential1"]
    inner.trainable = True
    model.save(path)
    assert frozen_layers(xpnet.load(path)) == frozen_layers(model) == ["base", "base.dense1", "base.norm1"]
    for name in ("base.norm1.weight", "base.norm1.bias"):
        model[0].trainable = True
        dict(model.named_parameters())[name].trainable = False
    model.save(path)
    assert frozen_layers(xpnet.load(path)) == []


def test_an_older_file_says_it_by_its_parameters(tmp_path: Path) -> None:
    model, path = transfer(), tmp_path / "net.safetensors"
    model.build((3,))
    model[0].trainable = False
    model.save(path)
    tensors, header = description_of(path)
    described = json.loads(header["__metadata__"]["xpnet"])
    del described["frozen_layers"]
    header["__metadata__"]["xpnet"] = json.dumps(described)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + tensors)
    assert frozen_layers(xpnet.load(path)) == ["base.dense1", "base.norm1"]


class Unfreezing(callbacks.Callback):
    def on_epoch_begin(self, epoch: int, logs: dict[str, Any]) -> None:
        if epoch == 1 and not logs.get("step"):
            self.model.trainable = True


class Stopping(callbacks.Callback):
    stops = False

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        if self.stops and self.model.history.epoch == [0] and batch == 1:  # type: ignore[attr-defined]
            raise KeyboardInterrupt


def test_a_training_that_goes_on_knows_what_is_frozen_by_then(tmp_path: Path) -> None:
    def trained(*more: callbacks.Callback, stops: bool = False) -> Sequential:
        model, stopping = transfer(), Stopping()
        model[0].trainable, stopping.stops = False, stops
        model.compile("adam")
        xpnet.seed(1)
        model.fit(X, T, epochs=3, batch_size=10, verbose=0, callbacks=[Unfreezing(), stopping, *more])
        return model

    whole = trained()
    with pytest.raises(KeyboardInterrupt):
        trained(callbacks.Backup(tmp_path / "b", every=1), stops=True)
    again = trained(callbacks.Backup(tmp_path / "b", every=1))
    for a, b in zip(whole.get_weights(), again.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_flatten_has_nothing_to_freeze() -> None:
    layer = Flatten()
    assert not layer.is_frozen
    layer.trainable = False
    assert layer.is_frozen
