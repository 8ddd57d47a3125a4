"""What excites a unit: the patches of the data for which its output is largest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from xpnet.analysis.outputs import as_batch, first_convolution, outputs_by_batch
from xpnet.analysis.receptive_field import Span, receptive_field
from xpnet.backend import Array, Backend
from xpnet.base.checks import whole
from xpnet.core.declare import Shape
from xpnet.core.layer import Layer
from xpnet.core.network import Network
from xpnet.core.watch import path_of
from xpnet.errors import OptionError, ShapeError


class Patches(NamedTuple):
    """Of each of C channels, the k patches that excite it most, the strongest first.

    values: (C, k), what the channel gives there.  samples: (C, k), the number of the sample.  places: (C, k, axes),
    row and column of the place in the layer's output, without axes for units (N, C).  begins, ends: (C, k, axes), the
    first row and column of the images that the place sees, and those behind the last.  size: the rows and columns of
    the largest of all patches of the layer.  layer: its path.  shape: of a sample, as the model takes it.
    """

    values: np.ndarray
    samples: np.ndarray
    places: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    size: tuple[int, ...]
    layer: str
    shape: Shape

    def of(self, channels: Sequence[int]) -> Patches:
        """Those of some channels, by number."""
        C = len(self.values)
        if not channels or not all(isinstance(each, int) and 0 <= each < C for each in channels):
            raise OptionError(f"channels must be numbers from 0 to {C - 1}, for layer {self.layer}, not {channels!r}")
        chosen = list(channels)
        arrays = {name: getattr(self, name)[chosen] for name in ("values", "samples", "places", "begins", "ends")}
        return self._replace(**arrays)

    def cut(self, x: Any) -> np.ndarray:
        """The patches themselves, (C, k, channels, *size), from the samples x that they were found in; NaN where a
        patch reaches over the edge of the image. Of samples that are no images, all of each: (C, k, *shape)."""
        given = np.asarray(x)
        if given.size != len(given) * math.prod(self.shape):
            raise ShapeError(
                f"the samples have shape {given.shape}; the patches were found in some of {self.shape} each"
            )
        images: np.ndarray = given.reshape(-1, *self.shape)
        if not self.size:
            whole_samples: np.ndarray = images[self.samples]
            return whole_samples
        cut = np.full((*self.values.shape, self.shape[0], *self.size), np.nan, np.float32)
        for at in np.ndindex(self.values.shape):
            inside, kept = [slice(None)], [slice(None)]
            for begin, end, length, size in zip(self.begins[at], self.ends[at], self.shape[1:], self.size, strict=True):
                # what a patch lacks to the largest lies over the edge that it touches
                before = size - (end - begin) if begin == 0 and end < length else 0
                inside.append(slice(begin, end))
                kept.append(slice(before, before + end - begin))
            cut[at][tuple(kept)] = images[self.samples[at]][tuple(inside)]
        return cut


def exciting_patches(model: Network, x: Any, layer: str | Layer | None = None, count: int = 9) -> Patches:
    """Of each channel of a layer, the `count` patches of the images x for which it gives the largest outputs.

    A patch is what a place in the layer's output sees of the image (`receptive_field`): a few pixels behind the first
    convolution, more behind each layer, all of the image for units of a dense layer. Each image counts once for each
    channel, where it excites it most: places beside one another see nearly the same. Of equal values the first counts,
    in the order of the samples and then of reading. Where there are fewer images than `count`, all are listed.

    x: images as for `predict`, or signals (N, C, T). layer: its path or the layer itself, with its activation; by
    default the first convolution. Of a layer that is used several times the last use counts. The images go through the
    model in batches, on its backend. The model is not changed.

    Raises OptionError for a layer that is not there, not used, or of several outputs, ShapeError for one that gives
    neither maps of the images nor units (N, C), and what `predict` raises.

    Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2014; Girshick, Donahue, Darrell and
    Malik, "Rich feature hierarchies for accurate object detection and semantic segmentation", 2014.
    """
    count, x = whole("exciting_patches: count", count), as_batch(model, x)
    path = path_of(model, layer if layer is not None else first_convolution(model))
    best: tuple[np.ndarray, ...] | None = None  # values, samples, places: (C, k) each
    first, shape = 0, tuple[int, ...]()
    for batch in outputs_by_batch(model, x, [path]):
        y = batch[path][-1]
        shape = _shape_of_maps(y, x.ndim, path)
        values, places = _largest_of_each(y, model.backend)  # (C, n)
        samples = np.broadcast_to(np.arange(first, first + values.shape[1]), values.shape)
        first += values.shape[1]
        found = values, samples, places
        joined = (
            found if best is None else tuple(np.concatenate(both, axis=1) for both in zip(best, found, strict=True))
        )
        order = np.argsort(-joined[0], axis=1, kind="stable")[:, :count]  # of equal ones the first
        best = tuple(np.take_along_axis(each, order, axis=1) for each in joined)
    assert best is not None  # as_batch refuses no samples at all
    values, samples, numbers = best
    places = np.stack(np.unravel_index(numbers, shape), axis=-1) if shape else np.zeros((*values.shape, 0), int)
    begins, ends, size = _bounds(receptive_field(model, path, x.shape[1:]), places)
    return Patches(values, samples, places, begins, ends, size, path, x.shape[1:])


def _shape_of_maps(y: Any, ndim: int, path: str) -> tuple[int, ...]:
    """(H, W) of maps, (T,) of signals, () of units."""
    if isinstance(y, (tuple, dict)):
        raise OptionError(f"layer {path} gives several outputs; choose one that gives a single one")
    if y.ndim not in (2, ndim):
        raise ShapeError(
            f"the outputs of {path} have shape {tuple(y.shape)}; expected maps of the images or units (N, C)"
        )
    return tuple(y.shape[2:])


def _largest_of_each(y: Array, backend: Backend) -> tuple[np.ndarray, np.ndarray]:
    """Of outputs (n, C, ...), the largest of each sample and channel, (C, n), and the number of its place."""
    xp = backend.xp
    flat = xp.reshape(y, (*y.shape[:2], -1))  # (n, C, places)
    values, places = xp.max(flat, axis=2), xp.argmax(flat, axis=2)  # of equal ones the first
    return np.array(backend.to_numpy(values)).T, np.array(backend.to_numpy(places)).T


def _bounds(field: tuple[Span, ...], places: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Where the patches of these places begin and end, (C, k, axes), and how large the largest of the layer is."""
    begins, ends, sizes = [], [], []
    for axis, (first, last) in enumerate(field):
        at = places[..., axis] if len(first) > 1 else np.zeros(places.shape[:2], int)
        empty = last < 0  # a place that sees padding only
        begin, end = np.where(empty, 0, first), last + 1
        begins.append(begin[at])
        ends.append(end[at])
        sizes.append(int((end - begin).max()))
    empty_axes = np.zeros((*places.shape[:2], 0), int)
    if not field:
        return empty_axes, empty_axes, ()
    return np.stack(begins, axis=-1), np.stack(ends, axis=-1), tuple(sizes)
