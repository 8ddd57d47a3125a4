"""The workers that bench/scale.py has train and exchange: how they are started and asked, and what each of them does.

Each connects to the script by a socket of its own, over which it is asked and answers, and sleeps in between: what the
workers of one case do does not disturb those of another, as MPI's waiting would, which keeps a processor busy.
"""

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import paths

T = TypeVar("T")
PAUSE = 0.02  # seconds before a turn: threads of the one before fall asleep
START = 60  # seconds for workers to start in
THREADS = ("XPNET_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
LAUNCHED = ("XPNET_", "OMPI_COMM", "PMI")  # variables that are not passed on


# ---- in the script ---------------------------------------------------------------------------------------------------


def find_mpiexec() -> str:
    """That of the environment of this Python, else that of the path."""
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if not found:
        sys.exit('scale: there is no mpiexec: pip install "xpnet[mpi]", or install an MPI')
    return found


def mpi_command(workers: int, options: Sequence[str] = ()) -> list[str]:
    """What starts so many workers on this machine, more than it has processors too."""
    mpiexec = find_mpiexec()
    says = subprocess.run([mpiexec, "--version"], capture_output=True, text=True, check=False).stdout
    own = ["--oversubscribe", "--bind-to", "none"] if "Open MPI" in says else []
    if own and os.geteuid() == 0:
        own.append("--allow-run-as-root")
    return [mpiexec, "-n", str(workers), *own, *options]


class Workers:
    """Processes that answer together, for the length of a block. `command` stands before that of Python, such as
    mpiexec's; one worker needs none.
    """

    def __init__(self, workers: int, threads: int = 1, command: Sequence[str] = (), **variables: str) -> None:
        self.workers = workers
        self._folder = tempfile.TemporaryDirectory(prefix="scale-")  # nobody else's: who reaches it may connect
        address = str(Path(self._folder.name) / "socket")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(address)
        self._socket.listen(workers)
        self._socket.settimeout(0.2)
        own = {name: value for name, value in os.environ.items() if not name.startswith(LAUNCHED)}
        own |= {name: os.environ[name] for name in ("XPNET_JIT",) if name in os.environ}
        own |= dict.fromkeys(THREADS, str(threads)) | {"PYTHONPATH": str(paths.HERE.parent), "XPNET_BACKEND": "numpy"}
        words = [*command, sys.executable, __file__, address]
        self._process = subprocess.Popen(words, env=own | variables, stdin=subprocess.DEVNULL)
        self._peers: list[Connection] = []

    def __enter__(self) -> "Workers":
        connected: dict[int, Connection] = {}
        with contextlib.ExitStack() as stack:
            stack.callback(self._end)
            deadline = time.monotonic() + START
            while len(connected) < self.workers:
                peer = self._accept(deadline)
                connected[peer.recv()] = peer
            stack.pop_all()
        self._peers = [connected[rank] for rank in sorted(connected)]
        return self

    def __exit__(self, *error: object) -> None:
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer.send(None)
        self._end()

    def ask(self, what: str, **options: Any) -> list[Any]:
        """The answers of all, in their order."""
        time.sleep(PAUSE)
        for peer in self._peers:
            peer.send((what, options))
        try:
            return [peer.recv() for peer in self._peers]
        except EOFError:
            sys.exit(f"scale: a worker ended while it was asked to {what}")

    def _accept(self, deadline: float) -> Connection:
        while True:
            try:
                peer, _ = self._socket.accept()
            except TimeoutError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"scale: {self.workers} workers did not start")
            else:
                peer.settimeout(None)
                return Connection(peer.detach())

    def _end(self) -> None:
        try:
            self._process.wait(10 if self._peers else 0.1)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait()
        for peer in self._peers:
            peer.close()
        self._socket.close()
        self._folder.cleanup()


# ---- in a worker -----------------------------------------------------------------------------------------------------


def train(batch: int, shards: int | None, steps: int) -> list[dict[str, float]]:
    """Of each step but the first: seconds, those of them in the exchange, and those in which it waited for others."""
    import numpy as np

    from xpnet.callbacks import Callback
    from xpnet.parallel import get_communicator, use_communicator

    timed: Any = TimedCommunicator(get_communicator())
    marks: list[tuple[float, float, float]] = []

    class Clock(Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
            marks.append((time.perf_counter(), timed.spent, timed.waited))

    rng = np.random.default_rng(0)
    x = rng.random(((steps + 1) * batch, 1, 28, 28), dtype=np.float32)
    t = rng.integers(0, 10, len(x))
    own = {} if shards is None else {"shards": shards}
    with use_communicator(timed):
        network().fit(x, t, batch, verbose=0, callbacks=[Clock()], **own)
    names = ("seconds", "exchange", "waited")
    return [
        dict(zip(names, (b - a for a, b in zip(before, after, strict=True)), strict=True))
        for before, after in itertools.pairwise(marks)
    ]


def kept(make: Callable[[], T]) -> Callable[[], T]:
    made: list[T] = []

    def get() -> T:
        if not made:
            made.append(make())
        return made[0]

    return get


@kept
def network() -> Any:
    import xpnet
    from xpnet import networks

    xpnet.seed(0)
    model = networks.DeepConvNet()
    model.compile("adam")
    return model


class TimedCommunicator:
    """The communicator that it is made of, which also tells how long its sums took, waiting apart."""

    def __init__(self, inner: Any) -> None:
        self._inner, self.spent = inner, 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def complete(self, tree: Any, like: Any) -> Any:
        start = time.perf_counter() - self._inner.waited
        try:
            return self._inner.complete(tree, like)
        finally:
            self.spent += time.perf_counter() - self._inner.waited - start


def exchange(size: int, repeats: int) -> list[float]:
    """Seconds of each exchange of float32 gradients, of `size` bytes, after one that is not counted."""
    import numpy as np

    from xpnet.parallel import get_communicator
    from xpnet.parallel.tree import TreeSum, largest_subtrees, owned_leaves

    workers = get_communicator()
    leaves = 1 << (workers.size - 1).bit_length()
    nodes = largest_subtrees(owned_leaves(leaves, workers.size, workers.rank))
    # zeros, which stay what they are however often they are added
    arrays = [[np.zeros(max(1, size // 4), np.float32)] for _ in nodes]
    seconds = []
    for _ in range(repeats + 1):
        tree = TreeSum(leaves)
        for node, own in zip(nodes, arrays, strict=True):
            tree.add(node, own)
        workers.share(b"")
        start = time.perf_counter()
        workers.complete(tree, arrays[0])
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def add(size: int, repeats: int) -> list[float]:
    """Seconds of each addition of so many bytes to as many."""
    import numpy as np

    a, b = np.zeros(size // 4, np.float32), np.zeros(size // 4, np.float32)
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        a += b
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def questions(peer: Connection) -> Iterator[tuple[str, dict[str, Any]]]:
    with contextlib.suppress(EOFError):
        while (question := peer.recv()) is not None:
            yield question


def main() -> None:
    from xpnet.parallel import get_communicator

    communicator = get_communicator()
    own = socket.socket(socket.AF_UNIX)
    own.connect(sys.argv[1])
    peer = Connection(own.detach())
    peer.send(communicator.rank)
    for what, options in questions(peer):
        peer.send({"train": train, "exchange": exchange, "add": add}[what](**options))
    communicator.close()


if __name__ == "__main__":
    main()
