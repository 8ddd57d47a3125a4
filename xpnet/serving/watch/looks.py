"""What a Watch looks at beside the curves: histograms of weights and gradients, filters, misclassified images.

Each look costs time, which is bounded: by samples of large arrays, and by a share of the time of the training.
"""

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpnet import random
from xpnet.analysis.predictions import probabilities
from xpnet.core.carried import states_set_aside
from xpnet.core.network import Network
from xpnet.core.parameter import Parameter

BINS = 40
SAMPLED = 8192  # entries of an array, at most
MOST_FILTERS, MOST_CHANNELS = 64, 16
MOST_LOOKED_AT, MOST_SHOWN, AT_ONCE = 2000, 48, 64  # images
NONE = -1  # a label that is no answer
MOST_PIXELS = 64  # along the edge of an image that is shown

Floats = npt.NDArray[np.float32]


class Turn:
    """When it is time for a look: `seconds` after the last one, or `idle` seconds while no page is open, and so rarely
    that all looks together take no more than a share of the time. The first is due `at_once`, or as late as the next.
    """

    def __init__(self, seconds: float, idle: float = math.inf, share: float = 0.02, at_once: bool = True) -> None:
        self.seconds, self.idle, self.share = seconds, idle, share
        self.begun = self.last = -math.inf if at_once else time.perf_counter()
        self.cost = 0.0

    def since(self) -> float:
        """Seconds since the last look."""
        return time.perf_counter() - self.last

    def due(self, watched: bool, now: float | None = None) -> bool:
        """Whether it is time for the next; `now`: a time of perf_counter, if one is known."""
        since = self.since() if now is None else now - self.last
        return since >= max(self.seconds if watched else self.idle, self.cost / self.share)

    def begin(self) -> None:
        self.begun = time.perf_counter()

    def end(self, more: float = 0.0) -> None:
        """`more`: seconds that it has cost before."""
        self.last = time.perf_counter()
        self.cost = self.last - self.begun + more


# ---- histograms ------------------------------------------------------------------------------------------------------


def sample(p: Parameter, array: Any) -> Floats:
    """Entries of one of a parameter's arrays, evenly from all of it; a copy on the host."""
    flat = p.backend.xp.reshape(array, (-1,))
    stride = -(-p.size // SAMPLED)
    return np.array(p.backend.to_numpy(flat[:: stride | 1]), np.float32)  # odd: rows most often are even


def gradients_of(named: Iterable[tuple[str, Parameter]], scale: float) -> dict[str, Floats]:
    """A sample of the gradient of each parameter that has one."""
    return {name: np.float32(scale) * sample(p, p.grad) for name, p in named if p.trainable and p.has_grad}


def histogram(values: Floats) -> tuple[dict[str, Any], Floats]:
    """Numbers about the values, and how often they are in each of the bins between the lowest and the highest."""
    finite = values[np.isfinite(values)]
    bad = len(values) - len(finite)
    if not len(finite):
        return {"low": 0.0, "high": 0.0, "mean": 0.0, "spread": 0.0, "bad": bad}, np.zeros(BINS, np.float32)
    low, high = float(finite.min()), float(finite.max())
    width = (high - low) or 1.0
    places = np.minimum((finite - low) * (BINS / width), BINS - 1).astype(np.int32)
    counts = np.bincount(places, minlength=BINS).astype(np.float32)
    numbers = {"low": low, "high": high, "mean": float(finite.mean()), "spread": float(finite.std()), "bad": bad}
    return numbers, counts


def histograms(model: Network, gradients: Mapping[str, Floats]) -> tuple[list[dict[str, Any]], Floats, Floats]:
    """Of each parameter that is learned: numbers, and the bins of weights and gradients (parameters, bins)."""
    told, weights, slopes = [], [], []
    for name, p in model.named_parameters():
        if not p.learned:
            continue
        numbers, counts = histogram(sample(p, p.value))
        gradient = gradients.get(name)
        of_gradient, of_slopes = (None, np.zeros(BINS, np.float32)) if gradient is None else histogram(gradient)
        told.append({"name": name, "shape": list(p.shape), "weight": numbers, "gradient": of_gradient})
        weights.append(counts)
        slopes.append(of_slopes)
    none = np.zeros((0, BINS), np.float32)
    return told, np.stack(weights) if weights else none, np.stack(slopes) if slopes else none


# ---- filters ---------------------------------------------------------------------------------------------------------


def filters_of(name: str, filters: np.ndarray) -> tuple[dict[str, Any], npt.NDArray[np.uint8]]:
    """Filters (F, C, KH, KW) as bytes: 128 is 0, 255 the largest absolute value of all."""
    F, C = filters.shape[:2]
    part = np.nan_to_num(filters[:MOST_FILTERS, : C if C == 3 else MOST_CHANNELS], posinf=0, neginf=0)
    largest = float(np.abs(part).max()) if part.size else 0.0
    pixels = np.rint(128 + part * (127 / (largest or 1.0))).astype(np.uint8)
    return {"name": name, "filters": F, "channels": C, "largest": largest}, pixels


# ---- misclassified images --------------------------------------------------------------------------------------------


class Images(NamedTuple):
    """Images and their labels, as far as they can be shown."""

    x: npt.NDArray[Any]  # (N, C, H, W)
    labels: npt.NDArray[np.int64]


def images_in(validation: Any) -> Images | None:
    """The validation data of a run, (x, t) or (x, t, weights), if they are images and classes; an even sample."""
    if not isinstance(validation, tuple) or len(validation) < 2:
        return None
    x, t = validation[:2]
    if not isinstance(x, np.ndarray) or not isinstance(t, np.ndarray) or x.ndim != 4 or x.shape[1] not in (1, 3):
        return None
    chosen = slice(None, None, max(1, -(-len(x) // MOST_LOOKED_AT)))
    if t.ndim == 1 and np.issubdtype(t.dtype, np.integer):
        return Images(x[chosen], t[chosen].astype(np.int64))
    if t.ndim == 2 and t.shape[1] > 1:  # one-hot
        return Images(x[chosen], t[chosen].argmax(axis=1))
    return None


def mistakes(model: Network, images: Images, seconds: float) -> tuple[dict[str, Any], npt.NDArray[np.uint8]] | None:
    """The misclassified among the images, as far as the time goes; None if the network gives no classes."""
    end = time.perf_counter() + seconds
    wrong: list[tuple[float, int, int]] = []  # how sure the network is, what of, and the number of the image
    looked = 0
    with random.preserved_state(), states_set_aside(model):
        while looked < len(images.x) and (not looked or time.perf_counter() < end):
            part = slice(looked, looked + AT_ONCE)
            try:
                p = probabilities(model, images.x[part])
            except Exception:  # the model may be anybody's, and the training is not to end by this
                return None
            answers = np.where(np.isnan(p).any(axis=1), NONE, p.argmax(axis=1))  # NaN is no answer
            sure = np.where(answers == NONE, 0.0, p[np.arange(len(p)), answers])
            places = np.flatnonzero(answers != images.labels[part])
            wrong += [(float(sure[i]), int(answers[i]), looked + int(i)) for i in places]
            looked += len(p)
    wrong.sort(reverse=True)
    shown = [number for _, _, number in wrong[:MOST_SHOWN]]
    fields = {
        "looked": looked,
        "wrong": len(wrong),
        "labels": [int(images.labels[number]) for number in shown],
        "answers": ["?" if answer == NONE else answer for _, answer, _ in wrong[:MOST_SHOWN]],
        "sure": [sure for sure, _, _ in wrong[:MOST_SHOWN]],
    }
    return fields, _pixels(images.x[shown])


def _pixels(x: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Images (n, C, H, W) in whatever range as bytes (n, H, W, C)."""
    edge = max(1, -(-max(x.shape[2:]) // MOST_PIXELS))
    x = x[:, :, ::edge, ::edge].astype(np.float32)
    low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 1.0)
    return np.rint((x - low) * (255 / ((high - low) or 1.0))).astype(np.uint8).transpose(0, 2, 3, 1)
