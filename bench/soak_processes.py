"""The actions of soak.py that fork, kill and resume, beside those of soak_actions.py.

What is killed at a random moment and resumed must end with the bits of a training that never was (`as_if=`).
"""

import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import deaths
import numpy as np
from soak_actions import Place, T, X, action, convolutional, left, predict_with_a_shared_network, train_step

import xpnet
from xpnet import Sequential, callbacks
from xpnet.errors import MissingExtraError
from xpnet.parallel.launch import find_launcher, mpiexec_line

LOOK = 0.005  # seconds between two looks at a child

children: set[int] = set()  # those that were forked and have not ended


class Hang(Exception):
    """A child did not end."""


# ---- resuming --------------------------------------------------------------------------------------------------------


def uninterrupted(place: Place, *around: callbacks.Callback) -> Any:
    model = convolutional()
    model.fit(X, T, batch_size=8, epochs=3, verbose=0, callbacks=list(around), validation_split=0.2)
    return left(model)


def with_a_backup(place: Place, *around: callbacks.Callback) -> Any:
    return uninterrupted(place, callbacks.Backup(place.folder / "backup.safetensors", every=1), *around)


class StopAt(callbacks.Callback):
    """Ctrl-C, of one's own."""

    recorded = False

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(self, batch: int, logs: Any) -> None:
        self.steps -= 1
        if not self.steps:
            raise KeyboardInterrupt


@action(as_if=uninterrupted)
def back_up_and_resume(place: Place) -> Any:
    try:
        with_a_backup(place, StopAt(place.chance.randint(1, 13)))
    except KeyboardInterrupt:
        assert os.listdir(place.folder) == ["backup.safetensors"]
    return with_a_backup(place)


# ---- processes -------------------------------------------------------------------------------------------------------


def in_child(place: Place, work: Callable[[], Any], end: Callable[[int], None] = lambda pid: None) -> int:
    """Do it in a forked process, which `end` may bring to an end before; its status, or minus the signal's number."""
    errors, ready = place.folder / "errors", place.folder / "ready"
    pid = os.fork()
    if not pid:
        try:  # whatever comes, and be it Ctrl-C in the last line: a child never goes on as another soak
            run_child(work, ready, errors)
        finally:
            os._exit(1)
    children.add(pid)
    try:
        until = time.monotonic() + place.patience
        wait_for(lambda: ready.exists() or has_ended(pid), pid, until)
        end(pid)
        wait_for(lambda: has_ended(pid), pid, until)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        children.discard(pid)
        for file in (ready, errors):
            said = file.read_text() if file.exists() else ""
            file.unlink(missing_ok=True)
    if said:
        raise RuntimeError(f"in a forked child: {said}")
    return status


def run_child(work: Callable[[], Any], ready: Path, errors: Path) -> None:
    status = 1
    try:
        ready.touch()
        work()
        status = 0
    except KeyboardInterrupt:
        status = 130
    except BaseException:
        errors.write_text(traceback.format_exc())
    finally:
        os._exit(status)


def has_ended(pid: int) -> bool:
    """Whether it is there only to be waited for."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def wait_for(reached: Callable[[], bool], pid: int, until: float) -> None:
    """Wait until it is so; Hang if it takes too long, and the child is no more."""
    while not reached():
        if time.monotonic() > until:
            os.kill(pid, signal.SIGUSR1)  # tells where it is
            time.sleep(0.5)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise Hang("a forked child did not end; its stacks are above")
        time.sleep(LOOK)


def sent_by_child(place: Place, work: Callable[[Place], Any]) -> Any:
    file = place.folder / "sent"
    status = in_child(place, lambda: file.write_bytes(pickle.dumps(work(place))))
    assert status == 0, f"a child ended with status {status}"
    return pickle.loads(file.read_bytes())


@action(forks=True, as_if=predict_with_a_shared_network)
def fork_and_predict(place: Place) -> Any:
    return sent_by_child(place, predict_with_a_shared_network)


@action(forks=True, as_if=train_step)
def fork_and_train(place: Place) -> Any:
    return sent_by_child(place, train_step)


@action(forks=True, as_if=uninterrupted)
def fork_from_a_training(place: Place) -> Any:
    """In the middle of a fit the process forks, and both go on to the end."""
    model, file, children = convolutional(), place.folder / "sent", []

    class Fork(callbacks.Callback):
        recorded = False

        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            if batch == 2 and not children:
                children.append(in_child(place, lambda: file.write_bytes(pickle.dumps(place.shared.predict(X)))))

    model.fit(X, T, batch_size=8, epochs=3, verbose=0, callbacks=[Fork()], validation_split=0.2)
    assert children == [0] and np.array_equal(pickle.loads(file.read_bytes()), place.shared.predict(X))
    return left(model)


pools = threading.Lock()  # multiprocessing counts the children of all threads in one set


def predicted_rows(model: Sequential, rows: slice) -> Any:
    return model.predict(X[rows])


@action(weight=1, forks=True)
def pool_of_processes(place: Place) -> Any:
    with pools, get_context("fork").Pool(2) as pool:
        tasks = [(place.shared, slice(first, first + 11)) for first in range(0, 44, 11)]
        result = pool.starmap_async(predicted_rows, tasks).get(place.patience)
        pool.close()
        pool.join()
    return result


def killed(place: Place, work: Callable[[], Any], sign: signal.Signals) -> None:
    def end(pid: int) -> None:
        time.sleep(place.chance.uniform(0, place.moment))
        os.kill(pid, sign)  # not yet waited for, so it is still this child's number

    status = in_child(place, work, end)
    assert status in (0, 130, -sign), f"a child that was sent {sign.name} ended with status {status}"


@action(forks=True, as_if=uninterrupted)
def kill_a_training_and_resume(place: Place) -> Any:
    for _ in range(2):
        killed(place, lambda: with_a_backup(place), signal.SIGKILL)
    return with_a_backup(place)


@action(forks=True, as_if=uninterrupted)
def interrupt_a_training_and_resume(place: Place) -> Any:
    killed(place, lambda: with_a_backup(place), signal.SIGINT)
    return with_a_backup(place)


@action(forks=True, as_if=predict_with_a_shared_network)
def kill_a_save(place: Place) -> Any:
    """What was saved before is there, whole; and what a killed process leaves beside it disturbs nobody."""
    file = place.folder / "model.safetensors"
    place.shared.save(file)

    def save() -> None:
        while True:
            place.shared.save(file)

    killed(place, save, signal.SIGKILL)
    loaded = xpnet.load(file)
    loaded.save(file)
    return loaded.predict(X), loaded.predict(X, batch_size=7)


# ---- workers ---------------------------------------------------------------------------------------------------------


def trained_by(place: Place, line: list[str], plans: list[str]) -> Any:
    """What a training by deaths_worker.py leaves, whose line begins so."""
    status, out, err = deaths.run(
        [*line, sys.executable, str(deaths.WORKER), "norm", str(place.folder), *plans], place.patience
    )
    assert status == 0, f"workers ended with status {status}: {(out + err)[-3000:]}"
    ends = [(end["weights"], end["history"]) for end in deaths.ends(place.folder).values()]
    assert ends and all(end == ends[0] for end in ends), "workers end with other weights than others"
    files = {name: data for name, data in deaths.results(place.folder).items() if not name.endswith((".tmp", ".lock"))}
    return ends[0], files


def train_alone(place: Place) -> Any:
    return trained_by(place, [], [])


def train_on_two_workers(place: Place) -> Any:
    """Of which one dies now and then, if the other one can go on."""
    launcher = find_launcher()
    dies = launcher.ulfm and place.chance.random() < 0.5
    plans = deaths.plan_deaths(place.chance, 2, 1) if dies else []
    return trained_by(place, mpiexec_line(launcher, 2), plans)


try:
    find_launcher()
except MissingExtraError as error:
    print(f"soak: leaves out train_on_two_workers: {error}", flush=True)
else:
    action(weight=1, as_if=train_alone)(train_on_two_workers)
