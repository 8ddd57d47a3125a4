"""Callbacks: what they are told and when, and that they end however training ends."""

import csv
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.small import clusters, network
from xpnet import optimizers
from xpnet.callbacks import Callback, CSVLogger, EarlyStopping, History, LambdaCallback, ModelCheckpoint
from xpnet.errors import FileError, OptionError
from xpnet.metrics import ConfusionMatrix
from xpnet.model import Sequential

NAN = float("nan")


class Teller(Callback):
    """Writes down what it is told; `interrupt` raises at that step."""

    def __init__(self, name: str = "", told: list[str] | None = None, interrupt: tuple[int, int] | None = None) -> None:
        self.name, self.told, self.interrupt, self.epoch = name, [] if told is None else told, interrupt, 0

    def on_train_begin(self, logs: Any) -> None:
        self.told.append(f"{self.name}begin")

    def on_train_end(self, logs: Any) -> None:
        self.told.append(f"{self.name}end")

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self.epoch = epoch
        self.told.append(f"{self.name}epoch {epoch}")

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        self.told.append(f"{self.name}epoch {epoch} done")

    def on_train_batch_begin(self, batch: int, logs: Any) -> None:
        self.told.append(f"{self.name}step {batch}")

    def on_train_batch_end(self, batch: int, logs: Any) -> None:
        self.told.append(f"{self.name}step {batch} done")
        if (self.epoch, batch) == self.interrupt:
            raise KeyboardInterrupt


class Script(Callback):
    """Puts these values into the logs of the epochs, and marks the weights with the epoch's number."""

    def __init__(self, **values: list[float]) -> None:
        self.values = values

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        logs.update({name: values[epoch] for name, values in self.values.items()})
        for p in self.model.parameters():
            p.value = np.full(p.shape, epoch, np.float32)


def mark(model: Sequential) -> float:
    """The epoch that Script marked the weights with; NaN if they are not of one epoch."""
    values = np.unique(np.concatenate([w.ravel() for w in model.get_weights()]))
    return float(values[0]) if len(values) == 1 else float("nan")


def run(*callbacks: Callback, epochs: int = 6, model: Sequential | None = None, **options: Any) -> Sequential:
    model = model or network()
    model.fit(*clusters(12), batch_size=6, epochs=epochs, callbacks=callbacks, **options)
    return model


# ---- history ---------------------------------------------------------------------------------------------------------


def test_the_history_says_in_which_epochs_its_values_were_taken() -> None:
    model = run(epochs=10, initial_epoch=1, validation_data=clusters(6), validation_freq=4)
    history = model.history
    assert history is not None
    assert history.epoch == history.epochs["loss"] == history.epochs["accuracy"] == list(range(1, 10))
    assert history.epochs["val_loss"] == history.epochs["val_accuracy"] == [3, 7]
    assert {name: len(values) for name, values in history.history.items()} == {
        name: len(epochs) for name, epochs in history.epochs.items()
    }


def test_the_speed_is_that_of_the_epoch_in_the_middle() -> None:
    history = History()
    assert math.isnan(history.samples_per_second)
    history.samples, history.seconds = [10, 10, 30, 10, 10], [1.0, 100.0, 10.0, 2.0, 0.1]
    assert history.samples_per_second == 5  # of 0.1, 3, 5, 10 and 100
    history.samples = [10, 10]  # an older backup has times alone for the epochs before
    assert history.samples_per_second == 100


# ---- order -----------------------------------------------------------------------------------------------------------


def test_callbacks_are_told_of_everything_in_turn() -> None:
    told: list[str] = []
    run(Teller("a ", told), Teller("b ", told), epochs=2)
    one = ["begin"]
    for epoch in range(2):
        one += [f"epoch {epoch}", "step 0", "step 0 done", "step 1", "step 1 done", f"epoch {epoch} done"]
    assert told == [f"{name} {event}" for event in [*one, "end"] for name in "ab"]


def test_callbacks_know_the_model_and_the_plan() -> None:
    teller = Teller()
    model = run(teller, epochs=1, validation_split=0.25)
    assert teller.model is model
    assert teller.params == {
        "epochs": 1, "steps": 2, "batch_size": 6, "samples": 9, "validation": True, "verbose": 2, "workers": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    "event", ["on_train_begin", "on_epoch_begin", "on_train_batch_end", "on_epoch_end", "on_train_end"]
)
def test_whoever_has_begun_ends_when_another_fails(event: str) -> None:
    class Failing(Callback):
        pass

    def fail(*args: Any) -> None:
        raise RuntimeError("no more")

    first, failing, last = Teller(), Failing(), Teller()
    setattr(failing, event, fail)
    with pytest.raises(RuntimeError, match="no more"):
        run(first, failing, last)
    assert first.told[-1] == "end"
    assert last.told[-1:] == ([] if event == "on_train_begin" else ["end"])


def test_an_error_at_the_beginning_is_not_hidden_by_callbacks_behind_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    early = EarlyStopping("loss")
    with pytest.raises(
        FileError, match=r"^CSVLogger cannot write to .*: there is a file of that name\. Choose a folder"
    ):
        run(CSVLogger(tmp_path / "file" / "log.csv"), early)


def test_what_is_no_callback_is_refused() -> None:
    with pytest.raises(OptionError, match="'early' is no Callback; give objects such as"):
        run("early")  # type: ignore[arg-type]


# ---- EarlyStopping ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "options", "stopped", "best"),
    [
        ([5, 4, 3, 2, 1, 0], {"patience": 2}, None, 5),
        ([5, 3, 4, 4, 2, 1], {"patience": 2}, 3, 1),
        ([5, 3, 4, 4, 2, 1], {"patience": 3}, None, 5),
        ([5, 3, 4, 1, 1, 1], {"patience": 2}, 5, 3),
        ([5, 6, 1, 1, 1, 1], {}, 1, 0),
        ([5, 4, 4, 1, 1, 1], {"patience": 0}, 2, 1),
        ([NAN, 5, 4, NAN, 3, NAN], {"patience": 2}, None, 4),
        ([NAN, 5, 6, 7, 1, 1], {"patience": 2, "mode": "max"}, 5, 3),
        ([5, NAN, 1, 1, 1, 1], {"patience": 0}, 1, 0),
        ([5, 6, 1, 1, 1, 1], {"patience": 1}, 1, 0),
        ([5, 4.5, 4.1, 3, 3, 3], {"patience": 2, "min_delta": 1.0}, 2, 0),
        ([5, 4.5, 4.1, 3, 3, 3], {"patience": 3, "min_delta": 1.0}, None, 3),
        ([1, 2, 3, 2, 2, 9], {"patience": 2, "mode": "max"}, 4, 2),
        ([3, 3, 3, 3, 3, 3], {"patience": 3}, 3, 0),
    ],
)
def test_early_stopping_waits_and_restores_the_best_weights(
    values: list[float], options: dict[str, Any], stopped: int | None, best: int
) -> None:
    early = EarlyStopping("score", **options)
    model = run(Script(score=values), early)
    assert (early.stopped_epoch, early.best_epoch, early.best) == (stopped, best, values[best])
    assert mark(model) == best
    assert model.history is not None
    assert model.history.epoch[-1] == (5 if stopped is None else stopped)


def test_early_stopping_can_keep_the_last_weights() -> None:
    model = run(Script(score=[1, 2, 3, 4, 5, 6]), EarlyStopping("score", patience=2, restore_best_weights=False))
    assert mark(model) == 2


@pytest.mark.parametrize(("name", "best"), [("accuracy", 1), ("val_top_2_accuracy", 1), ("loss", 0), ("error", 0)])
def test_more_is_better_for_accuracies_only(name: str, best: int) -> None:
    early = EarlyStopping(name, patience=9)
    run(Script(**{name: [0.1, 0.9, 0.2]}), early, epochs=3)
    assert early.best_epoch == best


def test_epochs_without_validation_do_not_count() -> None:
    early = EarlyStopping("val_accuracy", patience=1)
    model = run(early, epochs=8, validation_data=clusters(6), validation_freq=3, model=network(optimizers.SGD(1e-30)))
    assert model.history is not None
    assert (early.best_epoch, early.stopped_epoch, model.history.epoch[-1]) == (2, 5, 5)


def test_a_value_that_is_always_nan_is_never_the_best(tmp_path: Path) -> None:
    early, path = EarlyStopping("score", patience=3), tmp_path / "best.safetensors"
    model = run(Script(score=[NAN] * 6), early, ModelCheckpoint(path, "score", save_best_only=True))
    assert (early.best, early.best_epoch, early.stopped_epoch) == (None, None, 2)
    assert mark(model) == 2, "there are no better weights than the last"
    assert not path.exists()


def test_infinity_is_worse_than_any_number_and_no_better_than_itself() -> None:
    early = EarlyStopping("score", patience=9)
    run(Script(score=[math.inf, math.inf, 5, math.inf, 6, 5]), early)
    assert (early.best, early.best_epoch, early.wait) == (5, 2, 3)


@pytest.mark.parametrize("name", ["confusion_matrix", "val_confusion_matrix"])
def test_an_array_cannot_be_followed(name: str) -> None:
    for follower in (EarlyStopping(name), ModelCheckpoint("never", name, save_best_only=True)):
        with pytest.raises(OptionError, match=rf"'{name}' is an array of shape \(3, 3\); follow a single number"):
            run(follower, epochs=1, validation_split=0.5, model=network(metrics=[ConfusionMatrix(3)]))


def test_one_early_stopping_serves_two_trainings() -> None:
    early = EarlyStopping("score", patience=1)
    assert mark(run(Script(score=[1, 2]), early)) == 0
    assert mark(run(Script(score=[9, 8, 9]), early)) == 1


def test_early_stopping_goes_on_from_its_state() -> None:
    early, other = (EarlyStopping("score", patience=9, restore_best_weights=True) for _ in range(2))
    run(Script(score=[5, 3, 4]), early, epochs=3)
    handing = LambdaCallback(on_train_begin=lambda logs: other.set_state(early.get_state()))
    model = run(Script(score=[0, 0, 0, 4, 3, 6]), other, handing, initial_epoch=3)
    assert (other.best, other.best_epoch, other.wait, other.last_epoch) == (3, 1, 4, 5)
    assert mark(model) == 1


def test_a_value_that_does_not_exist_is_an_error_that_lists_those_that_do() -> None:
    with pytest.raises(
        OptionError, match="no value 'val_loss' to follow; there are loss, accuracy; give fit validation"
    ):
        run(EarlyStopping(), LambdaCallback(on_epoch_begin=lambda epoch, logs: pytest.fail("an epoch was trained")))
    with pytest.raises(OptionError, match="no value 'f1' to follow"):
        run(EarlyStopping("f1"), validation_split=0.5)
    with pytest.raises(OptionError, match="patience must be an integer of at least 0, not -1"):
        EarlyStopping(patience=-1)
    with pytest.raises(OptionError, match='mode must be "auto", "min" or "max", not \'best\''):
        EarlyStopping(mode="best")


# ---- ModelCheckpoint -------------------------------------------------------------------------------------------------


def test_checkpoints_fill_in_their_fields_and_make_their_folder(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "net-{epoch:02d}-{score:.1f}.safetensors"
    run(Script(score=[0.5, 0.25]), ModelCheckpoint(path), epochs=2)
    assert sorted(os.listdir(tmp_path / "runs")) == ["net-01-0.5.safetensors", "net-02-0.2.safetensors"]
    assert mark(xpnet.load(tmp_path / "runs" / "net-02-0.2.safetensors")) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(("mode", "best"), [("min", 3), ("max", 2)])
def test_only_the_best_is_kept(tmp_path: Path, mode: str, best: int) -> None:
    path = tmp_path / "best.safetensors"
    run(Script(score=[3, 2, 9, 1, 5, 4]), ModelCheckpoint(path, "score", save_best_only=True, mode=mode))
    assert mark(xpnet.load(path)) == best  # type: ignore[arg-type]


def test_weights_alone(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    model = run(Script(score=[0, 1]), ModelCheckpoint(path, save_weights_only=True), epochs=2)
    with pytest.raises(xpnet.errors.FormatError, match="holds weights but no network"):
        xpnet.load(path)
    run(epochs=1, model=model)
    model.load_weights(path)
    assert mark(model) == 1


def test_a_checkpoint_that_cannot_be_written_fails_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    teller = Teller()
    with pytest.raises(
        FileError, match=r"^ModelCheckpoint cannot write to .*: there is a file of that name\. Choose a folder"
    ):
        run(ModelCheckpoint(tmp_path / "file" / "x.safetensors"), teller)
    assert teller.told == []
    with pytest.raises(OptionError, match=r"cannot fill in.*there are epoch, loss, accuracy"):
        run(ModelCheckpoint(tmp_path / "{f1}.safetensors"))


# ---- CSVLogger -------------------------------------------------------------------------------------------------------


def rows(path: Path) -> list[list[str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_the_csv_has_a_line_for_each_epoch_and_blanks_without_validation(tmp_path: Path) -> None:
    path = tmp_path / "new" / "log.csv"
    model = run(CSVLogger(path), epochs=3, validation_data=clusters(6), validation_freq=2)
    table = rows(path)
    assert table[0] == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr"]
    assert model.history is not None
    history = model.history.history
    for i in range(3):
        val = [str(history["val_loss"][0]), str(history["val_accuracy"][0])] if i == 1 else ["", ""]
        assert table[i + 1] == [str(i + 1), str(history["loss"][i]), str(history["accuracy"][i]), *val, "0.001"]


def test_the_csv_starts_anew_or_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    for append, epochs in ((False, ["1", "2"]), (True, ["1", "2", "1", "2"]), (False, ["1", "2"])):
        run(CSVLogger(path, append=append), epochs=2)
        assert [row[0] for row in rows(path)] == ["epoch", *epochs]


def test_a_csv_that_is_there_is_replaced_by_the_first_epoch_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    run(CSVLogger(path), epochs=2)
    before = path.read_bytes()
    for append in (False, True):
        with pytest.raises(KeyboardInterrupt):
            run(CSVLogger(path, append), Teller(interrupt=(0, 1)))
        assert path.read_bytes() == before
    with pytest.raises(KeyboardInterrupt):
        run(CSVLogger(path), Teller(interrupt=(1, 0)))
    assert [row[0] for row in rows(path)] == ["epoch", "1"]


def test_no_csv_is_left_if_no_epoch_was_completed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(CSVLogger(tmp_path / "log.csv"), Teller(interrupt=(0, 1)))
    assert os.listdir(tmp_path) == []


def test_a_csv_goes_on_only_with_the_same_columns(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    run(CSVLogger(path), epochs=1, validation_split=0.5)
    before = path.read_bytes()
    with pytest.raises(OptionError, match=r"it has val_loss, val_accuracy, which this training has not\. Write to"):
        run(CSVLogger(path, append=True), epochs=1)
    with pytest.raises(OptionError, match=r"it lacks score, val_score\. .* append=False"):
        run(Script(score=[1.0]), CSVLogger(path, append=True), epochs=1, validation_split=0.5)
    with pytest.raises(OptionError, match=r"it has val_loss, val_accuracy, .*; it lacks score\."):
        run(Script(score=[1.0]), CSVLogger(path, append=True), epochs=1)
    assert path.read_bytes() == before


def test_a_csv_goes_on_in_the_order_of_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("accuracy,epoch,score,loss\n0.5,7,0.25,1.5\n", encoding="utf-8")
    model = run(Script(score=[1.0, 2.0]), CSVLogger(path, append=True), epochs=2)
    assert model.history is not None
    history = model.history.history
    added = [[str(history["accuracy"][i]), str(i + 1), str(i + 1.0), str(history["loss"][i])] for i in range(2)]
    assert rows(path) == [["accuracy", "epoch", "score", "loss"], ["0.5", "7", "0.25", "1.5"], *added]


@pytest.mark.parametrize("content", [None, b""])
def test_a_csv_that_is_missing_or_empty_gets_its_header(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "log.csv"
    if content is not None:
        path.write_bytes(content)
    run(CSVLogger(path, append=True), epochs=1)
    assert rows(path)[0] == ["epoch", "loss", "accuracy", "lr"] and len(rows(path)) == 2


def test_a_confusion_matrix_is_left_out_of_the_csv(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    model = network(metrics=["accuracy", ConfusionMatrix(3)])
    run(CSVLogger(path), epochs=2, validation_split=0.5, validation_freq=2, model=model)
    assert rows(path)[0] == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr"]
    assert [len(row) for row in rows(path)] == [6, 6, 6]


# ---- Ctrl-C ----------------------------------------------------------------------------------------------------------


def test_ctrl_c_keeps_history_best_weights_and_files(tmp_path: Path) -> None:
    logger, early, last = CSVLogger(tmp_path / "log.csv"), EarlyStopping("score", patience=9), Teller()
    model = network()
    with pytest.raises(KeyboardInterrupt):
        run(Script(score=[5, 1, 3, 4]), logger, early, Teller(interrupt=(3, 0)), last, model=model)
    assert model.history is not None
    assert model.history.epoch == [0, 1, 2]
    assert len(model.history.history["loss"]) == 3
    assert mark(model) == 1
    assert logger.file is not None
    assert logger.file.closed
    assert [row[0] for row in rows(tmp_path / "log.csv")] == ["epoch", "1", "2", "3"]
    assert last.told[-1] == "end"


def test_ctrl_c_before_the_first_epoch_is_over_changes_no_more_than_the_steps_did() -> None:
    model = network(optimizers.SGD(1e-30))
    model.build((2,))
    before = model.get_weights()
    with pytest.raises(KeyboardInterrupt):
        run(EarlyStopping("loss"), Teller(interrupt=(0, 1)), model=model)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-25)
    assert model.history is not None
    assert model.history.history == {}


def test_training_goes_on_after_ctrl_c() -> None:
    model = network()
    with pytest.raises(KeyboardInterrupt):
        run(Teller(interrupt=(1, 0)), model=model)
    run(epochs=2, model=model)
    assert model.history is not None
    assert model.history.epoch == [0, 1]
    assert model.stop_training is False
