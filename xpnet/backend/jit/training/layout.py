"""Where the arrays of a training step lie: what all samples have of their own, and what a thread works in."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from xpnet.backend.jit.kernels import BYTES, LANES
from xpnet.backend.jit.training.chain import NONE, RELU, Activation, Stage, Unknown
from xpnet.backend.jit.training.program import ABSOLUTE, ARENA, GRADIENTS, OWN, X
from xpnet.backend.jit.work import cut_ranges

Array = Any

GROUPS = 8  # pieces of the samples: as many for two threads, for four and for eight
CACHED = 1 << 18  # bytes that a thread's own images take, so that they stay in its level-2 cache
SHARED = 1 << 17  # multiplications that are worth a piece of their own
LARGEST = 1 << 26  # entries of all that is worked out: of more, a plan is no gain
SLACK = 4 * LANES  # entries that tiles may read and write beyond the last one


class Place(NamedTuple):
    """What of a sample lies where: bases[base] + offset + step for each sample, in bytes; of images, cs and rs, too."""

    base: int
    offset: int = 0
    step: int = 0
    cs: int = 0
    rs: int = 0

    @property
    def numbers(self) -> tuple[int, int, int]:
        return self[:3]

    def moved(self, entries: int) -> "Place":
        return self._replace(offset=self.offset + entries * BYTES)


@functools.lru_cache(maxsize=64)
def filled(size: int, value: float) -> Array:
    return np.full(size, value, np.float32)


class Layout:
    """Of a chain of stages, for so many samples."""

    def __init__(self, stages: list[Stage], samples: int) -> None:
        self.stages, self.samples = stages, samples
        self.sizes = {ARENA: 0, OWN: 0}  # entries
        self.keep: list[Array] = []  # what lies at addresses in the tables
        self.images = [stage for stage in stages if stage.window]
        self.groups = cut_ranges(samples, GROUPS)
        together = max(1, CACHED // (BYTES * self._entries()))
        self.image_groups = cut_ranges(samples, max(GROUPS, -(-samples // together)))
        self.most = max(end - first for first, end in self.image_groups)
        self.parameters: list[Any] = []  # whose gradients are at bases GRADIENTS and behind
        self.gradients: list[tuple[Place, Place | None]] = []  # of the stages: of their weight and bias
        for stage in stages:
            self.gradients.append((self._gradient(stage.w), self._gradient(stage.b) if stage.b is not None else None))
        self._places: dict[str, Place] = {}
        self.inputs: list[Place] = []  # of each stage
        self.codes: list[Place] = []  # of those that pool, which pixel was the largest
        self._lay_out()

    def _entries(self) -> int:
        """What an image takes on its way back: about the gradients of what convolutions give and of what they take."""
        entries = 1
        for stage in self.images:
            (_, H, W), (KH, KW), (OH, _) = stage.shape, stage.window.kernel, stage.size  # type: ignore[union-attr]
            entries += (stage.outputs * (OH + 2 * KH - 2) + stage.shape[0] * H) * (W + KW - 1)
        return entries

    def by_outputs(self, stage: Stage) -> list[tuple[int, int]]:
        """The pieces of a dense stage, if they are outputs: where all samples fit in the cache, each thread has its own
        rows of the weights there, from one step to the next; else none.
        """
        if BYTES * self.samples * stage.inputs > CACHED:
            return []
        return cut_ranges(stage.outputs, min(GROUPS, self.samples * stage.work // SHARED))

    # ---- where things lie ------------------------------------------------------------------------------------------

    def _gradient(self, parameter: Any) -> Place:
        self.parameters.append(parameter)
        return Place(GRADIENTS + len(self.parameters) - 1)

    def _room(self, base: int, entries: int) -> int:
        """The offset of so many entries, in bytes; whole vectors, so that samples begin with one."""
        offset = self.sizes[base]
        self.sizes[base] += -(-entries // LANES) * LANES
        return offset * BYTES

    def _once(self, name: str, make: Callable[[], Place]) -> Place:
        """The same room for both ways back, with and without the gradient of the input."""
        if name not in self._places:
            self._places[name] = make()
        return self._places[name]

    def _samples(self, base: int, entries: int, cs: int = 0, rs: int = 0) -> Place:
        """Room for all samples, or for those of a piece."""
        entries = -(-entries // LANES) * LANES
        count = self.samples if base == ARENA else self.most
        return Place(base, self._room(base, count * entries + SLACK), entries * BYTES, cs * BYTES, rs * BYTES)

    def _lay_out(self) -> None:
        """The inputs of all stages: of convolutions with their margin of zeros, which nobody writes to."""
        for at, stage in enumerate(self.stages):
            if stage.window:
                C, H, W = stage.shape
                (top, bottom), (left, right) = stage.window.padding
                rs, rows = W + left + right, H + top + bottom
                self.inputs.append(self._samples(ARENA, C * rows * rs + SLACK, rows * rs, rs))
            elif at == 0:
                self.inputs.append(Place(X, 0, stage.inputs * BYTES))
            else:
                C, H, W = self._given(at - 1)
                self.inputs.append(self._samples(ARENA, C * H * W, H * W, W))
        for stage in self.images:
            self.codes.append(self._samples(ARENA, math.prod(stage.size) * stage.outputs // 4 // BYTES + LANES))

    def _given(self, at: int) -> tuple[int, int, int]:
        """The shape of what the stage gives."""
        stage = self.stages[at]
        if not stage.window:
            return stage.outputs, 1, 1
        H, W = stage.size
        return (stage.outputs, H // 2, W // 2) if stage.pooled else (stage.outputs, H, W)

    def _inside(self, at: int) -> Place:
        """The input of a stage without its margin: where the one before writes, or reads what it wrote."""
        window, place = self.stages[at].window, self.inputs[at]
        if window is None:
            return place
        (top, _), (left, _) = window.padding
        return place.moved(top * place.rs // BYTES + left)

    def constant(self, values: Array) -> int:
        self.keep.append(values)
        return int(values.ctypes.data)

    def learned(self, parameter: Any, size: int) -> tuple[int, int, int]:
        """Where a parameter lies, or zeros if there is none."""
        if parameter is None:
            return ABSOLUTE, self.constant(filled(size, 0.0)), 0
        value = parameter.value
        if not isinstance(value, np.ndarray) or value.dtype != np.float32 or not value.flags.c_contiguous:
            raise Unknown
        return ABSOLUTE, self.constant(value), 0

    def how(self, act: Activation) -> int:
        """Where tiles.py finds how a gradient goes through it."""
        kind = 0.0 if act == NONE else 1.0 if act == RELU else 2.0
        return self.constant(np.array([kind, act.low, act.middle, act.high], np.float32))

    def _flat(self, channels: int, rows: int, width: int, rs: int) -> Place:
        """Room for one image after the other of a piece, its rows in whole vectors with what lies between them."""
        cs = -(-((rows - 1) * rs + width) // LANES) * LANES
        return self._samples(OWN, channels * cs + SLACK, cs, rs)

    def _parts(self, name: str, size: int) -> Place:
        """Room for so many sums of each piece."""
        count = len(self.image_groups)
        return self._once(name, lambda: Place(ARENA, self._room(ARENA, count * size), size * BYTES))
