"""python -m tests.kit.forked WORK CHILDREN [HOW]: children forked while other threads of the parent work.

WORK is what these do: `predict`, `fit` (with a progress bar), or `first`: the first use of the library in the process,
with all that is imported, looked up and compiled for it. HOW is what forks: nothing but `os.fork`, one child after the
other, or `Pool` or `ProcessPoolExecutor`, which have two. Each child predicts and trains one step. Prints one line: how
often the right bits came out; a child that hangs is ended by its alarm.
"""

import contextlib
import hashlib
import io
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

PATIENCE = 250  # seconds that a child has, on a busy machine: what hangs, hangs for ever
PAUSES = 0.0, 0.001, 0.004, 0.0005, 0.011, 0.002, 0.007  # between forks, so that they come anywhere


def use(seed: int = 3) -> str:
    """Predict and train one step: a hash of all numbers that come out."""
    import numpy as np

    from xpnet import Sequential, layers, random

    rng = np.random.default_rng(0)
    x, t = rng.normal(0, 1, (32, 3, 12, 12)).astype("float32"), np.arange(32) % 4
    with random.preserved_state((seed, 0)):
        model = Sequential(
            [layers.Conv2D(16, 3, activation="relu"), layers.MaxPool2D(2), layers.Flatten(), layers.Dense(4)]
        )
        model.compile("adam")
        numbers = [model.predict(x)]
        model.fit(x, t, batch_size=32, epochs=1, verbose=True)
    numbers += [p.value for p in model.parameters()]
    return hashlib.sha256(b"".join(np.ascontiguousarray(n).tobytes() for n in numbers)).hexdigest()


def threads_of_blas() -> list[int]:
    from xpnet.backend.cpu import blas

    return [library.get() for library in blas.libraries()]


def report(number: int = 0) -> str:
    return f"{use()} {threads_of_blas()}"


def in_child(pipe: int) -> None:
    """Never returns."""
    signal.alarm(PATIENCE)
    try:
        os.write(pipe, (report() + "\n").encode())  # a short line is written whole
        os._exit(0)
    finally:
        os._exit(1)


@contextlib.contextmanager
def threads_that(work: Callable[[int], Any], count: int) -> Iterator[None]:
    """Threads that do their work again and again meanwhile, and each of them at least once."""
    stop = threading.Event()
    done: list[int] = []

    def again(number: int) -> None:
        while not stop.is_set():
            work(number)
            done.append(number)

    threads = [threading.Thread(target=again, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join()
    assert set(done) == set(range(count)), "a thread did nothing"


def by_fork(children: int) -> list[str]:
    wait = threading.Event().wait
    while not hasattr(sys.modules.get("xpnet.base"), "locks"):
        wait(0.0005)  # before it is there, nothing can heed a fork
    reading, writing = os.pipe()
    forked = []
    for number in range(children):
        wait(PAUSES[number % len(PAUSES)])
        child = os.fork()
        if child == 0:
            in_child(writing)
        forked.append(child)
    os.close(writing)
    for child in forked:
        os.waitpid(child, 0)
    with os.fdopen(reading) as lines:
        return lines.read().splitlines()


def by_pool(children: int) -> list[str]:
    with multiprocessing.get_context("fork").Pool(2, signal.alarm, (PATIENCE,)) as pool:
        return pool.map_async(report, range(children), chunksize=1).get(PATIENCE)


def by_executor(children: int) -> list[str]:
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(2, mp_context=fork, initializer=signal.alarm, initargs=(PATIENCE,)) as pool:
        return list(pool.map(report, range(children)))


HOW: dict[str, Callable[[int], list[str]]] = {"fork": by_fork, "Pool": by_pool, "ProcessPoolExecutor": by_executor}


def main(work: str, children: int, how: str = "fork") -> None:
    import numpy  # noqa: F401 (not ours to heed)

    sys.stderr = io.TextIOWrapper(open(os.devnull, "wb"), write_through=True)  # noqa: SIM115 (for bars)
    expected = "" if work == "first" else report()
    with threads_that(predicting() if work == "predict" else use, 1 if work == "first" else 2):
        found = HOW[how](children)
    expected = expected or report()
    print(f"{found.count(expected)} of {children}; {sorted(set(found) - {expected})}")


def predicting() -> Callable[[int], Any]:
    import numpy as np

    from xpnet import Sequential, layers

    model = Sequential([layers.Conv2D(32, 3, activation="relu"), layers.Conv2D(32, 3), layers.Flatten()])
    x = np.ones((64, 3, 24, 24), "float32")
    return lambda number: model.predict(x)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
