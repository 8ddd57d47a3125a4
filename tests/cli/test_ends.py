"""How the commands end when it is not by themselves: after Ctrl-C, when nobody reads, and when a disk is full."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import xpnet
from tests.cli.helpers import Command, unread

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def interrupted_while_it_imports(package: str, folder: Path, *line: object) -> tuple[int, str]:
    """Exit status and stderr of a Python that gets Ctrl-C while it imports the package."""
    (folder / f"{package}.py").write_text("import time\nprint('imports', flush=True)\ntime.sleep(60)\n")
    path = os.pathsep.join([str(folder), str(ROOT)])
    child = subprocess.Popen(
        [sys.executable, *map(str, line)],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None and child.stdout.readline() == "imports\n"
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    return child.returncode, err


@pytest.mark.parametrize("package", ["numpy", "click"])  # one that xpnet imports, one that its commands do
@pytest.mark.parametrize("way", ["module", "script"])
def test_ctrl_c_while_the_command_is_imported_is_no_traceback(tmp_path: Path, package: str, way: str) -> None:
    script = tmp_path / "bin" / "xpnet"
    script.parent.mkdir()
    script.write_text("import sys\nfrom xpnet.cli import main\nsys.exit(main())\n")
    line = ["-m", "xpnet", "--help"] if way == "module" else [script, "--help"]
    assert interrupted_while_it_imports(package, tmp_path, *line) == (-signal.SIGINT, "")


def test_ctrl_c_while_a_program_of_ones_own_imports_xpnet_is_its_own_affair(tmp_path: Path) -> None:
    program = "try:\n    import xpnet\nexcept KeyboardInterrupt:\n    print('caught', file=__import__('sys').stderr)"
    assert interrupted_while_it_imports("numpy", tmp_path, "-c", program) == (0, "caught\n")


def test_ctrl_c_in_a_command_is_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(xpnet.Model, "summary", interrupt)
    outcome = command("summary", "mlp")
    assert (outcome.status, outcome.err) == (130, "xpnet: error: interrupted\n")


@pytest.mark.parametrize("line", [["--help"], ["doctor"], ["summary", "deepconvnet"], ["gradcheck", "relu"]])
def test_a_command_whose_output_nobody_reads_ends_quietly(line: list[str]) -> None:
    assert unread(*line) == (141, "")


def test_an_error_that_nobody_reads_keeps_its_status() -> None:
    assert unread("summary", "resnet", both=True) == (2, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is always full")
def test_a_full_disk_behind_stdout_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        line = [sys.executable, "-m", "xpnet", "summary", "mlp"]
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "xpnet: error: No space left on device\n")
