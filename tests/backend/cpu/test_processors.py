"""How many processors a process may use: its affinity, and the quota of control groups, in folders made for it."""

import os
from pathlib import Path

import pytest

from xpnet.backend.cpu import columns, processors, winograd, work

V2 = "31 23 0:41 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1 = "32 31 0:29 {top} /sys/fs/cgroup/cpu\\040time rw,relatime - cgroup cgroup rw,cpu,cpuacct"


def machine(root: Path, cgroup: str, mounts: str, **files: str) -> Path:
    """A root folder with these texts in its files."""
    for name, text in {"proc/self/cgroup": cgroup, "proc/self/mountinfo": mounts, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


@pytest.fixture(autouse=True)
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "bound_to", lambda: 8)


@pytest.mark.parametrize(
    ("own", "above", "quota", "usable"),
    [
        ("max 100000", "max 100000", None, 8),
        ("200000 100000", "max 100000", 2.0, 2),
        ("150000 100000", "max 100000", 1.5, 2),  # rounded up
        ("10000 100000", "max 100000", 0.1, 1),
        ("400000 100000", "300000 100000", 3.0, 3),  # a group above gives less
        ("9900000 100000", "max 100000", 99.0, 8),  # more than the affinity
        ("", "nonsense", None, 8),
    ],
)
def test_version_2(tmp_path: Path, own: str, above: str, quota: float | None, usable: int) -> None:
    files = {"sys/fs/cgroup/a/b/cpu.max": own, "sys/fs/cgroup/a/cpu.max": above}
    root = machine(tmp_path, "0::/a/b", V2, **files)
    assert processors.quota(root) == quota
    assert processors.usable_cpus(root) == usable


@pytest.mark.parametrize(("own", "quota", "usable"), [("-1", None, 8), ("250000", 2.5, 3), ("0", None, 8)])
@pytest.mark.parametrize(("top", "path"), [("/", "/job"), ("/docker/12", "/docker/12/job")])
def test_version_1(tmp_path: Path, own: str, quota: float | None, usable: int, top: str, path: str) -> None:
    """Its folder may have a blank in its name, and may show only what is below a group."""
    folder = "sys/fs/cgroup/cpu time/job"
    files = {f"{folder}/cpu.cfs_quota_us": own, f"{folder}/cpu.cfs_period_us": "100000"}
    root = machine(tmp_path, f"6:cpuset:/bound\n5:memory:/\n4:cpu,cpuacct:{path}\n0::/", V1.format(top=top), **files)
    assert processors.quota(root) == quota
    assert processors.usable_cpus(root) == usable


@pytest.mark.parametrize(("top", "path"), [("/mine", "/../other"), ("/mine", "/elsewhere"), ("/", "/../other")])
def test_a_group_that_cannot_be_seen_counts_as_the_top(tmp_path: Path, top: str, path: str) -> None:
    root = machine(tmp_path, f"0::{path}", V2.replace(" / /sys", f" {top} /sys"))
    (root / "sys/fs/other").mkdir(parents=True)
    (root / "sys/fs/other/cpu.max").write_text("100000 100000\n")  # which no group of this process is
    (root / "sys/fs/cgroup").mkdir(parents=True)
    (root / "sys/fs/cgroup/cpu.max").write_text("200000 100000\n")
    assert processors.usable_cpus(root) == 2


def test_without_control_groups(tmp_path: Path) -> None:
    assert processors.quota(tmp_path) is None and processors.usable_cpus(tmp_path) == 8
    assert processors.usable_cpus(machine(tmp_path, "", "\n1 2 -\nnonsense")) == 8


def test_python_may_have_been_told_how_many(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(os, "process_cpu_count", lambda: 3, raising=False)
    assert processors.bound_to() == 3 == processors.usable_cpus(tmp_path)


@pytest.mark.parametrize(
    ("text", "share"),
    [("3", 3), (" 2 ", 2), ("4,2,1", 4), ("", None), ("0", None), ("-1", None), ("all", None), ("9" * 5000, None)],
)
def test_a_share_of_them_is_what_openmp_is_told(monkeypatch: pytest.MonkeyPatch, text: str, share: int | None) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert processors.share() == share


def test_without_a_word_there_is_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert processors.share() is None


# ---- caches --------------------------------------------------------------------------------------------------------

EPYC = [
    ("Data", 1, "32K", "0"), ("Instruction", 1, "32K", "0"), ("Unified", 2, "1024K", "0"),
    ("Unified", 3, "32768K", "0-1"),
]  # fmt: skip
XEON = [
    ("Data", 1, "48K", "0,56"), ("Instruction", 1, "32K", "0,56"), ("Unified", 2, "2048K", "0,56"),
    ("Unified", 3, "105M", "0-27,56-83"),
]  # fmt: skip
BROKEN = [("Data", 1, "nonsense", "0"), ("Unified", 2, "512K", "x"), ("Unified", 3, "", "0")]
CLUSTER = [("Data", 1, "64K", "0"), ("Unified", 2, "8M", "0-3")]


def with_caches(root: Path, found: list[tuple[str, int, str, str]]) -> Path:
    for index, texts in enumerate(found):
        folder = root / f"sys/devices/system/cpu/cpu0/cache/index{index}"
        folder.mkdir(parents=True)
        for name, text in zip(("type", "level", "size", "shared_cpu_list"), texts, strict=True):
            (folder / name).write_text(f"{text}\n")
    return root


@pytest.mark.parametrize(
    ("found", "sizes", "tiles"),
    [
        (EPYC, (32 << 10, 1 << 20, 16 << 20), (1 << 15, 1 << 20)),
        (XEON, (48 << 10, 2 << 20, (105 << 20) // 28), (48 << 10, 2 << 20)),  # two threads of one core share its own
        (CLUSTER, (64 << 10, 2 << 20, 0), (1 << 16, 2 << 20)),
        ([("Data", 1, "16K", "0"), ("Unified", 2, "256K", "0")], (16 << 10, 256 << 10, 0), (1 << 15, 1 << 19)),
        ([("Data", 1, "128K", "0"), ("Unified", 2, "16M", "0")], (128 << 10, 16 << 20, 0), (1 << 16, 1 << 21)),
        (BROKEN, processors.Caches(), (1 << 15, 1 << 20)),
        ([], processors.Caches(), (1 << 15, 1 << 20)),
    ],
)  # fmt: skip
def test_caches(
    tmp_path: Path, found: list[tuple[str, int, str, str]], sizes: tuple[int, ...], tiles: tuple[int, int]
) -> None:
    caches = processors.caches(with_caches(tmp_path, found))
    assert caches == sizes
    assert work.believed(caches) == tiles


def test_the_tiles_are_for_the_caches_of_this_machine() -> None:
    assert work.believed(processors.caches()) == (work.LEVEL_1, work.LEVEL_2)
    assert (columns.TILE_BYTES, winograd.TILE_BYTES) == (work.LEVEL_2, 2 * work.LEVEL_2)
