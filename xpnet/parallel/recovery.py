"""After a worker's death: who is left, where each of them stands, and what some of them may have missed.

MPI's User-Level Failure Mitigation (Bland et al., "Post-failure recovery of MPI communication capability", IJHPCA 2013)
gives the parts: `Revoke` ends the waiting of all, `Shrink` makes a communicator of those that live, `Agree` tells
whether all have come through.

Exchanges are counted in units, each of one or several. Nobody gets through an exchange that not all have begun, so that
those who are left stand in the same unit, or some in the last exchange of one, and the others, who have its result, in
the next.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

from xpnet.parallel.wire import STEP, SUM, BrokenWireError, Wire

DRAIN = 1.0  # seconds that messages under way may take to end
PAUSE = 0.0005  # seconds between two looks


def recover(wire: Wire, unit: int, last_result: Callable[[], bytes]) -> bytes | None:
    """Go on with those that are left. Returns the result of the exchange that this worker stands in if others have it;
    None if it has to begin its unit again. `last_result` gives that of the last exchange that it came through.
    """
    _end_messages(wire)
    while True:
        _shrink(wire)
        comm = wire.comm
        try:
            units = [int.from_bytes(data, "big") for data in wire.gather(unit.to_bytes(8, "big"))]
        except BrokenWireError:
            comm.Revoke()
            units = []
        if not _agree(comm, bool(units)):
            continue
        try:
            return _hand_on(wire, units, last_result)
        except BrokenWireError:
            continue


def _end_messages(wire: Wire) -> None:
    """Let those end that are under way: until then, memory that they stand in is not free."""
    with contextlib.suppress(MPI.Exception):
        wire.comm.Revoke()
    until = time.perf_counter() + DRAIN
    while wire.active and time.perf_counter() < until:
        wire.active[:] = [request for request in wire.active if not _has_ended(request)]


def _has_ended(request: Any) -> bool:
    try:
        return bool(request.Test())
    except MPI.Exception:
        return True


def _shrink(wire: Wire) -> None:
    with contextlib.suppress(MPI.Exception):
        wire.comm.Revoke()
    wire.recoveries += 1
    wire.tell(b"R", str(wire.recoveries))
    _await_others(wire)
    comm = wire.comm.Shrink()
    comm.Set_errhandler(MPI.ERRORS_RETURN)
    ranks = list(range(comm.size))
    members = MPI.Group.Translate_ranks(comm.Get_group(), ranks, wire.control.Get_group())
    wire.adopt(comm, list(members))


def _await_others(wire: Wire) -> None:
    """Until all who live have begun the recovery: MPI's own waiting would not end if one hangs."""
    began = looked = time.perf_counter()
    idle, left = 0.0, len(wire.members)
    while True:
        wire.listen()
        if wire.failures:
            wire.raise_failure()
        here = {member for member, count in wire.recovering.items() if count >= wire.recoveries}
        missing = set(wire.members) - here - wire.learn_deaths() - {wire.own}
        if not missing:
            wire.waited += time.perf_counter() - began
            return
        now = time.perf_counter()
        idle = 0.0 if len(missing) < left else idle + min(now - looked, STEP)
        looked, left = now, len(missing)
        wire.suspect(missing, idle)
        time.sleep(PAUSE)


def _agree(comm: Any, flag: bool) -> bool:
    try:
        return bool(comm.Agree(int(flag)))
    except MPI.Exception:  # another one has died, and all are told so
        return False


def _hand_on(wire: Wire, units: list[int], last_result: Callable[[], bytes]) -> bytes | None:
    """The first of those who are ahead gives the result to those who are not."""
    newest = max(units)
    behind = [rank for rank, unit in enumerate(units) if unit < newest]
    holder = units.index(newest)
    length = np.zeros(1, np.int64)
    if wire.rank in behind:
        wire.wait([wire.receive(length, holder, SUM)], [holder])
        data = np.empty(int(length[0]), np.uint8)
        wire.wait([wire.receive(data, holder, SUM)], [holder])
        return data.tobytes()
    if behind and wire.rank == holder:
        data = np.frombuffer(last_result(), np.uint8)
        length[0] = data.size
        requests = [wire.send(each, rank, SUM) for rank in behind for each in (length, data)]
        wire.wait(requests, [rank for rank in behind for _ in range(2)])
    return None
