"""python -m tests.kit.forked WORK CHILDREN: children forked while other threads of the parent work.

WORK is what these do: `predict`, `fit` (with a progress bar), or `first`: the first use of the library in the process,
with all that is imported, looked up and compiled for it. Each child predicts and trains one step. Prints one line: how
many of them came out with the right bits; a child that hangs is ended by its alarm, and is none of them.
"""

import hashlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

PATIENCE = 100  # seconds that a child has: what hangs, hangs for ever
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


def in_child(report: int) -> None:
    """Never returns."""
    signal.alarm(PATIENCE)
    try:
        os.write(report, (f"{use()} {threads_of_blas()}\n").encode())  # a short line is written whole
        os._exit(0)
    finally:
        os._exit(1)


def fork_while(busy: Callable[[int], Any], workers: int, children: int) -> tuple[list[str], int]:
    """What the children report, and how often the threads did their work to the end meanwhile."""
    stop, done = threading.Event(), []

    def work(number: int) -> None:
        while not stop.is_set():
            done.append(busy(number))

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(workers)]
    for thread in threads:
        thread.start()
    while "xpnet.base" not in sys.modules or not hasattr(sys.modules["xpnet.base"], "locks"):
        stop.wait(0.0005)  # before it is there, nothing can heed a fork
    reading, writing = os.pipe()
    forked = []
    for number in range(children):
        stop.wait(PAUSES[number % len(PAUSES)])
        child = os.fork()
        if child == 0:
            in_child(writing)
        forked.append(child)
    os.close(writing)
    for child in forked:
        os.waitpid(child, 0)
    stop.set()
    for thread in threads:
        thread.join()
    with os.fdopen(reading) as lines:
        return lines.read().splitlines(), len(done)


def main(work: str, children: int) -> None:
    import numpy  # noqa: F401 (not ours to heed)

    sys.stderr = io.TextIOWrapper(open(os.devnull, "wb"), write_through=True)  # noqa: SIM115 (for bars)
    if work == "first":
        found, done = fork_while(use, 1, children)
        expected = f"{use()} {threads_of_blas()}"
    else:
        expected = f"{use()} {threads_of_blas()}"
        found, done = fork_while(predicting() if work == "predict" else use, 2, children)
    assert done, "the threads did nothing"
    print(f"{found.count(expected)} of {children}; {sorted(set(found) - {expected})}")


def predicting() -> Callable[[int], Any]:
    import numpy as np

    from xpnet import Sequential, layers

    model = Sequential([layers.Conv2D(32, 3, activation="relu"), layers.Conv2D(32, 3), layers.Flatten()])
    x = np.ones((64, 3, 24, 24), "float32")
    return lambda number: model.predict(x)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
