"""Networks in files: what is saved comes back, whole or not at all; test_damage.py has what is damaged."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import xpnet
from tests.kit.helpers import assert_same
from tests.kit.small import clusters, everything, normed_network, sequences
from tests.kit.strategies import normal
from xpnet import initializers, layers, losses, metrics, networks, optimizers, regularizers, schedules
from xpnet.backend import Backend
from xpnet.base.configured import Configured
from xpnet.core.layer import Layer
from xpnet.core.network import Network
from xpnet.errors import FileError, FormatError, OptionError
from xpnet.files import network as files
from xpnet.model import Model, Sequential


def description(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="numpy") as file:
        found: dict[str, Any] = json.loads(file.metadata()["xpnet"])
    return found


def describe(path: Path, tree: Any) -> None:
    """The same file with another description."""
    with safe_open(path, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata={"xpnet": json.dumps(tree)})


def tiny() -> Sequential:
    model = Sequential([layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3)])
    model.build((1, 5, 5))
    return model


NETWORKS: list[Callable[[], Model]] = [
    everything, networks.MLP, networks.LeNet5, lambda: networks.LeNet5(4, "1998"),
    lambda: networks.DeepConvNet(5, 0.3, False), lambda: networks.SimpleConvNet(filters=2, hidden=5, name="small"),
    lambda: networks.MLP(2, (7, 6)), lambda: networks.MultiColumn(columns=2, filters=(2, 3), hidden=4),
]  # fmt: skip


IDS = ["everything", "MLP", "LeNet5", "1998", "DeepConvNet", "SimpleConvNet", "deep MLP", "MultiColumn"]


@pytest.mark.parametrize("make", NETWORKS, ids=IDS)
def test_a_network_comes_back_as_it_was(backend: Backend, tmp_path: Path, make: Callable[[], Model]) -> None:
    model, x = make(), normal((2, 1, 28, 28), 0, "float32")
    model.forward(backend.asarray(x), train=True)  # moves the running statistics
    model.save(tmp_path / "net")
    again = xpnet.load(tmp_path / "net")
    assert type(again) is type(model)
    assert repr(again) == repr(model)
    assert (again.input_shape, again.name, again.backend.name) == (model.input_shape, model.name, backend.name)
    assert [name for name, _ in again.named_parameters()] == [name for name, _ in model.named_parameters()]
    for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_a_network_of_sequences_comes_back_as_it_was(backend: Backend, tmp_path: Path) -> None:
    model, x = sequences(), backend.asarray(np.array([[0, 4, 2], [1, 1, 3]]))
    expected = model(x)
    model.save(tmp_path / "net")
    again = xpnet.load(tmp_path / "net")
    assert repr(again) == repr(model) and again.input_dtypes == ("int64",)
    for y, want in zip(again(x), expected, strict=True):
        assert_same(y, want)
    assert [path for path, _ in again.named_states()] == ["memory.state"]


def test_a_tie_comes_back_as_it_was(tmp_path: Path) -> None:
    embedding = layers.Embedding(5, 4)
    model, x = Sequential([embedding, layers.Dense(5, tied=embedding)]), np.array([[0, 4, 2], [1, 1, 3]])
    y = model(x)
    model.save(tmp_path / "net")
    again = xpnet.load(tmp_path / "net")
    assert_same(again(x), y)
    assert [name for name, _ in again.named_parameters()] == ["embedding1.weight", "dense1.bias"]
    assert again[1].weight is again[0].weight and again[1].tied is again[0]


def test_a_compiled_model_comes_back_ready_to_train(tmp_path: Path) -> None:
    x, t = clusters(30)
    model = normed_network(optimizers.AdamW(schedules.Cosine(0.1, 50, 0.01), 0.8, 0.9, 1e-6, 0.2, 3.0))
    model.metrics.append(metrics.ConfusionMatrix(3))
    model.fit(x, t)
    model.save(tmp_path / "net")
    again = xpnet.load(tmp_path / "net")
    assert repr(again.optimizer) == repr(model.optimizer)
    assert repr(again.metrics) == repr(model.metrics)
    assert isinstance(again.loss, losses.SoftmaxCrossEntropy)
    assert again.evaluate(x, t)[:3] == model.evaluate(x, t)[:3]
    again.fit(x, t)


def test_sharing_freezing_and_float64_are_kept(tmp_path: Path) -> None:
    shared = layers.Dense(4)
    model = Sequential([shared, layers.Tanh(), Sequential([shared], name="in"), layers.Dense(2)]).astype("float64")
    model.build((4,))
    assert shared.bias is not None
    shared.bias.trainable = False
    model.save(tmp_path / "net")
    again = xpnet.load(tmp_path / "net")
    assert isinstance(again, Sequential)
    assert again[0] is again[2][0]  # type: ignore[index]
    assert [p.name for p in again.parameters() if not p.trainable] == ["dense1.bias"]
    assert {p.value.dtype.name for p in again.parameters()} == {"float64"}
    x = normal((3, 4), 0)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


class Scale(Layer):
    """A layer of one's own."""

    def __init__(self, factor: float = 1.0, name: str | None = None) -> None:
        super().__init__(name)
        self.factor = factor

    def forward(self, x: Any, train: bool = False) -> Any:
        return x * self.factor, lambda dy: dy * self.factor


class Own(Model):
    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units
        self.dense = layers.Dense(units)

    def call(self, x: Any) -> Any:
        return self.dense(x)


@pytest.mark.parametrize(
    ("make", "kind"), [(lambda: Sequential([Scale(3.0), layers.Dense(2)]), Scale), (lambda: Own(2), Own)]
)
def test_classes_of_ones_own_load_only_when_they_are_given(
    tmp_path: Path, make: Callable[[], Model], kind: Any
) -> None:
    model = make()
    model.build((3,))
    model.save(tmp_path / "net")
    with pytest.raises(FormatError, match=rf"names the class '{kind.__name__}'.*custom=\[{kind.__name__}\]"):
        xpnet.load(tmp_path / "net")
    again, x = xpnet.load(tmp_path / "net", custom=[kind]), normal((2, 3), 0, "float32")
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


class Bare(Network):
    """A network that cannot be compiled."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x: Any) -> Any:
        return self.dense(x)


def test_a_network_that_is_no_model_is_refused(tmp_path: Path) -> None:
    model = tiny()
    model.save(tmp_path / "net")
    tree = description(tmp_path / "net")
    tree["network"] = {"class": "Bare", "config": {}}
    describe(tmp_path / "net", tree)
    with pytest.raises(FormatError, match="its network is no model"):
        xpnet.load(tmp_path / "net", custom=Bare)


def test_a_network_that_is_no_model_can_be_saved_and_read(tmp_path: Path) -> None:
    bare = Bare()
    bare.build((3,))
    files.save(bare, tmp_path / "net", {"optimizer": optimizers.SGD(0.5), "loss": None, "metrics": []})
    network, optimizer, loss, chosen = files.load(tmp_path / "net", Network, [Bare])
    assert type(network) is Bare and (repr(optimizer), loss, chosen) == (repr(optimizers.SGD(0.5)), None, [])
    for a, b in zip(network.parameters(), bare.parameters(), strict=True):
        np.testing.assert_array_equal(a.value, b.value)
    with pytest.raises(FormatError, match="its network is no model"):
        xpnet.load(tmp_path / "net", custom=Bare)


@pytest.mark.parametrize("make", NETWORKS, ids=IDS)
def test_a_new_process_reads_the_file(tmp_path: Path, make: Callable[[], Model]) -> None:
    """It has imported no network but those that the file names."""
    model, path = make(), tmp_path / "net"
    model.build((1, 28, 28))
    model.compile("adam", metrics=["accuracy"])
    model.save(path)
    code = (
        "import sys, xpnet\n"
        "assert not any(name.startswith('xpnet.networks.') for name in sys.modules)\n"
        f"model = xpnet.load({str(path)!r})\n"
        "print(repr(model), sum(float(abs(w).sum()) for w in model.get_weights()))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(xpnet.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == f"{model!r} {sum(float(abs(w).sum()) for w in model.get_weights())}", done.stderr


# ---- weights alone ---------------------------------------------------------------------------------------------------


def test_weights_go_by_name(tmp_path: Path) -> None:
    model, other = tiny(), tiny()
    model.save_weights(tmp_path / "weights")
    model.save(tmp_path / "net")
    for path in (tmp_path / "weights", tmp_path / "net"):
        for p in other.parameters():
            p.value = np.zeros(p.shape)
        other.load_weights(path)
        for a, b in zip(other.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    lazy = Sequential([layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3)])
    with pytest.raises(OptionError, match=r"call model\.build"):
        lazy.load_weights(tmp_path / "weights")
    lazy.load_weights(tmp_path / "net")  # this file knows the input's shape
    np.testing.assert_array_equal(lazy.get_weights()[0], model.get_weights()[0])


def test_a_file_that_another_program_wrote_is_read(tmp_path: Path) -> None:
    tensors = {"dense1.weight": normal((2, 3), 0, "float16"), "dense1.bias": normal((2,), 1, "float64")}
    save_file(tensors, tmp_path / "torch.safetensors")
    model = Sequential([layers.Dense(2)])
    model.build((3,))
    model.load_weights(tmp_path / "torch.safetensors")
    for w, expected in zip(model.get_weights(), tensors.values(), strict=True):
        np.testing.assert_array_equal(w, expected.astype("float32"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("conv1.bias"), "it lacks conv1.bias"),
        (lambda t: t.update(extra=np.ones(1, np.float32)), "the network has no extra"),
        (lambda t: t.update({"dense1.bias": np.ones(4, np.float32)}), r"dense1.bias has shape \(4,\) in the file"),
        (lambda t: t.update({"dense1.bias": np.ones(3, np.int32)}), "dense1.bias holds int32"),
    ],
)
def test_weights_that_do_not_fit_change_nothing(tmp_path: Path, change: Callable[[Any], Any], words: str) -> None:
    model = tiny()
    before = model.get_weights()
    tensors = {name: np.full(p.shape, 7, np.float32) for name, p in model.named_parameters()}
    change(tensors)
    save_file(tensors, tmp_path / "w")
    with pytest.raises(FormatError, match=words):
        model.load_weights(tmp_path / "w")
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


# ---- writing ---------------------------------------------------------------------------------------------------------


def test_an_error_in_the_middle_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, model = tmp_path / "net", tiny()
    model.save(path)
    before = path.read_bytes()
    for error, expected in ((OSError(28, "No space left on device"), FileError), (RuntimeError("power"), RuntimeError)):

        def fail(descriptor: int, error: Exception = error) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            with pytest.raises(expected):
                model.save(path)
        assert os.listdir(tmp_path) == ["net"]
        assert path.read_bytes() == before
    model.save(path)
    assert os.listdir(tmp_path) == ["net"]


def test_folders_that_cannot_be_written_to_are_a_file_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path, advice in (
        (tmp_path / "file" / "net", "Choose another"),
        (tmp_path / "folder", "it is a folder. Choose"),
    ):
        for save in (tiny().save, tiny().save_weights):
            with pytest.raises(FileError, match=rf"cannot write .*{advice}"):
                save(path)
    for path, why in ((tmp_path / "missing", "No such file"), (tmp_path / "folder", "Is a directory")):
        with pytest.raises(FileError, match=f"cannot read {path}: {why}"):
            xpnet.load(path)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_folders_that_are_not_there_are_made(tmp_path: Path) -> None:
    tiny().save(tmp_path / "new" / "folder" / "net")
    assert os.listdir(tmp_path / "new" / "folder") == ["net"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_mode_of_the_file_follows_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        tiny().save(tmp_path / "net")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "net").stat().st_mode) == mode


def test_what_cannot_be_saved_says_so(tmp_path: Path) -> None:
    for save in (Sequential([layers.Dense(2)]).save, Sequential([layers.Dense(2)]).save_weights):
        with pytest.raises(OptionError, match=r"no weights yet: call model\.build"):
            save(tmp_path / "net")
    model = Sequential([Scale(object())])  # type: ignore[arg-type]
    model.input_shapes = ((1,),)
    with pytest.raises(OptionError, match="cannot save <object"):
        model.save(tmp_path / "net")
    assert os.listdir(tmp_path) == []


def test_only_classes_that_a_user_can_make_are_allowed() -> None:
    allowed = set(files.places())
    assert {"Dense", "Sequential", "LeNet5", "Adam", "Cosine", "TopK", "HeNormal", "MeanSquaredError"} <= allowed
    assert not {"Layer", "Model", "Network", "Optimizer", "Configured", "Activated"} & allowed


@pytest.mark.parametrize(
    "module", [layers, losses, metrics, networks, optimizers, schedules, initializers, regularizers]
)
def test_every_class_that_a_user_can_make_is_allowed(module: Any) -> None:
    names = module.__all__ if module in (layers, networks) else [name for name in vars(module) if name[0] != "_"]
    classes = [c for name in names if isinstance(c := getattr(module, name), type) and issubclass(c, Configured)]
    bases = {"Layer", "Loss", "Metric", "Optimizer", "Schedule", "Initializer", "Regularizer"}
    ours = {c.__name__ for c in classes if c.__module__.startswith(module.__name__)} - bases
    assert ours and {name: files.places().get(name) for name in ours} == dict.fromkeys(ours, module.__name__)


def test_a_network_that_comes_twice_is_one_after_it_was_loaded(tmp_path: Path) -> None:
    """What it holds is described once, inside of its first place."""
    block = Sequential([layers.Dense(3), layers.Tanh()], name="block")
    model = Sequential([block, layers.ReLU(), block, layers.Dense(2)])
    model.build((3,))
    model.save(tmp_path / "net")
    again = xpnet.load(tmp_path / "net")
    assert isinstance(again, Sequential) and again.layers[0] is again.layers[2]
    x = normal((4, 3), 0, "float32")
    assert len(again.parameters()) == 4 and np.array_equal(again.predict(x), model.predict(x))
