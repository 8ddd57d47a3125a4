"""The training loop. What `run` does in an epoch stands in run.py, what happens to a batch in step.py."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xpnet.base.checks import whole
from xpnet.callbacks import Callback, History
from xpnet.files.compiled import CompiledNetwork
from xpnet.training.evaluation import Verbose, verbosity
from xpnet.training.feed import for_training
from xpnet.training.prepare import compiled
from xpnet.training.run import Options, Run
from xpnet.training.step import Step


def fit(
    model: CompiledNetwork,
    x: Any,
    t: Any,
    *,
    epochs: int,
    verbose: Verbose,
    callbacks: Callback | Iterable[Callback] | None,
    initial_epoch: int,
    validation_freq: int,
    accumulate: int,
    **data: Any,
) -> History:
    """What `Model.fit` says; `data` are its options of the data."""
    optimizer, loss = compiled(model)
    options = Options(
        whole("epochs", epochs, 0),
        whole("initial_epoch", initial_epoch, 0),
        whole("validation_freq", validation_freq),
        whole("accumulate", accumulate),
        verbosity(verbose),
    )
    batches, held_out = for_training(model, x, t, **data)
    run = Run(Step(model, optimizer, loss, options.accumulate), batches, held_out, callbacks, options)
    with run.under_way():
        for epoch in run.epochs_left():
            logs = run.train(epoch) | run.validate(epoch)
            run.end_epoch(epoch, logs)
    return run.history
