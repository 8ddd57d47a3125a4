"""The Loader with worker processes: the same batches, errors with the sample's name, and no process left behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import xpnet
from xpnet.data import Arrays, Loader, augment
from xpnet.errors import DataError, OptionError

X, T = np.random.default_rng(0).random((23, 1, 8, 8), np.float32), np.arange(23)
DISTORT = augment.Compose([augment.Rotate(20), augment.Elastic(10, 2), augment.Noise(0.1)])


class Pid(Arrays):
    """Gives the process as the target; fails where Broken does, or ends the process at sample 17."""

    fails: bool = False
    dies: bool = False

    def __getitem__(self, indices):
        if self.fails and 13 in indices:
            raise KeyError("thirteen")
        if self.dies and 17 in indices:
            os._exit(3)
        x, t = super().__getitem__(indices)
        return x, t, np.full(len(t), os.getpid())


def bits(epoch):
    return [(x.tobytes(), t.tobytes()) for x, t, _ in epoch]


def test_worker_processes_give_the_same_bits_stay_and_end():
    xpnet.seed(2)
    expected = [bits(Loader(Pid(X, T), 5, augment=DISTORT, prefetch=0)) for _ in range(2)]
    xpnet.seed(2)
    loader = Loader(Pid(X, T), 5, augment=DISTORT, workers=2, processes=True)
    epochs = [list(loader) for _ in range(2)]
    assert [bits(epoch) for epoch in epochs] == expected
    pids = {int(p[0]) for epoch in epochs for _, _, p in epoch}
    assert os.getpid() not in pids and 1 <= len(pids) <= 2
    for _ in loader:
        break  # abandoned
    loader.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    loader.close()


def test_errors_of_worker_processes():
    source = Pid(X, T)
    source.fails = True
    loader = Loader(source, 5, shuffle=False, workers=1, processes=True)
    with pytest.raises(DataError, match="sample 13 cannot be read: KeyError: 'thirteen'"):
        list(loader)
    loader.close()
    source.fails, source.dies = False, True
    with pytest.raises(DataError, match="a worker process of the Loader ended"):
        list(Loader(source, 5, shuffle=False, workers=1, processes=True))
    loader = Loader((X, T), 5, transform=lambda x: x, workers=1, processes=True)
    with pytest.raises(OptionError, match=r"cannot be sent to worker processes.*functions and classes that stand"):
        list(loader)


SCRIPT = """
import os, sys, time
import numpy as np
from xpnet.data import Arrays, Loader

class Pid(Arrays):
    def __getitem__(self, indices):
        return np.full((len(indices), 1), float(os.getpid())), super().__getitem__(indices)

if __name__ == "__main__":
    loader = Loader(Pid(np.arange(8)), 2, workers=2, processes=True)
    for x, _ in loader:
        print(int(x[0, 0]), flush=True)
    print("done", flush=True)
    if sys.argv[1] == "wait":
        time.sleep(60)
"""


@pytest.mark.parametrize("how", ["wait", "leave"])
def test_worker_processes_end_with_the_one_that_started_them(tmp_path, how):
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(tmp_path / "script.py"), how]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        lines = [line.strip() for line in iter(process.stdout.readline, "done\n")]
        assert len(lines) == 4
        if how == "wait":
            process.kill()
        process.wait(20)
    deadline = time.monotonic() + 10
    alive = set(map(int, lines))
    while alive and time.monotonic() < deadline:
        alive = {pid for pid in alive if Path(f"/proc/{pid}/cmdline").exists() and not zombie(pid)}
        time.sleep(0.02)
    assert not alive


def zombie(pid):
    """Ended, and only not yet fetched by whoever is its parent now."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True
