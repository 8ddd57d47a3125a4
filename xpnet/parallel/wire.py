"""Messages between workers: sent and received while this one watches whether the others are still there.

MPI's own waiting does not end where a worker hangs. This one asks again and again whether the messages are there, and
between whether a worker has failed, has died, or has given no sign of life for too long.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mpi4py import MPI

from xpnet.errors import OptionError, WorkerError
from xpnet.parallel.peers import Peer

TIMEOUT = 300.0  # seconds without a sign of life after which a worker is taken to hang
GRACE = 10.0  # seconds more, where only another worker can end it
HOLD = 0.0003  # seconds of waiting in which the processor is kept, if each worker can have one
SPIN = 0.005  # seconds up to which it is offered to others; then the process sleeps
SLEEP = 0.0001, 0.001  # seconds, at first and after the first second
LISTEN = 0.001  # seconds between looks whether there is news of others
STEP = 0.1  # seconds at most that count between two looks: this process may have been stopped itself
SHARE, REST, HEAD, PIECE, SUM, NEWS = range(1, 7)  # tags
FIRST = 4096  # bytes of a shared message that go at once, with its length
ULFM = "OMPI_MCA_mpi_ft_enable"  # the variable of Open MPI that `--with-ft ulfm` sets
START_AGAIN = 75  # exit status (EX_TEMPFAIL) of a training that lost a worker and could not go on
Buffer = Any  # what has the buffer interface

give_way: Callable[[], Any] = getattr(os, "sched_yield", lambda: time.sleep(0))


class BrokenWireError(BaseException):
    """A worker has died, or another one has noticed that: these messages never come. Not for users."""


class Failure:
    """What a worker said that fails: its text, and the exit status that it asks for."""

    def __init__(self, text: str, status: int) -> None:
        self.text, self.status = text, status


def worker_timeout() -> float:
    """XPNET_WORKER_TIMEOUT in seconds."""
    wish = os.environ.get("XPNET_WORKER_TIMEOUT", "").strip()
    try:
        seconds = float(wish or TIMEOUT)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise OptionError(f"XPNET_WORKER_TIMEOUT must be a number of seconds above 0, not {wish!r}")
    return seconds


class Wire:
    """The messages of one worker. `members` are the workers that are left, by the numbers that they began with."""

    def __init__(self, comm: Any) -> None:
        self.limit = worker_timeout()
        self.recovers = os.environ.get(ULFM, "") in ("1", "true") and hasattr(comm, "Revoke")
        self.comm = comm.Dup()
        self.control = comm.Dup()  # never revoked, so that its numbers stay
        for each in self.comm, self.control:
            each.Set_errhandler(MPI.ERRORS_RETURN)
        self.own = int(comm.rank)
        self.members = list(range(comm.size))
        self.waited = 0.0
        self.failures: dict[int, Failure] = {}
        self.ended: set[int] = set()  # those that have come to the end of their process
        self.recovering: dict[int, int] = {}  # how often they have begun to look who is left
        self.recoveries = 0
        self.status = 0  # that this process is to end with, once something is wrong
        self.peers: list[Peer] = []
        self.active: list[Any] = []  # what the exchange under way has begun
        self._dead: set[int] = set()
        self._killed: set[int] = set()
        self._sent: list[tuple[Any, bytes]] = []
        self._hold = 0.0
        self.peers = [Peer.unpacked(data) for data in self.gather(Peer.own().packed())]
        here = [peer for peer in self.peers if peer.host == self.peers[self.own].host]
        self._hold = HOLD if len(here) <= (os.cpu_count() or 1) else 0.0

    @property
    def rank(self) -> int:
        return self.members.index(self.own)

    @property
    def size(self) -> int:
        return len(self.members)

    @property
    def others(self) -> list[int]:
        """The ranks of the others, the next one first, so that not all send to the same one at once."""
        rank, size = self.rank, self.size
        return [(rank + step) % size for step in range(1, size)]

    @property
    def far(self) -> set[int]:
        """The ranks of those on other hosts."""
        own = self.peers[self.own].host
        return {rank for rank, member in enumerate(self.members) if self.peers[member].host != own}

    def adopt(self, comm: Any, members: list[int]) -> None:
        """Go on with another communicator, of those that are left."""
        self.comm, self.members = comm, members

    def send(self, data: Buffer, rank: int, tag: int) -> Any:
        return self._started(self.comm.Isend, data, rank, tag)

    def receive(self, data: Buffer, rank: int, tag: int) -> Any:
        return self._started(self.comm.Irecv, data, rank, tag)

    def _started(self, method: Callable[..., Any], data: Buffer, rank: int, tag: int) -> Any:
        try:
            request = method(data, rank, tag)
        except MPI.Exception as error:
            raise self._broken(error) from None
        self.active.append(request)
        return request

    def wait(self, requests: Sequence[Any], ranks: Sequence[int], patience: float = 1.0) -> None:
        """Until all are done; `ranks[i]` is who request i waits for. `patience`: how many time limits it may take."""
        if self._are_done(requests):
            return
        began = time.perf_counter()
        try:
            looked, idle, left = began, 0.0, len(requests)
            while not self._are_done(requests):
                now = time.perf_counter()
                self.rest(now - began)
                if now - looked < LISTEN:
                    continue
                idle += min(now - looked, STEP)
                looked = now
                self.look()
                pending = self._pending(requests, ranks)
                if len(pending) < left:
                    left, idle = len(pending), 0.0
                self.suspect({self.members[rank] for rank in pending}, idle, patience)
        finally:
            self.waited += time.perf_counter() - began

    def gather(self, data: bytes) -> list[bytes]:
        """What each worker gives, in their order. Nobody leaves before all have come."""
        size, others = self.size, self.others
        sent = np.zeros(FIRST + 8, np.uint8)
        sent[:8].view(np.int64)[0] = len(data)
        head = min(len(data), FIRST)
        sent[8 : 8 + head] = np.frombuffer(data[:head], np.uint8)
        came = {rank: np.empty(FIRST + 8, np.uint8) for rank in others}
        requests = [self.receive(came[rank], rank, SHARE) for rank in others]
        requests += [self.send(sent[: 8 + head], rank, SHARE) for rank in others]
        self.wait(requests, others * 2)
        lengths = {rank: int(came[rank][:8].view(np.int64)[0]) for rank in others}
        rests = {rank: np.empty(length - FIRST, np.uint8) for rank, length in lengths.items() if length > FIRST}
        requests = [self.receive(rest, rank, REST) for rank, rest in rests.items()]
        ranks = list(rests)
        if len(data) > FIRST:
            requests += [self.send(data[FIRST:], rank, REST) for rank in others]
            ranks += others
        self.wait(requests, ranks)
        found = []
        for rank in range(size):
            if rank == self.rank:
                found.append(data)
            else:
                first = came[rank][8 : 8 + min(lengths[rank], FIRST)].tobytes()
                found.append(first + (rests[rank].tobytes() if rank in rests else b""))
        return found

    # ---- news --------------------------------------------------------------------------------------------------------

    def tell(self, kind: bytes, text: str = "") -> None:
        """Send news to all others that live: F, a failure, E, the end of the process, R, that a recovery begins."""
        data = kind + text.encode()[: FIRST - 1]
        for member in self.members:
            if member != self.own and member not in self._dead:
                try:
                    self._sent.append((self.control.Isend(data, member, NEWS), data))
                except MPI.Exception:
                    self.learn_deaths()
        self._sent = [(request, data) for request, data in self._sent if not self._is_sent(request)]

    def flush(self, seconds: float) -> None:
        """Let the news go out."""
        until = time.perf_counter() + seconds
        while self._sent and time.perf_counter() < until:
            self._sent = [(request, data) for request, data in self._sent if not self._is_sent(request)]
            time.sleep(SLEEP[0])

    def listen(self) -> None:
        """Take the news that there are."""
        status, data = MPI.Status(), bytearray(FIRST)
        try:
            while self.control.Iprobe(MPI.ANY_SOURCE, NEWS, status):
                source = status.source
                self.control.Recv(data, source, NEWS, status)
                self._take(source, bytes(data[: status.Get_count(MPI.BYTE)]))
        except MPI.Exception as error:
            if not self.recovers:
                raise self._broken(error) from None
            self.control.Ack_failed(self.control.size)

    def _take(self, source: int, data: bytes) -> None:
        kind, text = data[:1], data[1:].decode(errors="replace")
        if kind == b"F":
            status, _, text = text.partition(" ")
            self.failures[source] = Failure(text, int(status))
        elif kind == b"E":
            self.ended.add(source)
        elif kind == b"R":
            self.recovering[source] = int(text)

    def learn_deaths(self) -> set[int]:
        """Those members that have died, as far as MPI knows."""
        if self.recovers:
            group = self.control.Get_failed()
            everybody = self.control.Get_group()
            self._dead |= set(MPI.Group.Translate_ranks(group, list(range(group.size)), everybody))
        return self._dead & set(self.members)

    def describe(self, member: int) -> str:
        return f"worker {member} ({self.peers[member]})" if self.peers else f"worker {member}"

    # ---- what goes wrong ---------------------------------------------------------------------------------------------

    def _are_done(self, requests: Sequence[Any]) -> bool:
        try:
            return bool(MPI.Request.Testall(requests))
        except MPI.Exception as error:
            raise self._broken(error) from None

    def _pending(self, requests: Sequence[Any], ranks: Sequence[int]) -> list[int]:
        """Who is still waited for."""
        try:
            return [rank for request, rank in zip(requests, ranks, strict=True) if not request.Get_status()]
        except MPI.Exception as error:
            raise self._broken(error) from None

    def _is_sent(self, request: Any) -> bool:
        try:
            return bool(request.Test())
        except MPI.Exception:
            return True

    def rest(self, waited: float) -> None:
        """Between two looks, after so many seconds of waiting."""
        if waited >= SPIN:
            time.sleep(SLEEP[waited > 1])
        elif waited >= self._hold:
            give_way()

    def look(self) -> None:
        """Whether there is news that ends all waiting."""
        self.listen()
        if self.failures:
            self.raise_failure()
        if self.recovers and (self.learn_deaths() or any(n > self.recoveries for n in self.recovering.values())):
            raise BrokenWireError

    def raise_failure(self) -> None:
        """Another worker has said that it fails, and it says why."""
        failure = self.failures[min(self.failures)]
        self.status = failure.status
        if failure.status == START_AGAIN:
            raise WorkerError(failure.text)
        raise SystemExit(failure.status)

    def suspect(self, members: set[int], idle: float, patience: float = 1.0) -> None:
        """These have not answered for so long."""
        if idle > 1 and (ended := sorted(members & self.ended)):
            self.status = 1
            raise WorkerError(
                f"{self.describe(ended[0])} has come to its end while others still wait for it: all workers must do "
                "the same"
            )
        if idle > self.limit * patience:
            for member in sorted(members - self._killed):
                self.end_hanging(member, idle > self.limit * patience + GRACE)

    def end_hanging(self, member: int, late: bool) -> None:
        """Kill it, so that it counts as dead, or raise WorkerError if that cannot help, or nobody else does it."""
        if self.recovers and self.peers and self.peers[member].end():
            self._killed.add(member)
        elif late or not self.recovers:
            raise self.lost(
                f"{self.describe(member)} has not answered for {self.limit:g} seconds (XPNET_WORKER_TIMEOUT)"
            )

    def lost(self, text: str) -> WorkerError:
        self.status = START_AGAIN
        return WorkerError(
            f"{text}. Start again from the backup, as `--restarts` does, or let the others go on without it: "
            "mpiexec --with-ft ulfm (Open MPI 5)"
        )

    def _broken(self, error: Any) -> BaseException:
        if self.recovers:
            return BrokenWireError(str(error))
        return self.lost(f"a worker cannot be reached: {error}")
