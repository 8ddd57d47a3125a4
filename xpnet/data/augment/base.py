"""What all transforms share, and how they are put one after the other."""

from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from xpnet import random
from xpnet.base.configured import Configured
from xpnet.base.host import as_host
from xpnet.data.augment.interpolation import Move, warped
from xpnet.errors import DTypeError, OptionError, ShapeError

Array = npt.NDArray[Any]
Fill = float | Literal["edge"]


class Transform(Configured):
    """The base: a subclass writes `apply(x, chosen, rng)`, and keeps its arguments in attributes of the same names.

    `p` is the probability of each sample, on its own, to be transformed; the others come out as they went in.
    """

    p: float

    def __call__(self, x: npt.ArrayLike, rng: np.random.Generator | None = None) -> Array:
        """Transform a batch x, (N, C, H, W), float32 or float64.

        Raises ShapeError or DTypeError for another x, OptionError if `rng` is no NumPy generator.
        """
        x, rng = _images(self, x), _generator(rng)
        return self.apply(x, self.choose(len(x), rng), rng)

    def apply(self, x: Array, chosen: Array, rng: np.random.Generator) -> Array:
        """A new array: x with the samples transformed that are `chosen`, (N,) of booleans."""
        raise OptionError(f"{type(self).__name__} does not say what it does: write apply(self, x, chosen, rng)")

    def choose(self, N: int, rng: np.random.Generator) -> Array:
        """Which of N samples are to be transformed."""
        chosen: Array = rng.random(N, np.float32) < self.p
        return chosen


class Warp(Transform):
    """A transform that moves pixels: a subclass writes `plan`, which says where each pixel of the output comes from."""

    fill: Fill

    def plan(self, size: tuple[int, int, int], chosen: Array, rng: np.random.Generator) -> Move:
        """For a batch of `size` (N, H, W), a function that moves coordinates; see interpolation.py."""
        raise OptionError(f"{type(self).__name__} does not say where pixels go: write plan(self, size, chosen, rng)")

    def apply(self, x: Array, chosen: Array, rng: np.random.Generator) -> Array:
        N, _, H, W = x.shape
        return warped(x, [self.plan((N, H, W), chosen, rng)], self.fill)


class Compose(Configured):
    """Transforms one after the other, each with its own `p`: Compose([Rotate(10), Elastic(), Noise(0.1, p=0.5)]).

    Warps (Affine and its kin, Elastic) that follow each other with the same `fill` are joined: their coordinates are
    mapped one through the other, and the image is interpolated once, so that it is not blurred twice and what leaves
    the frame on the way may come back. An elastic field is then drawn on the grid of the output.

    Raises OptionError for what is no Transform.
    """

    def __init__(self, transforms: Iterable[Callable[..., Array]]) -> None:
        if isinstance(transforms, (Transform, Compose)) or not isinstance(transforms, Iterable):
            raise OptionError(f"Compose takes a list of transforms, such as [{transforms!r}], not {transforms!r}")
        self.transforms = list(transforms)
        for transform in self.transforms:
            if not isinstance(transform, (Transform, Compose)):
                raise OptionError(f"Compose: {transform!r} is no transform; give objects such as augment.Rotate(10)")

    def __call__(self, x: npt.ArrayLike, rng: np.random.Generator | None = None) -> Array:
        """Transform a batch, as a Transform does."""
        y, rng = _images(self, x), _generator(rng)
        if not self.transforms:
            return y.copy()
        waiting: list[Warp] = []
        for transform in self.transforms:
            joins = isinstance(transform, Warp) and (not waiting or transform.fill == waiting[0].fill)
            if waiting and not joins:
                y, waiting = _joined(y, waiting, rng), []
            if isinstance(transform, Warp):
                waiting.append(transform)
            else:
                y = transform(y, rng)
        return _joined(y, waiting, rng) if waiting else y


def _joined(x: Array, warps: list[Warp], rng: np.random.Generator) -> Array:
    N, _, H, W = x.shape
    return warped(x, [warp.plan((N, H, W), warp.choose(N, rng), rng) for warp in warps], warps[0].fill)


def _images(transform: Configured, x: npt.ArrayLike) -> Array:
    x, name = as_host(x), type(transform).__name__
    if x.dtype not in (np.float32, np.float64):
        raise DTypeError(
            f"{name}: the images are {x.dtype}, expected float32; scale bytes to 0 ... 1 with data.to_unit(x)"
        )
    if x.ndim != 4 or 0 in x.shape:
        raise ShapeError(f"{name}: the batch has shape {x.shape}, expected (N, C, H, W), at least one of each")
    return x


def _generator(rng: np.random.Generator | None) -> np.random.Generator:
    if rng is None:
        return random.generator("augment")
    if not isinstance(rng, np.random.Generator):
        raise OptionError(f"rng must be a NumPy generator, such as numpy.random.default_rng(0), not {rng!r}")
    return rng
