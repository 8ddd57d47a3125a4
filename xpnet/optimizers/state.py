"""What an optimizer remembers of parameters, and which of them it updates with one call."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from xpnet.backend import Array
from xpnet.backend.reference import dtype_name
from xpnet.core.flat import Flat, lay_out
from xpnet.core.parameter import Parameter
from xpnet.errors import OptionError
from xpnet.optimizers.fading import EVERY


class State(dict[str, Array]):
    """What an optimizer remembers of one parameter: arrays of its shape by name, and how often it was updated."""

    def __init__(self, p: Parameter | Flat, slots: Iterable[str]) -> None:
        super().__init__()
        self.backend, self.dtype, self.steps = p.backend, p.dtype, 0
        self.keep(p, slots)

    def keep(self, p: Parameter | Flat, slots: Iterable[str]) -> None:
        """From now on also the arrays of these names, which start at zero."""
        for slot in slots:
            if slot not in self:
                self[slot] = self.backend.zeros(p.shape, self.dtype)

    def __missing__(self, slot: str) -> Array:
        raise OptionError(
            f"an optimizer's step asks for state[{slot!r}], which is not kept: name it in the class, as in slots ="
            f" ({slot!r},)"
        )

    def fits(self, p: Parameter) -> bool:
        """Whether the arrays are where the parameter is; it may have moved to another backend or data type."""
        return p.backend is self.backend and bool(p.dtype == self.dtype)

    def follow(self, p: Parameter) -> None:
        """Move to where the parameter is."""
        if not self.fits(p):
            for slot, array in self.items():
                self[slot] = p.backend.copy(p.backend.asarray(self.backend.to_numpy(array), p.dtype))
            self.backend, self.dtype = p.backend, p.dtype

    def writable(self) -> None:
        """Arrays of a memory map that is only to be read go into memory."""
        for slot, array in self.items():
            self[slot] = self.backend.writable(array)

    def on_host(self) -> dict[str, Any]:
        """Copies of the arrays, as NumPy has them."""
        return {slot: self.backend.to_numpy(self.backend.copy(array)) for slot, array in self.items()}


@contextmanager
def undone_on_error(optimizer: Any, rules: Any) -> Iterator[None]:
    """Within the block the optimizer takes a state, and its rules for groups do; if that fails, all is as it was."""
    before, schedule = vars(optimizer).copy(), optimizer.lr
    kept, places = dict(optimizer.state), dict(rules.places)
    at = schedule.get_state() if hasattr(schedule, "get_state") else None
    try:
        yield
    except BaseException:
        vars(optimizer).update(before)
        optimizer.state.clear()
        optimizer.state.update(kept)
        rules.places = places
        if at is not None:
            schedule.set_state(at)
        raise


class Rule(Protocol):
    """How parameters are updated: by the optimizer, or by it with the settings of a group."""

    def step(self, p: Parameter | Flat, state: State, lr: float) -> None: ...

    def slots_of(self, p: Parameter) -> tuple[str, ...]: ...

    def is_elementwise(self, p: Parameter) -> bool: ...

    def fading(self, dtype: str) -> Mapping[str, float]: ...


class Bundle:
    """What one call updates: a parameter, or several that lie together, and its `state`, in the same order.

    Parameters of one bundle have one rule, and have been updated equally often.
    """

    def __init__(self, parameters: Sequence[Parameter], states: Sequence[State], rule: Rule) -> None:
        self.parameters, self.states, self.rule = parameters, states, rule
        self.piece: Parameter | Flat
        if len(parameters) == 1:
            self.piece, self.state = parameters[0], states[0]
            self.piece.writable()
            self.state.writable()
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

    def step(self, lr: float) -> None:
        """The rule's, which is counted; every so many of the parameters' own, what has faded is forgotten."""
        steps = self.state.steps + 1
        for state in (self.state, *self.states):
            state.steps = steps
        self.rule.step(self.piece, self.state, lr)
        if steps % EVERY == 0:
            for slot, least in self.rule.fading(dtype_name(self.state.dtype)).items():
                if slot in self.state:
                    self.state.backend.forget(self.state[slot], least)
