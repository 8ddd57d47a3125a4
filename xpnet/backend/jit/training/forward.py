"""The way forward: a piece is some samples, which go through all convolutions, or through all dense stages."""

from typing import Any

import numpy as np

from xpnet.backend.jit.kernels import BYTES, LANES
from xpnet.backend.jit.tiles import CHANNELS, PIXELS
from xpnet.backend.jit.training import steps
from xpnet.backend.jit.training.chain import NONE, RELU, Activation, Stage
from xpnet.backend.jit.training.layout import Layout, Place, filled
from xpnet.backend.jit.training.program import X, Y
from xpnet.backend.jit.training.table import Row, Table, Task, row_of, table_of

Array = Any


class Forward(Layout):
    """Writes its table."""

    def forward(self) -> Table:
        images: list[Row] = []
        phases: list[list[Task]] = []
        rows: list[Row] = []  # of stages that a piece of some samples goes through, one after the other
        for at, stage in enumerate(self.stages):
            if stage.window:
                if at == 0:
                    C, H, W = stage.shape
                    images.append(self._copied(Place(X, 0, C * H * W * BYTES, H * W * BYTES, W * BYTES)))
                images += self._convolved(at)
                continue
            outputs = self.by_outputs(stage)
            if outputs and rows:
                phases.append([Task(rows, self.groups)])
                rows = []
            row, act = self._dense(at, self.samples if outputs else 0)
            if outputs:
                phases.append([Task([row], outputs)])
            rows += act if outputs else [row, *act]
        phases += [[Task(rows, self.groups)]] if rows else []
        first = [[Task(images, self.image_groups)]] if images else []
        return table_of(first + phases, self.samples * sum(stage.work for stage in self.stages))

    def _dense(self, at: int, samples: int) -> tuple[Row, list[Row]]:
        """The product, by outputs if there is a number of samples, and what stands behind it."""
        stage = self.stages[at]
        out = self.inputs[at + 1] if at + 1 < len(self.stages) else Place(Y, 0, stage.outputs * BYTES)
        row = row_of(steps.dense, {
            1: self.inputs[at].numbers, 4: out.numbers, 7: self.learned(stage.w, 0),
            10: self.learned(stage.b, stage.outputs), 13: self.constant(filled(stage.outputs, 1.0)), 14: stage.inputs,
            15: stage.outputs, 16: stage.act is RELU, 17: samples,
        })  # fmt: skip
        return row, self._activated(stage.act, out, stage.outputs, 1, 1)

    def _copied(self, x: Place) -> Row:
        """The images into the middle of what the first convolution takes."""
        y = self._inside(0)
        return row_of(steps.copy, {
            1: x.numbers, 4: y.numbers, **dict(zip((7, 8, 9), self.stages[0].shape, strict=True)), 10: x.cs, 11: x.rs,
            12: y.cs, 13: y.rs,
        })  # fmt: skip

    def _convolved(self, at: int) -> list[Row]:
        """The convolution into memory of the thread's own, and from there, pooled or not, to the next stage's input."""
        stage, x, out = self.stages[at], self.inputs[at], self._inside(at + 1)
        OH, OW = stage.size
        own = self._flat(stage.outputs, OH, OW, x.rs // BYTES)
        rows = [
            self._convolution(x, own, self.learned(stage.w, 0), self.learned(stage.b, stage.outputs), stage, OH, OW)
        ]
        if stage.pooled:
            H, W = OH // 2, OW // 2
            rows.append(row_of(steps.pool, {
                1: own.numbers, 4: out.numbers, 7: self.codes[at].numbers, 10: stage.outputs, 11: H, 12: W, 13: own.cs,
                14: own.rs, 15: out.cs, 16: out.rs, 17: stage.act is RELU,
            }))  # fmt: skip
        else:  # y where y > 0 is what ReLU makes of it
            rows.append(row_of(steps.back_through, {
                1: own.numbers, 4: own.numbers, 18: out.numbers, 10: stage.outputs, 11: OH, 12: OW, 13: own.cs,
                14: own.rs, 15: own.cs, 16: own.rs, 17: self.how(RELU if stage.act is RELU else NONE), 21: out.cs,
                22: out.rs,
            }))  # fmt: skip
        return [*rows, *self._activated(stage.act, out, *self._given(at))]

    def _activated(self, act: Activation, y: Place, C: int, H: int, W: int) -> list[Row]:
        """What is no part of a product or of pooling: the curves."""
        if act in (NONE, RELU):
            return []
        numbers = np.array([act.amplitude, act.slope if act.name == "tanh" else 0.0], np.float32)
        H, W = (1, C) if not y.rs else (H, W)
        return [row_of(steps.activate, {
            1: y.numbers, 4: C if y.rs else 1, 5: H, 6: W, 7: y.cs, 8: y.rs, 9: self.constant(numbers),
        })]  # fmt: skip

    def _convolution(
        self, x: Place, y: Place, w: tuple[int, int, int], bias: tuple[int, int, int], stage: Stage, rows: int,
        width: int, turned: bool = False,
    ) -> Row:  # fmt: skip
        """Of the stage's weight, or, `turned`, of what takes its output's gradient to its input's."""
        C, (KH, KW) = stage.shape[0], stage.window.kernel  # type: ignore[union-attr]
        inputs, outputs = (stage.outputs, C) if turned else (C, stage.outputs)
        offsets = np.arange(inputs)[:, None] * x.cs + taps(KH, KW, x.rs)
        largest = next(size for size in CHANNELS if size <= outputs)
        return row_of(steps.convolve, {
            1: x.numbers, 4: y.numbers, 7: w, 10: bias, 13: self.constant(filled(outputs, 1.0)),
            14: self.constant(offsets.reshape(-1).astype(np.int64)), 15: offsets.size, 16: outputs, 17: y.cs,
            18: -(-((rows - 1) * y.rs // BYTES + width) // LANES), 19: PIXELS[largest],
        })  # fmt: skip


def taps(KH: int, KW: int, rs: int) -> Array:
    """The places of a kernel from its first, in bytes."""
    return (np.arange(KH)[:, None] * rs + np.arange(KW) * BYTES).reshape(-1)
