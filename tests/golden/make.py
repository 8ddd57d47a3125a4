"""The training that the golden backups are of; as a program, it writes those of the version that is current."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import xpnet
from xpnet import Sequential, layers, metrics, optimizers, schedules
from xpnet.callbacks import Backup, CSVLogger, EarlyStopping, History, ModelCheckpoint
from xpnet.files.state import VERSION
from xpnet.optimizers import Optimizer

HERE = Path(__file__).parent


def data(N: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (N, 1, 4, 4) of numbers that no version of a random generator can change."""
    numbers = np.arange(N * 16) * 7919 % 101
    return (numbers / np.float32(101)).astype(np.float32).reshape(N, 1, 4, 4), np.arange(N) % 3


def train(folder: Path, backup: Path, every: int = 2) -> tuple[Sequential, History]:
    """Three epochs of four steps."""
    xpnet.seed(11)
    model = Sequential(
        [
            layers.Conv2D(2, 3, padding="same", activation="relu"), layers.BatchNorm2D(), layers.MaxPool2D(2),
            layers.Flatten(), layers.Dropout(0.25), layers.Dense(3),
        ]
    )  # fmt: skip
    rate = schedules.Cosine(0.01, 12)
    model.compile(optimizers.AdamW(rate, clip_norm=1.0), metrics=["accuracy", metrics.ConfusionMatrix(3)])
    followers = [
        EarlyStopping("loss", patience=5),
        CSVLogger(folder / "history.csv"),
        ModelCheckpoint(folder / "best.safetensors", save_best_only=True),
        Backup(backup, every, keep=True),
    ]
    history = model.fit(*data(15), 4, 3, callbacks=followers, validation_data=data(6))
    return model, history


def result(model: Sequential, history: History) -> dict[str, Any]:
    return {
        "weights": {name: np.asarray(p.value).tolist() for name, p in model.named_parameters()},
        "history": {name: np.asarray(values).tolist() for name, values in history.history.items()},
    }


def main() -> None:
    """Interrupt it in its seventh step, in the middle of the second epoch, and write down how it would have ended."""
    file = HERE / f"backup-{VERSION}.safetensors"
    if file.exists():
        raise SystemExit(f"{file} is there, and golden files do not change")
    os.environ["XPNET_JIT"] = "0"  # a backup with compiled kernels goes on with them only
    update, left = Optimizer.update, iter(range(7))

    def interrupting(*arguments: Any, **options: Any) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        update(*arguments, **options)

    with tempfile.TemporaryDirectory() as folder:
        try:
            Optimizer.update = interrupting
            train(Path(folder), file)
        except KeyboardInterrupt:
            Optimizer.update = update
        ended = result(*train(Path(folder), Path(folder) / "backup"))
    file.with_suffix(".json").write_text(json.dumps(ended, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
