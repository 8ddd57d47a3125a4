"""The state as a script: it makes the same points and the same network, and comes to the same numbers."""

import inspect
import json
import re
from typing import Any

from xpnet import initializers, layers, losses, optimizers, regularizers
from xpnet.base.configured import Configured, defaults_in
from xpnet.serving.playground.network import make_layers, make_loss, make_optimizer
from xpnet.serving.playground.points import SAMPLES, SETS, share
from xpnet.serving.playground.state import State

COLUMNS = {
    "x1": "x1",
    "x2": "x2",
    "x1^2": "x1 * x1",
    "x2^2": "x2 * x2",
    "x1x2": "x1 * x2",
    "sin x1": "np.sin(x1)",
    "sin x2": "np.sin(x2)",
}  # as points.FEATURES computes them


def make_script(state: State, steps: int, exact: bool = True) -> str:
    """Python text. steps: so many the script takes; by default those of ten epochs.

    exact: whether the playground has come to these numbers, too; if it was changed on the way, the script says so.
    """
    count = len(state.points) if state.data == "own" else SAMPLES[state.problem]
    train = share(state, count)
    steps = steps or 10 * -(-train // state.batch)
    network = "".join(f"        {as_code(layer)},\n" for layer in make_layers(state))
    parts = {
        "note": "" if exact else CHANGED,
        "names": _imports(state),
        "set": _set_code(state),
        "points": _points_code(state),
        "columns": ", ".join(COLUMNS[name] for name in state.inputs),
        "targets": _targets_code(state),
        "train": train,
        "seed": state.seed,
        "batch": state.batch,
        "steps": steps,
        "layers": network,
        "inputs": len(state.inputs),
        "optimizer": f"optimizers.{type(make_optimizer(state)).__name__}(lr={state.lr!r})",
        "loss": as_code(make_loss(state)),
    }
    return TEMPLATE.format(**parts)


CHANGED = """
#
# In the playground something was changed on the way: its numbers were those of no single script. These are the numbers
# of a network that has had these settings from the beginning."""

TEMPLATE = '''\
# A small network on points in the plane, as the playground of xpnet computes it. It needs xpnet: `pip install .` in a
# clone of it.{note}
import numpy as np

import xpnet
from xpnet import {names}

SEED = {seed}
BATCH = {batch}
STEPS = {steps}

# ---- points ----

{set}
rng = np.random.default_rng(SEED)
{points}
x = np.stack([{columns}], axis=1).astype("float32")
t = {targets}

order = rng.permutation(len(x))
train, test = order[:{train}], order[{train}:]
x_train, t_train, x_test, t_test = x[train], t[train], x[test], t[test]

# ---- network ----

xpnet.seed(SEED)
model = Sequential(
    [
{layers}    ]
)
model.build(({inputs},))
model.compile({optimizer}, {loss})


def mean_loss(x, t):
    """Over all points, without the penalties of regularizers."""
    return float(model.loss.forward(model(x), t)[0]) if len(x) else float("nan")


# ---- training ----

batches = -(-len(x_train) // BATCH)  # in an epoch
for step in range(STEPS):
    epoch, batch = divmod(step, batches)
    if batch == 0:  # each epoch goes through the points in another order
        order = np.random.default_rng([SEED, epoch]).permutation(len(x_train))
    rows = order[batch * BATCH : (batch + 1) * BATCH]
    model.train_on_batch(x_train[rows], t_train[rows])
    if batch == batches - 1 or step == STEPS - 1:
        train_loss, test_loss = mean_loss(x_train, t_train), mean_loss(x_test, t_test)
        print(f"epoch {{epoch + 1}}, step {{step + 1}}: training loss {{train_loss:.6f}}, test loss {{test_loss:.6f}}")
'''


def _imports(state: State) -> str:
    """What the script takes from xpnet, in the order of the alphabet."""
    names = {"Sequential", "layers", "losses", "optimizers"}
    if state.regularization != "none":
        names.add("regularizers")
    if state.initializer == "uniform":
        names.add("initializers")
    if "data.one_hot" in _targets_code(state):
        names.add("data")
    return ", ".join(sorted(names))


def _set_code(state: State) -> str:
    """The function that makes the points, as it stands in points.py, or the points themselves."""
    if state.data == "own":
        rows = "".join(f"    {list(point)},\n" for point in state.points)
        return f"points = np.array([  # x1, x2, target\n{rows}], dtype=float).reshape(-1, 3)"
    source = inspect.getsource(SETS[state.data])
    names = ", ".join(inspect.signature(SETS[state.data]).parameters)
    return re.sub(r"def (\w+)\(.*?\) -> .*?:\n", rf"def \1({names}):\n", source, count=1, flags=re.DOTALL) + "\n"


def _points_code(state: State) -> str:
    if state.data == "own":
        return "x1, x2, target = points.T"
    more = f", classes={state.classes}" if "classes" in inspect.signature(SETS[state.data]).parameters else ""
    return f"x1, x2, target = {state.data}(rng, {SAMPLES[state.problem]}, noise={state.noise / 100!r}{more})"


def _targets_code(state: State) -> str:
    """As network.make_targets computes them."""
    squares = state.loss_name == "mean_squared_error"
    if state.task == "several classes":
        numbers = 'target.astype("int64")'
        return f"data.one_hot({numbers}, {state.classes})" if squares else numbers
    if state.task == "two classes" and squares:
        return '(2 * target - 1)[:, None].astype("float32")  # -1 and 1, as tanh gives them'
    return 'target[:, None].astype("float32")'


def as_code(value: Any) -> str:
    """What makes the object: its constructor, with the arguments that are not the default; the first by its place."""
    if isinstance(value, Configured):
        config = value.config()
        left_out = {*defaults_in(value, config), "name"}
        first = next(iter(config), None)
        shown = [
            as_code(argument) if name == first else f"{name}={as_code(argument)}"
            for name, argument in config.items()
            if name not in left_out
        ]
        return f"{_room(value)}.{type(value).__name__}({', '.join(shown)})"
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _room(value: Configured) -> str:
    """The module of xpnet's that has the class."""
    name = type(value).__name__
    return next(
        each.__name__.rpartition(".")[2]
        for each in (layers, losses, regularizers, initializers, optimizers)
        if getattr(each, name, None) is type(value)
    )
