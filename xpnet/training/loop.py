"""The training loop. What `run` does in an epoch stands in run.py, what a step does with a batch in step.py."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xpnet.base.checks import whole
from xpnet.callbacks import Callback, History
from xpnet.training.evaluation import Verbose, verbosity
from xpnet.training.feed import for_training
from xpnet.training.run import Options, Run
from xpnet.training.shared_evaluation import can_share
from xpnet.training.step import Step


def fit(
    step: Step,
    x: Any,
    t: Any,
    *,
    epochs: int,
    verbose: Verbose,
    callbacks: Callback | Iterable[Callback] | None,
    initial_epoch: int,
    validation_freq: int,
    **data: Any,
) -> History:
    """What `Model.fit` says, with this step; `data` are its options of the data."""
    options = Options(
        whole("epochs", epochs, 0),
        whole("initial_epoch", initial_epoch, 0),
        whole("validation_freq", validation_freq),
        whole("accumulate", step.accumulate),
        verbosity(verbose),
    )
    shared = step.shards if can_share(step.model) else 1  # else each worker validates with all
    batches, held_out = for_training(step.model, x, t, shards=shared, **data)
    run = Run(step, batches, held_out, callbacks, options)
    with run.under_way():
        for epoch in run.epochs_left():
            logs = run.train(epoch) | run.validate(epoch)
            run.end_epoch(epoch, logs)
    return run.history
