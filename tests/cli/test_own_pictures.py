"""The commands on a folder of one's own pictures, from the folder to the class of one file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

import xpnet
from tests.cli.helpers import Command
from xpnet import cli, layers
from xpnet.cli.pictures import OwnPictures
from xpnet.data import ImageFolder, Loader, Normalize, Preparation, read_image
from xpnet.networks.recipes import NETWORKS, RECIPES

pytestmark = pytest.mark.usefixtures("no_pictures")
SHAPES = ("bar", "disc", "ring")


def draw(path: Path, shape: str, rng: np.random.Generator, colour: tuple[int, int, int] = (250, 240, 90)) -> None:
    image = Image.new("RGB", (40, 32), (30, 30, 60))
    pen, (x, y) = ImageDraw.Draw(image), rng.integers(0, 12, 2).tolist()
    if shape == "bar":
        pen.rectangle((x + 2, y + 6, x + 22, y + 9), fill=colour)
    else:
        pen.ellipse((x + 4, y, x + 20, y + 16), outline=colour, width=3, fill=colour if shape == "disc" else None)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for shape, count in zip(SHAPES, (30, 40, 50), strict=True):
        for i in range(count):
            draw(folder / shape / f"{i}.png", shape, rng)
    return folder


@pytest.fixture(scope="module")
def shapes(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that was trained on them."""
    folder = tmp_path_factory.mktemp("runs")
    line = ["train", "lenet5", "--epochs", "6", "--batch-size", "16", "--quiet", "--data", photos, "--out", folder]
    assert cli.run([*map(str, line)]) == 0
    return folder / "lenet5.safetensors"


def test_train_evaluate_predict(command: Command, photos: Path, shapes: Path, tmp_path: Path) -> None:
    model = xpnet.load(shapes)
    assert model.class_names == list(SHAPES) and model.output_shape(model.input_shape) == (3,)
    assert model.preparation is not None and model.preparation.config() == Preparation(28, grayscale=True).config()
    result = json.loads(command("evaluate", shapes, "--data", photos, "--json").out)
    assert result["classes"] == list(SHAPES) and result["images"] == 120 and result["test_accuracy"] > 0.9
    told = command("evaluate", shapes, "--data", photos).out
    assert "a row for each class" in told and "\n0: bar, 1: disc, 2: ring\n" in told
    right = 0
    for shape in SHAPES:
        draw(tmp_path / f"{shape}.png", shape, np.random.default_rng(9))
    pictures = [tmp_path / f"{shape}.png" for shape in SHAPES]
    outcome = command("predict", *pictures, "--model", shapes)
    assert outcome.status == 0 and outcome.err == ""
    for line, shape in zip(outcome.out.splitlines(), SHAPES, strict=True):
        assert line.startswith(f"{tmp_path / shape}.png: ") and line.endswith(" %)")
        right += f": {shape} (" in line
    assert right >= 2


def test_predict_names_the_classes_and_shows_what_was_seen(
    command: Command, shapes: Path, photos: Path, tmp_path: Path
) -> None:
    picture, out = photos / "ring" / "0.png", tmp_path / "seen.png"
    outcome = command("predict", picture, "--model", shapes, "--top", 3, "--json", "--show", out)
    (prediction,) = json.loads(outcome.out)["predictions"]
    assert {each["class"] for each in prediction["top"]} == set(SHAPES) and prediction["class"] in SHAPES
    model = xpnet.load(shapes)
    assert model.preparation is not None
    chances = xpnet.analysis.predictions.probabilities(model, model.preparation.read(picture))[0]
    assert [each["probability"] for each in prediction["top"]] == sorted(map(float, chances), reverse=True)
    with Image.open(out) as sheet:
        seen = np.asarray(sheet.convert("L"))[10:290, 300:580].reshape(28, 10, 28, 10)[:, 0, :, 0]
    np.testing.assert_array_equal(seen, read_image(picture, 28, grayscale=True)[0])
    assert command("predict", tmp_path / "no.png", picture, "--model", shapes).status == 1


def test_any_network_that_knows_how(command: Command, photos: Path, tmp_path: Path) -> None:
    """In colour, wide, and normalized; one without names gives numbers; transparency as it is said."""
    model = xpnet.Sequential([layers.Flatten(), layers.Dense(4)])
    model.compile()
    source = ImageFolder(photos, (8, 16), fit="stretch")
    model.fit(Loader(source, transform=Normalize([0.5] * 3, [0.2] * 3)), verbose=0)
    model.save(tmp_path / "wide.safetensors")
    picture, out = photos / "bar" / "3.png", tmp_path / "seen.png"
    line = ["predict", picture, "--model", tmp_path / "wide.safetensors", "--top", 4, "--show", out]
    assert all(f" {name} (" in command(*line).out for name in (*SHAPES, "3"))
    with Image.open(out) as sheet:
        assert np.unique(np.asarray(sheet)[80:220, 300:580].reshape(-1, 3), axis=0).shape[0] > 2
    again = xpnet.load(tmp_path / "wide.safetensors")
    assert again.preparation is not None
    x, _ = next(iter(Loader(source, 1, shuffle=False, transform=Normalize([0.5] * 3, [0.2] * 3))))
    assert np.array_equal(again.preparation.read(source.name(0)), x)
    again.class_names = None
    again.save(tmp_path / "numbers.safetensors")
    (found,) = json.loads(command("predict", picture, "--model", tmp_path / "numbers.safetensors", "--json").out)[
        "predictions"
    ]
    assert found["class"] in "0123"
    strokes = Image.new("RGBA", (16, 8), (0, 0, 0, 0))
    strokes.paste((0, 0, 0, 255), (4, 3, 12, 5))
    strokes.save(tmp_path / "strokes.png")
    line = ["predict", tmp_path / "strokes.png", "--model", tmp_path / "wide.safetensors", "--json"]
    auto, light, dark = (
        json.loads(command(*line, *more).out)["predictions"][0]["probability"]
        for more in ([], ["--background", "light"], ["--background", "dark"])
    )
    assert auto == light != dark


def test_a_preparation_that_does_not_fit_is_refused(command: Command, photos: Path, tmp_path: Path) -> None:
    model = xpnet.Sequential([layers.Flatten(), layers.Dense(3)])
    model.build((1, 28, 28))
    model.preparation = Preparation(28)
    model.save(tmp_path / "a")
    outcome = command("predict", photos / "bar" / "0.png", "--model", tmp_path / "a")
    assert "its preparation makes pictures (3, 28, 28), and the network takes (1, 28, 28)" in outcome.error
    model.preparation = Preparation(grayscale=True)
    model.save(tmp_path / "a")
    outcome = command("predict", photos / "bar" / "0.png", "--model", tmp_path / "a")
    assert outcome.status == 1 and "the picture is (1, 32, 40), and the network takes (1, 28, 28)" in outcome.error
    outcome = command("evaluate", tmp_path / "a", "--data", photos)
    assert "the network knows no names of classes" in outcome.error


@pytest.mark.parametrize("name", [*NETWORKS, *RECIPES])
def test_every_network_has_as_many_outputs_as_there_are_classes(name: str) -> None:
    model = (NETWORKS | RECIPES)[name].make(classes=3)
    assert model.output_shape((1, 28, 28)) == (3,)


def test_options_go_on_working(command: Command, photos: Path, tmp_path: Path) -> None:
    """Augmentation, validation, a limit; and the same seed gives the same network."""
    line = ["train", "mlp", "--recipe", "best", "--epochs", 1, "--limit", 60, "--validation", 0.2, "--data", photos]
    outcome = command(*line, "--seed", 3, "--out", tmp_path / "a")
    assert outcome.status == 0
    assert f"xpnet: {photos}: 3 classes (bar, disc, ring), 48 pictures to train on, 24 to test on" in outcome.err
    assert "classes" not in command(*line, "--seed", 3, "--out", tmp_path / "b", "--quiet").err
    first, second = ((tmp_path / run / "mlp.safetensors").read_bytes() for run in "ab")
    assert first == second


def test_the_parts_are_of_each_class_and_apart(photos: Path) -> None:
    (x, t), held_out, (x_test, t_test) = OwnPictures(str(photos)).parts(seed=1, limit=None, validation=0.25)
    assert held_out is not None
    assert [np.bincount(each).tolist() for each in (t, held_out[1], t_test)] == [[18, 24, 30], [6, 8, 10], [6, 8, 10]]
    assert x.dtype == np.float32 and x.shape == (72, 1, 28, 28) and x.max() <= 1
    assert x_test.shape == (24, 1, 28, 28)
    mixed, _, _ = OwnPictures(str(photos)).parts(seed=1, limit=20, validation=0)
    assert len(mixed[0]) == 20 and len(np.unique(mixed[1])) == 3


def test_a_folder_that_is_neither_is_told_what_was_expected(command: Command, photos: Path, tmp_path: Path) -> None:
    def error(*files: str, folder: str = "data") -> str:
        for name in files:
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).write_bytes((photos / "bar" / "0.png").read_bytes())
        outcome = command("train", "mlp", "--data", tmp_path / folder, "--out", tmp_path / "out")
        assert outcome.status == 1 and outcome.out == ""
        return outcome.error

    (tmp_path / "data").mkdir()
    expected = f"{tmp_path / 'data'} holds neither MNIST's four files (train-images-idx3-ubyte, ...) nor a folder for"
    assert error().startswith(expected) and error().endswith("cats/1.jpg")
    assert error("a.png", "b.jpg", "empty/readme.txt").endswith("; its 2 pictures lie in no class's folder")
    parts = error("train/a/1.png", "test/a/1.png", folder="parts")
    assert "parts of a data set and no classes: name one of them" in parts and parts.endswith("parts/test")
    assert "one class, only: there is nothing to tell apart" in error(
        *(f"only/{i}.png" for i in range(5)), folder="one"
    )
    assert "class 'a' has one sample only" in error("a/1.png", "b/1.png", "b/2.png", folder="few")


def test_what_was_left_out_is_said_in_one_line(command: Command, tmp_path: Path, photos: Path, shapes: Path) -> None:
    for shape in SHAPES:
        (tmp_path / shape).mkdir()
        (tmp_path / shape / "0.png").write_bytes((photos / shape / "0.png").read_bytes())
    (tmp_path / "bar" / "notes.txt").write_text("")
    outcome = command("evaluate", shapes, "--data", tmp_path)
    assert outcome.status == 0 and outcome.err.startswith(f"xpnet: {tmp_path}: left out is 1 file: bar/notes.txt; ")
    assert len(outcome.err.splitlines()) == 1
    (tmp_path / "ring").rename(tmp_path / "square")
    assert "does not know the class 'square'" in command("evaluate", shapes, "--data", tmp_path).error


def test_an_interrupted_training_on_a_folder_goes_on(
    command: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.cli.helpers import interrupt_after

    line = ["train", "mlp", "--epochs", 2, "--batch-size", 16, "--data", photos, "--quiet", "--out"]
    assert command(*line, tmp_path / "whole").status == 0
    with monkeypatch.context() as patch:
        interrupt_after(patch, 8)
        assert command(*line, tmp_path / "parts").status == 130
    assert xpnet.load(tmp_path / "parts" / "mlp.safetensors").class_names == list(SHAPES)
    assert command(*line, tmp_path / "parts", "--resume").status == 0
    whole, parts = ((tmp_path / run / "mlp.safetensors").read_bytes() for run in ("whole", "parts"))
    assert whole == parts


def test_digits_are_read_as_before(command: Command, trained: Path, digit: Path, tmp_path: Path) -> None:
    model: Any = xpnet.load(trained / "mlp.safetensors")
    assert model.class_names is None and model.preparation is None
    model.class_names = [f"number {i}" for i in range(10)]
    model.save(tmp_path / "named.safetensors")
    assert ": number 7 (" in command("predict", digit, "--model", tmp_path / "named.safetensors").out


@pytest.mark.parametrize("words", ["train mlp", "evaluate"])
def test_a_folder_that_is_not_there(command: Command, tmp_path: Path, words: str, photos: Path) -> None:
    nope, given = tmp_path / "nope", words.split()
    if words == "evaluate":
        given.append(str(tmp_path / "a.safetensors"))
        xpnet.networks.MLP().save(given[-1])
    out = [] if words == "evaluate" else ["--out", tmp_path / "run"]
    result = command(*given, "--data", nope, *out)
    assert result.status == 1 and f"{nope} is not a folder; expected one with MNIST's four files" in result.err
    assert "or with a folder for each class and its pictures in it" in result.err


def test_a_network_of_other_pictures_without_a_preparation(command: Command, photos: Path, tmp_path: Path) -> None:
    net = xpnet.Sequential([layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3)])
    net.build((3, 16, 16))
    net.save(tmp_path / "a.safetensors")
    result = command("predict", next(photos.rglob("*.png")), "--model", tmp_path / "a.safetensors")
    assert result.status == 1 and "digits need (1, 28, 28) or (784,). For pictures of your own" in result.err
    assert "model.preparation" in result.err and "model.class_names" in result.err and "own_data.md" in result.err


def test_a_network_of_other_pictures_is_not_held_against_digits(command: Command, photos: Path, tmp_path: Path) -> None:
    assert command("train", "mlp", "--data", photos, "--epochs", 1, "--quiet", "--out", tmp_path / "out").status == 0
    error = command("evaluate", tmp_path / "out" / "mlp.safetensors").error
    assert "was trained on pictures of" in error and "by --data FOLDER" in error
