"""TensorBoard: what the event files hold, read back record by record with their checksums."""

import io
import struct
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.kit.small import clusters, network
from xpnet import layers, networks, optimizers, schedules
from xpnet.backend import Backend
from xpnet.callbacks import Callback, TensorBoard
from xpnet.callbacks.tensorboard import first_filters, tiles
from xpnet.errors import FileError, MissingExtraError, OptionError
from xpnet.metrics import ConfusionMatrix
from xpnet.model import Sequential

pytest.importorskip("tensorboardX", reason="the extra tensorboard is not installed")


class Entry(NamedTuple):
    step: int
    value: Any  # a number, or the message of a histogram or an image


def records(path: Path) -> list[bytes]:
    """The records of a TFRecord file: length, its checksum, data, their checksum."""
    from tensorboardX.record_writer import masked_crc32c

    found, file = [], io.BytesIO(path.read_bytes())
    while header := file.read(8):
        assert struct.unpack("<I", file.read(4))[0] == masked_crc32c(header)
        data = file.read(struct.unpack("<Q", header)[0])
        assert struct.unpack("<I", file.read(4))[0] == masked_crc32c(data)
        found.append(data)
    return found


def read(folder: Path) -> dict[str, list[Entry]]:
    """The entries of a run by tag, as TensorBoard shows them: a START hides what is there of its step and later."""
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    tags: dict[str, list[Entry]] = {}
    for path in sorted(folder.iterdir()):
        events = [Event.FromString(record) for record in records(path)]
        assert events[0].file_version == "brain.Event:2"
        for event in events[1:]:
            if event.HasField("session_log"):
                assert event.session_log.status == SessionLog.START
                for tag, entries in tags.items():
                    tags[tag] = [entry for entry in entries if entry.step < event.step]
            for value in event.summary.value:
                which = value.WhichOneof("value")
                entry = Entry(event.step, getattr(value, which))
                tags.setdefault(value.tag, []).append(entry)
    return tags


def scalars(entries: list[Entry]) -> list[tuple[int, float]]:
    return [(entry.step, entry.value) for entry in entries]


def close(entries: list[Entry], expected: list[tuple[int, float]]) -> bool:
    return [entry.step for entry in entries] == [step for step, _ in expected] and np.allclose(
        [entry.value for entry in entries], [value for _, value in expected], rtol=1e-6
    )


def run(*callbacks: Callback, model: Any = None, epochs: int = 2, **options: Any) -> Any:
    model = model or network()
    model.fit(*clusters(12), batch_size=5, epochs=epochs, callbacks=list(callbacks), **options)
    return model


def test_training_and_validation_are_two_runs_with_the_same_tags(tmp_path: Path) -> None:
    rate = schedules.Cosine(0.01, 9)
    model = network(optimizers.SGD(rate), metrics=["accuracy", ConfusionMatrix(3)])
    run(TensorBoard(tmp_path), model=model, epochs=3, validation_data=clusters(6), validation_freq=2)
    train, validation = read(tmp_path / "train"), read(tmp_path / "validation")
    history = model.history.history
    assert close(train["epoch/loss"], list(zip([3, 6, 9], history["loss"], strict=True)))
    assert close(train["epoch/accuracy"], list(zip([3, 6, 9], history["accuracy"], strict=True)))
    assert close(train["epoch/lr"], [(step, rate(step - 1)) for step in (3, 6, 9)])
    assert scalars(train["epoch/number"]) == [(3, 1), (6, 2), (9, 3)]
    assert close(validation["epoch/loss"], [(6, history["val_loss"][0])])
    assert close(validation["epoch/accuracy"], [(6, history["val_accuracy"][0])])
    assert set(validation) == {"epoch/loss", "epoch/accuracy"}, "an array is no curve"
    assert {tag.split("/")[0] for tag in train} == {"epoch", "weights", "gradients"}


def test_without_validation_there_is_one_run(tmp_path: Path) -> None:
    run(TensorBoard(tmp_path, histograms=0))
    assert [path.name for path in tmp_path.iterdir()] == ["train"]
    assert set(read(tmp_path / "train")) == {"epoch/loss", "epoch/accuracy", "epoch/lr", "epoch/number"}


def test_losses_of_single_steps_are_written_every_so_often(tmp_path: Path) -> None:
    losses: list[float] = []

    class Record(Callback):
        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            losses.append(float(logs["loss"]))

    rate = schedules.Cosine(0.01, 9)
    run(TensorBoard(tmp_path, every=4), Record(), model=network(optimizers.SGD(rate)), epochs=3)
    train = read(tmp_path / "train")
    assert close(train["step/loss"], [(4, losses[3]), (8, losses[7])])
    assert close(train["step/lr"], [(4, rate(3)), (8, rate(7))])


def test_histograms_hold_the_weights_and_the_gradients_of_the_last_step(tmp_path: Path, backend: Backend) -> None:
    model = network(optimizers.SGD(0.5))
    x, t = clusters(12)
    model.build((2,))
    before: list[np.ndarray] = []

    class Remember(Callback):
        def on_train_batch_begin(self, batch: int, logs: Any) -> None:
            before[:] = self.model.get_weights()

    model.fit(x, t, 5, epochs=2, callbacks=[Remember(), TensorBoard(tmp_path, histograms=2)])
    train = read(tmp_path / "train")
    for (name, p), old in zip(model.named_parameters(), before, strict=True):
        new = backend.to_numpy(p.value)
        ((step, weights),) = train[f"weights/{name}"]
        ((also, gradients),) = train[f"gradients/{name}"]
        assert step == also == 6
        assert weights.num == gradients.num == sum(weights.bucket) == sum(gradients.bucket) == p.size
        assert (weights.min, weights.max) == (new.min(), new.max())
        gradient = (old.astype(np.float64) - new) / 0.5  # a step of SGD
        assert gradients.sum == pytest.approx(gradient.sum(), abs=1e-5)
        assert gradients.max == pytest.approx(gradient.max(), abs=1e-5)


def test_looking_changes_nothing(tmp_path: Path) -> None:
    """Not a bit of the weights, with an optimizer that lays its parameters behind one another."""

    def weights(*callbacks: Callback) -> bytes:
        import xpnet

        xpnet.seed(3)
        model = run(*callbacks, model=network(optimizers.Adam(clip_norm=0.5), dropout=0.3), epochs=3)
        assert "update" not in vars(model.optimizer)
        return b"".join(weight.tobytes() for weight in model.get_weights())

    assert weights() == weights(TensorBoard(tmp_path, every=1))


def test_frozen_parameters_have_weights_and_no_gradients(tmp_path: Path) -> None:
    model = Sequential([layers.Dense(4), layers.BatchNorm1D(), layers.Dense(3)])
    model.layers[0].trainable = False
    model.compile("sgd")
    run(TensorBoard(tmp_path), model=model, epochs=1)
    tags = read(tmp_path / "train")
    assert {tag for tag in tags if tag.startswith("weights/")} == {f"weights/{n}" for n, _ in model.named_parameters()}
    trained = {f"gradients/{n}" for n, p in model.named_parameters() if p.trainable}
    assert {tag for tag in tags if tag.startswith("gradients/")} == trained


def test_what_is_not_finite_is_left_out_of_a_histogram(tmp_path: Path) -> None:
    class Spoil(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            logs["score"] = float("nan")
            first, second, *_ = self.model.parameters()
            value = np.array(first.value)
            value[0] = [np.nan, np.inf]
            first.value, second.value = value, np.full(second.shape, -np.inf)

    model = run(Spoil(), TensorBoard(tmp_path), epochs=1)
    tags = read(tmp_path / "train")
    first, second, *_ = [f"weights/{name}" for name, _ in model.named_parameters()]
    assert tags[first][0].value.num == 30
    assert second not in tags
    assert np.isnan(tags["epoch/score"][0].value)


# ---- pictures --------------------------------------------------------------------------------------------------------


def test_the_first_filters_are_a_picture(tmp_path: Path) -> None:
    from PIL import Image

    model = networks.SimpleConvNet(filters=7, hidden=4, input_shape=(1, 12, 12), classes=3)
    model.compile("sgd")
    x = np.random.default_rng(0).random((6, 1, 12, 12), dtype=np.float32)
    model.fit(x, np.arange(6) % 3, epochs=3, callbacks=[TensorBoard(tmp_path, histograms=0, images=2)])
    ((step, image),) = read(tmp_path / "train")["filters/conv1.weight"]
    picture = np.asarray(Image.open(io.BytesIO(image.encoded_image_string)))
    assert step == 2 and (image.height, image.width) == picture.shape[:2] == (3 * 37 + 2, 3 * 37 + 2)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((1, 1, 1, 1), (36, 36, 1)),
        ((5, 3, 5, 5), (76, 113, 3)),
        ((4, 2, 3, 3), (142, 72, 1)),
        ((70, 1, 40, 20), (338, 178, 1)),
    ],
)
def test_tiles_lie_side_by_side(shape: tuple[int, ...], size: tuple[int, ...]) -> None:
    picture = tiles(np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    assert picture.shape == size and picture.dtype == np.uint8


def test_zero_is_grey_and_the_largest_weight_is_black_or_white() -> None:
    filters = np.array([0.0, -3.0, 1.5, 0.0]).reshape(4, 1, 1, 1)
    picture = tiles(filters)[:, :, 0]
    assert [picture[10, 10], picture[10, 50], picture[50, 10], picture[50, 50]] == [128, 0, 191, 128]
    assert (picture[:2] == 255).all()
    assert (tiles(np.zeros((1, 1, 2, 2)))[2:-2, 2:-2] == 128).all()
    assert (tiles(np.full((1, 1, 2, 2), np.nan))[2:-2, 2:-2] == 128).all()


def test_first_filters_are_those_that_can_be_seen() -> None:
    dense = networks.MLP(hidden=(5,), input_shape=(3, 4, 4))
    found = first_filters(dense)
    assert found is not None and found[0] == "dense1.weight" and found[1].shape == (5, 3, 4, 4)
    normed = Sequential([layers.BatchNorm2D(), layers.Conv2D(2, 3)])
    normed.build((1, 5, 5))
    found = first_filters(normed)
    assert found is not None and found[1].shape == (2, 1, 3, 3)
    plain = network()
    plain.build((2,))
    assert first_filters(plain) is None


# ---- going on --------------------------------------------------------------------------------------------------------


def test_a_resumed_training_goes_on_at_its_step(tmp_path: Path) -> None:
    """The first training is killed two steps after its state was saved; what it wrote after that is hidden."""
    state: dict[str, Any] = {}
    board = TensorBoard(tmp_path, every=1)

    class Kill(Callback):
        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            if board.step == 4:
                state.update(board.get_state())
            if board.step == 6:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(board, Kill(), epochs=4)
    assert [entry.step for entry in read(tmp_path / "train")["step/loss"]] == [1, 2, 3, 4, 5, 6]
    again = TensorBoard(tmp_path, every=1)

    class Restore(Callback):
        def on_epoch_begin(self, epoch: int, logs: Any) -> None:
            if epoch == 1:
                again.set_state(state)

    run(again, Restore(), initial_epoch=1, epochs=3)
    tags = read(tmp_path / "train")
    assert [entry.step for entry in tags["step/loss"]] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert scalars(tags["epoch/number"]) == [(3, 1), (7, 2), (10, 3)]


def test_training_that_starts_anew_hides_the_old_one_and_initial_epoch_goes_on(tmp_path: Path) -> None:
    board = TensorBoard(tmp_path, every=2)
    run(board, epochs=3)
    run(board, epochs=2)
    assert [entry.step for entry in read(tmp_path / "train")["step/loss"]] == [2, 4, 6]
    run(board, initial_epoch=2, epochs=3)
    assert [entry.step for entry in read(tmp_path / "train")["step/loss"]] == [2, 4, 6, 8]
    assert len(list((tmp_path / "train").iterdir())) == 3


def test_an_error_or_ctrl_c_leaves_files_closed_and_the_optimizer_as_it_was(tmp_path: Path) -> None:
    class Interrupt(Callback):
        def on_train_batch_begin(self, batch: int, logs: Any) -> None:
            if batch == 2:
                raise KeyboardInterrupt

    model, board = network(), TensorBoard(tmp_path, every=1)
    with pytest.raises(KeyboardInterrupt):
        run(board, Interrupt(), model=model)
    assert "update" not in vars(model.optimizer) and board.runs == {}
    assert [entry.step for entry in read(tmp_path / "train")["step/loss"]] == [1, 2]


# ---- errors ----------------------------------------------------------------------------------------------------------


def test_what_cannot_work_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match="TensorBoard: histograms must be an integer of at least 0, not -1"):
        TensorBoard(tmp_path, histograms=-1)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="TensorBoard cannot write to"):
        run(TensorBoard(tmp_path / "file"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "train").write_text("")
    with pytest.raises(FileError, match="TensorBoard cannot write to"):
        run(TensorBoard(tmp_path / "folder"))
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(MissingExtraError, match=r'pip install "xpnet\[tensorboard\]"'):
        TensorBoard(tmp_path)
