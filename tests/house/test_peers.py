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


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))


@pytest.fixture
def benches(bench: None) -> None:
    pytest.importorskip("torch", reason='PyTorch is not installed: pip install "xpnet[oracle]"')


@pytest.mark.oracle
@pytest.mark.usefixtures("benches")
@pytest.mark.parametrize("network", SIZES)
def test_pytorch_has_the_same_network(network: str) -> None:
    import peers
    import torch_peers

    own = peers.xpnet_network(network)
    other = torch_peers.twin(own, network)  # which compares shapes, and the outputs of the same weights
    assert sum(p.size for p in own.parameters() if p.learned) == SIZES[network]
    if network in peers.DRAWS:
        return
    steps = peers.step_of(own, network, 4, count=2), torch_peers.step_of(other, network, 4, False, count=2)
    for tolerance in (1e-5, 1e-3):  # before the first update, and behind it
        a, b = (step.run() for step in steps)
        assert a == pytest.approx(b, rel=tolerance)


@pytest.mark.oracle
@pytest.mark.usefixtures("benches")
def test_another_network_is_told() -> None:
    import peers
    import torch_peers

    with pytest.raises(SystemExit, match="PyTorch's mlp has parameters of the shapes"):
        torch_peers.twin(peers.xpnet_network("lenet5"), "mlp")


@pytest.mark.oracle
@pytest.mark.usefixtures("benches")
def test_onnx_runtime_has_the_same_network(network: str = "lenet5") -> None:
    for module in ("onnxruntime", "onnxscript"):
        pytest.importorskip(module, reason=f'{module} is not installed: pip install "xpnet[peers]"')
    import onnx_peers
    import peers

    own = peers.xpnet_network(network)
    other, step = onnx_peers.onnx_step(own, network, 3, 1, count=2), peers.step_of(own, network, 3, False, count=2)
    results = [(step.run(), other.run()) for _ in range(2)]
    assert all(np.allclose(a, b, atol=1e-5) for a, b in results)
    assert not np.allclose(results[0][0], results[1][0])  # other images each time


@pytest.mark.oracle
@pytest.mark.usefixtures("benches")
@pytest.mark.parametrize("network", ["mlp", "dcgan"])
def test_training_begins_anew(network: str) -> None:
    import peers
    import torch_peers

    own = peers.xpnet_network(network)
    other = torch_peers.twin(own, network)

    def weights() -> list[Any]:
        return [*own.get_weights(), *(value.numpy().copy() for value in other.state_dict().values())]

    first = weights()
    for step in (peers.step_of(own, network, 4, count=1), torch_peers.step_of(other, network, 4, False, count=1)):
        assert step.restart
        losses = []
        for _ in range(2):
            losses.append([step.run() for _ in range(3)])
            assert not all(map(np.array_equal, first, weights()))
            step.restart()
            assert all(map(np.array_equal, first, weights()))
        if network not in peers.DRAWS:
            assert losses[0] == losses[1] and losses[0][0] > losses[0][2]  # so Adam has forgotten all, too
    assert all(optimizer.steps == 0 for _, optimizer in own.named_optimizers())


@pytest.mark.usefixtures("bench")
def test_a_turn_ends_before_moments_are_denormal() -> None:
    import compare
    import peers

    model = peers.xpnet_network("mlp")
    step = peers.step_of(model, "mlp", peers.BATCH["mlp"])
    for _ in range(compare.WAKING + compare.STEPS):
        step.run()
    moments = [np.asarray(array) for state in model.optimizer.state.values() for array in state.values()]
    sizes = np.concatenate([abs(array).ravel() for array in moments])
    assert sizes[sizes > 0].min() >= np.finfo(np.float32).tiny


@pytest.mark.usefixtures("bench")
def test_what_differs_is_not_timed() -> None:
    import compare
    from peers import Step

    def results(*arrays: Any) -> list[Any]:
        return [Step(lambda array=array: np.asarray(array)) for array in arrays]

    compare.check("mlp", False, "torch", results([1.0, 2.0], [1.0, 2.00001]))
    for other in ([1.0, 2.001], [1.0], [1.0, np.nan]):
        with pytest.raises(SystemExit, match="mlp's outputs of xpnet and torch differ by"):
            compare.check("mlp", False, "torch", results([1.0, 2.0], other))
    compare.check("deepconvnet", True, "torch", results(1.0, 2.0))  # dropout


@pytest.mark.usefixtures("bench")
def test_a_processor_has_a_name(tmp_path: Path) -> None:
    import machine

    assert machine.processor()
    path = tmp_path / "cpuinfo"
    path.write_text(
        "model name\t: Intel(R) Xeon(R) CPU @ 2.10GHz\ncpu family\t: 6\nmodel\t: 143\nflags\t: avx2 avx512f\n\n"
        "model name\t: of another\n"
    )
    assert machine.processor(path) == "Intel Xeon @ 2.10GHz (family 6, model 143), AVX-512"


@pytest.mark.usefixtures("bench")
def test_the_goals_go_on_where_they_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import compare
    import goals
    import machine

    made: list[Any] = []

    def measured(goal: Any, rounds: int) -> dict[str, Any]:
        made.append(goal)
        ratio, others = {"mlp": (9.0, 0.1), "vgg": (0.1, 0.1)}.get(goal.network, (9.0, 0.9))
        speeds = {"xpnet_samples_per_s": 1, "peer_samples_per_s": 1, "ratio": ratio, "quartiles": [ratio, ratio]}
        return {**goal._asdict(), **speeds, "others": others, "processor": machine.processor()}

    def run(*words: str) -> int:
        made.clear()
        monkeypatch.setattr("sys.argv", ["goals", "--json", str(tmp_path / "goals.json"), "--only", "numpy", *words])
        with pytest.raises(SystemExit) as ended:
            goals.main()
        return int(str(ended.value.code))

    monkeypatch.setattr(goals, "measured", measured)
    monkeypatch.setattr(compare, "refuse_what_is_missing", lambda *_: None)
    assert run("train") == 1 and len(made) == 10
    assert run("train", "mlp") == 0 and made == []
    assert run("train") == 1 and len(made) == 8  # those that were measured on a busy machine
    out = capsys.readouterr().out
    assert "vgg" in out and "BELOW, measured before" in out and "the machine was not quiet" in out
    assert {goal.network for goal in goals.goals()} == set(SIZES)


@pytest.mark.usefixtures("bench")
def test_the_sizes_are_of_all_peers() -> None:
    import peers

    assert set(SIZES) == set(peers.BATCH)


def without(module: str, *words: str) -> Any:
    """The comparison in a process that does not find a module."""
    script = f"import runpy, sys; sys.modules[{module!r}] = None; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", f"import sys; sys.argv = sys.argv[1:]; {script}", "bench/compare.py", *words]
    path = os.pathsep.join([str(ROOT), str(ROOT / "bench")])
    return subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)


@pytest.mark.parametrize("other", ["torch", "keras", "onnxruntime"])
def test_what_is_not_installed_is_told_in_one_line(other: str) -> None:
    done = without(other, "--against", other, "--networks", "mlp")
    assert done.returncode == 1 and done.stderr.startswith(f"compare: {other} is not installed: pip install ")
    assert done.stderr.count("\n") == 1


def test_a_network_that_the_other_one_has_not_is_told() -> None:
    done = without("torch", "--against", "textbook", "--networks", "gpt", "mlp")
    assert done.returncode == 1 and "textbook has no network gpt; choose of mlp, lenet5" in done.stderr


def test_a_mode_that_the_other_one_has_not_is_told() -> None:
    done = without("torch", "--against", "onnxruntime", "--modes", "train", "latency")
    assert done.returncode == 1 and "has no mode train; choose of infer, latency, latency8" in done.stderr
