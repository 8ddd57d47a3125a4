"""How many processors this process may use: what the machine has, what it is bound to, and what time it is given.

A container is seldom bound to processors (its affinity); it has a quota: so many microseconds of processor time in each
period, of its control group and of each above it. With more threads than that it stands still for the rest of each
period. joblib counts in the same way.

And what caches a core of them has, which the sizes of tiles follow (cpu/work.py).
"""

import contextlib
import functools
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple


class Group(NamedTuple):
    """A control group of this process, as version 1 or 2 of the kernel's interface shows it."""

    version: int
    mount: Path  # where the tree is
    path: PurePosixPath  # of the group in it


class Caches(NamedTuple):
    """Bytes of data that each level keeps for one core; the defaults where the system does not tell."""

    first: int = 1 << 15
    second: int = 1 << 20
    third: int = 0


@functools.cache
def caches(root: Path = Path("/")) -> Caches:
    """Those of the first processor. What several cores share is divided among them."""
    found: dict[int, tuple[int, int]] = {}  # level -> bytes, and how many processors share it
    for folder in sorted(root.glob("sys/devices/system/cpu/cpu0/cache/index*")):
        with contextlib.suppress(OSError, ValueError, KeyError):
            kind, level, size, shared = (
                (folder / name).read_text().strip() for name in ("type", "level", "size", "shared_cpu_list")
            )
            if kind in ("Data", "Unified"):
                found[int(level)] = int(size[:-1]) << {"K": 10, "M": 20}[size[-1:]], _count(shared)
    threads = found.get(1, (0, 1))[1]  # of one core
    sizes = [size // max(1, sharing // threads) for size, sharing in (found.get(level, (0, 1)) for level in (1, 2, 3))]
    return Caches(*(size or default for size, default in zip(sizes, Caches(), strict=True)))


def _count(numbers: str) -> int:
    """How many 0-3,8 are."""
    ranges = [[int(end) for end in part.split("-")] for part in numbers.split(",")]
    return sum(ends[-1] - ends[0] + 1 for ends in ranges)


def usable_cpus(root: Path = Path("/")) -> int:
    """As many as this process may use, of those that the machine has: at least one."""
    limit = quota(root)
    return max(1, bound_to() if limit is None else min(bound_to(), math.ceil(limit)))


def share() -> int | None:
    """How many of them are this process's own, by OMP_NUM_THREADS; None if that says nothing.

    It is how whoever starts several processes on a machine tells each its share: joblib's loky its workers, Dask's
    nanny and torchrun theirs. Of a list, for levels of nested loops, the first counts; what is no number of at least 1
    says nothing, as OpenMP has it.
    """
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and len(first) < 10 and int(first) else None


def bound_to() -> int:
    """How many processors it may run on; PYTHON_CPU_COUNT says another number, since Python 3.13."""
    if hasattr(os, "process_cpu_count"):
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def quota(root: Path = Path("/")) -> float | None:
    """How many processors' time its control groups give it, the least of theirs; None without a limit."""
    found = []
    for version, mount, path in groups(root):
        for folder in (path, *path.parents):
            with contextlib.suppress(OSError, ValueError):  # the root has none, and others may not be read
                limit = _read(version, mount / folder.relative_to("/"))
                found += [] if limit is None else [limit]
    return min(found, default=None)


def groups(root: Path) -> Iterator[Group]:
    """Those of this process that may have a quota."""
    try:
        lines = (root / "proc/self/cgroup").read_text(errors="replace").splitlines()
        mounts = (root / "proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return  # no Linux
    own = {names: path for _, names, path in (line.split(":", 2) for line in lines if line.count(":") >= 2)}
    for mount in mounts:
        fields, _, behind = mount.partition(" - ")
        kind, _, options = [*behind.split(" ", 2), "", ""][:3]
        top, place = [_unescaped(field) for field in [*fields.split(" "), *[""] * 5][3:5]]
        if kind == "cgroup2":
            path = own.get("")
        elif kind == "cgroup" and "cpu" in options.split(","):
            path = next((path for names, path in own.items() if "cpu" in names.split(",")), None)
        else:
            continue
        if path is not None:
            yield Group(2 if kind == "cgroup2" else 1, root / place.lstrip("/"), _below(path, top))


def _below(path: str, top: str) -> PurePosixPath:
    """Where a group is in a tree that begins at `top`; at its root, if it is not there, as in some containers."""
    with contextlib.suppress(ValueError):
        below = PurePosixPath(path).relative_to(top)
        if ".." not in below.parts:
            return PurePosixPath("/") / below
    return PurePosixPath("/")


def _read(version: int, folder: Path) -> float | None:
    if version == 2:
        time, period = (folder / "cpu.max").read_text().split()
    else:
        time, period = ((folder / f"cpu.cfs_{what}_us").read_text() for what in ("quota", "period"))
    if time.strip() == "max" or int(time) <= 0 or int(period) <= 0:
        return None
    return int(time) / int(period)


def _unescaped(field: str) -> str:
    r"""Blanks are written as \040 in a table of mounts."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
