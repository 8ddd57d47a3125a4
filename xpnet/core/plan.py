"""Plans: what a network does, prepared once for inputs of one shape.

The first time that a built network is given such an input, its layers are asked for what they do (trace.py), and the
backend makes of that list something that does all of it with fewer calls: the arrays in between have their place,
what follows from shapes is known, nothing is checked again. Whatever the plan rests on is compared before it is used:
settings of the layers, lists of layers, and where the parameters lie; what is in them may change. A network that is
looked into (watch.py), or whose `call` may do something else each time, runs as it is written. Inference and training
have plans of their own: one answers, the other has a way back.
"""

import operator
import threading
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from xpnet.backend import Array
from xpnet.base.quiet import quiet
from xpnet.core.layer import Edits
from xpnet.core.parameter import Parameter
from xpnet.core.trace import trace
from xpnet.core.watch import interceptions

MOST = 32  # plans of one network

_edited, _value = operator.attrgetter("_edited"), operator.attrgetter("_value")


class Within(threading.local):
    """A block in which a network runs as it is written, in training: those inside have no plan of their own, so that
    a nested network has the bits of a flat one.
    """

    depth = 0  # of such blocks, in this thread

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1


within = Within()


class Plan:
    """What is prepared for one shape; `run` is None where there is nothing to be gained."""

    __slots__ = (
        *("_copies", "_edits", "_layers", "_last", "_lengths", "_lists", "_parameters", "_seen", "_values", "_views"),
        *("backend", "dtype", "graph", "label", "last", "run", "why"),
    )

    def __init__(self, network: Any, x: Array, train: bool = False) -> None:
        layers = [layer for _, layer in network.named_layers()]
        self._last, self._edits = Edits.last, [*map(_edited, layers)]  # before the look at them
        self._layers = layers[1:]  # not the network, which holds its plans, and is to be gone when nobody else holds it
        self._parameters = [*held_parameters(layers)]
        self._values = [*map(_value, self._parameters)]
        self.label = network.label
        self.backend, self.dtype = network.backend, x.dtype
        with quiet():
            written, self.graph, self.why = trace(network, x, train)
        self._lists = [each for each in written.held if type(each) is list]  # of layers,
        self._copies = [each.copy() for each in self._lists]  # and what was in them
        self._views = [each for each in written.held if type(each) is not list]  # of dicts of layers, and of classes,
        self._lengths = [*map(len, self._views)]
        self._seen = [*chain.from_iterable(self._views)]  # and what was in these
        self.last = written.last
        prepare = self.backend.plan_training if train else self.backend.plan
        self.run: Callable[[Array], Any] | None = None if self.graph is None else prepare(self.graph)

    def __str__(self) -> str:
        """A line for each operation: what is called, with arrays of which shapes, and what comes out."""
        if self.graph is None:
            return f"{self.label} has no plan: {self.why}"
        done = "by a plan" if self.run else "one by one, which is as fast"
        lines = [f"{self.label}, {len(self.graph.ops)} operations {done}:"]
        return "\n".join([*lines, *map(self.graph.told, self.graph.ops)])

    def holds(self, network: Any) -> bool:
        """Whether all that it rests on is as it was."""
        return (
            network.backend is self.backend
            and (network._edited == self._edits[0] if Edits.last == self._last else self._unedited(network))
            and all(map(operator.is_, map(_value, self._parameters), self._values))
            and self._lists == self._copies
            and (not self._views or self._sees_the_same())
        )

    def is_looked_into(self) -> bool:
        """Whether a block of watch.py, in whatever thread, has one of its layers."""
        return not interceptions.keys().isdisjoint(map(id, self._layers))

    def _unedited(self, network: Any) -> bool:
        """Whether whatever was changed since the last look is in no layer of the network."""
        last = Edits.last
        if [network._edited, *map(_edited, self._layers)] != self._edits:
            return False
        self._last = last
        return True

    def _sees_the_same(self) -> bool:
        return [*map(len, self._views)] == self._lengths and all(
            map(operator.is_, chain.from_iterable(self._views), self._seen)
        )


class Plans:
    """Those of a network, by the shape of the input."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], Plan] = {}
        self._trained: dict[tuple[int, ...], Plan] = {}  # those of training

    def __deepcopy__(self, memo: dict[int, Any]) -> "Plans":
        return Plans()  # a copy makes its own

    def __reduce__(self) -> tuple[Any, ...]:
        return Plans, ()

    def run(self, network: Any, x: Array) -> Array | None:
        """The network's output for x, by a plan that is made if there is none; None if it has to run as it is."""
        if interceptions or not network.is_built:
            return None
        plan = self._known.get(x.shape)
        if plan is None or x.dtype != plan.dtype or not plan.holds(network):
            if not _is_own_kind(network, x):
                return None
            plan = self.make(network, x)
        return None if plan.run is None else plan.run(x)

    def make(self, network: Any, x: Array) -> Plan:
        """The plan for inputs like x."""
        plan = Plan(network, x)
        if not interceptions:  # for whose time alone there is none
            _keep(self._known, x.shape, plan)
        return plan

    def training(self, network: Any, x: Array) -> Plan | None:
        """The plan whose `run` is the network's forward in training on x, made if there is none; None without one.

        Whether there is one follows from the network and the shape alone: a training that was resumed has the same
        bits. Who looks into other networks meanwhile does not change that.
        """
        if within.depth or type(x) is not network.backend.planned or not network.is_built:
            return None
        plan = self._trained.get(x.shape)
        if plan is None or x.dtype != plan.dtype or not plan.holds(network):
            if not _is_own_kind(network, x):
                return None
            plan = Plan(network, x, train=True)
            _keep(self._trained, x.shape, plan)
        return None if interceptions and plan.is_looked_into() else plan

    def run_known(self, network: Any, x: Any, most: int) -> Array | None:
        """The output for x, an array of `most` samples or fewer for which there is a plan already: whoever made it has
        held the like against what the network takes, so that nothing has to be checked. Floating point numbers are
        converted to the network's.
        """
        if type(x) is not network.backend.planned:
            return None
        plan = self._known.get(x.shape)
        if plan is None or plan.run is None or len(x) > most or interceptions or not plan.holds(network):
            return None
        if x.dtype is not plan.dtype:
            if x.dtype.kind != "f" or plan.dtype.kind != "f":
                return None
            with quiet():
                x = x.astype(plan.dtype)
        return plan.run(x)


def _keep(plans: dict[tuple[int, ...], Plan], shape: tuple[int, ...], plan: Plan) -> None:
    known = [*plans]
    for each in known[: max(0, len(known) + 1 - MOST)]:
        plans.pop(each, None)  # unless another thread has
    plans[shape] = plan


def _is_own_kind(network: Any, x: Array) -> bool:
    """Whether x is of the network's data type, and has a batch; the errors for others are told elsewhere."""
    whole = network.takes_integers
    return x.ndim > 0 and 0 not in x.shape and x.dtype == network.backend.dtype("int64" if whole else network.dtype)


def held_parameters(layers: list[Any]) -> Iterator[Parameter]:
    for layer in layers:
        yield from (value for value in vars(layer).values() if isinstance(value, Parameter))
