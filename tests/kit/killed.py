"""python -m tests.kit.killed BACKEND FOLDER SEED: a training that is killed twenty times, beside one that never was.

Each leg is a process of its own, forked before anything is computed, that goes on from the backup in FOLDER. Most are
killed at a random call of a function, Python's or C's; some in the middle of writing a backup, and just before or after
its renaming; and one finds the disk full. Prints one JSON object: what came out, with and without the kills.
"""

import functools
import hashlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy  # noqa: F401  # now, and not once in every leg

import xpnet
from xpnet import Sequential, layers, optimizers, schedules
from xpnet.base import atomic_files
from xpnet.callbacks import Backup, Callback, CSVLogger, EarlyStopping, ModelCheckpoint
from xpnet.errors import FileError
from xpnet.files import state
from xpnet.files.state import read_state

KILLS = 20
EPOCHS, STEPS = 12, 8
WRITING = ["half written", "half written", "before renaming", "after renaming", "after renaming"]


def data(N: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Noisy pictures (N, 1, 8, 8) of one of four quarters, some of them with the wrong label."""
    rng = np.random.default_rng(0)
    t = np.arange(N) % 4
    x = rng.normal(0, 1, (N, 1, 8, 8))
    for image, label in zip(x, t, strict=True):
        row, column = 4 * (label // 2), 4 * (label % 2)
        image[0, row : row + 4, column : column + 4] += 0.7
    t[::9] = (t[::9] + 1) % 4
    return x.astype("float32"), t


def train(folder: Path, backup: bool) -> dict[str, Any]:
    """The training, and all that it leaves."""
    xpnet.seed(3)
    model = Sequential(
        [
            layers.Conv2D(4, 3, padding="same"), layers.BatchNorm2D(), layers.ReLU(), layers.MaxPool2D(2),
            layers.Flatten(), layers.Dropout(0.3), layers.Dense(12, activation="relu"), layers.Dense(4),
        ]
    )  # fmt: skip
    rate = schedules.Cosine(0.02, EPOCHS * STEPS)
    model.compile(optimizers.Adam(rate, clip_norm=1.0), metrics=["accuracy"])
    callbacks: list[Callback] = [
        EarlyStopping(patience=3),
        CSVLogger(folder / "history.csv"),
        ModelCheckpoint(folder / "best.safetensors", save_best_only=True),
    ]
    if backup:
        callbacks.append(Backup(folder / "backup.safetensors", every=3))
    x, t = data()
    history = model.fit(x, t, 8, EPOCHS, callbacks=callbacks, validation_split=0.2)
    weights = [weight.tobytes() for weight in model.get_weights()]
    return {
        "weights": hashlib.sha256(b"".join(weights)).hexdigest(),
        "history": history.history,
        "epochs": history.epoch,
        "seconds": len(history.seconds),
        "csv": (folder / "history.csv").read_text(),
        "checkpoint": hashlib.sha256((folder / "best.safetensors").read_bytes()).hexdigest(),
        "files": sorted(name for name in os.listdir(folder) if not name.startswith(".xpnet-")),  # of a killed write
        "steps": model.optimizer.steps if model.optimizer else 0,
    }


# ---- what happens to it ----------------------------------------------------------------------------------------------


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_call(limit: int) -> None:
    """Count the calls of functions from now on, and die at the limit."""
    calls = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")
        if calls == limit:
            die()

    sys.setprofile(profile)


def count_calls(counted: Path) -> None:
    """Write down how many calls there are before the first backup, and in all."""
    calls, first, write_atomically = 0, 0, atomic_files.write_atomically

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    def counting(*arguments: Any, **options: Any) -> None:
        nonlocal first
        first = first or calls
        write_atomically(*arguments, **options)
        counted.write_text(f"{first} {calls}")

    state.write_atomically = counting
    sys.setprofile(profile)


def die_writing(how: str, times: int) -> None:
    """Die when a backup is written for the `times`-th time; "disk full" lets the system refuse its second half."""
    write_atomically, replace, written = atomic_files.write_atomically, os.replace, 0

    def half(file: Any, write: Callable[[Any], Any]) -> None:
        start = file.tell()
        write(file)
        file.truncate((start + file.tell()) // 2)
        file.flush()
        die()

    def counting(path: Any, write: Callable[[Any], Any]) -> None:
        nonlocal written
        written += 1
        last = written == times
        if last and how == "disk full":
            resource.setrlimit(resource.RLIMIT_FSIZE, (Path(path).stat().st_size // 2, resource.RLIM_INFINITY))
        if last and how == "before renaming":
            os.replace = die
        write_atomically(path, (lambda file: half(file, write)) if last and how == "half written" else write)
        os.replace = replace
        if last:
            die()

    state.write_atomically = counting


def leg(folder: Path, result: Path, prepare: Callable[[], Any], backup: bool = True) -> int:
    """One process: its exit status, or the negative number of the signal that ended it."""
    child = os.fork()
    if not child:
        status = 1
        try:
            prepare()
            outcome = train(folder, backup)
            sys.setprofile(None)
            result.write_text(json.dumps(outcome))
            status = 0
        except FileError as error:
            print(error, file=sys.stderr)
            status = 3
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(backend: str, folder: Path, seed: int) -> None:
    os.environ["XPNET_BACKEND"] = backend
    rng, results = np.random.default_rng(seed), {}
    for name in ("never killed", "with a backup"):
        (folder / name).mkdir()
        prepare = (lambda: count_calls(folder / "calls")) if name == "with a backup" else (lambda: None)
        assert leg(folder / name, folder / "result", prepare, backup=name == "with a backup") == 0
        results[name] = json.loads((folder / "result").read_text())
    start, calls = map(int, (folder / "calls").read_text().split())
    steps = results["never killed"]["steps"]

    kinds = WRITING + ["call"] * (KILLS - len(WRITING) - 3)
    rng.shuffle(kinds)
    kinds += ["call"] * 3  # so near the end there may be no backup any more
    kinds.insert(KILLS // 2, "disk full")
    place = folder / "killed"
    place.mkdir()
    deaths: list[int] = []
    reached: list[int] = [0]  # steps that the backup holds
    for number, kind in enumerate(kinds):
        fair = (steps - reached[-1]) / (len(kinds) - number + 1.5)  # steps for each leg
        moment = int(rng.integers(1, start + 2 * fair * (calls - start) / steps))
        times = int(rng.integers(1, 4))
        prepare = functools.partial(*((die_at_call, moment) if kind == "call" else (die_writing, kind, times)))
        deaths.append(leg(place, folder / "result", prepare))
        if (place / "backup.safetensors").exists():
            progress = read_state(place / "backup.safetensors")["progress"]
            reached.append(progress["epoch"] * STEPS + progress["step"])
    assert leg(place, folder / "result", lambda: None) == 0
    results["killed"] = json.loads((folder / "result").read_text())
    print(json.dumps({"deaths": deaths, "kinds": kinds, "reached": reached} | results))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
