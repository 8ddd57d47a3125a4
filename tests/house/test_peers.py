"""What the benches compare is the same network, and a step makes the same of it; what is missing is told."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SIZES = {
    "mlp": 101_770, "lenet5": 61_706, "simpleconvnet": 433_890, "deepconvnet": 123_552, "vgg": 550_570,
    "resnet20": 269_722, "mobilenet": 24_874, "lstm": 82_186, "gpt": 809_856, "dcgan": 898_370,
}  # fmt: skip
DRAWS = ("deepconvnet", "dcgan")  # dropout and noise: no two libraries draw the same


@pytest.fixture
def benches(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason='PyTorch is not installed: pip install "xpnet[oracle]"')
    monkeypatch.syspath_prepend(str(ROOT / "bench"))


@pytest.mark.oracle
@pytest.mark.usefixtures("benches")
@pytest.mark.parametrize("network", SIZES)
def test_pytorch_has_the_same_network(network: str) -> None:
    import peers
    import torch
    import torch_peers

    own, other = peers.xpnet_network(network), torch_peers.torch_network(network)
    learned = [p for p in own.parameters() if p.learned]
    assert [p.shape for p in learned] == [tuple(p.shape) for p in other.parameters()]
    assert sum(p.size for p in learned) == SIZES[network]
    with torch.no_grad():
        for p, twin in zip(learned, other.parameters(), strict=True):
            twin.copy_(torch.from_numpy(np.array(own.backend.to_numpy(p.value))))
    if network in DRAWS:
        x = peers.inputs(4, network)
        assert np.allclose(own.predict(x), other.eval()(torch.from_numpy(x)).detach(), atol=1e-5)
        return
    steps = peers.step_of(own, network, 4), torch_peers.step_of(other, network, 4, False)
    for tolerance in (1e-5, 1e-3):  # before the first update, and behind it
        a, b = (step() for step in steps)
        assert a == pytest.approx(b, rel=tolerance)


def test_the_sizes_are_of_all_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import peers

    assert set(SIZES) == set(peers.BATCH)


def without(module: str, *words: str) -> Any:
    """The comparison in a process that does not find a module."""
    script = f"import runpy, sys; sys.modules[{module!r}] = None; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", f"import sys; sys.argv = sys.argv[1:]; {script}", "bench/compare.py", *words]
    path = os.pathsep.join([str(ROOT), str(ROOT / "bench")])
    return subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)


@pytest.mark.parametrize("other", ["torch", "keras"])
def test_what_is_not_installed_is_told_in_one_line(other: str) -> None:
    done = without(other, "--against", other, "--networks", "mlp")
    assert done.returncode == 1 and done.stderr.startswith(f"compare: {other} is not installed: pip install ")
    assert done.stderr.count("\n") == 1


def test_a_network_that_the_other_one_has_not_is_told() -> None:
    done = without("torch", "--against", "textbook", "--networks", "gpt", "mlp")
    assert done.returncode == 1 and "textbook has no gpt; choose of mlp, lenet5" in done.stderr
