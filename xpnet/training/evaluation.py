"""Networks in inference mode: evaluate and predict."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from xpnet.base.console import bar, is_terminal
from xpnet.base.nested import arranged_like, as_several, first_leaf, leaves
from xpnet.base.quiet import quiet
from xpnet.core.carried import states_set_aside
from xpnet.core.network import Network
from xpnet.errors import OptionError
from xpnet.files.trainable import TrainableNetwork
from xpnet.regularizers import penalties
from xpnet.training.feed import Feed, for_evaluation, for_prediction, on_device
from xpnet.training.means import Means
from xpnet.training.prepare import require_compiled

Verbose = int | Literal["auto"]


def evaluate(
    model: TrainableNetwork,
    x: Any,
    t: Any,
    batch_size: int | None,
    verbose: Verbose,
    sample_weight: Any,
    steps: int | None,
) -> dict[str, float]:
    """What `Model.evaluate` says, by name."""
    require_compiled(model)
    return evaluate_batches(model, for_evaluation(model, x, t, sample_weight, batch_size, steps), verbose)


def evaluate_batches(model: TrainableNetwork, batches: Feed, verbose: Verbose) -> dict[str, float]:
    """The mean loss and the metrics over all samples, in inference mode."""
    _, loss = require_compiled(model)
    backend, means = model.backend, Means(model.backend)
    metrics = copy.deepcopy(model.metrics)  # training may be in the middle of counting
    for metric in metrics:
        metric.reset()
    with states_set_aside(model):  # training may be in the middle of a sequence
        for batch in with_bar(batches, verbosity(verbose), "evaluate"):
            with backend.memory_advice(len(first_leaf(batch))), quiet():
                x, t, *weights = on_device(model, batch)
                y = model(*as_several(x))
                values, _ = loss.forward_parts(y, t, backend, *weights)
                means.add(values, loss.weight_of(t, backend))
                for metric in metrics:
                    metric.update(y, t, backend)
    with quiet():
        results = means.read()
        results["loss"] = loss.mean_of(results) + sum(float(value) for value in penalties(model.parameters()))
        return results | {metric.name: metric.result() for metric in metrics}


def predict(model: Network, x: Any, batch_size: int | None, verbose: Verbose) -> Any:
    """The outputs of all samples, in inference mode."""
    batches, backend = for_prediction(model, x, batch_size), model.backend
    outputs = []
    for part in with_bar(batches, verbosity(verbose), "predict"):
        with backend.memory_advice(len(first_leaf(part))), quiet():
            y = model(*as_several(on_device(model, part)))
            outputs.append([backend.to_numpy(each) for each in leaves(y)])
    return arranged_like(y, [np.concatenate(parts) for parts in zip(*outputs, strict=True)])


def verbosity(verbose: Verbose) -> int:
    """0, 1 or 2: "auto" is 1 on a terminal and 2 elsewhere."""
    if verbose == "auto":
        return 1 if is_terminal() else 2
    if verbose not in (0, 1, 2):
        raise OptionError(f'verbose must be 0, 1, 2 or "auto", not {verbose!r}')
    return int(verbose)


def with_bar(batches: Iterable[Any], verbose: int, what: str) -> Any:
    """The batches, with a progress bar around them for verbose 1."""
    return bar(batches, desc=what, unit="batch") if verbose == 1 else batches
