"""What type checkers see of the package, in a user's file: every public name, and none that is not there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="mypy is not installed")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

OWN = """
from collections.abc import Callable
from typing import Any

import numpy as np

import xpnet
from xpnet import Layer, Model, layers, losses, metrics, optimizers, schedules


class Scaled(Layer):
    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def build(self, shape: tuple[int, ...]) -> None:
        self.scale = self.parameter(np.ones(shape))

    def forward(self, x: Any, train: bool = False) -> tuple[Any, Callable[[Any], Any]]:
        self.check(x)
        return x * self.scale.value, lambda dy: dy * self.scale.value


class Joined(Layer):
    def forward(self, a: Any, b: Any, train: bool = False) -> tuple[Any, Callable[[Any], Any]]:
        return a + b, lambda dy: (dy, dy)


class Net(Model):
    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, x: Any) -> Any:
        return self.dense(x)


class Plain(optimizers.Optimizer):
    def step(self, p: Any, state: Any, lr: float) -> None:
        p.value -= lr * p.grad


class Halved(schedules.Schedule):
    def __call__(self, step: int) -> float:
        return float(0.1 / 2**step)


class Own(losses.Loss):
    def forward(self, y: Any, t: Any, backend: Any = None) -> Any:
        return 0.0, lambda: y


class Counted(metrics.Metric):
    def count(self, y: Any, t: Any, backend: Any) -> Any:
        return 1


model = Net()
model.compile(Plain(lr=Halved()), Own(), [Counted()])
model.predict(np.ones((2, 3)))
xpnet.gradient_check(Scaled(), np.ones((2, 3)))
"""

THERE = """
import xpnet
from xpnet import callbacks, data, datasets, layers, networks, visualize
from xpnet.datasets import mnist

print(layers.MaxPool2D(2), data.Loader, data.augment.Flip, data.hold_out, datasets.mnist, networks.ResNet20)
print(callbacks.TensorBoard, xpnet.datasets.mnist, xpnet.random.seed, xpnet.analysis, xpnet.sklearn, visualize, mnist)
print(layers.Dense(2).weight.value, layers.BatchNorm1D().running_mean, layers.Conv2D(2, 3).bias)
layers.Dense(2).trainable = False
"""

NOT_THERE = """
import xpnet
from xpnet import callbacks, data, datasets, initializers, layers, losses, metrics, networks, optimizers, schedules
layers.MaxPooling2D(2)
print(data.DataLoader)
print(callbacks.Nothing)
print(losses.Nothing)
print(metrics.Nothing)
print(optimizers.Nothing)
print(schedules.Nothing)
print(networks.Nothing)
print(initializers.Nothing)
print(datasets.load_mnist)
print(xpnet.nn)
from xpnet.layers import Affine
xpnet.Sequential().get_layer
print(xpnet.Model().nothing)
print(layers.Dense(2).nothing)
layers.Dense(2).frozen = True
"""


def test_a_user_s_file_is_checked(tmp_path: Path) -> None:
    square = re.search(r"```python\n(.*?class Square.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL)
    assert square
    for name, text in {"own": OWN, "square": square[1], "there": THERE, "not_there": NOT_THERE}.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    files = sorted(path.name for path in tmp_path.glob("*.py"))
    options = ["--strict", "--follow-imports=silent", "--no-error-summary", "--cache-dir", str(tmp_path / "cache")]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *files],
        cwd=tmp_path, env=os.environ | {"MYPYPATH": str(ROOT)}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    said = done.stdout.splitlines()
    assert [line for line in said if not line.startswith("not_there.py")] == [], done.stderr
    last = len(NOT_THERE.splitlines())
    assert [int(line.split(":")[1]) for line in said if "[attr-defined]" in line] == list(range(4, last + 1)), said
