"""Random use by threads and processes for as long as you like: no wrong bit, no hang, no leak.

    python bench/soak.py                           # an hour, on two threads
    python bench/soak.py --minutes 1 --threads 8 --backend reference
    python bench/soak.py --actions 40 --seed 7     # so many, on all threads together
    python bench/soak.py --only fork kill          # actions whose names hold one of these words
    python bench/soak.py --plant bit               # is a wrong bit noticed? also hang, child (which hangs), leak, file

soak_actions.py and soak_processes.py say what is done: train, predict, evaluate, save, load, copy, send, move, fork,
kill, interrupt, resume, train on two workers of which one may die (deaths_worker.py; if there is an MPI), with batches
and images of changing size. Each action is done once alone, and the SHA-256 of what comes of it is what it must give
for ever after, whatever runs beside it.

The run has phases. In each of them threads do what chance gives them, by the seed, the phase and the thread's number;
then they end, and what the process holds is measured: memory, after what is kept for later was given back, open files,
threads, children, files left behind. A leak is a median of the last third of the phases that lies above that of the
first third, behind a phase to warm up: by more than 5 MB of memory, by more of the system's tasks than BLAS has threads
(it ends its own at a fork, makes them again with a product, and may keep one too many), or by anything of the others.

A thread that does one action for longer than `--patience` hangs: the stacks of all threads are printed, and that ends
it. Exit status 1 if anything was wrong, with what it was and the seed that makes the same plan again.
"""

import argparse
import ctypes
import faulthandler
import gc
import hashlib
import itertools
import os
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
import traceback
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

sys.path.insert(0, str(Path(__file__).resolve().parent))
import soak_processes
from soak_actions import Action, Place, T, X, action, convolutional

import xpnet
from xpnet import random
from xpnet.backend import backend_names, get_backend, use_backend
from xpnet.backend.cpu import threads

LIMIT = 5.0  # MB that the process may grow by
PHASES = 12
ARENA_MAX = -8  # glibc's M_ARENA_MAX
KEY = (2024, 0)  # of all that an action draws

Held = dict[str, float]


def digest(result: Any) -> str:
    """Of arrays, numbers, texts and what holds them."""
    found = hashlib.sha256()

    def add(each: Any) -> None:
        if isinstance(each, dict):
            add(sorted(each.items()))
        elif isinstance(each, (list, tuple)):
            found.update(b"(%d" % len(each))
            for part in each:
                add(part)
        elif isinstance(each, (str, bytes)):
            found.update(each.encode() if isinstance(each, str) else each)
        else:
            array = np.ascontiguousarray(each)
            found.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())

    add(result)
    return found.hexdigest()


class Soak:
    """A run: what is expected, and what was found."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder, self.numbers = options, folder, itertools.count()
        self.actions: dict[str, Action] = chosen(options.only)
        self.expected: dict[str, str] = {}
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.wrong: list[str] = []
        self.under_way: dict[int, tuple[str, float]] = {}  # by thread
        self.held: list[Held] = []
        self.moment = 1.0
        self.blas: list[int] = []
        xpnet.seed(options.seed % 1000)
        with random.drawing_from(KEY, "shared"):
            self.shared = convolutional()
            self.shared.fit(X, T, batch_size=8, verbose=0)
        plant(options.plant, self.actions)

    def do(self, name: str, run: Any, chance: Random) -> str:
        """The hash of what comes of it, in a folder that is gone afterwards."""
        place = self.folder / str(next(self.numbers))
        place.mkdir()
        try:
            with random.drawing_from(KEY, "action"):
                return digest(run(Place(place, chance, self.shared, self.options.patience / 2, self.moment)))
        finally:
            shutil.rmtree(place)

    def alone(self) -> None:
        """What everything gives, in the beginning, and how long a training takes here."""
        self.do("warm", soak_processes.uninterrupted, Random(0))
        start = time.monotonic()
        self.do("timed", soak_processes.uninterrupted, Random(0))
        self.moment = 1.5 * (time.monotonic() - start)
        for name, each in self.actions.items():
            self.expected[name] = self.do(name, each.as_if, Random(0))
            self.look(name, Random(self.options.seed), "alone")
        self.blas = blas_threads()  # all libraries are loaded

    def look(self, name: str, chance: Random, where: str) -> None:
        """Do it, and note how long it took and what was wrong."""
        start = time.monotonic()
        self.under_way[threading.get_ident()] = f"{name} ({where})", start
        try:
            found = self.do(name, self.actions[name].run, chance)
            if found != self.expected[name]:
                self.fail(f"{name} ({where}): other bits than alone: {found[:12]}, expected {self.expected[name][:12]}")
        except BaseException:
            self.fail(f"{name} ({where}): {traceback.format_exc()}")
        finally:
            del self.under_way[threading.get_ident()]
            self.seconds[name].append(time.monotonic() - start)

    def fail(self, what: str) -> None:
        self.wrong.append(what)
        print(f"soak: WRONG: {what}", flush=True)

    def work(self, phase: int, number: int, count: int | None, until: float) -> None:
        """A thread of a phase: so many actions, or as many as there is time for."""
        chance = Random(f"{self.options.seed} {phase} {number}")
        names = list(self.actions)
        weights = [each.weight for each in self.actions.values()]
        for step in itertools.count():
            if step >= count if count is not None else time.monotonic() > until:
                return
            self.look(chance.choices(names, weights)[0], chance, f"phase {phase}, thread {number}, action {step}")

    def phases(self) -> None:
        size, total = self.options.threads, self.options.actions
        length = self.options.minutes * 60 / PHASES
        for phase in range(PHASES):
            until = time.monotonic() + length
            counts = [None if total is None else share(total, PHASES * size, phase * size + i) for i in range(size)]
            team = [threading.Thread(target=self.work, args=(phase, i, counts[i], until)) for i in range(size)]
            for thread in team:
                thread.start()
            for thread in team:
                thread.join()
            self.compare_settings(phase)
            self.held.append(held(self.folder))

    def compare_settings(self, phase: int) -> None:
        """Those of the process are as they were in the beginning."""
        if get_backend().name != self.options.backend:
            self.fail(f"phase {phase} left the process on the backend {get_backend().name}")
        if blas_threads() != self.blas:
            self.fail(f"phase {phase} left BLAS with {blas_threads()} threads, and not with {self.blas}")

    def leaks(self) -> None:
        third = (PHASES - 1) // 3
        for what in self.held[0]:
            values = [each[what] for each in self.held[1:]]
            first, last = statistics.median(values[:third]), statistics.median(values[-third:])
            unit, most = {"memory": (" MB", LIMIT), "tasks": ("", max(self.blas, default=0) + 0.5)}.get(what, ("", 0.5))
            print(f"{what:<12} {first:.1f}{unit} in the first phases, {last:.1f}{unit} in the last", flush=True)
            if last - first > most:
                self.fail(f"{what} grew from {first:.1f} to {last:.1f}{unit}: a leak")

    def report(self) -> None:
        print(f"{'action':<45} {'times':>6} {'median s':>9} {'worst s':>8}")
        for name, seconds in self.seconds.items():
            print(f"{name:<45} {len(seconds):>6} {statistics.median(seconds):>9.3f} {max(seconds):>8.3f}")

    def watch(self) -> None:
        """The watchdog's thread."""
        while True:
            time.sleep(min(1.0, self.options.patience / 10))
            faulthandler.dump_traceback_later(10 * self.options.patience, exit=True)  # if this thread cannot run either
            for name, start in list(self.under_way.values()):
                if time.monotonic() - start > 2 * self.options.patience:
                    self.fail(f"{name} hangs: no end after {2 * self.options.patience:g} s; {again(self.options)}")
                    faulthandler.dump_traceback(all_threads=True)
                    for pid in list(soak_processes.children):
                        os.kill(pid, signal.SIGKILL)
                    shutil.rmtree(self.folder, ignore_errors=True)
                    os._exit(1)


def chosen(words: list[str]) -> dict[str, Action]:
    found = {name: each for name, each in action.actions.items() if not words or any(word in name for word in words)}
    if not found:
        raise SystemExit(f"soak: no action has one of these words in its name: {' '.join(words)}")
    return found


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def share(total: int, parts: int, index: int) -> int:
    """Of a total, what the part of that index has."""
    return total // parts + (index < total % parts)


def plant(kinds: list[str], actions: dict[str, Action]) -> None:
    """Errors, in an action of which there is a good one for the comparison."""
    if not kinds:
        return
    kept: list[Any] = []
    name = next(iter(actions))
    each, number = actions[name], itertools.count()

    def run(place: Place) -> Any:
        late = next(number) >= 2
        if "leak" in kinds:
            kept.append(np.ones(1 << 18))  # 2 MB
        if "file" in kinds:
            kept.append(open(os.devnull))  # noqa: SIM115
        if "hang" in kinds and late:
            threading.Event().wait()
        if "child" in kinds and late:
            soak_processes.in_child(place, threading.Event().wait)
        result = each.run(place)
        return (result, "another bit") if "bit" in kinds and late else result

    actions[name] = Action(run, each.as_if, each.weight, each.forks)


def held(folder: Path) -> Held:
    """What the process holds now; nothing where the system does not tell."""
    for _ in range(2):
        gc.collect()
    get_backend().free_memory()
    threads.run_tiles(lambda _: None, [(number,) for number in range(threads.thread_count())])  # so that all are there
    left = {"files left": float(len(os.listdir(folder))), "threads": float(threading.active_count())}
    if not os.path.exists("/proc/self/statm"):
        return left
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    tasks = list(Path("/proc/self/task").iterdir())
    processes = [(task / "children").read_text().split() for task in tasks if (task / "children").exists()]
    return left | {
        "memory": pages * os.sysconf("SC_PAGESIZE") / 1e6,
        "open files": float(len(os.listdir("/proc/self/fd"))),
        "tasks": float(len(tasks)),
        "children": float(len(set(itertools.chain.from_iterable(processes)))),
    }


def again(options: argparse.Namespace) -> str:
    amount = f"--minutes {options.minutes:g}" if options.actions is None else f"--actions {options.actions}"
    only = f" --only {' '.join(options.only)}" if options.only else ""
    return (
        f"the same plan again: python bench/soak.py {amount} --seed {options.seed} --threads {options.threads}"
        f" --backend {options.backend}{only}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--minutes", type=float, default=60)
    amount.add_argument("--actions", type=int, help="so many in all, instead of minutes")
    parser.add_argument("--seed", type=int, default=None, help="default: another one each time, which is printed")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--backend", choices=[n for n in backend_names() if n not in ("auto", "cupy")], default="numpy")
    parser.add_argument("--patience", type=float, default=120, help="seconds; a forked child may take half of them")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD")
    parser.add_argument("--plant", nargs="+", default=[], choices=["bit", "hang", "child", "leak", "file"])
    options = parser.parse_args()
    if not hasattr(os, "fork"):
        raise SystemExit("soak: this system does not fork processes, which half of this is about")
    if options.seed is None:
        options.seed = int.from_bytes(os.urandom(3), "little")
    print(again(options), flush=True)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    if hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(ARENA_MAX, 1)  # else how much lies idle depends on which thread had which arena
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="xpnet-soak-") as name:
        tempfile.tempdir = name  # whatever else makes files has them here, where they are counted
        use_backend(options.backend)
        soak = Soak(options, Path(name))
        threading.Thread(target=soak.watch, daemon=True).start()
        soak.alone()
        soak.phases()
        soak.report()
        soak.leaks()
    count = sum(map(len, soak.seconds.values()))
    print(
        f"{count} actions in {(time.monotonic() - start) / 60:.1f} minutes, {len(soak.wrong)} wrong; {again(options)}"
    )
    sys.exit(bool(soak.wrong))


if __name__ == "__main__":
    main()
