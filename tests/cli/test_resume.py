"""`xpnet train --resume`: after Ctrl-C and after a kill, and what it says when it cannot go on."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

import xpnet
from tests.cli.helpers import Command, interrupt_after, process, read_csv
from xpnet.files.state import read_state, write_state


def train_interrupted(command: Command, monkeypatch: pytest.MonkeyPatch, *options: object) -> None:
    """Train an MLP, and press Ctrl-C after twenty steps."""
    with monkeypatch.context() as patch:
        interrupt_after(patch, 20)
        assert command("train", "mlp", *options).status == 130


@pytest.mark.usefixtures("no_pictures")
def test_ctrl_c_keeps_a_backup_that_resume_goes_on_from(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mlp takes 13 steps in each of its epochs here."""
    options = ["--epochs", 4, "--data", data]
    assert command("train", "mlp", *options, "--out", tmp_path / "never").status == 0
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        interrupt_after(patch, 31)
        outcome = command("train", "mlp", *options, "--out", out, "--backup-every", 4)
    assert outcome.status == 130
    assert "interrupted in epoch 3; kept the weights of epoch" in outcome.err
    assert outcome.err.rstrip().endswith("the same command with --resume goes on in epoch 3, after step 4")
    the_same = ["--epochs", 4, "--data", os.path.relpath(data)]
    outcome = command("train", "mlp", *the_same, "--out", out, "--resume", "--json")
    assert outcome.status == 0
    assert f"resumes in epoch 3 of 4, after step 4 of 13, from {out / 'mlp.backup.safetensors'}\n" in outcome.err
    assert len(json.loads(outcome.out)["history"]["loss"]) == 4
    for name in ("mlp.safetensors", "history.csv"):
        assert (out / name).read_bytes() == (tmp_path / "never" / name).read_bytes()
    assert sorted(os.listdir(out)) == ["history.csv", "mlp.safetensors"], "the backup is still there"


@pytest.mark.usefixtures("no_pictures")
def test_resume_of_a_training_that_was_finished_but_for_its_results(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the process is killed between the last epoch and the files."""
    options = ["--epochs", 2, "--data", data, "--validation", 0.25]
    assert command("train", "mlp", *options, "--out", tmp_path / "never").status == 0
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(xpnet.Model, "save", interrupt)
        assert command("train", "mlp", *options, "--out", out).status == 130
    outcome = command("train", "mlp", *options, "--out", out, "--resume")
    assert outcome.status == 0 and "resumes after the last epoch, from" in outcome.err
    assert (out / "mlp.safetensors").read_bytes() == (tmp_path / "never" / "mlp.safetensors").read_bytes()
    assert [row["epoch"] for row in read_csv(out / "history.csv")] == ["1", "2"]


@pytest.mark.usefixtures("no_pictures")
def test_nothing_to_resume_is_said_before_the_data_are_read(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xpnet.data.datasets.read_idx", None)
    outcome = command("train", "mlp", "--resume", "--out", tmp_path / "new")
    assert outcome.status == 1 and os.listdir(tmp_path) == []
    assert outcome.error.startswith("there is nothing to resume") and "train without --resume" in outcome.error


@pytest.mark.usefixtures("no_pictures")
def test_other_options_are_refused_by_name(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--data", data, "--out", tmp_path, "--quiet"]
    train_interrupted(command, monkeypatch, *options)
    outcome = command("train", "mlp", *options, "--resume", "--lr", 0.1, "--batch-size", 16, "--limit", 300)
    assert outcome.status == 1 and "belongs to another training" in outcome.error
    assert "--lr is 0.002 in the backup, 0.1 here" in outcome.error
    assert "--batch-size is 32 in the backup, 16 here" in outcome.error
    assert "--limit is None in the backup, 300 here" in outcome.error and "optimizer" not in outcome.error
    for option, value, then in (("--epochs", 6, 5), ("--seed", 5, 0), ("--recipe", "best", None)):
        outcome = command("train", "mlp", *options, "--resume", option, value)
        assert f"{option} is {then!r} in the backup, {value!r} here" in outcome.error
        assert outcome.error.endswith("The same command without --resume begins anew, too")
    outcome = command("train", "mlp", *options, "--resume", "--time-limit", "1h")
    assert "--time-limit is None in the backup, 3600.0 here." in outcome.error and "callbacks" not in outcome.error
    outcome = command("train", "mlp", *options, "--resume", "--backend", "reference")
    assert "--backend is 'numpy' in the backup, 'reference' here." in outcome.error
    assert (tmp_path / "mlp.backup.safetensors").exists(), "a refusal costs nothing"


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("network", "option", "says"),
    [
        ("lenet5", ["--variant", "1998"], "--variant is None in the backup, '1998' here."),
        ("deepconvnet", ["--no-last-dropout"], "--no-last-dropout is False in the backup, True here."),
    ],
)
def test_another_form_of_the_network_is_refused_by_the_name_of_its_option(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: str, option: Any, says: str
) -> None:
    options = ["--data", data, "--out", tmp_path, "--limit", 64, "--batch-size", 16, "--backup-every", 1, "--quiet"]
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        assert command("train", network, *options).status == 130
    outcome = command("train", network, *options, "--resume", *option)
    assert outcome.status == 1 and says in outcome.error and "network." not in outcome.error


@pytest.mark.usefixtures("no_pictures")
def test_a_backup_that_is_older_than_an_option_agrees_with_it(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it had been written before the options of the network, the time limit and the backend were compared."""
    options = ["--data", data, "--out", tmp_path, "--quiet"]
    backup = tmp_path / "mlp.backup.safetensors"
    for left_out in (["--variant", "--no-last-dropout", "--time-limit", "--backend"], None):
        train_interrupted(command, monkeypatch, *options)
        state = read_state(backup)
        for name in left_out or list(state["settings"]["settings"]):
            del state["settings"]["settings"][name]
        if left_out is None:
            del state["settings"]["settings"]
        write_state(backup, state)
        assert command("train", "mlp", *options, "--resume").status == 0


@pytest.mark.usefixtures("no_pictures")
def test_the_best_weights_of_an_older_backup_are_known(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 0.1 called them `weights`, and counted epochs from 1."""
    options = ["--data", data, "--out", tmp_path, "--quiet"]
    train_interrupted(command, monkeypatch, *options)
    backup = tmp_path / "mlp.backup.safetensors"
    state = read_state(backup)
    (best,) = (own for own in state["callbacks"] if own and "best_weights" in own)
    best["weights"], best["epoch"] = best.pop("best_weights"), best.pop("best_epoch") + 1
    write_state(backup, state)
    monkeypatch.setattr(xpnet.optimizers.Adam, "step", interrupt)
    outcome = command("train", "mlp", *options, "--resume")
    assert outcome.status == 130 and "kept the weights of epoch 1 (best test accuracy so far: 0." in outcome.err


@pytest.mark.usefixtures("no_pictures")
def test_more_epochs_go_on_where_the_learning_rate_does_not_depend_on_them(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--data", data, "--schedule", "constant", "--json"]
    assert command("train", "mlp", *options, "--epochs", 3, "--out", tmp_path / "never").status == 0
    train_interrupted(command, monkeypatch, *options, "--epochs", 2, "--out", tmp_path)
    outcome = command("train", "mlp", *options, "--epochs", 3, "--out", tmp_path, "--resume")
    assert outcome.status == 0 and len(json.loads(outcome.out)["history"]["loss"]) == 3
    assert (tmp_path / "mlp.safetensors").read_bytes() == (tmp_path / "never" / "mlp.safetensors").read_bytes()


@pytest.mark.usefixtures("no_pictures")
def test_a_new_training_says_that_there_is_one_to_go_on_with_and_replaces_it_after_an_epoch(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--data", data, "--out", tmp_path]
    backup = tmp_path / "mlp.backup.safetensors"
    for steps, epoch in ((40, 3), (5, 3), (20, 1)):
        with monkeypatch.context() as patch:
            interrupt_after(patch, steps)
            outcome = command("train", "mlp", *options)
        assert outcome.status == 130 and read_state(backup)["progress"]["epoch"] == epoch
        assert ("begins anew; --resume goes on with the training in" in outcome.err) == (steps != 40)
    assert command("train", "mlp", *options, "--quiet").status == 0
    assert not backup.exists()


@pytest.mark.usefixtures("no_pictures")
def test_a_damaged_backup_is_one_line_with_what_to_do(command: Command, tmp_path: Path, data: Path) -> None:
    options = ["--data", data, "--out", tmp_path, "--limit", 64, "--quiet"]
    (tmp_path / "mlp.backup.safetensors").write_bytes(b"nothing of the kind")
    outcome = command("train", "mlp", *options, "--resume")
    assert outcome.status == 1 and "is no backup of a training: it is a text file" in outcome.error
    advice = "Choose another path for that. The same command without --resume begins anew, too"
    assert outcome.error.endswith(advice)
    assert command("train", "mlp", *options).status == 0, "the advice does not help"


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_the_command_goes_on_after_a_kill_from_outside(data: Path, tmp_path: Path) -> None:
    """The files of two trainings, of which one was killed twice, wherever it was."""
    options = ["--epochs", 8, "--data", data, "--backup-every", 2]
    ways = []
    for name in ("never", "killed"):
        out = tmp_path / name
        if name == "killed":
            for resume in ([], ["--resume"]):
                child = process("train", "mlp", *options, "--out", out, *resume)
                before = _stamp(out)
                while child.poll() is None and _stamp(out) in (None, before):
                    time.sleep(0.001)
                child.kill()
                child.communicate(timeout=60)
                assert child.returncode == -signal.SIGKILL
        resume = ["--resume"] if name == "killed" else []
        child = process("train", "mlp", *options, "--out", out, *resume)
        _, err = child.communicate(timeout=60)
        assert child.returncode == 0, err
        assert ("resumes in epoch " in err) == (name == "killed")
        ways.append({file: (out / file).read_bytes() for file in ("mlp.safetensors", "history.csv")})
        assert not list(out.glob("*backup*"))
    assert ways[0] == ways[1]


def _stamp(out: Path) -> int | None:
    """Changes when a backup is written."""
    try:
        return (out / "mlp.backup.safetensors").stat().st_mtime_ns
    except FileNotFoundError:
        return None
