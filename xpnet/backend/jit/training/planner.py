"""The tables of a training step, of the way forward and of the way back.

Back, the dense stages come first: of each, the gradients of its weights and inputs are two products, whose pieces are
blocks of their columns. Then a piece is some images, which go back through all convolutions; what they give of the
gradients of weights is added when all are done.
"""

import functools

import numpy as np

from xpnet.backend.jit.kernels import BYTES, LANES
from xpnet.backend.jit.training import steps
from xpnet.backend.jit.training.chain import NONE, Stage
from xpnet.backend.jit.training.forward import Forward, taps
from xpnet.backend.jit.training.layout import GROUPS, SHARED, SLACK, Place
from xpnet.backend.jit.training.program import ARENA, DX, DY, OWN, Y
from xpnet.backend.jit.training.table import Row, Table, Task, row_of, table_of
from xpnet.backend.jit.training.tiles import SUMS, WIDE
from xpnet.backend.jit.work import UNITS, cut_ranges


class Planner(Forward):
    """Writes both."""

    def back(self, need_dx: bool) -> Table:
        phases: list[list[Task]] = []
        last = len(self.stages) - 1
        dz = Place(DY, 0, self.stages[-1].outputs * BYTES)
        if self.stages[-1].act != NONE:
            y = Place(Y, 0, dz.step)
            out = self._once("dz", lambda: self._samples(ARENA, self.stages[-1].outputs))
            phases.append([Task([self._through(dz, y, out, self.stages[-1])], self.groups)])
            dz = out
        images = len(self.images)
        for at in range(last, images - 1, -1):
            phase, dz = self._dense_back(at, dz, need_dx)
            phases.append(phase)
        if images:
            phases[-1] += [self._flipped(at) for at in range(images) if at or need_dx]
            phases += self._images_back(dz, need_dx)
        work = self.samples * sum(2 * stage.work for stage in self.stages)
        return table_of(phases, work)

    def _through(self, dy: Place, y: Place, out: Place, stage: Stage) -> Row:
        """The gradient of a dense stage's output through its activation."""
        return row_of(steps.back_through, {
            1: dy.numbers, 4: y.numbers, 18: out.numbers, 10: 1, 11: 1, 12: stage.outputs, 17: self.how(stage.act),
        })  # fmt: skip

    def _dense_back(self, at: int, dz: Place, need_dx: bool) -> tuple[list[Task], Place]:
        """dw = dz^T x, db, and dx = dz w, through the activation of the stage before, if that is dense, too."""
        stage, x, N = self.stages[at], self.inputs[at], self.samples
        I, O = stage.inputs, stage.outputs
        dw, db = self.gradients[at]
        rows = self.by_outputs(stage)
        tasks = [Task([row_of(steps.outer, {
            1: dz.numbers, 4: BYTES, 5: dz.step, 6: x.numbers, 9: (*dw.numbers[:2], I * BYTES), 12: (0, 0, 0), 15: N,
            16: O, 17: I, 19: bool(rows),
        })], rows or _blocks(I, N * O))]  # fmt: skip
        if db is not None:
            tasks.append(Task([row_of(steps.sum_rows, {1: dz.numbers, 4: db.numbers, 7: N, 8: O})], [(0, 1)]))
        if at == 0 and not need_dx:
            return tasks, dz
        before = self.stages[at - 1] if at else None
        act = before.act if before is not None and not before.window else NONE
        dx = self._once(f"dx {at}", lambda: self._samples(ARENA, I)) if at else Place(DX, 0, I * BYTES)
        weight = self.learned(stage.w, 0)
        tasks.append(Task([row_of(steps.outer, {
            1: dz.numbers, 4: dz.step, 5: BYTES, 6: (*weight[:2], I * BYTES), 9: dx.numbers,
            12: x.numbers if act != NONE else (0, 0, 0), 15: O, 16: N, 17: I, 18: self.how(act),
        })], _blocks(I, N * O)))  # fmt: skip
        return tasks, dx

    def _flipped(self, at: int) -> Task:
        stage = self.stages[at]
        C, O = stage.shape[0], stage.outputs
        row = row_of(steps.flip, {
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
            offsets = np.arange(stage.shape[0])[:, None] * x.cs + taps(KH, KW, x.rs)
            rows.append(row_of(steps.correlate, {
                1: inner.numbers, 4: x.numbers, 7: places[0].numbers,
                10: self.constant(offsets.reshape(-1).astype(np.int64)), 11: K, 12: stage.outputs, 13: own.cs,
                14: vectors,
            }))  # fmt: skip
            dw, db = self.gradients[at]
            sums.append(self._summed(places[0], dw, stage.outputs * K))
            if db is not None:
                rows.append(row_of(steps.sum_pixels, {
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
            rows.append(row_of(steps.copy, {
                1: dy.numbers, 4: out.numbers, 7: C, 8: H, 9: W, 10: dy.cs, 11: dy.rs, 12: out.cs, 13: out.rs,
            }))  # fmt: skip
        return [[Task(rows, self.image_groups)], sums]

    def _given_back(self, at: int, dy: Place, dz: Place) -> Row:
        """From the gradient of what the stage gave to that of its convolution."""
        stage, y = self.stages[at], self._inside(at + 1)
        _, H, W = self._given(at)
        numbers = {
            1: dy.numbers, 4: y.numbers, 18: dz.numbers, 10: stage.outputs, 11: H, 12: W, 13: dy.cs, 14: dy.rs,
            15: y.cs, 16: y.rs, 17: self.how(stage.act), 21: dz.cs, 22: dz.rs,
        }  # fmt: skip
        if stage.pooled:
            return row_of(steps.unpool, numbers | {7: self.codes[at].numbers})
        return row_of(steps.back_through, numbers)

    def _summed(self, parts: Place, total: Place, size: int) -> Task:
        row = row_of(steps.reduce, {1: parts.numbers, 4: total.numbers, 7: len(self.image_groups)})
        return Task([row], cut_ranges(size, min(GROUPS, size // 512)))


def _blocks(columns: int, work: int) -> list[tuple[int, int]]:
    """Blocks of the columns of a product, `work` multiplications a column, in pieces that are worth it."""
    blocks = -(-columns // (WIDE * LANES))
    return cut_ranges(blocks, min(UNITS, columns * work // SHARED))
