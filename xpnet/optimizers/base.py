"""The optimizer: how a step goes, and what of it is kept; how a parameter changes stands in the subclasses."""

import operator
from collections.abc import Iterable, Mapping
from typing import Any

from xpnet.base.checks import at_least_zero, positive
from xpnet.base.configured import Configured, arguments_of
from xpnet.base.quiet import quietly
from xpnet.base.settings import change
from xpnet.core.flat import Flat
from xpnet.core.parameter import Parameter, zero_gradients
from xpnet.core.written import is_own
from xpnet.errors import OptionError
from xpnet.optimizers import clipping
from xpnet.optimizers.groups import Group, Rules, read_groups
from xpnet.optimizers.own_step import changing_something
from xpnet.optimizers.state import Bundle, State, undone_on_error
from xpnet.schedules import Schedule

_trainable = operator.attrgetter("trainable")


def check_rate(lr: Any) -> float | Schedule:
    """What `lr` may be: a positive number, or a schedule."""
    if isinstance(lr, Schedule):
        return lr
    if isinstance(lr, str) or callable(lr):
        raise OptionError(
            f"lr must be a positive number or a schedule, an object such as schedules.Cosine(0.001, steps=6000), not"
            f" {lr!r}; a function of the step is the __call__ of a subclass of schedules.Schedule"
        )
    if isinstance(lr, Iterable):
        raise OptionError(
            "an optimizer gets its parameters later, by model.compile(optimizer) or optimizer.update(parameters); its"
            " first argument is the learning rate, lr"
        )
    return positive("lr", lr)


class Optimizer(Configured):
    """The base: a subclass lists the arrays of state that it keeps for each parameter and says how one is updated."""

    slots: tuple[str, ...] = ()  # names of the state arrays of a parameter; each starts at zero
    elementwise = False  # whether no entry's update depends on another, so that parameters may be updated as one array

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if is_own(cls) and "step" in vars(cls):
            cls.update = changing_something(cls.update)  # type: ignore[method-assign]

    def __init__(
        self,
        lr: float | Schedule = 0.01,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        groups: Group | Iterable[Group] = (),
    ) -> None:
        self.lr = check_rate(lr)
        self.weight_decay = at_least_zero("weight_decay", weight_decay)
        self.clip_norm = None if clip_norm is None else positive("clip_norm", clip_norm)
        self.clip_value = None if clip_value is None else positive("clip_value", clip_value)
        self.groups = read_groups(type(self), groups)
        self.steps = 0  # taken so far: where the schedule stands
        self.lr_scale = 1.0
        self.state: dict[Parameter, State] = {}
        self._rules = Rules(self)
        self._trained: list[Parameter] = []  # as they were arranged in bundles
        self._bundles: list[Bundle] = []

    @property
    def lr_scale(self) -> float:
        """What a callback makes of the rate in the course of training; no setting, and not saved."""
        return self._lr_scale

    @lr_scale.setter
    def lr_scale(self, scale: float) -> None:
        self._lr_scale = at_least_zero("lr_scale", scale)

    @property
    def current_lr(self) -> float:
        """The learning rate of the next step."""
        return self._lr_at(self.steps)

    @property
    def last_lr(self) -> float:
        """The learning rate of the last step."""
        return self._lr_at(max(self.steps - 1, 0))

    def _lr_at(self, step: int) -> float:
        return (self.lr(step) if isinstance(self.lr, Schedule) else self.lr) * self._lr_scale

    @quietly
    def update(self, parameters: Iterable[Parameter], scale: float = 1.0) -> None:
        """One step: change every trainable parameter by `scale` times its gradient, and start the gradients from zero.

        Gradients that were added up over several batches become their mean by `scale`, before anything else.
        """
        parameters = list(parameters)
        lr = self.current_lr
        if self.groups:
            self.assign((p.name, p) for p in parameters)
        bundles = self._arrange(list(filter(_trainable, parameters)))
        if scale != 1 or self.clip_value is not None or self.clip_norm is not None:
            self._prepare_gradients([bundle.piece for bundle in bundles], scale)
        vars(self)["steps"] += 1  # without a look at whether it is a setting
        for bundle in bundles:
            bundle.step(lr)
        zero_gradients(parameters)  # of a frozen one too: it may be trained later

    def _prepare_gradients(self, pieces: list[Parameter | Flat], scale: float) -> None:
        if scale != 1:
            for piece in pieces:
                grad = piece.grad
                grad *= scale
        if self.clip_value is not None:
            clipping.clip_values(pieces, self.clip_value)
        if self.clip_norm is not None:
            clipping.clip_norm(pieces, self.clip_norm)

    def assign(self, named: Iterable[tuple[str, Parameter]]) -> None:
        """Find the groups of parameters that come for the first time, by their names."""
        if self.groups:
            self._rules.assign(named)

    def step(self, p: Parameter | Flat, state: State, lr: float) -> None:
        """Change `p.value` by `p.grad` and `state`, in place; `p` is a parameter, or several that lie together."""
        raise OptionError(f"{type(self).__name__} does not say how a parameter is updated")

    def slots_of(self, p: Parameter) -> tuple[str, ...]:
        """`slots`, for an optimizer that does not keep the same for all parameters."""
        return self.slots

    def is_elementwise(self, p: Parameter) -> bool:
        """`elementwise`, for an optimizer that does not update all parameters in the same way."""
        return self.elementwise

    def fading(self, dtype: str) -> Mapping[str, float]:
        """Names of state arrays that decay without gradients, and the magnitude below which entries count as 0."""
        return {}

    def _arrange(self, trained: list[Parameter]) -> list[Bundle]:
        """In bundles, as they are since an earlier step, or made now: those that agree in all that a call takes for
        granted are updated as one.
        """
        if trained == self._trained and all([bundle.holds(self.state) for bundle in self._bundles]):
            return self._bundles
        alone: list[list[Parameter]] = []
        alike: dict[tuple[Any, ...], list[Parameter]] = {}
        for p in trained:
            rule = self._rules.of(p)
            if p not in self.state:
                self.state[p] = State(p, rule.slots_of(p))
            state = self.state[p]
            state.keep(p, rule.slots_of(p))  # a setting may have changed, and need more
            state.follow(p)
            if rule.is_elementwise(p) and p.backend.flat:
                alike.setdefault((id(rule), id(p.backend), p.dtype, state.steps), []).append(p)
            else:
                alone.append([p])
        by_size = sorted(alike.values(), key=lambda members: len(members) > 1)  # clip_norm adds them up in this order
        self._bundles = [
            Bundle(members, [self.state[p] for p in members], self._rules.of(members[0]))
            for members in [*alone, *by_size]
        ]
        self._trained = trained
        return self._bundles

    def settings_changed(self, names: Iterable[str]) -> None:
        if not {"groups", "slots"}.isdisjoint(names):
            self._rules, self._trained = Rules(self), []

    def get_state(self, parameters: Mapping[str, Parameter]) -> dict[str, Any]:
        """All that changes in training, of these parameters by name: what `set_state` needs to go on from here."""
        known = {name: self.state[p] for name, p in parameters.items() if p in self.state}
        return {
            "steps": self.steps,
            "lr_scale": self.lr_scale,
            "settings": {name: value for name, value in self._arguments().items() if _plain(value)},
            "schedule": self.lr.get_state() if isinstance(self.lr, Schedule) else {},
            "parameters": {name: {"steps": state.steps, "arrays": state.on_host()} for name, state in known.items()},
            **({"groups": self._rules.get_state(parameters)} if self.groups else {}),
        }

    def set_state(self, state: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> None:
        """Put back what `get_state` gave, or nothing of it; the parameters lie as they did, so that the next steps give
        the same bits.
        """
        with undone_on_error(self, self._rules):
            kept = self._arguments().keys() & state["settings"].keys()
            change(self, **{name: state["settings"][name] for name in kept})
            if isinstance(self.lr, Schedule):
                self.lr.set_state(state["schedule"])
            self.steps, self.lr_scale = state["steps"], state.get("lr_scale", 1.0)
            self._rules.set_state(state.get("groups", {}), parameters)
            for name, p in parameters.items():
                self.state.pop(p, None)
                if name in state["parameters"]:
                    self.state[p] = own = State(p, self._rules.of(p).slots_of(p))
                    own.steps = state["parameters"][name]["steps"]
                    for slot, array in state["parameters"][name]["arrays"].items():
                        own[slot][...] = p.fitting(array)
            self._arrange([p for p in parameters.values() if p.trainable and p in self.state])

    def _arguments(self) -> dict[str, Any]:
        """The constructor's arguments as they are now, where it keeps them: a callback may have changed one."""
        return {name: value for name, value in arguments_of(self).items() if name in vars(self)}

    def __getstate__(self) -> dict[str, Any]:
        """The parameters of a copy stand alone, and so does their state."""
        return vars(self) | {"_trained": [], "_bundles": []}


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float))
