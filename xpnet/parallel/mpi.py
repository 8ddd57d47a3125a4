"""Workers that mpiexec has started: they send each other what they have by MPI.

    mpiexec -n 4 python script.py
    mpiexec -n 4 --with-ft ulfm python script.py     # Open MPI 5: goes on without a worker that dies

What waits for others heeds three things: another worker says that it fails, one dies, or one does not answer for
XPNET_WORKER_TIMEOUT seconds (300). Where MPI can go on without a worker, those that are left begin their unit of work
again (`together`), and one that hangs is ended by a worker on its host. Elsewhere there is an error, and the process
ends with status 75, with which a launcher may start all again from the backup.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from mpi4py import MPI

from xpnet.backend import Array
from xpnet.errors import WorkerError
from xpnet.parallel.communicator import Communicator
from xpnet.parallel.device import Spec, Staging, fetch_foreign, is_cuda, put_back, spec_of
from xpnet.parallel.pieces import Exchange
from xpnet.parallel.recovery import recover
from xpnet.parallel.tree import TreeSum
from xpnet.parallel.wire import LISTEN, START_AGAIN, BrokenWireError, Wire

T = TypeVar("T")
MOST = 16  # exchanges whose memory is kept
TOGETHER = 1.0  # seconds in which workers that fail for the same reason do so
LEAVING = 5.0  # seconds that the others have to end after a failure, before MPI ends them
SAVING = 60.0  # that those have who failed too, and keep what there is
FINALIZING = 2.0  # seconds for MPI's own end


class WorkersLostError(BaseException):
    """Those that are left begin their unit again: `together` catches it. No Exception, which a training might catch."""


class MpiCommunicator(Communicator):
    """The workers of an MPI communicator. All must make it at the same time, and end their processes together.

    `engine` says in words how arrays are sent.

    Raises OptionError if XPNET_WORKER_TIMEOUT is not a number above 0, and WorkerError if a worker has died already.
    """

    def __init__(self, comm: Any) -> None:
        self.engine = "MPI"
        try:
            self._wire = Wire(comm)
        except (BrokenWireError, MPI.Exception):
            raise WorkerError("a worker has died before all had found each other: start again") from None
        self._staging = Staging()
        self._exchanges: dict[Any, Exchange] = {}
        self._last: Callable[[], bytes] = bytes  # the result of the last exchange, which another worker may miss
        self._unit = 0
        self._calls = 0  # in this unit
        self._inside = False
        self._told = False  # that this worker fails
        self._closed = False
        self._process = os.getpid()
        self._note_members()
        self.began = self.size
        atexit.register(self.close)

    def together(self, attempt: Callable[[], T]) -> T:
        if self._inside:
            return attempt()
        while True:
            self._inside, self._calls = True, 0
            try:
                result = attempt()
            except WorkersLostError:
                continue
            finally:
                self._inside = False
            self._unit += self._calls > 0
            return result

    def complete(self, tree: TreeSum, like: Sequence[Array]) -> Sequence[Array]:
        if self.size == 1:
            return tree.finish()
        found = self._call(lambda: self.sum_up(tree, like), lambda data: _cut(data, like))
        if found is None:
            raise WorkerError("a worker has died in a sum that is not part of `together`, and cannot be begun again")
        if self._wire.recovers:
            copies = [_copied(array) for array in found]  # the caller may change the result
            self._last = lambda: b"".join(copy.tobytes() for copy in copies)
        return found

    def share(self, data: bytes) -> list[bytes]:
        if self.size == 1:
            return [data]
        found = self._call(lambda: self._wire.gather(data), _unpacked)
        if found is None:
            return self.share(data)
        if self._wire.recovers:
            self._last = lambda: _packed(found)
        return found

    def fail(self, error: BaseException) -> BaseException:
        wire = self._wire
        if isinstance(error, SystemExit) and wire.failures:
            return error  # it comes from there
        self._tell_failure(error)
        until = time.perf_counter() + TOGETHER
        while not isinstance(error, KeyboardInterrupt) and time.perf_counter() < until:
            wire.listen()
            if any(member < wire.own for member in wire.failures):
                return SystemExit(wire.status)
            if not {member for member in wire.members if member < wire.own} - wire.ended - wire.learn_deaths():
                break
            time.sleep(LISTEN)
        return error

    def close(self) -> None:
        if self._closed or os.getpid() != self._process:  # a process that was forked has no part in it
            return
        self._closed = True
        atexit.unregister(self.close)
        wire = self._wire
        if (error := getattr(sys, "last_value", None)) is not None and not wire.failures:
            self._tell_failure(error)
        for stream in sys.stdout, sys.stderr:
            if stream is not None:
                stream.flush()
        if not self._leave():
            MPI.COMM_WORLD.Abort(wire.status or 1)
        if wire.status == START_AGAIN or wire.learn_deaths() or len(wire.peers) > self.size:
            self._finalize(wire.status or int(error is not None))

    # ---- exchanges ---------------------------------------------------------------------------------------------------

    def sum_up(self, tree: TreeSum, like: Sequence[Array]) -> Sequence[Array]:
        """`complete`, by messages from the host's memory."""
        fetch = self._staging.fetch
        roots = [
            (node, [fetch(array, (at, number)) for number, array in enumerate(arrays)])
            for at, (node, arrays) in enumerate(tree.roots)
        ]
        found = self._exchange([spec_of(array) for array in like], tree.leaves).run(roots)
        given = tree.roots[0][1] if tree.roots else [None] * len(like)
        return [put_back(host, array, each) for host, array, each in zip(found, given, like, strict=True)]

    def drop_members(self) -> None:
        """Forget what is made for the workers that there were."""
        self._exchanges.clear()

    def _exchange(self, specs: list[Spec], leaves: int) -> Exchange:
        key = (*specs, leaves)
        if key not in self._exchanges:
            if len(self._exchanges) == MOST:  # sums of ever other lengths
                self._exchanges.clear()
            self._exchanges[key] = Exchange(self._wire, specs, leaves)
        return self._exchanges[key]

    def _call(self, exchange: Callable[[], T], decode: Callable[[bytes], T]) -> T | None:
        """The result of an exchange, or None if it has to be begun again and is not part of a unit."""
        self._calls += 1
        self._wire.active.clear()
        try:
            result = exchange()
        except BrokenWireError:
            data = self._recover()
            if data is None and self._inside:
                raise WorkersLostError from None
            if data is None:
                return None
            result = decode(data)
        except WorkerError as error:
            self._tell_failure(error)
            raise
        self.waited = self._wire.waited
        self._unit += not self._inside
        return result

    def _recover(self) -> bytes | None:
        self.drop_members()
        try:
            return recover(self._wire, self._unit, self._last)
        except WorkerError as error:
            self._tell_failure(error)
            raise
        finally:
            self._note_members()

    def _note_members(self) -> None:
        self.rank, self.size, self.waited = self._wire.rank, self._wire.size, self._wire.waited
        self.members, self.recovers = tuple(self._wire.members), self._wire.recovers

    # ---- the end -----------------------------------------------------------------------------------------------------

    def _finalize(self, status: int) -> None:
        """End MPI after a death: with Open MPI 5.0 that sometimes takes for ever."""
        watch = threading.Timer(FINALIZING, os._exit, [status])
        watch.daemon = True
        watch.start()
        ctypes.CDLL(MPI.__file__).MPI_Finalize()  # mpi4py's would stop the other threads
        watch.cancel()
        if status == START_AGAIN:
            os._exit(status)

    def _tell_failure(self, error: BaseException) -> None:
        if not self._told:
            self._told = True
            self._wire.status = self._wire.status or 1
            self._wire.tell(b"F", f"{self._wire.status} {error}")

    def _leave(self) -> bool:
        """Wait until all others are at their end too. Returns False if they are not soon after a failure."""
        wire, failed = self._wire, float("inf")
        wire.tell(b"E")
        while True:
            wire.listen()
            missing = set(wire.members) - {wire.own} - wire.ended - wire.learn_deaths()
            if not missing:
                wire.flush(LISTEN)
                return True
            now = time.perf_counter()
            if wire.failures or wire.status:
                failed = min(failed, now)
            if now - failed > (SAVING if missing <= wire.failures.keys() else LEAVING):
                return False
            if any(count > wire.recoveries for count in wire.recovering.values()):
                try:
                    self._recover()  # another one has missed what this one has
                except (WorkerError, SystemExit):
                    continue
            time.sleep(LISTEN)


def _copied(array: Array) -> Array:
    return array.copy() if isinstance(array, np.ndarray) or is_cuda(array) else fetch_foreign(array)


def _cut(data: bytes, like: Sequence[Array]) -> list[Array]:
    """The arrays whose numbers these are, one behind the other."""
    arrays, start = [], 0
    for each in like:
        size, dtype = spec_of(each)
        arrays.append(put_back(np.frombuffer(data, dtype, size, start).copy(), None, each))
        start += size * dtype.itemsize
    return arrays


def _packed(texts: list[bytes]) -> bytes:
    return b"".join(struct.pack("<q", len(text)) + text for text in texts)


def _unpacked(data: bytes) -> list[bytes]:
    texts = []
    while data:
        (length,) = struct.unpack_from("<q", data)
        texts.append(data[8 : 8 + length])
        data = data[8 + length :]
    return texts
