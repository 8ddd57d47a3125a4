"""`xpnet train --watch`: the page of a training from the command line."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.serving.watch.helpers import Page
from xpnet import serving
from xpnet.cli.train import stay, train

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


@pytest.mark.skipif(sys.platform == "win32", reason="there is no terminal of this kind")
@pytest.mark.parametrize("more", [[], ["--no-browser"]], ids=["as it is", "no browser"])
def test_in_a_terminal_the_page_is_opened_and_stays_until_ctrl_c(tmp_path: Path, more: list[str]) -> None:
    import pty

    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    terminal, end = pty.openpty()
    line = [sys.executable, "-m", "xpnet", "train", "mlp", "--epochs", "1", "--limit", "500", "--watch", "0", *more]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which who runs the tests may have turned off
    try:
        process = subprocess.Popen(
            [*line, "--out", str(tmp_path)],
            stdout=subprocess.PIPE, stderr=end, text=True, env=os.environ | {"BROWSER": f"{browser} %s"},
        )  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, before)
    os.close(end)
    said = ""
    with process:
        while "Ctrl-C ends it" not in said:
            said += os.read(terminal, 4096).decode()
        assert (tmp_path / "mlp.safetensors").exists() and process.poll() is None
        found = re.search(r"the page stays at (http://\S+/)", said)
        assert found and opened.exists() is not bool(more)
        assert more or opened.read_text().strip() == found[1]
        page = Page(found[1])
        assert page.wait_for_phase("ended")["ended"] == "finished"
        page.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0 and process.stdout and "test accuracy 0." in process.stdout.read()
    os.close(terminal)


def test_ctrl_c_at_the_very_line_that_names_it_ends_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("click.echo", interrupt)
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("the page stayed"))
    stay("http://127.0.0.1:1/")


def test_a_browser_without_a_page_is_refused() -> None:
    result = CliRunner().invoke(train, ["mlp", "--no-browser"])
    assert result.exit_code == 2 and "--browser and --no-browser go with --watch" in result.output


@pytest.mark.parametrize("port", ["--watch=70000", "--watch=-1", "--watch=here"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    result = CliRunner().invoke(train, ["mlp", port])
    assert result.exit_code == 2 and "is no port; give a number from 0 to 65535, or none" in result.output
