"""Under pythonw, in services and behind `>&- 2>&-` there is no stdout and no stderr: both are None."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import xpnet
from xpnet import Sequential, backend, layers
from xpnet.base import console
from xpnet.callbacks import Backup, TerminateOnNaN
from xpnet.serving.app import make_app
from xpnet.serving.server import make_server

X, T = np.ones((8, 3), "float32"), np.arange(8) % 2


@pytest.fixture(params=["stderr", "stdout", "stdout stderr"])
def no_console(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in request.param.split():
        monkeypatch.setattr(sys, name, None)
    return str(request.param)


def network() -> Sequential:
    xpnet.seed(0)
    model = Sequential([layers.Dense(2)])
    model.compile("sgd")
    return model


@pytest.mark.parametrize("verbose", [0, 1, 2, "auto"])
def test_training_and_what_follows(no_console: str, verbose: object, tmp_path: Path) -> None:
    model = network()
    for _ in range(2):  # the second time it goes on from the backup, which it would say
        model.fit(X, T, epochs=2, verbose=verbose, callbacks=[Backup(tmp_path / "b", keep=True)])  # type: ignore[arg-type]
    model.evaluate(X, T, verbose=verbose)  # type: ignore[arg-type]
    model.predict(X, verbose=verbose)  # type: ignore[arg-type]
    model.summary()


def test_words_for_stderr_do_not_go_to_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    model = network()
    model.fit(X, T, verbose=1)
    model.fit(np.full((8, 3), 1e30, "float32"), T, epochs=9, verbose=0, callbacks=[TerminateOnNaN()])
    with backend.use_backend("numpy"):
        backend._MAKERS["auto"]()
    assert capsys.readouterr().out == ""


def test_the_server_of_the_pages(no_console: str) -> None:
    assert make_server(make_app({}, False, "watch"), lambda: None)


COMMANDS = ["summary mlp", "evaluate nowhere", "nonsense"]


def test_commands(tmp_path: Path) -> None:
    closed = ">&- 2>&-"  # Python has None for both then
    train = f"train mlp --epochs 1 --limit 100 --validation 0.1 --out {tmp_path}"
    script = "; ".join(f'"{sys.executable}" -m xpnet {each} {closed}; echo $? >&9' for each in [train, *COMMANDS])
    with open(tmp_path / "status", "w+") as status:
        subprocess.run(["bash", "-c", f"exec 9>&{status.fileno()}; {script}"], pass_fds=[status.fileno()], timeout=300)
        status.seek(0)
        assert status.read().split() == ["0", "0", "1", "2"]
    assert (tmp_path / "mlp.safetensors").exists()


def test_who_asks_for_a_terminal_asks_in_one_place() -> None:
    """`sys.stderr.isatty()` is an AttributeError where there is none."""
    package = Path(xpnet.__file__).parent
    asking = {path.name for path in package.rglob("*.py") if ".isatty()" in path.read_text(encoding="utf-8")}
    assert asking == {"console.py"}


class Writer:
    """What some put in the place of stderr."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


@pytest.mark.parametrize("verbose", [0, 1, "auto"])
def test_stderr_that_is_closed_or_can_write_and_no_more(verbose: object, monkeypatch: pytest.MonkeyPatch) -> None:
    closed, writer = io.StringIO(), Writer()
    closed.close()
    for stream in (closed, writer):
        monkeypatch.setattr(sys, "stderr", stream)
        model = network()
        model.fit(X, T, epochs=2, verbose=verbose)  # type: ignore[arg-type]
        model.evaluate(X, T, verbose=verbose)  # type: ignore[arg-type]
        console.say("a line")
        console.above_bar("another")
    assert not console.is_terminal()
    assert "a line\n" in writer.text and "another\n" in writer.text
