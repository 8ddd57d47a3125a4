"""The optimizer: how a step goes, and what of it is kept; how a parameter changes stands in the subclasses."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xpnet.backend import Array
from xpnet.base.checks import at_least_zero, positive
from xpnet.base.configured import Configured, arguments_of
from xpnet.core.flat import Flat, lay_out
from xpnet.core.parameter import Parameter, zero_gradients
from xpnet.errors import OptionError
from xpnet.schedules import Schedule


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


class State(dict[str, Array]):
    """What an optimizer remembers of one parameter: arrays of its shape by name, and how often it was updated."""

    def __init__(self, p: Parameter | Flat, slots: Iterable[str]) -> None:
        super().__init__({slot: p.backend.zeros(p.shape, p.dtype) for slot in slots})
        self.backend, self.dtype, self.steps = p.backend, p.dtype, 0

    def fits(self, p: Parameter) -> bool:
        """Whether the arrays are where the parameter is; it may have moved to another backend or data type."""
        return p.backend is self.backend and bool(p.dtype == self.dtype)

    def follow(self, p: Parameter) -> None:
        """Move to where the parameter is."""
        if not self.fits(p):
            for slot, array in self.items():
                self[slot] = p.backend.copy(p.backend.asarray(self.backend.to_numpy(array), p.dtype))
            self.backend, self.dtype = p.backend, p.dtype

    def on_host(self) -> dict[str, Any]:
        """Copies of the arrays, as NumPy has them."""
        return {slot: self.backend.to_numpy(self.backend.copy(array)) for slot, array in self.items()}


class Group:
    """What one call updates: a parameter, or several that lie together, and its `state`, in the same order.

    Parameters of one group have been updated equally often.
    """

    def __init__(self, parameters: Sequence[Parameter], states: Sequence[State]) -> None:
        self.parameters, self.states = parameters, states
        self.piece: Parameter | Flat
        if len(parameters) == 1:
            self.piece, self.state = parameters[0], states[0]
        else:
            self.piece = lay_out(parameters)
            self.state = State(self.piece, ())
            self.state.steps = states[0].steps
            for slot in states[0]:
                self.state[slot], parts = self.piece.lay([state[slot] for state in states])
                for state, part in zip(states, parts, strict=True):
                    state[slot] = part
        self._parts = [(state, slot, part) for state in states for slot, part in state.items()]

    def holds(self, state: Mapping[Parameter, State]) -> bool:
        """Whether all lies as it did; in `state`, anybody may have put other arrays or another count."""
        if isinstance(self.piece, Parameter):
            return state.get(self.piece) is self.state and self.state.fits(self.piece)
        for p, own in zip(self.parameters, self.states, strict=True):
            if p.flat is not self.piece or state.get(p) is not own or own.steps != self.state.steps:
                return False
        return all([own[slot] is part for own, slot, part in self._parts])

    def count_step(self) -> None:
        steps = self.state.steps + 1
        for state in (self.state, *self.states):
            state.steps = steps


class Optimizer(Configured):
    """The base: a subclass lists the arrays of state that it keeps for each parameter and says how one is updated."""

    slots: tuple[str, ...] = ()  # names of the state arrays of a parameter; each starts at zero
    elementwise = False  # whether no entry's update depends on another, so that parameters may be updated as one array

    def __init__(self, lr: float | Schedule, weight_decay: float, clip_norm: float | None) -> None:
        self.lr = check_rate(lr)
        self.weight_decay = at_least_zero("weight_decay", weight_decay)
        self.clip_norm = None if clip_norm is None else positive("clip_norm", clip_norm)
        self.steps = 0  # taken so far: where the schedule stands
        self.lr_scale = 1.0  # what a callback makes of the rate in the course of training; no setting, and not saved
        self.state: dict[Parameter, State] = {}
        self._trained: list[Parameter] = []  # as they were arranged in groups
        self._groups: list[Group] = []

    @property
    def current_lr(self) -> float:
        """The learning rate of the next step."""
        lr = self.lr(self.steps) if isinstance(self.lr, Schedule) else self.lr
        return lr * self.lr_scale

    def update(self, parameters: Iterable[Parameter], scale: float = 1.0) -> None:
        """One step: change every trainable parameter by `scale` times its gradient, and start the gradients from zero.

        Gradients that were added up over several batches become their mean by `scale`, before anything else.
        """
        parameters = list(parameters)
        lr = self.current_lr
        groups = self._arrange([p for p in parameters if p.trainable])
        if scale != 1:
            for group in groups:
                grad = group.piece.grad
                grad *= scale
        if self.clip_norm is not None:
            clip_gradients([group.piece for group in groups], self.clip_norm)
        self.steps += 1
        for group in groups:
            group.count_step()
            self.step(group.piece, group.state, lr)
        zero_gradients(parameters)  # of a frozen one too: it may be trained later

    def step(self, p: Parameter | Flat, state: State, lr: float) -> None:
        """Change `p.value` by `p.grad` and `state`, in place; `p` is a parameter, or several that lie together."""
        raise OptionError(f"{type(self).__name__} does not say how a parameter is updated")

    def _arrange(self, trained: list[Parameter]) -> list[Group]:
        """In groups, as they are since an earlier step, or made now: those that agree in all that a call takes for
        granted are updated as one.
        """
        if trained == self._trained and all(group.holds(self.state) for group in self._groups):
            return self._groups
        alone: list[list[Parameter]] = []
        alike: dict[tuple[Any, ...], list[Parameter]] = {}
        for p in trained:
            if p not in self.state:
                self.state[p] = State(p, self.slots)
            state = self.state[p]
            state.follow(p)
            if self.elementwise and p.backend.flat:
                alike.setdefault((id(p.backend), p.dtype, state.steps), []).append(p)
            else:
                alone.append([p])
        by_size = sorted(alike.values(), key=lambda members: len(members) > 1)  # clip_norm adds them up in this order
        self._groups = [Group(members, [self.state[p] for p in members]) for members in [*alone, *by_size]]
        self._trained = trained
        return self._groups

    def get_state(self, parameters: Mapping[str, Parameter]) -> dict[str, Any]:
        """All that changes in training, of these parameters by name: what `set_state` needs to go on from here."""
        known = {name: self.state[p] for name, p in parameters.items() if p in self.state}
        return {
            "steps": self.steps,
            "lr_scale": self.lr_scale,
            "settings": {name: value for name, value in self._arguments().items() if _plain(value)},
            "schedule": self.lr.get_state() if isinstance(self.lr, Schedule) else {},
            "parameters": {name: {"steps": state.steps, "arrays": state.on_host()} for name, state in known.items()},
        }

    def set_state(self, state: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> None:
        """Put back what `get_state` gave; the parameters lie as they did, so that the next steps give the same bits."""
        for name in self._arguments().keys() & state["settings"].keys():
            setattr(self, name, state["settings"][name])
        if isinstance(self.lr, Schedule):
            self.lr.set_state(state["schedule"])
        self.steps, self.lr_scale = state["steps"], state.get("lr_scale", 1.0)
        for name, p in parameters.items():
            self.state.pop(p, None)
            if name in state["parameters"]:
                self.state[p] = own = State(p, self.slots)
                own.steps = state["parameters"][name]["steps"]
                for slot, array in state["parameters"][name]["arrays"].items():
                    own[slot][...] = p.backend.asarray(array, p.dtype)
        self._arrange([p for p in parameters.values() if p.trainable and p in self.state])

    def _arguments(self) -> dict[str, Any]:
        """The constructor's arguments as they are now, where it keeps them: a callback may have changed one."""
        return {name: value for name, value in arguments_of(self).items() if name in vars(self)}

    def __getstate__(self) -> dict[str, Any]:
        """The parameters of a copy stand alone, and so does their state."""
        return vars(self) | {"_trained": [], "_groups": []}


def clip_gradients(pieces: list[Parameter | Flat], limit: float) -> None:
    """Scale all gradients by min(1, limit / norm), on the device; the norm is that of all together."""
    total: Any = 0.0
    for p in pieces:
        total = p.backend.xp.sum(p.grad * p.grad) + total
    for p in pieces:
        xp, grad = p.backend.xp, p.grad
        grad *= xp.minimum(limit / (xp.sqrt(total) + 1e-12), xp.ones_like(total))


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float))
