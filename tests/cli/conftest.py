"""Fixtures of the commands' tests: a command line, a small data set, a trained network, a picture of a digit."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.cli.helpers import Command, Outcome
from xpnet import cli
from xpnet.data import datasets, write_idx


@pytest.fixture(scope="session", autouse=True)
def ctrl_c() -> Iterator[None]:
    """Ctrl-C works in the processes that tests start: a shell that puts pytest into the background turns it off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line in this process."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        status = cli.run([str(argument) for argument in arguments])
        return Outcome(status, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the first 400 training images and the first 200 test images of MNIST."""
    folder = tmp_path_factory.mktemp("data")
    for part, (x, t), count in zip(("train", "t10k"), datasets.mnist(normalize=False), (400, 200), strict=True):
        write_idx(folder / f"{part}-images-idx3-ubyte", x[:count, 0])
        write_idx(folder / f"{part}-labels-idx1-ubyte", t[:count].astype(np.uint8))
    return folder


@pytest.fixture(scope="session")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training of three epochs."""
    folder = tmp_path_factory.mktemp("runs") / "mlp"
    assert cli.run(["train", "mlp", "--epochs", "3", "--quiet", "--data", str(data), "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if matplotlib were not installed, which also saves the time that pictures take."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)


@pytest.fixture
def digit(tmp_path: Path, data: Path) -> Path:
    """A picture of MNIST's first test digit, a 7, dark on light and enlarged."""
    from PIL import Image

    _, (x, _) = datasets.mnist(data, normalize=False)
    path = tmp_path / "seven.png"
    Image.fromarray(255 - x[0, 0]).resize((140, 140)).save(path)
    return path
