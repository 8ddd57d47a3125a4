"""A step of training, forward and back, as a list of NumPy calls over arrays that are there already.

What plan.py is for answers: for chains of convolutions with pooling of 2x2 and of dense layers. A convolution wants its
images innermost, a chain of dense layers its rows; between the two nothing is arranged anew. What a forward leaves for
its way back lies in a set of arrays of its own: several may be under way at the same time, in any number of threads.
Gradients are written where the parameters want them.
"""

import math
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from xpnet.backend.cpu.planned_convolution import Convolution, Map
from xpnet.backend.cpu.planned_dense import Dense
from xpnet.backend.cpu.threads import blas_held
from xpnet.backend.like import require_like
from xpnet.backend.window import Window

Array = np.ndarray
Back = Callable[[Array, bool], Array | None]

MOST = 16  # plans that keep the arrays of forwards that are done
HALVED = Window((2, 2), (2, 2))  # the pooling that a convolution may have behind it
SAMPLES = 1 << 10  # in a batch, of which the calls are a small part whatever the layers
MULTIPLICATIONS = 1 << 27  # of a convolution or a dense layer; of more, calls are no part worth speaking of
KEPT = 1 << 24  # bytes of what a convolution keeps for its way back
# Numbers in a kernel, beyond which other algorithms are as fast; and where dx is needed and nothing is pooled.
WEIGHTS, WEIGHTS_BETWEEN = 1 << 13, 1 << 10


class Stage(NamedTuple):
    """A layer with what comes behind it: the operation, the shape that it gets (N, ...), and the shape it gives."""

    op: Any
    given: tuple[int, ...]
    gives: tuple[int, ...]
    activation: tuple[Any, ...] = ()  # the name and its constants
    pooled: bool = False


class TrainingPlan:
    """What `NumpyBackend.plan_training` returns."""

    def __init__(self, backend: Any, stages: list[Stage], dtype: np.dtype[Any]) -> None:
        self.backend, self.stages, self.dtype = backend, stages, dtype
        self.idle = list[Prepared]()
        self.known = weakref.ref(self)

    def __call__(self, x: Array) -> tuple[Array, Back]:
        try:
            prepared = self.idle.pop()
        except IndexError:
            prepared = Prepared(self.backend, self.stages, self.dtype)
        with blas_held():
            y = prepared.forward(x)

        def back(dy: Array, need_dx: bool) -> Array | None:
            require_like(dy, y)
            with blas_held():
                dx = prepared.back(dy, need_dx)
            self.idle.append(prepared)  # nothing that was handed out lies in it
            if not _recent or _recent[-1] is not self.known:
                _keep(self.known)
            return None if dx is None else dx.reshape(x.shape)

        return y, back


_recent: list[weakref.ref[TrainingPlan]] = []  # those that keep arrays, the one last used at the end


def _keep(plan: weakref.ref[TrainingPlan]) -> None:
    """Let it keep its arrays, and the one that was not used for the longest time none, if there are many."""
    others = [each for each in _recent if each is not plan and each() is not None]
    for each in others[: max(0, len(others) + 1 - MOST)]:
        others.remove(each)
        old = each()
        if old is not None:
            old.idle.clear()
    _recent[:] = [*others, plan]


def free_arrays() -> None:
    """Of all plans, those that no forward uses."""
    while _recent:
        plan = _recent.pop()()
        if plan is not None:
            plan.idle.clear()


class Prepared:
    """The layers of a plan with the arrays that they work on: those of one forward until its way back is done."""

    def __init__(self, backend: Any, stages: list[Stage], dtype: np.dtype[Any]) -> None:
        self.layers: list[Any] = []
        self.shape = stages[0].given
        behind: Any = None  # where the layer before is to put what it gives, if that is an image
        for number, stage in reversed([*enumerate(stages)]):
            images = [len(each.gives) == 4 for each in stages[:number]]
            if stage.op.name == "dense":
                layer: Any = Dense(backend, stage, dtype, any(images), images[-1:] == [True], stage is stages[-1])
                behind = Map.of_features(layer.x, layer.dx, stages[number - 1].gives) if images[-1:] == [True] else None
            else:
                layer = Convolution(stage, dtype, behind, not number)
                behind = layer.map
            self.layers.insert(0, layer)

    def forward(self, x: Array) -> Array:
        x = x.reshape(self.shape)
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def back(self, dy: Array, need_dx: bool) -> Array | None:
        first, *others = self.layers
        for layer in reversed(others):
            dy = layer.back(dy, True)
        dx: Array | None = first.back(dy, need_dx)
        return dx


def plan_training(backend: Any, graph: Any) -> TrainingPlan | None:
    """A plan, if the graph is such a chain, and small enough for it to gain something."""
    stages, dtype = chain(graph), np.dtype(graph.dtypes[0])
    if not stages or {*graph.dtypes} != {dtype.name} or dtype.name not in ("float32", "float64"):
        return None
    if backend.lanes and any(stage.op.name == "conv2d" for stage in stages):
        return None  # compiled kernels are faster
    gains = all(_is_small(stage) and (stage is stages[0] or _is_small_between(stage)) for stage in stages)
    return TrainingPlan(backend, stages, dtype) if gains else None


def _is_small(stage: Stage) -> bool:
    """Whether there is anything to be gained."""
    weight, N = stage.op.args["w"], stage.given[0]
    if N > SAMPLES:
        return False
    if stage.op.name == "dense":
        return bool(N * weight.size <= MULTIPLICATIONS)
    H, W = stage.op.args["window"].output_size(stage.given[2:])
    kept = weight.dtype.itemsize * N * H * W * len(weight.value)
    return bool(weight.size <= WEIGHTS and N * H * W * weight.size <= MULTIPLICATIONS and kept <= KEPT)


def _is_small_between(stage: Stage) -> bool:
    return bool(stage.op.name == "dense" or stage.pooled or stage.op.args["w"].size <= WEIGHTS_BETWEEN)


def chain(graph: Any) -> list[Stage]:
    """The stages of a graph that is a chain of what there is here, and gives a matrix; else none."""
    stages, current, shape = list[Stage](), 0, graph.shapes[0]
    for op in graph.ops:
        gives = graph.shapes[op.outputs[0]]
        if op.inputs() != [current] or op.name not in READERS:
            return []
        if op.name == "reshape":
            if stages and len(gives) != 2:
                return []
        elif not READERS[op.name](stages, op, shape, gives):
            return []
        current, shape = op.outputs[0], gives
    ends = current == graph.output and stages and stages[-1].op.name == "dense"
    return stages if ends and all(stage.given[0] == graph.shapes[0][0] for stage in stages) else []


def _read_layer(stages: list[Stage], op: Any, given: tuple[int, ...], gives: tuple[int, ...]) -> bool:
    """A dense layer, or a convolution of the kind that there is here."""
    window, learned = op.args.get("window"), [op.args["w"], op.args["b"]]
    if not all(each is None or hasattr(each, "lend_grad") for each in learned):
        return False
    if window is not None and (window.stride != (1, 1) or window.dilation != (1, 1) or op.args["groups"] != 1):
        return False
    if math.prod(given) == 0 or len(given) != (2 if window is None else 4):
        return False
    activation = op.args["activation"]
    stages.append(Stage(op, given, gives, (activation,) if activation else ()))
    return activation in (None, "relu")


def _read_pool(stages: list[Stage], op: Any, given: tuple[int, ...], gives: tuple[int, ...]) -> bool:
    if not stages or stages[-1].op.name != "conv2d" or stages[-1].pooled or op.args["window"] != HALVED:
        return False
    stages[-1] = stages[-1]._replace(gives=gives, pooled=True)
    return True


def _read_activation(stages: list[Stage], op: Any, given: tuple[int, ...], gives: tuple[int, ...]) -> bool:
    """Behind a convolution ReLU alone, which may change places with pooling."""
    name, *constants = op.positional(lambda value: value)[1:]
    if not stages or (stages[-1].op.name == "conv2d" and name != "relu"):
        return False
    if name is not None and not (name == "relu" and stages[-1].activation == ("relu",)):
        if stages[-1].activation:
            return False
        stages[-1] = stages[-1]._replace(activation=(name, *constants))
    return True


READERS: dict[str, Callable[..., bool]] = {
    "reshape": lambda *_: True,
    "dense": _read_layer,
    "conv2d": _read_layer,
    "max_pool2d": _read_pool,
    "activate": _read_activation,
    "activation": _read_activation,
}
