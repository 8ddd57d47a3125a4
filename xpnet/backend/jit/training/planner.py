"""The phases of a training step: what has to be done for a batch of so many samples, and in which pieces.

Forward, a piece is some samples, which go through all stages. Back, the dense stages come first: of each, the gradients
of its weights and inputs are two products, whose pieces are blocks of their columns. Then a piece is some images again,
which go back through all convolutions; what they give of the gradients of weights is added when all are done.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from xpnet.backend.jit.kernels import BYTES, LANES
from xpnet.backend.jit.tiles import CHANNELS, PIXELS
from xpnet.backend.jit.training import steps
from xpnet.backend.jit.training.chain import Stage, Unknown
from xpnet.backend.jit.training.program import ABSOLUTE, ARENA, DX, DY, GRADIENTS, OWN, PIECE, WIDTH, X, Y
from xpnet.backend.jit.training.tiles import SUMS, WIDE
from xpnet.backend.jit.work import UNITS, cut_ranges

Array = Any
Kind = Callable[[], Any]

GROUPS = 8  # pieces of the samples: as many for two threads, for four and for eight
CACHED = 1 << 18  # bytes that a thread's own images take, so that they stay in its level-2 cache
LARGEST = 1 << 26  # entries of all that is worked out: of more, a plan is no gain
SHARED = 1 << 17  # multiplications that are worth a piece of their own
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


class Row(NamedTuple):
    kind: Kind
    numbers: dict[int, int]  # by their columns


class Task(NamedTuple):
    """Rows for all ranges."""

    rows: list[Row]
    ranges: list[tuple[int, int]]


class Table:
    """What program.walk goes along: phases (first piece, end), pieces, rows."""

    def __init__(self, phases: Array, pieces: Array, rows: Array, work: int) -> None:
        self.work = work  # multiplications
        self.phases, self.pieces, self.rows = phases, pieces, rows
        self.addresses = phases.ctypes.data, len(phases), pieces.ctypes.data, rows.ctypes.data


@functools.lru_cache(maxsize=64)
def _filled(size: int, value: float) -> Array:
    return np.full(size, value, np.float32)


class Planner:
    """Lays out the arrays of a chain of stages, and writes the tables."""

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
            return ABSOLUTE, self.constant(_filled(size, 0.0)), 0
        value = parameter.value
        if not isinstance(value, np.ndarray) or value.dtype != np.float32 or not value.flags.c_contiguous:
            raise Unknown
        return ABSOLUTE, self.constant(value), 0

    # ---- forward ---------------------------------------------------------------------------------------------------

    def forward(self) -> Table:
        images: list[Row] = []
        rows: list[Row] = []
        for at, stage in enumerate(self.stages):
            if not stage.window:
                out = self.inputs[at + 1] if at + 1 < len(self.stages) else Place(Y, 0, stage.outputs * BYTES)
                ones = self.constant(_filled(stage.outputs, 1.0))
                weight, bias = self.learned(stage.w, 0), self.learned(stage.b, stage.outputs)
                rows.append(_row(steps.dense, {
                    1: self.inputs[at].numbers, 4: out.numbers, 7: weight, 10: bias, 13: ones, 14: stage.inputs,
                    15: stage.outputs, 16: stage.relu,
                }))  # fmt: skip
                continue
            if at == 0:
                C, H, W = stage.shape
                images.append(self._copied(Place(X, 0, C * H * W * BYTES, H * W * BYTES, W * BYTES)))
            images += self._convolved(at)
        phases = [[Task(images, self.image_groups)]] if images else []
        return table([*phases, [Task(rows, self.groups)]], self.samples * sum(stage.work for stage in self.stages))

    def _copied(self, x: Place) -> Row:
        """The images into the middle of what the first convolution takes."""
        y = self._inside(0)
        return _row(steps.copy, {
            1: x.numbers, 4: y.numbers, **dict(zip((7, 8, 9), self.stages[0].shape, strict=True)), 10: x.cs, 11: x.rs,
            12: y.cs, 13: y.rs,
        })  # fmt: skip

    def _convolved(self, at: int) -> list[Row]:
        """The convolution into memory of the thread's own, and from there, pooled or not, to the next stage's input."""
        stage, x, out = self.stages[at], self.inputs[at], self._inside(at + 1)
        OH, OW = stage.size
        own = self._flat(stage.outputs, OH, OW, x.rs // BYTES)
        rows = [self._convolution(x, own, self.learned(stage.w, 0), self.learned(stage.b, stage.outputs), stage, OH, OW)]
        if stage.pooled:
            H, W = OH // 2, OW // 2
            rows.append(_row(steps.pool, {
                1: own.numbers, 4: out.numbers, 7: self._code(at).numbers, 10: stage.outputs, 11: H, 12: W, 13: own.cs,
                14: own.rs, 15: out.cs, 16: out.rs, 17: stage.relu,
            }))  # fmt: skip
        else:
            rows.append(_row(steps.gate, {  # y where y > 0
                1: own.numbers, 4: own.numbers, 18: out.numbers, 10: stage.outputs, 11: OH, 12: OW, 13: own.cs,
                14: own.rs, 15: own.cs, 16: own.rs, 17: stage.relu, 21: out.cs, 22: out.rs,
            }))  # fmt: skip
        return rows

    def _code(self, at: int) -> Place:
        return self.codes[at]

    def _flat(self, channels: int, rows: int, width: int, rs: int) -> Place:
        """Room for one image after the other of a piece, its rows in whole vectors with what lies between them."""
        cs = -(-((rows - 1) * rs + width) // LANES) * LANES
        return self._samples(OWN, channels * cs + SLACK, cs, rs)

    def _convolution(
        self, x: Place, y: Place, w: tuple[int, int, int], bias: tuple[int, int, int], stage: Stage, rows: int,
        width: int, turned: bool = False,
    ) -> Row:  # fmt: skip
        """Of the stage's weight, or, `turned`, of what takes its output's gradient to its input's."""
        C, (KH, KW) = stage.shape[0], stage.window.kernel  # type: ignore[union-attr]
        inputs, outputs = (stage.outputs, C) if turned else (C, stage.outputs)
        offsets = np.arange(inputs)[:, None] * x.cs + _taps(KH, KW, x.rs)
        largest = next(size for size in CHANNELS if size <= outputs)
        return _row(steps.convolve, {
            1: x.numbers, 4: y.numbers, 7: w, 10: bias, 13: self.constant(_filled(outputs, 1.0)),
            14: self.constant(offsets.reshape(-1).astype(np.int64)), 15: offsets.size, 16: outputs, 17: y.cs,
            18: -(-((rows - 1) * y.rs // BYTES + width) // LANES), 19: PIXELS[largest],
        })  # fmt: skip

    # ---- back ------------------------------------------------------------------------------------------------------

    def back(self, need_dx: bool) -> Table:
        phases: list[list[Task]] = []
        last = len(self.stages) - 1
        dz = Place(DY, 0, self.stages[-1].outputs * BYTES)
        if self.stages[-1].relu:
            y = Place(Y, 0, dz.step)
            out = self._once("dz", lambda: self._samples(ARENA, self.stages[-1].outputs))
            phases.append([Task([self._gated(dz, y, out, self.stages[-1].outputs)], self.groups)])
            dz = out
        images = len(self.images)
        for at in range(last, images - 1, -1):
            phase, dz = self._dense_back(at, dz, need_dx)
            phases.append(phase)
        if images:
            phases[-1] += [self._flipped(at) for at in range(images) if at or need_dx]
            phases += self._images_back(dz, need_dx)
        work = self.samples * sum(2 * stage.work for stage in self.stages)
        return table(phases, work)

    def _gated(self, dy: Place, y: Place, out: Place, count: int) -> Row:
        return _row(steps.gate, {1: dy.numbers, 4: y.numbers, 18: out.numbers, 10: 1, 11: 1, 12: count, 17: 1})

    def _dense_back(self, at: int, dz: Place, need_dx: bool) -> tuple[list[Task], Place]:
        """dw = dz^T x, db, and dx = dz w, which comes through the ReLU of the stage before, if that is dense, too."""
        stage, x, N = self.stages[at], self.inputs[at], self.samples
        I, O = stage.inputs, stage.outputs
        dw, db = self.gradients[at]
        tasks = [Task([_row(steps.outer, {
            1: dz.numbers, 4: BYTES, 5: dz.step, 6: x.numbers, 9: (*dw.numbers[:2], I * BYTES), 12: (0, 0, 0), 15: N,
            16: O, 17: I,
        })], _blocks(I, N * O))]  # fmt: skip
        if db is not None:
            tasks.append(Task([_row(steps.sum_rows, {1: dz.numbers, 4: db.numbers, 7: N, 8: O})], [(0, 1)]))
        if at == 0 and not need_dx:
            return tasks, dz
        before = self.stages[at - 1] if at else None
        gated = before is not None and not before.window and before.relu
        dx = self._once(f"dx {at}", lambda: self._samples(ARENA, I)) if at else Place(DX, 0, I * BYTES)
        weight = self.learned(stage.w, 0)
        tasks.append(Task([_row(steps.outer, {
            1: dz.numbers, 4: dz.step, 5: BYTES, 6: (*weight[:2], I * BYTES), 9: dx.numbers,
            12: x.numbers if gated else (0, 0, 0), 15: O, 16: N, 17: I,
        })], _blocks(I, N * O)))  # fmt: skip
        return tasks, dx

    def _flipped(self, at: int) -> Task:
        stage = self.stages[at]
        C, O = stage.shape[0], stage.outputs
        row = _row(steps.flip, {
            1: self.learned(stage.w, 0), 4: self._turned(at).numbers, 7: O, 8: C, 9: stage.inputs // C,
        })  # fmt: skip
        return Task([row], [(0, C)])

    def _turned(self, at: int) -> Place:
        """Room for the weight as the gradient meets it."""
        return self._once(f"w {at}", lambda: Place(ARENA, self._room(ARENA, self.stages[at].w.size)))

    def _images_back(self, dz: Place, need_dx: bool) -> list[list[Task]]:
        """All convolutions for some images, and then the sums of what each piece gave."""
        rows: list[Row] = []
        sums: list[Task] = []
        _, H, W = self._given(len(self.images) - 1)
        dy = dz._replace(cs=H * W * BYTES, rs=W * BYTES)  # of what the last convolution gave
        for at in range(len(self.images) - 1, -1, -1):
            stage, x, K = self.stages[at], self.inputs[at], self.stages[at].inputs
            (KH, KW), (OH, OW) = stage.window.kernel, stage.size  # type: ignore[union-attr]
            rs = x.rs // BYTES
            # dz with a margin of zeros around: as wide as the kernel above and below, and as wide behind each row.
            # Behind a channel are as many zeros as a sum of its pixels reads beyond them.
            cs = -(-((2 * KH - 2 + OH) * rs + KW - 1) // LANES) * LANES + SUMS * LANES
            own = self._once(f"dz {at}", functools.partial(self._samples, OWN, stage.outputs * cs + SLACK, cs, rs))
            inner = own.moved((KH - 1) * rs + KW - 1)
            rows.append(self._given_back(at, dy, inner))
            vectors = -(-((OH - 1) * rs + OW) // LANES)
            places = [self._parts(f"dw {at}", stage.outputs * K), self._parts(f"db {at}", stage.outputs)]
            offsets = np.arange(stage.shape[0])[:, None] * x.cs + _taps(KH, KW, x.rs)
            rows.append(_row(steps.correlate, {
                1: inner.numbers, 4: x.numbers, 7: places[0].numbers,
                10: self.constant(offsets.reshape(-1).astype(np.int64)), 11: K, 12: stage.outputs, 13: own.cs, 14: vectors,
            }))  # fmt: skip
            dw, db = self.gradients[at]
            sums.append(self._summed(places[0], dw, stage.outputs * K))
            if db is not None:
                rows.append(_row(steps.sum_pixels, {
                    1: inner.numbers, 4: places[1].numbers, 7: stage.outputs, 8: own.cs, 9: (OH - 1) * rs + OW,
                }))  # fmt: skip
                sums.append(self._summed(places[1], db, stage.outputs))
            if at or need_dx:
                C, H, W = stage.shape
                (top, _), (left, _) = stage.window.padding  # type: ignore[union-attr]
                dx = self._once(f"dx {at}", functools.partial(self._flat, C, H, W, rs))
                zeros = self.learned(None, C)
                source = own.moved(top * rs + left)
                rows.append(self._convolution(source, dx, self._turned(at).numbers, zeros, stage, H, W, turned=True))
                dy = dx
        if need_dx:
            C, H, W = self.stages[0].shape
            out = Place(DX, 0, C * H * W * BYTES, H * W * BYTES, W * BYTES)
            rows.append(_row(steps.copy, {
                1: dy.numbers, 4: out.numbers, 7: C, 8: H, 9: W, 10: dy.cs, 11: dy.rs, 12: out.cs, 13: out.rs,
            }))  # fmt: skip
        return [[Task(rows, self.image_groups)], sums]

    def _parts(self, name: str, size: int) -> Place:
        """Room for so many sums of each piece."""
        count = len(self.image_groups)
        return self._once(name, lambda: Place(ARENA, self._room(ARENA, count * size), size * BYTES))

    def _given_back(self, at: int, dy: Place, dz: Place) -> Row:
        """From the gradient of what the stage gave to that of its convolution."""
        stage, y = self.stages[at], self._inside(at + 1)
        _, H, W = self._given(at)
        numbers = {
            1: dy.numbers, 4: y.numbers, 18: dz.numbers, 10: stage.outputs, 11: H, 12: W, 13: dy.cs, 14: dy.rs, 15: y.cs,
            16: y.rs, 17: stage.relu, 21: dz.cs, 22: dz.rs,
        }  # fmt: skip
        return _row(steps.unpool, numbers | {7: self._code(at).numbers}) if stage.pooled else _row(steps.gate, numbers)

    def _summed(self, parts: Place, total: Place, size: int) -> Task:
        row = _row(steps.reduce, {1: parts.numbers, 4: total.numbers, 7: len(self.image_groups)})
        return Task([row], cut_ranges(size, min(GROUPS, size // 512)))


def _taps(KH: int, KW: int, rs: int) -> Array:
    """The places of a kernel from its first, in bytes."""
    return (np.arange(KH)[:, None] * rs + np.arange(KW) * BYTES).reshape(-1)


def _blocks(columns: int, work: int) -> list[tuple[int, int]]:
    """Blocks of the columns of a product, `work` multiplications a column, in pieces that are worth it."""
    blocks = -(-columns // (WIDE * LANES))
    return cut_ranges(blocks, min(UNITS, columns * work // SHARED))


def _row(kind: Kind, values: dict[int, Any]) -> Row:
    """Numbers by their columns; of several, the first's."""
    numbers: dict[int, int] = {}
    for column, value in values.items():
        for behind, number in enumerate(value if isinstance(value, tuple) else (value,)):
            numbers[column + behind] = int(number)
    return Row(kind, numbers)


def table(phases: list[list[Task]], work: int) -> Table:
    """Rows of numbers, of what tasks and pieces are in each phase."""
    rows: list[Row] = []
    pieces: list[tuple[int, ...]] = []
    ends: list[tuple[int, int]] = []
    for tasks in phases:
        begin = len(pieces)
        for task in tasks:
            span = len(rows), len(rows) + len(task.rows)
            rows += task.rows
            pieces += [(*span, first, end, number) for number, (first, end) in enumerate(task.ranges)]
        ends.append((begin, len(pieces)))
    numbers = np.zeros((len(rows), WIDTH), np.int64)
    for line, row in zip(numbers, rows, strict=True):
        line[0] = row.kind().address
        for column, number in row.numbers.items():
            line[column] = number
    return Table(np.array(ends, np.int64), np.array(pieces, np.int64).reshape(-1, PIECE), numbers, work)
