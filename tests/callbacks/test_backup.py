"""Backup: what goes on is what would have been, on every backend and with everything that has a state."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.small import Written, clusters, network, normed_network
from xpnet import layers, metrics, optimizers, schedules
from xpnet.backend import Backend
from xpnet.base import atomic_files
from xpnet.callbacks import Backup, Callback, CSVLogger, EarlyStopping, ModelCheckpoint
from xpnet.errors import FileError, FormatError, OptionError
from xpnet.files.state import read_state
from xpnet.model import Model, Sequential
from xpnet.optimizers import Optimizer


@contextlib.contextmanager
def interrupted(after: int) -> Iterator[None]:
    """Ctrl-C in the step after so many."""
    left = iter(range(after))

    def interrupting(*arguments: Any, **options: Any) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        update(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        update = Optimizer.update
        patch.setattr(Optimizer, "update", interrupting)
        yield


Result = tuple[list[bytes], Any, Any]


def train(make: Callable[[], Model], *callbacks: Callback, epochs: int = 4, N: int = 40, **options: Any) -> Result:
    """Six steps an epoch: the weights' bits, the history, and its epochs."""
    xpnet.seed(5)
    model = make()
    data = {"validation_data": clusters(12, seed=1), "batch_size": 7, **options}
    history = model.fit(*clusters(N), epochs=epochs, callbacks=callbacks, **data)
    weights = [weight.tobytes() for weight in model.get_weights()]
    assert len(history.seconds) == len(history.epoch) and min(history.seconds) > 0
    return weights, {name: [np.asarray(v).tolist() for v in vs] for name, vs in history.history.items()}, history.epochs


def resumed(
    path: Path,
    make: Callable[[], Model],
    *kinds: Callable[[], Callback],
    after: tuple[int, ...] = (8, 1, 6),
    **options: Any,
) -> Result:
    """The same with Ctrl-C after these numbers of steps."""
    for count in after:
        with interrupted(count):
            train(make, *(kind() for kind in kinds), Backup(path, every=2), **options)
    return train(make, *(kind() for kind in kinds), Backup(path, every=2), **options)


# ---- it goes on ------------------------------------------------------------------------------------------------------


def scheduled(name: str) -> Callable[[], Model]:
    def make() -> Model:
        rate = schedules.Cosine(0.02, 24)
        return normed_network(type(optimizers.get(name))(rate, weight_decay=0.01, clip_norm=0.5))

    return make


@pytest.mark.parametrize("name", list(optimizers.OPTIMIZERS))
def test_every_optimizer_goes_on_to_the_bit(tmp_path: Path, name: str) -> None:
    assert resumed(tmp_path / "b", scheduled(name)) == train(scheduled(name))
    assert os.listdir(tmp_path) == []


def test_every_backend_goes_on_to_the_bit(backend: Backend, tmp_path: Path) -> None:
    make = scheduled("adam")
    assert resumed(tmp_path / "b", make, after=(8, 6), epochs=3) == train(make, epochs=3)


def frozen() -> Model:
    model = normed_network("adam")
    model.build((2,))
    model.layers[0].trainable = False
    return model


def written() -> Model:
    """A layer that is used twice, and one that no file could describe."""

    def body(model: Any, x: Any) -> Any:
        h = model.first(x)
        return model.top(model.shared(model.shared(h)) + h)

    parts = {"first": layers.Dense(6), "shared": layers.Dense(6, activation="tanh"), "top": layers.Dense(3)}
    model = Written(body, **parts)
    model.compile("adam", metrics=["accuracy"])
    return model


def counting() -> Model:
    return network("momentum", [metrics.ConfusionMatrix(3), metrics.TopK(2)], dropout=0.2)


def double() -> Model:
    return normed_network("rmsprop").astype("float64")


@pytest.mark.parametrize("make", [frozen, written, counting, double])
def test_models_of_all_kinds_go_on(tmp_path: Path, make: Callable[[], Model]) -> None:
    assert resumed(tmp_path / "b", make) == train(make)


@pytest.mark.parametrize(
    "options",
    [
        {"shuffle": False},
        {"batch_size": 40},
        {"validation_data": None},
        {"validation_freq": 3},
        {"epochs": 7, "initial_epoch": 3},
    ],
)
def test_options_of_fit_go_together_with_it(tmp_path: Path, options: dict[str, Any]) -> None:
    after = (2, 1) if "batch_size" in options else (8, 1, 6)
    assert resumed(tmp_path / "b", network, after=after, **options) == train(network, **options)


def test_training_that_ended_goes_on_for_more_epochs_if_the_file_was_kept(tmp_path: Path) -> None:
    train(network, Backup(tmp_path / "b", keep=True), epochs=2)
    assert (tmp_path / "b").exists()
    backup = Backup(tmp_path / "b")
    assert train(network, backup, epochs=4) == train(network, epochs=4)
    assert backup.resumed == (2, 0) and not (tmp_path / "b").exists()


def test_where_it_went_on_is_said_unless_fit_is_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verbose, says in (
        (0, ""),
        (1, "resumes in epoch 2 of 4, after step 2 of 6, from"),
        (2, "resumes in epoch 2 of 4, after step 2 of 6, from"),
    ):
        with interrupted(9):
            train(network, Backup(tmp_path / "b", every=2))
        capsys.readouterr()
        train(network, Backup(tmp_path / "b", every=2), verbose=verbose)
        err = capsys.readouterr().err
        assert says in err and (says or not err)


def test_resume_false_begins_anew_and_replaces_the_file_later(tmp_path: Path) -> None:
    with interrupted(15):
        train(network, Backup(tmp_path / "b"))
    old = (tmp_path / "b").read_bytes()
    with interrupted(5):
        train(network, Backup(tmp_path / "b", resume=False))
    assert (tmp_path / "b").read_bytes() == old
    with interrupted(8):
        train(network, Backup(tmp_path / "b", resume=False))
    assert read_state(tmp_path / "b")["progress"]["epoch"] == 1


def test_a_model_that_has_been_in_training_goes_on_too(tmp_path: Path) -> None:
    """In a notebook: the learning rate and what is frozen are no longer what they were at the start."""

    class Changing(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            assert self.model.optimizer is not None
            self.model.optimizer.lr = 0.01 / (epoch + 1)
            self.model.layers[0].trainable = epoch % 2 == 0

    def fit() -> Any:
        return model.fit(*clusters(40), 7, 5, callbacks=[Changing(), EarlyStopping("loss", patience=3), Backup(path)])

    def weights() -> list[bytes]:
        return [weight.tobytes() for weight in model.get_weights()]

    path = tmp_path / "b"
    xpnet.seed(5)
    model = normed_network(optimizers.Adam(0.02))
    never = fit().history, weights()
    xpnet.seed(5)
    model = normed_network(optimizers.Adam(0.02))
    for _ in range(2):
        with interrupted(10):
            fit()
    assert (fit().history, weights()) == never


def test_gradients_that_wait_for_the_optimizer_are_kept(tmp_path: Path) -> None:
    """As between the batches of an accumulated gradient."""
    model = network()
    backup = Backup(tmp_path / "b", keep=True)
    model.fit(*clusters(14), 7, 1, callbacks=backup)
    weight = model.parameters()[0]
    weight.add_grad(model.backend.asarray(np.full(weight.shape, 3, "float32")))
    backup.write()
    again = network()
    again.fit(*clusters(14), 7, 1, callbacks=Backup(tmp_path / "b"))
    assert (again.parameters()[0].grad == 3).all() and (again.parameters()[1].grad == 0).all()


# ---- callbacks -------------------------------------------------------------------------------------------------------


class Stopper(Callback):
    """Ends training in the middle of an epoch, after so many steps in all."""

    steps = 9

    def __init__(self) -> None:
        self.count = 0

    def on_train_batch_end(self, batch: int, logs: Any) -> None:
        self.count += 1
        self.model.stop_training = self.count >= self.steps

    def get_state(self) -> dict[str, Any]:
        return {"count": self.count}

    def set_state(self, state: dict[str, Any]) -> None:
        self.count = state["count"]


@pytest.mark.parametrize("where", ["on_epoch_end", "on_train_end"])
@pytest.mark.parametrize("steps", [8, 9, 12])
def test_training_that_a_callback_ended_stays_ended(tmp_path: Path, where: str, steps: int) -> None:
    """Interrupted between the step that ended it (8: with a backup after it) and the end of fit."""

    class Interrupting(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            if on and where == "on_epoch_end" and self.model.stop_training:
                raise KeyboardInterrupt

        def on_train_end(self, logs: Any) -> None:
            if on and where == "on_train_end":
                raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stopper, "steps", steps)
        on = False
        never = train(network, Stopper(), Interrupting())
        on = True
        with pytest.raises(KeyboardInterrupt):
            train(network, Stopper(), Interrupting(), Backup(tmp_path / "b", every=2))
        on = False
        assert train(network, Stopper(), Interrupting(), Backup(tmp_path / "b", every=2)) == never


def test_early_stopping_remembers_the_best_weights(tmp_path: Path) -> None:
    def stopping() -> Callback:
        return EarlyStopping(patience=2, min_delta=0.05)

    def make() -> Model:
        return normed_network(optimizers.Adam(0.01))

    never = train(make, stopping(), epochs=30)
    assert 4 < len(never[1]["loss"]) < 30
    assert resumed(tmp_path / "b", make, stopping, after=(20, 3, 5), epochs=30) == never


@pytest.mark.parametrize("append", [False, True])
def test_the_csv_file_has_each_line_once(tmp_path: Path, append: bool) -> None:
    """The line of an epoch is written before the epoch's backup."""

    def logger() -> CSVLogger:
        return CSVLogger(tmp_path / "h.csv", append=append)

    header = "epoch,loss,accuracy,val_loss,val_accuracy\n"
    (tmp_path / "h.csv").write_text(header + "1,0,0,0,0\n")
    train(network, logger())
    never = (tmp_path / "h.csv").read_text()
    assert never.count("\n") == (6 if append else 5)
    for damage in ("99,a line that came later\n", "99,half a l", None):
        (tmp_path / "h.csv").write_text(header + "1,0,0,0,0\n")
        for count in (3, 8):
            with interrupted(count):
                train(network, logger(), Backup(tmp_path / "b", every=2))
            if damage is not None:
                (tmp_path / "h.csv").write_text((tmp_path / "h.csv").read_text() + damage)
            elif not append:
                (tmp_path / "h.csv").unlink()
        train(network, logger(), Backup(tmp_path / "b", every=2))
        assert (tmp_path / "h.csv").read_text() == never


def test_a_csv_file_that_lost_what_was_there_before_is_not_filled_with_nothing(tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text("epoch,loss,accuracy,val_loss,val_accuracy\n")
    with interrupted(8):
        train(network, CSVLogger(tmp_path / "h.csv", append=True), Backup(tmp_path / "b"))
    (tmp_path / "h.csv").write_text("")
    with pytest.raises(FileError, match=r"it has become shorter than the 42 bytes"):
        train(network, CSVLogger(tmp_path / "h.csv", append=True), Backup(tmp_path / "b"))


def test_a_checkpoint_may_go_elsewhere_and_knows_the_best_value(tmp_path: Path) -> None:
    with interrupted(14):
        train(network, ModelCheckpoint(tmp_path / "one", save_best_only=True), Backup(tmp_path / "b"))
    checkpoint = ModelCheckpoint(tmp_path / "two", save_best_only=True)
    train(network, checkpoint, Backup(tmp_path / "b"))
    assert checkpoint.best == min(train(network)[1]["val_loss"])


def test_a_state_that_no_file_can_hold_is_an_error_at_the_start(tmp_path: Path) -> None:
    class Odd(Callback):
        def get_state(self) -> dict[str, Any]:
            return {"all": [1, {"path": Path("here")}]}

    with pytest.raises(OptionError, match=r"cannot hold .*Path\('here'\), which callbacks/1/all/1/path is"):
        train(network, Odd(), Backup(tmp_path / "b"))


def test_a_callback_that_cannot_go_on_from_its_state(tmp_path: Path) -> None:
    with interrupted(8):
        train(network, Stopper(), Backup(tmp_path / "b"))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(FormatError, match="Stopper cannot go on from its state"):
        patch.setattr(Stopper, "set_state", lambda self, state: state["more"])
        train(network, Stopper(), Backup(tmp_path / "b"))


# ---- it is written whole or not at all -------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_backup_that_cannot_be_written_leaves_the_one_before(tmp_path: Path, error: BaseException) -> None:
    """A full disk, and Ctrl-C while it is written."""
    real, written = os.fsync, iter(range(3))

    def full(descriptor: int) -> None:
        if next(written, None) is None:
            raise error
        real(descriptor)

    kind, message = (
        (FileError, "No space left on device.*has room") if isinstance(error, OSError) else (type(error), None)
    )
    with pytest.MonkeyPatch.context() as patch, pytest.raises(kind, match=message):
        patch.setattr(atomic_files.os, "fsync", full)
        train(network, Backup(tmp_path / "b", every=2))
    assert os.listdir(tmp_path) == ["b"]
    backup = Backup(tmp_path / "b", every=2)
    assert train(network, backup) == train(network)
    assert backup.resumed == (0, 4)


def test_a_place_that_cannot_be_written_to_is_an_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="cannot make the folder"):
        train(network, Backup(tmp_path / "file" / "b"))
    train(network, Backup(tmp_path / "new" / "folder" / "b"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: [Backup("a"), Backup("b")], "fit takes one Backup, not 2"),
        (lambda: Backup("a", every=0), "Backup: every must be an integer of at least 1"),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        network().fit(*clusters(12), callbacks=make())


def test_a_file_beyond_the_last_epoch_is_refused(tmp_path: Path) -> None:
    with interrupted(20):
        train(network, Backup(tmp_path / "b"))
    with pytest.raises(OptionError, match=r"b is at epoch 4, but training ends after 2"):
        train(network, Backup(tmp_path / "b"), epochs=2)


def test_what_is_drawn_afterwards_is_what_would_have_been_without_the_break(tmp_path: Path) -> None:
    """Though another process may have drawn other numbers before it goes on."""
    states = []
    for breaks in (False, True):
        path = tmp_path / f"{breaks}.backup"
        xpnet.seed(5)
        xpnet.random.next_key("before")
        model = network()
        if breaks:
            with interrupted(8):
                model.fit(*clusters(40), 7, 4, callbacks=[Backup(path, every=2)])
            xpnet.seed(5)
            model = network()
        model.fit(*clusters(40), 7, 4, callbacks=[Backup(path, every=2)])
        states.append(xpnet.random.get_state())
    assert states[0] == states[1]


def test_a_sequential_network_can_still_be_copied_and_saved_after_it_went_on(tmp_path: Path) -> None:
    with interrupted(9):
        train(network, Backup(tmp_path / "b"))
    model: Sequential = network()
    model.fit(*clusters(40), 7, 4, callbacks=Backup(tmp_path / "b"), validation_data=clusters(12, seed=1))
    model.save(tmp_path / "model")
    x = clusters(5)[0]
    assert (xpnet.load(tmp_path / "model").predict(x) == model.copy().predict(x)).all()
