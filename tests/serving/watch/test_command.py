"""`xpnet train --watch`: the page of a training from the command line."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.serving.watch.helpers import Page
from xpnet import serving
from xpnet.cli.train import train

pytestmark = pytest.mark.slow
pytest.importorskip("uvicorn", reason="pages need the extra web")
pytest.importorskip("starlette", reason="pages need the extra web")
pytest.importorskip("websockets", reason="pages need the extra web")


@contextmanager
def training(*arguments: object) -> Iterator["subprocess.Popen[str]"]:
    line = [sys.executable, "-m", "xpnet", "train", *map(str, arguments), "--limit", "2000"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.wait(60)


@pytest.mark.parametrize(
    "watch", [["--watch", "mlp"], ["mlp", "--watch", "0"], ["mlp", "--watch=0"], ["mlp", "--watch"]]
)
def test_the_page_is_there_and_stops_the_training(watch: list[str], tmp_path: Path) -> None:
    with training(*watch, "--epochs", 1000, "--out", tmp_path) as process:
        assert process.stdout is not None and process.stderr is not None
        first = process.stdout.readline()
        assert re.fullmatch(r"watch this training: http://127\.0\.0\.1:\d+/\n", first)
        page = Page(first.split()[-1])
        page.wait("steps")
        page.ask("stop")
        rest = process.stdout.read()
        assert "test accuracy 0." in rest and process.wait(60) == 0 and not process.stderr.read()
        assert [frame.fields["ended"] for frame in page.frames if frame.kind == "state"][-1] == "stopped"
        page.close()
    assert (tmp_path / "mlp.safetensors").exists()


def test_quiet_and_json_say_it_on_stderr(tmp_path: Path) -> None:
    for option in ("--quiet", "--json"):
        with training("mlp", "--epochs", 1, "--out", tmp_path, "--watch", 0, option) as process:
            out, err = process.communicate(timeout=60)
            assert process.returncode == 0 and "watch" not in out
            assert err.startswith("watch this training: http://127.0.0.1:") and err.count("http") == 1


def test_a_port_that_is_taken_ends_the_command_before_anything_is_read(tmp_path: Path) -> None:
    watch = serving.Watch(0)
    port = watch.open().rstrip("/").rpartition(":")[2]
    with training("mlp", "--watch", port, "--out", tmp_path) as process:
        _, err = process.communicate(timeout=60)
        assert process.returncode and len(err.splitlines()) == 1
        assert err.startswith(f"xpnet: error: Watch cannot listen on 127.0.0.1, port {port} (")
    watch.close()


@pytest.mark.parametrize("port", ["--watch=70000", "--watch=-1", "--watch=here"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    result = CliRunner().invoke(train, ["mlp", port])
    assert result.exit_code == 2 and "is no port; give a number from 0 to 65535, or none" in result.output
