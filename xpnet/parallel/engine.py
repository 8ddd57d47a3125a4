"""Which communicator a process has: the one of the MPI that it was started by, or that of a lone worker."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from xpnet.base.locks import ProcessLock
from xpnet.errors import MissingExtraError
from xpnet.parallel.communicator import Communicator

SHARDS = 8  # into which a batch is cut where there are several workers, unless something else is said
SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")  # variables of what launches workers
SLURM_SIZES = ("SLURM_STEP_NUM_TASKS",)
MISSING = 'training on several workers needs mpi4py and an MPI: pip install "xpnet[mpi]"'

_lock = ProcessLock()
_own: Communicator | None = None  # of the process, once somebody has asked
_chosen: ContextVar[Communicator | None] = ContextVar("_chosen", default=None)


def get_communicator() -> Communicator:
    """That of the block around (`use_communicator`), or of the process: of MPI, if it was started by mpiexec or srun,
    or if the script uses mpi4py itself, and there is more than one worker.

    Raises MissingExtraError if the process was started as one of several workers and mpi4py is missing.
    """
    global _own
    if (chosen := _chosen.get()) is not None:
        return chosen
    with _lock.lock:
        if _own is None:
            _own = _find()
        return _own


@contextmanager
def use_communicator(communicator: Communicator) -> Iterator[Communicator]:
    """Within the block, and in this thread, trainings have this one."""
    token = _chosen.set(communicator)
    try:
        yield communicator
    finally:
        _chosen.reset(token)


def launched_workers() -> int:
    """As how many workers the process was started, as far as its environment tells: 1 for a plain one."""
    own = not any(name in os.environ for name in SIZES) and "PMIX_RANK" in os.environ  # by srun --mpi=pmix
    names = SLURM_SIZES if own else SIZES
    return max([int(text) for name in names if (text := os.environ.get(name, "")).isdecimal()], default=1)


def usual_shards(workers: int) -> int:
    """Into how many parts several workers cut a batch, unless something else is said: a power of two, one for each."""
    return max(SHARDS, 1 << (workers - 1).bit_length())


def _find() -> Communicator:
    if launched_workers() == 1 and "mpi4py.MPI" not in sys.modules:
        return Communicator()
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # mpi4py that finds no MPI raises RuntimeError
        raise MissingExtraError(f"{MISSING} ({error})") from error
    if MPI.COMM_WORLD.size == 1:
        return Communicator()
    from xpnet.parallel.nccl import NcclCommunicator

    return NcclCommunicator(MPI.COMM_WORLD)
