"""The commands: what they print, their exit statuses, and one line for whatever goes wrong."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.cli.helpers import Command, process
from xpnet import layers
from xpnet.core.layer import Layer
from xpnet.data import datasets, read_digit
from xpnet.errors import BackendError
from xpnet.files.state import write_state

# ---- help ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["train", "evaluate", "predict", "summary", "gradcheck", "doctor"])
def test_every_command_has_help(command: Command, name: str) -> None:
    outcome = command(name, "--help")
    assert outcome.status == 0 and outcome.err == ""
    assert outcome.out.startswith(f"Usage: xpnet {name}") and "--backend" in outcome.out


def test_without_a_command_the_commands_are_listed(command: Command) -> None:
    for arguments in ([], ["--help"], ["-h"]):
        outcome = command(*arguments)
        assert outcome.status == 0 and "train" in outcome.out and "doctor" in outcome.out
        assert "..." not in outcome.out.partition("Commands:")[2], "a description is cut off"


def test_version(command: Command) -> None:
    assert command("--version").out == f"xpnet {xpnet.__version__}\n"


def test_help_does_not_wait_for_packages_that_only_some_commands_need() -> None:
    heavy = "{'matplotlib', 'PIL', 'safetensors', 'threadpoolctl', 'tqdm', 'torch'}"
    check = f"import sys, xpnet.cli; xpnet.cli.run(['--help']); sys.exit(str({heavy} & set(sys.modules) or ''))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == "" and done.stdout.startswith("Usage: xpnet")


def test_python_m_xpnet_is_the_command_and_keeps_its_status() -> None:
    for arguments, status in ((["--version"], 0), (["nonsense"], 2)):
        child = process(*arguments)
        out, err = child.communicate(timeout=60)
        assert child.returncode == status
        assert (out if status == 0 else err).startswith("xpnet")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "resnet"], "'resnet' is not one of 'simpleconvnet'"),
        (["train"], "which network? Name one of"),
        (["train", "mlp", "--epochs", "0"], "--epochs"),
        (["train", "mlp", "--epochs", "many"], "'many'"),
        (["train", "mlp", "--optimizer", "adan"], "'adan' is not one of 'sgd'"),
        (["train", "mlp", "--validation", "1"], "--validation"),
        (["train", "mlp", "--backend", "abacus"], "'abacus' is not one of 'numpy'"),
        (["train", "mlp", "--variant", "1998"], "--variant is for lenet5"),
        (["train", "mlp", "--colour"], "--colour"),
        (["summary", "resnet"], "no network or file 'resnet'; the networks are simpleconvnet"),
        (["gradcheck", "Conv3D"], "no layer 'Conv3D'; the layers are AdaptiveAvgPool1D, "),
        (["predict"], "IMAGE"),
        (["fly"], "No such command 'fly'"),
    ],
)
def test_a_command_line_that_cannot_be_understood(command: Command, arguments: Sequence[str], says: str) -> None:
    outcome = command(*arguments)
    assert outcome.status == 2 and outcome.out == ""
    assert says in outcome.error and "--help" in outcome.error


@pytest.mark.parametrize("lr", ["0", "-1", "nan", "inf"])
def test_a_learning_rate_that_cannot_be(command: Command, data: Path, tmp_path: Path, lr: str) -> None:
    outcome = command("train", "mlp", "--lr", lr, "--data", data, "--out", tmp_path)
    assert outcome.status == 1 and "lr must be a positive number" in outcome.error


def test_a_place_that_cannot_be_written_to_is_refused_before_the_data_are_read(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xpnet.data.datasets.read_idx", None)
    (tmp_path / "file").touch()
    (tmp_path / "full" / "mlp.safetensors").mkdir(parents=True)
    for place, says in (
        (tmp_path / "file", "it is a file"),
        (tmp_path / "file" / "below", "Not a directory"),
        (tmp_path / "full", "it is a folder"),
        ("/dev/null/x", "cannot write"),
    ):
        outcome = command("train", "mlp", "--out", place)
        assert outcome.status == 1 and says in outcome.error and "--out" in outcome.error


def test_data_that_are_not_there_or_damaged(command: Command, tmp_path: Path, data: Path) -> None:
    outcome = command("train", "mlp", "--data", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert outcome.status == 1 and "not a folder" in outcome.error
    for file in data.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[:1000])
    outcome = command("train", "mlp", "--data", tmp_path, "--out", tmp_path / "out")
    assert outcome.status == 1 and "truncated" in outcome.error


def test_cupy_without_a_device(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = "backend 'cupy': CuPy is not installed. Install it: pip install \"xpnet[cuda13]\""

    def missing() -> None:
        raise BackendError(message)

    monkeypatch.setattr("xpnet.backend.cuda.backend.require_device", missing)
    xpnet.backend._made.clear()
    for arguments in (["train", "mlp", "--out", tmp_path], ["summary", "mlp"], ["gradcheck", "relu"]):
        outcome = command(*arguments, "--backend", "cupy")
        assert outcome.status == 1 and outcome.error == message and outcome.out == ""


def test_an_unknown_backend_in_the_environment(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPNET_BACKEND", "abacus")
    outcome = command("summary", "mlp")
    assert outcome.status == 1 and "there is no backend 'abacus'" in outcome.error


def test_too_little_memory(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise MemoryError("Unable to allocate 1 TiB")

    monkeypatch.setattr(xpnet.Model, "summary", fail)
    outcome = command("summary", "mlp")
    assert outcome.status == 1 and "1 TiB" in outcome.error and "--batch-size" in outcome.error


# ---- evaluate, summary -----------------------------------------------------------------------------------------------


def test_evaluate_prints_accuracy_loss_and_confusion(command: Command, data: Path, trained: Path) -> None:
    file = trained / "mlp.safetensors"
    outcome = command("evaluate", file, "--data", data)
    assert outcome.status == 0 and outcome.err == ""
    result = json.loads(command("evaluate", file, "--data", data, "--json").out)
    lines = outcome.out.splitlines()
    assert lines[:2] == [f"test accuracy {result['test_accuracy']:.4f}", f"test loss {result['test_loss']:.4f}"]
    matrix = np.array(result["confusion_matrix"])
    _, (_, t) = datasets.mnist(data)
    assert result["images"] == 200 and (matrix.sum(axis=1) == np.bincount(t)).all()
    assert np.trace(matrix) / 200 == pytest.approx(result["test_accuracy"]) and result["test_accuracy"] > 0.5
    assert [line.replace(".", "0").split()[1:] for line in lines[4:]] == [[str(n) for n in row] for row in matrix]


def test_evaluate_reads_the_test_images_only(command: Command, data: Path, trained: Path, tmp_path: Path) -> None:
    for file in data.glob("t10k-*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert command("evaluate", trained / "mlp.safetensors", "--data", tmp_path).status == 0


def test_evaluate_takes_a_network_of_flat_digits_that_is_not_compiled(
    command: Command, data: Path, tmp_path: Path
) -> None:
    model = xpnet.Sequential([layers.Dense(10)])
    model.build((784,))
    model.save(tmp_path / "flat.safetensors")
    assert "test accuracy 0." in command("evaluate", tmp_path / "flat.safetensors", "--data", data).out


def test_files_that_are_no_network_for_digits(command: Command, tmp_path: Path, trained: Path, digit: Path) -> None:
    def failure(name: str, content: bytes | None = None) -> str:
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        errors = set()
        for arguments in (["evaluate", path], ["summary", path], ["predict", digit, "--model", path]):
            outcome = command(*arguments)
            assert outcome.status in (1, 2) and outcome.out == ""
            errors.add(outcome.error)
        return " ".join(errors)

    good = (trained / "mlp.safetensors").read_bytes()
    missing = failure("nowhere.safetensors")
    assert "there is no file" in missing and "xpnet train lenet5 makes one in runs/lenet5" in missing
    assert "no safetensors file" in failure("text.safetensors", b"hello, world")
    assert "no safetensors file" in failure("cut.safetensors", good[:-1000])
    assert "no safetensors file" in failure("empty.safetensors", b"")
    assert "the class 'LPM'" in failure("changed.safetensors", good.replace(b"MLP", b"LPM"))
    (tmp_path / "folder").mkdir()
    assert "folder is a folder; name a file that xpnet train wrote" in failure("folder")
    for name in ("mlp.backup.safetensors", "mlp.safetensors"):
        (tmp_path / "folder" / name).touch()
    assert f"name a file: {tmp_path / 'folder' / 'mlp.safetensors'}" in failure("folder")


def test_a_network_of_several_outputs_is_refused(command: Command, data: Path, tmp_path: Path) -> None:
    model = xpnet.Sequential([layers.Flatten(), layers.Dense(20), layers.Split(2)])
    model.build((1, 28, 28))
    model.save(tmp_path / "split.safetensors")
    for arguments in (["evaluate"], ["predict", "picture.png", "--model"]):
        outcome = command(*arguments, str(tmp_path / "split.safetensors"))
        assert outcome.status == 1 and "for digits it needs one image and one output" in outcome.err


def test_a_network_that_is_not_trained_cannot_be_evaluated(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = command("evaluate", "MLP")
    assert outcome.status == 1 and outcome.error.endswith("xpnet train mlp makes one in runs/mlp")


def test_a_backup_is_no_network(command: Command, tmp_path: Path) -> None:
    write_state(tmp_path / "b", {})
    for name in ("evaluate", "summary"):
        outcome = command(name, tmp_path / "b")
        assert outcome.status == 1 and "go on with it by xpnet train ... --resume" in outcome.error


def test_a_network_for_other_images_is_refused(command: Command, tmp_path: Path, digit: Path, data: Path) -> None:
    model = xpnet.Sequential([layers.Flatten(), layers.Dense(10)])
    model.build((3, 32, 32))
    model.save(tmp_path / "colour.safetensors")
    for arguments in (["evaluate"], ["predict", digit, "--model"]):
        outcome = command(*arguments, tmp_path / "colour.safetensors")
        assert outcome.status == 1 and "(3, 32, 32)" in outcome.error and "(1, 28, 28)" in outcome.error


def test_summary_of_a_network_and_of_a_file(command: Command, trained: Path) -> None:
    assert "123,552 parameters" in command("summary", "DeepConvNet").out
    assert "440,814 parameters" in command("summary", "best").out
    assert "101,770 parameters" in command("summary", trained / "mlp.safetensors").out


# ---- predict ---------------------------------------------------------------------------------------------------------


def test_predict_says_which_digit_and_how_sure(command: Command, trained: Path, digit: Path) -> None:
    outcome = command("predict", digit, digit, "--model", trained / "mlp.safetensors")
    assert outcome.status == 0 and outcome.err == ""
    lines = outcome.out.splitlines()
    assert len(lines) == 2 and lines[0].startswith(f"{digit}: 7 (") and lines[0].endswith(" %)")


def test_predict_top_and_json(command: Command, trained: Path, digit: Path) -> None:
    model = trained / "mlp.safetensors"
    assert command("predict", digit, "--model", model, "--top", 3).out.count("%") == 3
    result = json.loads(command("predict", digit, "--model", model, "--top", 10, "--json").out)
    (prediction,) = result["predictions"]
    chances = [entry["probability"] for entry in prediction["top"]]
    assert prediction["digit"] == 7 and prediction["probability"] == chances[0]
    assert chances == sorted(chances, reverse=True) and sum(chances) == pytest.approx(1, abs=1e-5)


def test_a_picture_that_cannot_be_read_does_not_stop_the_others(
    command: Command, trained: Path, digit: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.png").write_text("no picture")
    pictures = [tmp_path / "nowhere.png", digit, tmp_path / "text.png"]
    outcome = command("predict", *pictures, "--model", trained / "mlp.safetensors")
    assert outcome.status == 1
    assert outcome.out.startswith(f"{digit}: 7") and len(outcome.out.splitlines()) == 1
    first, second = outcome.err.splitlines()
    assert first == f"xpnet: error: cannot read {pictures[0]}: No such file or directory"
    assert second.startswith(f"xpnet: error: {pictures[2]} cannot be read as an image (it is a text file; look into it")
    outcome = command("predict", *pictures, "--model", trained / "mlp.safetensors", "--json")
    assert outcome.status == 1
    assert ["error" in prediction for prediction in json.loads(outcome.out)["predictions"]] == [True, False, True]


def test_predict_shows_what_the_network_saw(command: Command, trained: Path, digit: Path, tmp_path: Path) -> None:
    from PIL import Image

    blank = tmp_path / "blank.png"
    Image.new("L", (40, 40), 255).save(blank)
    model, out = trained / "mlp.safetensors", tmp_path / "new" / "seen.png"
    assert command("predict", digit, blank, digit, "--model", model, "--show", out).status == 1
    with Image.open(out) as sheet:
        assert sheet.size == (590, 590)  # two rows of two: what was refused was not seen
        seen = np.asarray(sheet.convert("L"))[10:290, 300:580].reshape(28, 10, 28, 10)
    assert (seen == seen[:, :1, :, :1]).all()  # pixels as squares
    np.testing.assert_array_equal(seen[:, 0, :, 0], np.rint(255 * read_digit(digit)[0]))
    assert "will do" in command("predict", digit, "--model", model, "--show", tmp_path / "seen.wmf").error


def test_predict_finds_the_newest_network(
    command: Command, trained: Path, digit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = command("predict", digit)
    assert outcome.status == 1 and "xpnet train deepconvnet --epochs 1" in outcome.error
    for name, changed, used in (
        ("b", 2000, "b"),
        ("a", 1000, "b"),
        ("c", 3000, "c"),
        ("deepconvnet", 0, "deepconvnet"),
    ):
        file = Path("runs", name, f"{name}.safetensors")
        file.parent.mkdir(parents=True)
        file.write_bytes((trained / "mlp.safetensors").read_bytes())
        os.utime(file, (changed, changed))
        assert command("predict", digit).err == f"xpnet: using {Path('runs', used, f'{used}.safetensors')}\n"
    outcome = command("predict", tmp_path / "nothing.png")
    assert outcome.status == 1 and "using" not in outcome.err  # of no use is any


# ---- gradcheck -------------------------------------------------------------------------------------------------------


def test_gradcheck_covers_every_layer(command: Command) -> None:
    outcome = command("gradcheck")
    assert outcome.status == 0
    for name in set(layers.__all__) - {"Layer"}:
        assert f"  {name}(" in outcome.out
    assert outcome.out.splitlines()[-1].endswith(f"gradients are right on the backend {xpnet.get_backend().name}")


def test_gradcheck_of_some_layers_on_a_backend(command: Command) -> None:
    outcome = command("gradcheck", "relu", "CONV2D", "--backend", "array_api_strict")
    assert outcome.status == 0
    assert {line.split()[1].partition("(")[0] for line in outcome.out.splitlines()[:-1]} == {"ReLU", "Conv2D"}
    assert outcome.out.endswith("on the backend array_api_strict\n")


def test_gradcheck_finds_a_wrong_sign(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    right = layers.Tanh.forward

    def wrong(self: Layer, x: Any, train: bool = False) -> Any:
        y, back = right(self, x, train)
        return y, lambda dy: -back(dy)

    monkeypatch.setattr(layers.Tanh, "forward", wrong)
    outcome = command("gradcheck", "tanh", "sigmoid")
    assert outcome.status == 1
    assert outcome.err.count("xpnet: error: ") == 2 and "the gradient of the input is wrong" in outcome.err
    assert "Sigmoid()" in outcome.out and "1 of 3 gradients are right" in outcome.out
