"""Let a language model go on writing."""

from typing import Any

import numpy as np
import numpy.typing as npt

from xpnet import random
from xpnet.base.checks import at_least_zero, whole
from xpnet.base.host import as_host
from xpnet.core.carried import states_set_aside
from xpnet.errors import DataError, NonFiniteError
from xpnet.model import Model

Numbers = npt.NDArray[np.int64]


def generate(
    model: Model, start: npt.ArrayLike, length: int, temperature: float = 1.0, top_k: int | None = None
) -> Numbers:
    """`start` and `length` more elements, each drawn from what the model says may follow: (T + length,) in int64.

    model: takes integers (N, T) and gives scores (N, T, vocabulary), such as GPT or RecurrentLanguageModel; it sees
    the last `model.context` elements, or all where it has no such bound. start: the numbers of the first ones, (T,), or
    several such (N, T), which are gone on with side by side.  temperature: the scores are divided by it, so that below
    1 what is likely comes more often; 0 takes the likeliest.  top_k: draw from the so many likeliest alone.

    Raises DataError for what is no start, NonFiniteError if the scores are NaN.

    One seed gives the same text each time, and on every backend, as far as their rounding lets them.
    """
    given = as_host(start)
    if given.ndim not in (1, 2) or given.shape[-1] < 1 or given.dtype.kind not in "iu":
        text = "; a text goes through Vocabulary.encode first" * (given.dtype.kind == "U")
        raise DataError(f"generate: start must be integers (T,) or (N, T), of at least one, not {given!r:.60}{text}")
    length, temperature = whole("generate: length", length, 0), at_least_zero("generate: temperature", temperature)
    top_k = None if top_k is None else whole("generate: top_k", top_k)
    draws = random.generator("generate")
    numbers = given.astype(np.int64).reshape(-1, given.shape[-1])  # (N, T)
    carries, seen = any(True for _ in model.named_states()), 0
    with states_set_aside(model):
        for _ in range(length):
            bound = getattr(model, "context", numbers.shape[1])
            part = numbers[:, seen:] if carries else numbers[:, -bound:]
            seen = numbers.shape[1]
            scores = model.backend.to_numpy(model(model.backend.asarray(part))[:, -1, :])
            chosen = _choose(scores.astype(np.float64), temperature, top_k, draws.random((len(numbers), 1)))
            numbers = np.concatenate([numbers, chosen], axis=1)
    return numbers if given.ndim == 2 else numbers[0]


def _choose(scores: npt.NDArray[np.float64], temperature: float, top_k: int | None, u: Any) -> Numbers:
    """One of each row of scores (N, V), where numbers from 0 to 1 (N, 1) fall among the probabilities."""
    largest = scores.max(axis=1, keepdims=True)  # NaN if one is
    if np.isnan(largest).any() or (temperature and np.isinf(largest).any()):
        raise NonFiniteError(
            "generate: the model's scores became NaN or infinite, so that nothing can be drawn; its weights or its"
            " training went wrong"
        )
    if temperature == 0:
        likeliest: Numbers = np.argmax(scores, axis=1, keepdims=True)
        return likeliest
    below = (scores - largest) / temperature
    if top_k is not None:
        order = np.argsort(-below, axis=1, kind="stable")
        np.put_along_axis(below, order[:, top_k:], -np.inf, axis=1)
    total = np.cumsum(np.exp(below), axis=1)
    chosen: Numbers = np.count_nonzero(total <= u * total[:, -1:], axis=1, keepdims=True)
    return chosen
