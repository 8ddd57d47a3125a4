"""Which stages a network's graph is made of: convolutions with what stands behind them, and dense layers."""

import math
from typing import Any, NamedTuple

import numpy as np

from xpnet.backend.cpu.choice import WINOGRAD, choose
from xpnet.backend.jit.kernels import LANES
from xpnet.backend.window import Window

BESIDE = Window((2, 2), (2, 2))


class Unknown(Exception):
    """The kernels do not have this operation, or not in this place."""


class Activation(NamedTuple):
    """What a stage ends with, whose derivative follows from y: low + y (middle + high y)."""

    name: str = ""  # "" is none
    low: float = 1.0
    middle: float = 0.0
    high: float = 0.0
    amplitude: float = 1.0  # of tanh
    slope: float = 1.0


NONE, RELU = Activation(), Activation("relu")


class Stage(NamedTuple):
    """y = act(w x + b), perhaps pooled: a convolution if it has a window, else a dense layer."""

    w: Any  # parameters
    b: Any
    act: Activation
    shape: tuple[int, ...]  # of the input, without the batch: (C, H, W), or (inputs,)
    window: Window | None = None
    pooled: bool = False

    @property
    def outputs(self) -> int:
        return int(self.w.shape[0])

    @property
    def inputs(self) -> int:
        """Of a product: numbers that a weight's row meets."""
        return int(self.w.size // self.w.shape[0])

    @property
    def size(self) -> tuple[int, int]:
        """Of what the convolution gives, before pooling."""
        assert self.window is not None
        return self.window.output_size(self.shape[1:])

    @property
    def work(self) -> int:
        """Multiplications of a sample."""
        return self.inputs * self.outputs * (math.prod(self.size) if self.window else 1)


def stages(graph: Any) -> list[Stage]:
    """The graph's, in their order; Unknown if it is no chain of them that ends in a dense layer."""
    found: list[Stage] = []
    at, closed = 0, False  # the array that the next one takes, and whether nothing more may be joined to the last
    if any(str(dtype) != "float32" for dtype in graph.dtypes):
        raise Unknown
    for op in graph.ops:
        if op.inputs() != [at] or op.outputs[0] is None or any(more is not None for more in op.outputs[1:]):
            raise Unknown
        shape, args = graph.shapes[at], op.args
        if op.name == "conv2d":
            found.append(_convolution(shape, args))
        elif op.name == "dense":
            found.append(Stage(args["w"], args["b"], _read(args["activation"]), shape[1:]))
        elif op.name == "max_pool2d" and found and not closed and _may_pool(found[-1], args["window"]):
            found[-1] = found[-1]._replace(pooled=True)
        elif op.name in ("activate", "activation") and found and not closed and found[-1].act is NONE:
            name, constants = (args["activation"], ()) if op.name == "activate" else (args["name"], args["constants"])
            found[-1] = found[-1]._replace(act=_read(name, constants))
        elif op.name != "reshape" or graph.shapes[op.outputs[0]] != (shape[0], math.prod(shape[1:])):
            raise Unknown
        closed = op.name == "reshape"
        at = op.outputs[0]
    if at != graph.output or not found or found[-1].window or len(graph.shapes[at]) != 2:
        raise Unknown
    if any(len(stage.shape) != (3 if stage.window else 1) for stage in found):
        raise Unknown
    return found


def _read(name: str | None, constants: tuple[float, ...] = ()) -> Activation:
    if name in (None, "relu"):
        return RELU if name else NONE
    if name == "sigmoid":
        return Activation("sigmoid", 0.0, 1.0, -1.0)
    if name == "tanh":
        amplitude, slope = constants
        return Activation("tanh", slope * amplitude, 0.0, -slope / amplitude, amplitude, slope)
    raise Unknown


def _may_pool(stage: Stage, window: Window) -> bool:
    return stage.window is not None and not stage.pooled and window == BESIDE and min(stage.size) > 1


def _convolution(shape: tuple[int, ...], args: dict[str, Any]) -> Stage:
    w, window, act = args["w"], args["window"], _read(args["activation"])
    if args["groups"] != 1 or window.stride != (1, 1) or window.dilation != (1, 1):
        raise Unknown
    dtype = np.dtype(np.float32)
    if choose(shape, w.shape, (dtype, dtype), window, 1, LANES)[0] == WINOGRAD:
        raise Unknown  # with fewer multiplications
    if window.kernel == shape[2:] and window.padding == ((0, 0), (0, 0)):  # one pixel comes out
        return Stage(w, args["b"], act, (math.prod(shape[1:]),))
    return Stage(w, args["b"], act, shape[1:], window)
