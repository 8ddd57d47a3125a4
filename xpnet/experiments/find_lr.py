"""Find a learning rate: train for a few steps with a rate that grows, and see where the loss falls."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from xpnet import random
from xpnet.base.checks import positive, whole
from xpnet.data.batches import Batches
from xpnet.errors import DataError, NonFiniteError, OptionError
from xpnet.training.iterables import one_after_another
from xpnet.training.prepare import prepare, require_compiled

if TYPE_CHECKING:
    from xpnet.model import Model

SMOOTHING = 0.9  # of the running mean: the share of the mean so far


@dataclass(frozen=True)
class LRSearch:
    """What `find_lr` found: of each step the rate, the loss before it, and the smoothed loss; and a rate to try.

    `suggestion` is None if the loss fell nowhere, or no further than by four standard deviations of its noise around
    the smoothed loss. `visualize.plot_lr_search` draws it.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestion: float | None


def find_lr(
    model: Model,
    x: Any,
    t: Any = None,
    *,
    batch_size: int = 32,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
    diverged: float = 4.0,
) -> LRSearch:
    """Train a copy of the model for `steps` steps, with rate lowest (highest / lowest)**(i / (steps - 1)) in step i.

    The search ends early where the loss is not finite or its running mean is `diverged` times the lowest so far. The
    curve is smoothed by straight lines of least squares, over a tenth of the steps around each; the suggestion is the
    rate at which that line falls most, by the logarithm of the rate, before the smoothed loss is lowest.

    x, t: samples and targets as for `fit`, or x alone: an iterable of batches (x, t). More than one epoch is begun if
    there are fewer batches than steps. The model must be compiled; its optimizer is used with all its settings and its
    state, only with other rates. Model, optimizer and the random state are afterwards what they were before.

    Raises OptionError for a model that is not compiled or bounds that do not fit, DataError for data without batches,
    and what `fit` raises for data that do not belong to the network.

    Smith, "Cyclical learning rates for training neural networks", 2017.
    """
    require_compiled(model)
    lowest, highest = positive("find_lr: lowest", lowest), positive("find_lr: highest", highest)
    steps = whole("find_lr: steps", steps, 10)
    if lowest >= highest:
        raise OptionError(f"find_lr: lowest must be below highest, but they are {lowest} and {highest}")
    if not positive("find_lr: diverged", diverged) > 1:
        raise OptionError(f"find_lr: diverged must be above 1, not {diverged!r}")
    with random.preserved_state():
        twin = model.copy()  # also where the model is not built yet: then it stays so
        require_compiled(twin)[0].lr_scale = 1.0  # ReduceLROnPlateau may have left another
        batches: Iterable[Any] = x
        if t is not None:
            if any(True for _ in twin.named_states()):
                raise OptionError(
                    "find_lr: the model carries state from batch to batch, and these would be shuffled: give batches in"
                    " order, find_lr(model, data.Batches(x, t, batch_size, drop_last=True))"
                )
            x, t = prepare(twin, x, t)
            batches = Batches(x, t, batch_size, shuffle=True)
        rates = lowest * (highest / lowest) ** (np.arange(steps) / (steps - 1))
        losses = _losses(twin, batches, rates, diverged)
    if len(losses) < 3:
        raise DataError(
            f"find_lr: the data ended, or the loss was not finite, after {len(losses)} steps; give more batches, or a"
            f" lowest rate below {lowest}"
        )
    rates = rates[: len(losses)]
    smoothed, slopes = _lines(np.log(rates), np.array(losses), steps // 20)
    bottom = int(smoothed.argmin())
    steepest = int(slopes[: bottom + 1].argmin())
    noise = (np.array(losses) - smoothed)[: bottom + 1].std()
    falls = smoothed[: bottom + 1].max() - smoothed[bottom] > 4 * noise  # otherwise the slope is the noise's
    return LRSearch(rates, np.array(losses), smoothed, float(rates[steepest]) if falls else None)


def _losses(model: Model, batches: Iterable[Any], rates: np.ndarray, diverged: float) -> list[float]:
    """The loss of each step, up to the one that diverged."""
    optimizer, _ = require_compiled(model)
    losses: list[float] = []
    mean, best = 0.0, math.inf
    for rate, batch in zip(rates, _pairs(batches), strict=False):
        optimizer.lr = float(rate)
        try:
            loss = model.train_on_batch(*batch)
        except NonFiniteError:
            break
        if not math.isfinite(loss):
            break
        losses.append(loss)
        mean += (1 - SMOOTHING) * (loss - mean)
        unbiased = mean / (1 - SMOOTHING ** len(losses))  # the mean began at zero
        best = min(best, unbiased)
        if unbiased > diverged * best:
            break
    return losses


def _pairs(batches: Iterable[Any]) -> Iterator[Any]:
    """The batches of one epoch after another."""
    if not isinstance(batches, Iterable):
        raise DataError(f"find_lr: without t, x must be an iterable of batches (x, t), not {type(batches).__name__}")
    for batch in one_after_another(repeat(batches)):
        if not isinstance(batch, (tuple, list)) or len(batch) < 2:
            raise DataError("find_lr: without t, x must be an iterable of batches: pairs (x, t)")
        yield batch


def _lines(x: np.ndarray, y: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Height and slope, at each x, of the line of least squares through it and `reach` neighbours on either side."""
    heights, slopes = np.empty_like(y), np.empty_like(y)
    reach = max(reach, 1)
    for i in range(len(x)):
        near = slice(max(i - reach, 0), i + reach + 1)
        dx, dy = x[near] - x[near].mean(), y[near] - y[near].mean()
        slopes[i] = (dx * dy).sum() / (dx * dx).sum()
        heights[i] = y[near].mean() + slopes[i] * (x[i] - x[near].mean())
    return heights, slopes
