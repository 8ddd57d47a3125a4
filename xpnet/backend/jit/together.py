"""Compiled work on all threads without the interpreter: who waits awake takes a part of it as soon as it is there.

To hand a tile to another thread through Python takes both of them the interpreter's lock, one after the other: some ten
microseconds, as long as a small network's whole pass. So the threads of cpu/threads.py wait in `serve`, in which they
see a job, take numbers of its parts, and call the job's function with them; the thread that has it does the same in
`share`, and goes on when nobody is in the job any more. Nobody waits for a thread that has not come.

What they look at stands in the team's state, each in a cache line of its own: cpu/threads.py says where.
"""

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from xpnet.backend.cpu.threads import team, thread_count
from xpnet.backend.jit.compiled import compiled
from xpnet.backend.jit.kernels import GRACE, I32, I64, SPINS, _const

JOB, OPEN, INSIDE, FUNCTION, ARGUMENTS, COUNT, TAKEN = 0, 16, 24, 32, 33, 34, 40  # places in the state
NUMBERS = 3  # behind TAKEN: how many parts are taken, and how many of them from the front and from the back
SIGNATURE = types.void(types.int64, types.int64)  # of a job's function: the address of its arguments, and a part
PATIENCE = 20_000  # looks at what another thread has not finished, some 10 microseconds
YIELD = "sched_yield"  # of POSIX: lets another thread have the core
HAS_YIELD = bool(llvmlite.binding.address_of_symbol(YIELD))


@intrinsic
def take_number(_: Any, address: Any) -> Any:
    """The int64 at an address, which is one more from now on; no two threads get the same."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        return b.atomic_rmw("add", b.inttoptr(arguments[0], I64.as_pointer()), _const(1), "seq_cst")

    return types.int64(types.int64), generate


@intrinsic
def take_back(_: Any, address: Any) -> Any:
    """The int64 at an address, which is one less from now on."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        return b.atomic_rmw("sub", b.inttoptr(arguments[0], I64.as_pointer()), _const(1), "seq_cst")

    return types.int64(types.int64), generate


@intrinsic
def look(_: Any, address: Any) -> Any:
    """The int64 at an address, read anew each time."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        return b.load_atomic(b.inttoptr(arguments[0], I64.as_pointer()), "seq_cst", 8)

    return types.int64(types.int64), generate


@intrinsic
def put(_: Any, address: Any, value: Any) -> Any:
    """Let the int64 at an address be this, for all threads."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        b.store_atomic(arguments[1], b.inttoptr(arguments[0], I64.as_pointer()), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def let_others(_: Any) -> Any:
    """Let another thread have the core, where the system has a call for that."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        if HAS_YIELD:
            b.call(cgutils.get_or_insert_function(b.module, ir.FunctionType(I32, []), YIELD), [])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def call_part(_: Any, function: Any, arguments: Any, part: Any) -> Any:
    """Call the function of SIGNATURE with this address."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [I64] * 2)
        b.call(b.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3), generate


@compiled()
def wait_for(address, least):  # type: ignore[no-untyped-def]
    """Until the number at the address is at least so large."""
    looks = 0
    while look(address) < least:
        looks += 1
        if looks > PATIENCE:  # who is waited for may be waiting for this core
            let_others()


@compiled()
def take_part(taken, count, me):  # type: ignore[no-untyped-def]
    """A part that nobody has, or -1. Even threads take them from the front and odd ones from the back: of two threads,
    each has what it had the last time in its cache. `taken` is where NUMBERS begin.
    """
    if take_number(taken) >= count:
        return -1
    return take_number(taken + 8) if me % 2 == 0 else count - 1 - take_number(taken + 16)


@compiled()
def work(state, me):  # type: ignore[no-untyped-def]
    """The parts of the open job that nobody has taken; `state` is an address, `me` the number of the thread."""
    function, arguments, count = look(state + 8 * FUNCTION), look(state + 8 * ARGUMENTS), look(state + 8 * COUNT)
    part = take_part(state + 8 * TAKEN, count, me)
    while part >= 0:
        call_part(function, arguments, part)
        part = take_part(state + 8 * TAKEN, count, me)


@compiled()
def serve(state, seen, looks, me):  # type: ignore[no-untyped-def]
    """Help with open jobs until the number of the team's job is not `seen` any more, or nothing has come for so many
    looks; tells whether it came to that.
    """
    address, left = state.ctypes.data, looks
    while left > 0:
        left -= 1
        if look(address + 8 * JOB) != seen:
            for _ in range(GRACE):
                look(address + 8 * JOB)
            return True
        if look(address + 8 * OPEN) and look(address + 8 * TAKEN) < look(address + 8 * COUNT):
            take_number(address + 8 * INSIDE)
            if look(address + 8 * OPEN):  # it stays open as long as somebody is inside
                work(address, me)
                left = looks
            take_back(address + 8 * INSIDE)
    return False


@compiled()
def share(state, function, arguments, count):  # type: ignore[no-untyped-def]
    """Open the job, work, and close it when all are out."""
    address = state.ctypes.data
    put(address + 8 * FUNCTION, function)
    put(address + 8 * ARGUMENTS, arguments)
    put(address + 8 * COUNT, count)
    for at in range(NUMBERS):
        put(address + 8 * (TAKEN + at), 0)
    put(address + 8 * OPEN, 1)
    work(address, 0)
    put(address + 8 * OPEN, 0)
    looks = 0
    while look(address + 8 * INSIDE) > 0:
        looks += 1
        if looks > PATIENCE:
            let_others()


@compiled()
def alone(function, arguments, count):  # type: ignore[no-untyped-def]
    """All parts, one after the other."""
    for part in range(count):
        call_part(function, arguments, part)


def wait_awake(state: Any, seen: int, stay: bool, me: int) -> bool:
    """`serve`, for about a millisecond (it looks at three places), or for what is there."""
    came: bool = serve(state, seen, SPINS // 3 if stay else 1, me)
    return came


def run_parts(function: int, arguments: int, count: int) -> None:
    """Call the compiled function with the address of its arguments and each number below `count`, on all threads;
    which thread takes which must not matter.
    """
    if count > 1 and thread_count() > 1:
        helpers = team()
        if helpers.enter(count - 1):
            try:
                share(helpers.state, function, arguments, count)
            finally:
                helpers.leave()
            return
    alone(function, arguments, count)
