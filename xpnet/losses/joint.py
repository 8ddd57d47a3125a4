"""The loss of a network of several outputs: a weighted sum of theirs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from xpnet.backend import Array, Backend
from xpnet.base.checks import at_least_zero
from xpnet.base.nested import Key, keys_of
from xpnet.errors import OptionError, ShapeError, XpnetError
from xpnet.losses.base import Loss


class Joint(Loss):
    """L = sum_k weights[k] L_k(y[k], t[k]), dy[k] = weights[k] dL_k: what `compile` makes of a dict or tuple of losses.

    losses: one for each output.  names: those of the outputs that have one, for a network that returns a dict; None for
    a network that returns a tuple, whose outputs are called output1, output2, ...  weights: of each loss (1).

    y and t are dicts by these names, or tuples; an output of a dict that has no loss needs no target, and gets no
    gradient. sample_weight: (N,) for all losses, or a dict or tuple of such.
    """

    name = "joint"
    takes_several = True

    def __init__(
        self, losses: Sequence[Loss], names: Sequence[str] | None = None, weights: Sequence[float] | None = None
    ) -> None:
        self.losses, self.names = list(losses), None if names is None else list(names)
        self.weights = None if weights is None else [at_least_zero("compile: loss_weights", each) for each in weights]

    def parts(self) -> Iterator[tuple[Any, Loss, float]]:
        """(key of the output, its loss, its weight)."""
        keys = range(len(self.losses)) if self.names is None else self.names
        return zip(keys, self.losses, self.weights or [1.0] * len(self.losses), strict=True)

    def forward(
        self, y: Any, t: Any, backend: Backend | None = None, sample_weight: Any = None
    ) -> tuple[Array, Callable[[], Any]]:
        values, back = self.forward_parts(y, t, backend, *([] if sample_weight is None else [sample_weight]))
        return values["loss"], back

    def forward_parts(
        self, y: Any, t: Any, backend: Backend | None = None, *sample_weight: Any
    ) -> tuple[dict[str, Array], Callable[[], Any]]:
        total: Any = 0.0
        values, backs = dict[str, Array](), dict[Key, Callable[[], Array]]()
        for key, loss, weight in self.parts():
            own = [w for each in sample_weight for w in _of_output(each, key)]
            value, backs[key] = loss.forward(y[key], t[key], backend, *own)
            values[f"{output_name(key)}_loss"], total = value, value * weight + total

        def back() -> Any:
            dy = {key: backs[key]() * weight for key, _, weight in self.parts()}
            return dy if self.names is not None else tuple(dy.values())

        return {"loss": total, **values}, back

    def weight_of(self, t: Any, backend: Backend) -> dict[str, Any]:
        """Of each loss its own; their sum counts by samples."""
        own = {f"{output_name(key)}_loss": loss.weight_of(t[key], backend) for key, loss, _ in self.parts()}
        return {"loss": super().weight_of(t, backend), **own}

    def mean_of(self, means: Mapping[str, float]) -> float:
        return sum(means[f"{output_name(key)}_loss"] * weight for key, _, weight in self.parts())

    def shape_of_elements(self, outputs: Any, t: Any) -> dict[Key, Any]:
        return {key: loss.shape_of_elements(outputs[key], t[key]) for key, loss, _ in self.parts()}

    # ---- before training -------------------------------------------------------------------------------------------

    def check_last(self, layer: Any) -> None:
        """`layer` is a class for each output, in a dict or a tuple, as far as they are known."""
        for key, loss, _ in self.parts():
            if isinstance(layer, dict if isinstance(key, str) else tuple):
                loss.check_last(layer[key])

    def check(self, outputs: Any, t: Any) -> None:
        """Hold targets against the outputs of the network, both by name or in order."""
        gives, needed = keys_of(outputs), [key for key, _, _ in self.parts()]
        left = self.names is not None  # of a dict, outputs may have no loss
        _compare("the network gives outputs", gives, needed, left, f"compile it with losses {_form(gives)}")
        _compare("there are targets", keys_of(t), needed, False, f"give them as {_form(needed)}")
        for key, loss, _ in self.parts():
            try:
                loss.check(outputs[key], t[key])
            except XpnetError as error:
                raise type(error)(f"output {output_name(key)}: {error}") from error


def join_losses(losses: Any, weights: Any, get: Callable[[Any], Loss]) -> Joint:
    """The joint loss of losses by name or in order, each a name or an object; weights by name or in order, too."""
    if not losses:
        raise OptionError("compile: there is no loss among these: give one for each output")
    keys = keys_of(losses)
    if isinstance(losses, Mapping):
        known = {} if weights is None else weights
        if not isinstance(known, Mapping) or set(known) - set(keys):
            raise OptionError(f"compile: loss_weights must be a dict of weights for some of {_listed(keys)}")
        own = None if weights is None else [known.get(key, 1.0) for key in keys]
        return Joint([get(each) for each in losses.values()], [str(key) for key in keys], own)
    if weights is not None and (isinstance(weights, Mapping) or len(weights) != len(losses)):
        raise OptionError(f"compile: loss_weights must hold a weight for each of {len(losses)} losses")
    return Joint([get(each) for each in losses], None, weights)


def _of_output(sample_weight: Any, key: Any) -> list[Array]:
    """The weights that belong to the loss of an output, if there are any."""
    if isinstance(sample_weight, dict):
        return [sample_weight[key]] if key in sample_weight else []
    return [sample_weight[key] if isinstance(sample_weight, tuple) else sample_weight]


def output_name(key: Key) -> str:
    """How the history calls an output: by its name, or output1, output2, ..."""
    return key if isinstance(key, str) else f"output{key + 1}"


def _compare(what: str, found: Sequence[Key], needed: Sequence[Key], rest: bool, remedy: str) -> None:
    """`rest`: whether there may be others than those needed."""
    if set(needed) - set(found) or (set(found) - set(needed) and not rest):
        raise ShapeError(f"{what} for {_listed(found)}, but losses are for {_listed(needed)}: {remedy}")


def _listed(keys: Sequence[Key]) -> str:
    return ", ".join(map(output_name, keys)) or "one output alone"


def _form(keys: Sequence[Key]) -> str:
    """What values for these keys are to look like: {"digit": ..., "size": ...} or (..., ...)."""
    if keys and isinstance(keys[0], str):
        return "{" + ", ".join(f'"{key}": ...' for key in keys) + "}"
    return "(" + ", ".join("..." for _ in keys) + ("," if len(keys) == 1 else "") + ")"
