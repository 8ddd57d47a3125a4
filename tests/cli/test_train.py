"""`xpnet train`: the files it leaves, what it prints, and what Ctrl-C, NaN and a second training do."""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.cli.helpers import PNG, Command, process, read_csv, unread
from xpnet.cli.common import duration
from xpnet.data import datasets
from xpnet.files.digest import weights_sha256
from xpnet.files.state import read_state

pytestmark = pytest.mark.slow


def test_training_leaves_weights_history_and_pictures(command: Command, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "some" / "folder"
    outcome = command("train", "mlp", "--epochs", 2, "--data", data, "--out", out)
    assert outcome.status == 0
    lines = outcome.out.splitlines()
    assert lines[0].startswith("epoch 1/2") and lines[1].startswith("epoch 2/2")  # no terminal, no bar
    names = ["test accuracy", "test loss", "images per second", "weights", "csv", "history", "misclassified"]
    assert [line.rpartition(" ")[0] for line in lines[2:]] == names
    model = xpnet.load(out / "mlp.safetensors")
    _, (x, t) = datasets.mnist(data)
    assert lines[2] == f"test accuracy {model.evaluate(x, t)[1]:.4f}"
    rows = read_csv(out / "history.csv")
    assert [row["epoch"] for row in rows] == ["1", "2"] and set(rows[0]) >= {"loss", "accuracy", "val_accuracy"}
    for picture in ("history.png", "misclassified.png"):
        assert (out / picture).read_bytes().startswith(PNG)
        assert str(out / picture) in outcome.out


def test_json_is_the_last_line_of_stdout_and_all_else_is_on_stderr(
    command: Command, data: Path, tmp_path: Path
) -> None:
    outcome = command(
        "train", "lenet5", "--variant", "1998", "--epochs", 1, "--data", data, "--out", tmp_path, "--json"
    )
    assert outcome.status == 0 and len(outcome.out.splitlines()) == 1
    result = json.loads(outcome.out)
    assert list(result) == [
        *("network", "recipe", "parameters", "epochs", "batch_size", "backend", "seed", "test_accuracy", "test_loss"),
        *("images_per_second", "peak_memory_mb", "seconds", "history", "weights_sha256", "samples_by_worker", "files"),
        *("workers", "shards", "threads", "restarts", "lost_workers"),
    ]
    assert (result["network"], result["parameters"], result["epochs"], result["batch_size"]) == ("lenet5", 60850, 1, 64)
    assert 20 < result["peak_memory_mb"] < 20_000 and result["seconds"] > 0 and result["images_per_second"] > 0
    assert result["history"]["val_accuracy"] == [result["test_accuracy"]]
    assert (result["workers"], result["shards"], result["samples_by_worker"]) == (1, 1, [400])
    assert result["weights_sha256"] == weights_sha256(xpnet.load(result["files"]["weights"]))
    assert all(Path(file).is_file() for file in result["files"].values())
    assert "epoch 1/1" in outcome.err and f"test accuracy {result['test_accuracy']:.4f}" in outcome.err


def test_quiet_prints_the_result_only(command: Command, data: Path, tmp_path: Path) -> None:
    outcome = command("train", "mlp", "--epochs", 1, "--data", data, "--out", tmp_path, "--quiet")
    assert outcome.status == 0 and outcome.out.startswith("test accuracy") and outcome.err == ""


@pytest.mark.usefixtures("no_pictures")
def test_the_same_seed_gives_the_same_network(command: Command, data: Path, tmp_path: Path) -> None:
    def weights(seed: int) -> bytes:
        arguments = ["--epochs", 1, "--limit", 100, "--data", data, "--out", tmp_path, "--seed", seed, "--quiet"]
        assert command("train", "mlp", *arguments).status == 0
        return b"".join(weight.tobytes() for weight in xpnet.load(tmp_path / "mlp.safetensors").get_weights())

    assert weights(3) == weights(3) != weights(4)


@pytest.mark.usefixtures("no_pictures")
def test_validation_keeps_the_best_epoch_of_the_held_out_images(command: Command, data: Path, tmp_path: Path) -> None:
    """With this learning rate the accuracy goes up and down."""
    options = ["--epochs", 5, "--validation", 0.25, "--optimizer", "rmsprop", "--lr", 0.03, "--schedule", "constant"]
    outcome = command("train", "mlp", *options, "--data", data, "--out", tmp_path, "--json")
    held_out = json.loads(outcome.out)["history"]["val_accuracy"]
    assert max(held_out) > held_out[-1], "the last epoch is the best: this test shows nothing"
    (x, t), _ = datasets.mnist(data)
    assert xpnet.load(tmp_path / "mlp.safetensors").evaluate(x[300:], t[300:])[1] == pytest.approx(max(held_out))
    best = held_out.index(max(held_out)) + 1
    assert f"xpnet: went back to the weights of epoch {best}, the best on the validation images" in outcome.err


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("name", list(xpnet.optimizers.OPTIMIZERS))
def test_every_optimizer_trains(command: Command, data: Path, tmp_path: Path, name: str) -> None:
    options = ["--optimizer", name, "--weight-decay", 1e-4, "--limit", 64, "--epochs", 1, "--quiet"]
    assert command("train", "mlp", *options, "--data", data, "--out", tmp_path).status == 0
    assert type(xpnet.load(tmp_path / "mlp.safetensors").optimizer) is xpnet.optimizers.OPTIMIZERS[name]


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("name", list(xpnet.schedules.SCHEDULES))
def test_every_schedule_trains(command: Command, data: Path, tmp_path: Path, name: str) -> None:
    options = ["--schedule", name, "--lr", 0.01, "--limit", 64, "--epochs", 2, "--quiet"]
    assert command("train", "mlp", *options, "--data", data, "--out", tmp_path).status == 0
    optimizer = xpnet.load(tmp_path / "mlp.safetensors").optimizer
    assert optimizer is not None
    assert repr(optimizer.lr) == repr(xpnet.schedules.SCHEDULES[name](0.01, 4))  # two batches of 32 an epoch


@pytest.mark.usefixtures("no_pictures")
def test_training_runs_on_the_backend_asked_for(command: Command, data: Path, tmp_path: Path) -> None:
    options = ["--limit", 32, "--epochs", 1, "--data", data, "--out", tmp_path, "--json", "--backend", "reference"]
    assert json.loads(command("train", "mlp", *options).out)["backend"] == "reference"


@pytest.mark.usefixtures("no_pictures")
def test_without_matplotlib_pictures_are_left_out_with_one_notice(command: Command, data: Path, tmp_path: Path) -> None:
    outcome = command("train", "mlp", "--epochs", 1, "--data", data, "--out", tmp_path, "--json", "--quiet")
    assert outcome.status == 0
    assert len(outcome.err.splitlines()) == 1 and 'pip install "xpnet[plot]"' in outcome.err
    files = json.loads(outcome.out)["files"]
    assert files["history_png"] is None and files["misclassified_png"] is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.csv", "mlp.safetensors"]


def test_ctrl_c_keeps_history_and_best_weights(data: Path, tmp_path: Path) -> None:
    options = ["--epochs", 10_000, "--lr", 0.01, "--schedule", "constant", "--data", data, "--out", tmp_path]
    (tmp_path / "misclassified.png").write_bytes(b"the mistakes of another network")
    child = process("train", "mlp", *options)
    history = tmp_path / "history.csv"
    deadline = time.monotonic() + 60
    while not (history.exists() and history.read_text().count("\n") >= 4) and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in err and len(err.splitlines()) == 1
    rows = read_csv(history)
    accuracies = [float(row["val_accuracy"]) for row in rows]
    best = accuracies.index(max(accuracies)) + 1
    assert (
        f"interrupted in epoch {len(rows) + 1}; kept the weights of epoch {best}"
        f" (best test accuracy so far: {max(accuracies):.4f})"
    ) in err
    _, (x, t) = datasets.mnist(data)
    assert xpnet.load(tmp_path / "mlp.safetensors").evaluate(x, t)[1] == pytest.approx(max(accuracies))
    assert (tmp_path / "history.png").read_bytes().startswith(PNG)
    assert not (tmp_path / "misclassified.png").exists()


@pytest.mark.slow
def test_a_closed_pipe_ends_training_and_loses_nothing(data: Path, tmp_path: Path) -> None:
    options = ["mlp", "--data", data, "--out", tmp_path, "--epochs", 50]
    training = process("train", *options)
    assert training.stdout and training.stderr
    assert training.stdout.readline().startswith("epoch 1/50")
    training.stdout.close()  # as head -1 does
    assert training.wait(60) == 141
    (message,) = training.stderr.read().splitlines()
    assert message.startswith("xpnet: nobody reads the output any more") and "the same command with --resume" in message
    assert xpnet.load(tmp_path / "mlp.safetensors").kind == "mlp"
    again = process("train", *options, "--resume", "--quiet")
    assert again.communicate()[0].startswith("test accuracy") and again.returncode == 0
    training.stderr.close()


@pytest.mark.parametrize("both", [False, True])
def test_nobody_reads_from_the_start(data: Path, tmp_path: Path, both: bool) -> None:
    """The line of the first epoch finds no reader: that epoch is complete, and is kept for --resume."""
    options = ["mlp", "--data", data, "--out", tmp_path, "--epochs", 2]
    status, err = unread("train", *options, both=both)
    assert status == 141 and "Traceback" not in err
    assert both or err.rstrip().endswith("the same command with --resume goes on in epoch 2")
    assert xpnet.load(tmp_path / "mlp.safetensors").kind == "mlp"
    assert read_state(tmp_path / "mlp.backup.safetensors")["progress"]["epoch"] == 1


@pytest.mark.parametrize("option", ["--quiet", "--json"])
def test_a_training_whose_results_nobody_reads_is_complete(data: Path, tmp_path: Path, option: str) -> None:
    status, err = unread("train", "mlp", "--data", data, "--out", tmp_path, "--epochs", 2, option)
    assert status == 141 and "error" not in err and "Traceback" not in err
    files = ["history.csv", "history.png", "misclassified.png", "mlp.safetensors"]
    assert sorted(os.listdir(tmp_path)) == files, "there is something to resume, or a file is missing"


def test_ctrl_c_in_the_first_epoch_keeps_the_weights_as_they_are(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(xpnet.optimizers.Adam, "step", interrupt)
    outcome = command("train", "mlp", "--data", data, "--out", tmp_path)
    assert outcome.status == 130
    assert "interrupted in epoch 1; kept the weights as they are" in outcome.err
    assert "--resume has nothing to go on from yet: it has after an epoch, or after N steps with" in outcome.err
    assert xpnet.load(tmp_path / "mlp.safetensors").input_shape == (1, 28, 28)
    assert os.listdir(tmp_path) == ["mlp.safetensors"], "there is no history yet"


@pytest.mark.parametrize("what", ["Ctrl-C", "NaN"])
def test_an_earlier_training_survives_a_first_epoch_that_comes_to_nothing(
    command: Command, data: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    shutil.copytree(trained, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert len(before) == 4
    options = ["--data", data, "--out", out]
    if what == "Ctrl-C":
        monkeypatch.setattr(xpnet.optimizers.Adam, "step", interrupt)
        outcome = command("train", "mlp", *options)
        assert outcome.status == 130
        assert f"interrupted in epoch 1; the files of an earlier training in {out} are as they were" in outcome.err
    else:
        outcome = command("train", "mlp", "--optimizer", "sgd", "--lr", 1e30, *options)
        assert outcome.status == 1 and "epoch 1, step" in outcome.error
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.usefixtures("no_pictures")
def test_with_validation_the_best_weights_are_those_of_the_held_out_images(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, steps = xpnet.optimizers.Adam.step, iter(range(40))

    def interrupted(*arguments: Any) -> None:
        if next(steps, None) is None:
            raise KeyboardInterrupt
        step(*arguments)

    monkeypatch.setattr(xpnet.optimizers.Adam, "step", interrupted)
    outcome = command("train", "mlp", "--validation", 0.25, "--data", data, "--out", tmp_path)
    assert outcome.status == 130
    best = max(float(row["val_accuracy"]) for row in read_csv(tmp_path / "history.csv"))
    assert f"(best validation accuracy so far: {best:.4f})" in outcome.err
    (x, t), _ = datasets.mnist(data)
    assert xpnet.load(tmp_path / "mlp.safetensors").evaluate(x[300:], t[300:])[1] == pytest.approx(best)


@pytest.mark.usefixtures("no_pictures")
def test_a_time_limit_ends_training_and_the_result_is_complete(command: Command, data: Path, tmp_path: Path) -> None:
    options = ["--epochs", 10_000, "--time-limit", "0.2s", "--data", data, "--out", tmp_path, "--json", "--quiet"]
    outcome = command("train", "mlp", *options)
    assert outcome.status == 0
    assert re.search(r"^xpnet: the time limit ended training in epoch \d+, step \d+$", outcome.err, re.MULTILINE)
    result = json.loads(outcome.out)
    assert 0 < len(read_csv(tmp_path / "history.csv")) == len(result["history"]["loss"]) < 10_000
    _, (x, t) = datasets.mnist(data)
    assert xpnet.load(tmp_path / "mlp.safetensors").evaluate(x, t)[1] == pytest.approx(result["test_accuracy"])


@pytest.mark.usefixtures("no_pictures")
def test_a_time_limit_that_is_not_reached_changes_nothing(command: Command, data: Path, tmp_path: Path) -> None:
    options = ["--epochs", 1, "--limit", 32, "--time-limit", "1h", "--data", data, "--out", tmp_path]
    outcome = command("train", "mlp", *options)
    assert outcome.status == 0 and "time limit" not in outcome.err


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1.5s", 1.5), ("30m", 1800), ("1h30m", 5400), ("2h0.5m1", 7231), ("1.5h", 5400)]
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["0", "", "soon", "-1h", "1m1h", "1d", "h"])
def test_what_is_no_time_is_refused(command: Command, text: str) -> None:
    outcome = command("train", "mlp", "--time-limit", text)
    assert outcome.status == 2 and f"{text!r} is no time; give one such as 90s, 30m or 1h30m" in outcome.error


# ---- training that cannot be -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("network", "lr"), [("mlp", 1e30), ("simpleconvnet", 1e9)])
def test_a_loss_that_is_not_finite_stops_training(
    command: Command, data: Path, tmp_path: Path, network: str, lr: float
) -> None:
    outcome = command("train", network, "--lr", lr, "--optimizer", "sgd", "--data", data, "--out", tmp_path)
    assert outcome.status == 1
    assert "the loss became" in outcome.error and "epoch 1, step" in outcome.error
    assert len(outcome.err.splitlines()) == 1
    assert os.listdir(tmp_path) == []


def test_a_late_loss_that_is_not_finite_keeps_the_best_epoch(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xpnet.schedules.Constant, "__call__", lambda self, step: 0.001 if step < 30 else 1e30)
    options = ["--schedule", "constant", "--optimizer", "sgd", "--data", data, "--out", tmp_path]
    outcome = command("train", "mlp", *options)
    assert outcome.status == 1
    assert "the loss became nan in epoch 3" in outcome.error
    assert re.search(r"kept the weights of epoch [12] \(best test accuracy so far: 0\.\d{4}\) in ", outcome.error)
    assert np.isfinite(xpnet.load(tmp_path / "mlp.safetensors").get_weights()[0]).all()
