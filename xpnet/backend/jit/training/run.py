"""A network's forward and backward pass in training, each one compiled call on all threads."""

import functools
import operator
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from xpnet.backend.cpu.threads import thread_count
from xpnet.backend.jit.together import run_parts
from xpnet.backend.jit.training.chain import Unknown, stages
from xpnet.backend.jit.training.layout import LARGEST, SLACK
from xpnet.backend.jit.training.planner import Planner
from xpnet.backend.jit.training.program import ARENA, DX, DY, GRADIENTS, LINE, OWN, X, Y, address, walk
from xpnet.backend.jit.training.table import Table
from xpnet.backend.like import require_like

Array = Any
Back = Callable[[Array, bool], Array | None]

ALONE = 1 << 18  # multiplications that one thread has done before another one has come
ALIGNMENT = 64  # bytes
HELD = 1 << 26  # entries that may wait for a next pass, when a batch of another size comes
PHASES = 64  # at most


def plan(graph: Any) -> "Training | None":
    """What takes batches like the graph's forward and back; None if the kernels do not have all of its operations."""
    try:
        plan = Training(Planner(stages(graph), graph.shapes[0][0]), graph.shapes)
    except Unknown:
        return None
    return plan if sum(plan.planner.sizes.values()) <= LARGEST else None


def let_go() -> None:
    """Free the memory that passes have left for the next one."""
    for each in [*ALL]:
        each.idle.clear()


class Training:
    """forward(x) gives y, and what takes its gradient back; several threads may call it, and several times before the
    first way back.
    """

    def __init__(self, planner: Planner, shapes: list[tuple[int, ...]]) -> None:
        self.planner, self.parameters = planner, planner.parameters
        self.input, self.output = shapes[0], (planner.samples, planner.stages[-1].outputs)
        self.ahead = planner.forward()
        self.behind = {need_dx: planner.back(need_dx) for need_dx in (False, True)}
        self.idle: list[Memory] = []
        self.entries = sum(planner.sizes.values())
        ALL.add(self)

    def __call__(self, x: Array) -> tuple[Array, Back]:
        if not x.flags.c_contiguous:
            x = np.ascontiguousarray(x)
        y = np.empty(self.output, np.float32)
        try:
            memory = self.idle.pop()
        except IndexError:
            if sum(each.entries * len(each.idle) for each in [*ALL]) > HELD:
                let_go()
            memory = Memory(self.planner)
        memory.put(X, x)
        memory.put(Y, y)
        memory.run(self.ahead)
        return y, functools.partial(self.back, memory, x, y)

    def back(self, memory: "Memory", x: Array, y: Array, dy: Array, need_dx: bool) -> Array | None:
        """Add to the gradients; x and y are what the pass went through."""
        require_like(dy, y)
        if not dy.flags.c_contiguous:
            dy = np.ascontiguousarray(dy)
        memory.put(DY, dy)
        dx = np.empty(self.input, np.float32) if need_dx else None
        if dx is not None:
            memory.put(DX, dx)
        places = [*map(_room, self.parameters)]
        if not all(map(operator.is_, places, memory.held[GRADIENTS:])):
            for at, place in enumerate(places, GRADIENTS):
                memory.put(at, place)
        memory.run(self.behind[need_dx])
        for parameter, place in zip(self.parameters, places, strict=True):
            parameter.add_grad(place)
        self.idle.append(memory)
        return dx


def _room(parameter: Any) -> Array:
    """Where its gradient is written: in its own place, if that is free."""
    place = parameter.lend_grad()
    return np.empty(parameter.shape, np.float32) if place is None else place


ALL: "weakref.WeakSet[Training]" = weakref.WeakSet()


class Memory:
    """What a pass is worked out in: what all threads share, and what each has of its own."""

    def __init__(self, planner: Planner) -> None:
        self.sizes = planner.sizes
        self.threads = thread_count()
        self.bases = np.zeros((self.threads, GRADIENTS + len(planner.parameters)), np.int64)
        self.state = np.zeros(PHASES * 2 * LINE // 8, np.int64)
        self.held: list[Any] = [None] * self.bases.shape[1]
        self.arrays: list[Array] = []
        self.bases[:, ARENA] = self._new(ARENA)
        self.bases[:, OWN] = [self._new(OWN) for _ in range(self.threads)]
        self.jobs: dict[Table, tuple[int, int, int]] = {}

    def _new(self, base: int) -> int:
        array = np.zeros(self.sizes[base] + SLACK + ALIGNMENT // 4, np.float32)
        self.arrays.append(array)
        start = int(array.ctypes.data)
        return start + -start % ALIGNMENT

    def put(self, base: int, array: Array) -> None:
        """Let the base be where the array lies."""
        if array is not self.held[base]:
            self.held[base] = array
            self.bases[:, base] = address(array)

    def run(self, table: Table) -> None:
        """All phases, by as many threads as it is worth."""
        self.state[:] = 0
        run_parts(*(self.jobs.get(table) or self._job(table)))

    def _job(self, table: Table) -> tuple[int, int, int]:
        """What `run_parts` is told of the table."""
        arguments = np.array([*table.addresses, address(self.bases), self.bases.strides[0], address(self.state)])
        self.arrays.append(arguments)
        threads = min(self.threads, max(1, table.work // ALONE))
        self.jobs[table] = job = walk().address, address(arguments), threads
        return job
