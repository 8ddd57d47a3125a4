"""What the commands say where a device, a pipe or no possible name stands in the place of a file: one line, and 1."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.helpers import Command
from xpnet import networks

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="other systems have no such files")


def test_commands_say_so_in_one_line(command: Command, tmp_path: Path) -> None:
    pipe = tmp_path / "history.csv"
    os.mkfifo(pipe)
    (tmp_path / "shown.png").symlink_to("/dev/full")
    networks.MLP(hidden=2).save(tmp_path / "mlp")
    Image.fromarray(np.pad(np.full((14, 4), 255, np.uint8), 8)).save(tmp_path / "1.png")
    train = ("train", "mlp", "--limit", 32, "--epochs", 1, "--quiet")
    for line, says in (
        ((*train, "--out", tmp_path), "it is a named pipe; choose another place with --out"),
        ((*train, "--out", tmp_path / ("n" * 300)), "File name too long; choose another with --out"),
        (("evaluate", pipe), "it is a named pipe, and no file"),
        (("summary", pipe), "it is a named pipe, and no file"),
        (("predict", pipe, "--model", tmp_path / "mlp"), "it is a named pipe, and no file"),
        (("predict", tmp_path / "1.png", "--model", pipe), "it is a named pipe, and no file"),
        (
            ("predict", tmp_path / "1.png", "--model", tmp_path / "mlp", "--show", tmp_path / "shown.png"),
            "it is a device. Choose another path",
        ),
    ):
        outcome = command(*line)
        assert outcome.status == 1 and outcome.error.endswith(says), outcome
    assert stat.S_ISFIFO(pipe.stat().st_mode)
