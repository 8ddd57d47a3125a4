"""The script comes to the numbers of the playground, bit for bit, and is one that a learner can read."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.serving.playground.states import STATES
from xpnet.serving.playground.lab import Lab
from xpnet.serving.playground.points import FEATURES
from xpnet.serving.playground.script import COLUMNS, make_script
from xpnet.serving.playground.state import read_state

STEPS = 37  # in the middle of an epoch

RUN_ALL = """
import pathlib, runpy, sys
import numpy as np

for path in pathlib.Path(sys.argv[1]).glob("*.py"):
    made = runpy.run_path(str(path))
    arrays = {f"weight {name}": p.value.copy() for name, p in made["model"].named_parameters()}
    losses = [made["mean_loss"](made["x_train"], made["t_train"]), made["mean_loss"](made["x_test"], made["t_test"])]
    points = [made[name] for name in ("x_train", "t_train", "x_test", "t_test")]
    epoch, batch = divmod(made["STEPS"], made["batches"])
    order = np.random.default_rng([made["SEED"], epoch]).permutation(len(made["x_train"]))
    rows = order[batch * made["BATCH"] : (batch + 1) * made["BATCH"]]
    last = made["model"].train_on_batch(made["x_train"][rows], made["t_train"][rows])  # the loss of one step more
    np.savez(path.with_suffix(".npz"), losses=losses, last=last, **arrays, **dict(zip("abcd", points)))
"""


def run_python(*arguments: str) -> str:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(root)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def from_scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the script of each state comes to, all of them run in another process."""
    folder = tmp_path_factory.mktemp("scripts")
    for name, state in STATES.items():
        (folder / f"{name}.py").write_text(make_script(read_state(state), STEPS))
    run_python("-c", RUN_ALL, str(folder))
    return {name: np.load(folder / f"{name}.npz") for name in STATES}


@pytest.mark.parametrize("name", STATES)
def test_the_script_comes_to_the_same_bits(name: str, from_scripts: dict[str, Any]) -> None:
    lab, found = Lab(read_state(STATES[name])), from_scripts[name]
    for _ in range(STEPS):
        lab.train_step()
    for letter, array in zip("abcd", (lab.x, lab.t, lab.x_test, lab.t_test), strict=True):
        np.testing.assert_array_equal(found[letter], array)
        assert found[letter].dtype == array.dtype
    for path, parameter in lab.network.named_parameters():
        assert parameter.value.tobytes() == found[f"weight {path}"].tobytes(), path
    losses = lab.losses()
    assert [losses["train_loss"], losses["test_loss"]] == [None if np.isnan(x) else x for x in found["losses"].tolist()]
    assert lab.train_step() == float(found["last"])


def test_the_script_runs_alone_and_prints_the_losses(tmp_path: Path) -> None:
    state = read_state({"data": "xor"})
    lab = Lab(state)
    lab.train_epoch()
    lab.train_epoch()
    lab.train_step()
    (tmp_path / "script.py").write_text(make_script(state, lab.step))
    *_, before, last = run_python(str(tmp_path / "script.py")).splitlines()
    assert before.startswith("epoch 2, step 50: training loss ")
    losses = lab.losses()
    expected = f"training loss {losses['train_loss']:.6f}, test loss {losses['test_loss']:.6f}"
    assert last == f"epoch 3, step 51: {expected}"


@pytest.mark.parametrize("name", STATES)
def test_the_script_is_readable(name: str) -> None:
    state = read_state(STATES[name])
    text = make_script(state, 10)
    assert len(text.splitlines()) < 85 + len(state.points)
    assert max(map(len, text.splitlines())) <= 120
    assert ("regularizers." in text.replace("of regularizers.", "")) == (state.regularization != "none")
    compile(text, name, "exec")


def test_without_steps_it_takes_ten_epochs() -> None:
    assert "STEPS = 250\n" in make_script(read_state({}), 0)


def test_it_says_where_the_playground_came_another_way() -> None:
    assert "changed on the way" in make_script(read_state({}), 10, exact=False)
    assert "changed on the way" not in make_script(read_state({}), 10)


def test_columns_are_the_features() -> None:
    x1, x2 = np.random.default_rng(0).uniform(-6, 6, (2, 50))
    for name, text in COLUMNS.items():
        np.testing.assert_array_equal(eval(text, {"np": np, "x1": x1, "x2": x2}), FEATURES[name](x1, x2))
