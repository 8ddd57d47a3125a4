"""Settings of their own for some of the parameters: by their names, or by how many axes they have."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from xpnet.base.checks import at_least_zero, whole
from xpnet.base.configured import Configured, parameters_of
from xpnet.core.flat import Flat
from xpnet.core.parameter import Parameter
from xpnet.errors import OptionError
from xpnet.optimizers.state import Rule, State

FOR_ALL = ("lr", "clip_norm", "clip_value", "groups")  # what is one thing for all parameters


class Group(Configured):
    """Settings for the parameters whose names fit, in the place of the optimizer's own:

        AdamW(1e-3, weight_decay=0.01, groups=[Group("*.bias", weight_decay=0.0), Group("head.*", lr_scale=10.0)])

    names ("*"): a pattern, or several, for paths such as "conv1.weight", which `named_parameters()` of the network
    that is trained gives: * is any text, with or without dots, ? one character.  max_axes (None): only parameters of at
    most so many axes; 1 is biases and the weights of norms.  settings: `lr_scale`, a factor for the learning rate,
    whatever schedule that has, and any number that the optimizer's constructor takes; but for `lr` and what clips,
    which are for all parameters together.

    A parameter that several groups fit has the settings of all of them; of one that two have, the last counts. Which
    groups a parameter is in is found out in its first step, and stays; a group that no parameter fits is an error.
    """

    def __init__(self, names: str | Sequence[str] = "*", max_axes: int | None = None, **settings: Any) -> None:
        several = tuple(names) if isinstance(names, Iterable) else ()
        if not several or not all(isinstance(name, str) for name in several):
            raise OptionError(f"Group: names must be a pattern of names, or several, not {names!r}")
        self.names = names if isinstance(names, str) else several
        self.max_axes = None if max_axes is None else whole("Group: max_axes", max_axes, 0)
        self.settings = settings
        if not settings:
            raise OptionError('Group has no settings: give some, as in Group("*.bias", weight_decay=0.0)')
        if "lr_scale" in settings:
            at_least_zero("Group: lr_scale", settings["lr_scale"])

    @property
    def patterns(self) -> tuple[str, ...]:
        return (self.names,) if isinstance(self.names, str) else self.names

    def fits(self, name: str, p: Parameter) -> bool:
        """Whether a parameter of this name is in the group."""
        few = self.max_axes is None or len(p.shape) <= self.max_axes
        return few and any(fnmatchcase(name, pattern) for pattern in self.patterns)

    def config(self) -> dict[str, Any]:
        return {"names": self.names, "max_axes": self.max_axes, **self.settings}


def no_decay_on_vectors() -> Group:
    """No weight decay for parameters of one axis: for biases, and for the weights of norms."""
    return Group(max_axes=1, weight_decay=0.0)


def read_groups(kind: type, groups: Group | Iterable[Group]) -> tuple[Group, ...]:
    """The groups of an optimizer of this kind, whose settings it has."""
    several = tuple(groups) if isinstance(groups, Iterable) else (groups,)
    known = ["lr_scale", *(name for name in parameters_of(kind) if name not in FOR_ALL)]
    for group in several:
        if not isinstance(group, Group):
            raise OptionError(
                f'groups takes a list of groups, such as optimizers.Group("*.bias", weight_decay=0.0), not {group!r}'
            )
        for name in group.settings:
            if name not in known:
                hint = "; lr_scale is a factor for it" if name in ("lr", "learning_rate") else ""
                raise OptionError(
                    f"{group!r}: {name} is no setting that a group of {kind.__name__} may have{hint}; it may have"
                    f" {', '.join(known)}"
                )
    return several


class OwnSettings:
    """An optimizer with the settings of some groups: how the parameters that are in these groups are updated."""

    def __init__(self, optimizer: Any, groups: Iterable[Group]) -> None:
        settings: dict[str, Any] = {}
        for group in groups:
            settings |= group.settings
        self.lr_scale = float(settings.pop("lr_scale", 1.0))
        config = optimizer.config() | {"groups": ()}
        self.twin = type(optimizer)(**config | settings)  # which checks them
        self.optimizer, self.others = optimizer, config.keys() - settings.keys()

    def step(self, p: Parameter | Flat, state: State, lr: float) -> None:
        now = vars(self.optimizer)  # a callback may have changed a setting
        vars(self.twin).update({name: now[name] for name in self.others})
        self.twin.step(p, state, lr * self.lr_scale)

    def slots_of(self, p: Parameter) -> tuple[str, ...]:
        slots: tuple[str, ...] = self.twin.slots_of(p)
        return slots

    def is_elementwise(self, p: Parameter) -> bool:
        return bool(self.twin.is_elementwise(p))

    def fading(self, dtype: str) -> Mapping[str, float]:
        faded: Mapping[str, float] = self.twin.fading(dtype)
        return faded


class Rules:
    """Which rule each parameter has, from the groups that it is in."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer
        self.places: dict[Parameter, tuple[int, ...]] = {}  # of a parameter, those of its groups among all
        self._made: dict[tuple[int, ...], Rule] = {}

    def assign(self, named: Iterable[tuple[str, Parameter]]) -> None:
        """Find the groups of parameters that are not known yet."""
        groups, new = self.optimizer.groups, {p: name for name, p in named if p not in self.places}
        if not new:
            return
        found = {p: tuple(i for i, group in enumerate(groups) if group.fits(name, p)) for p, name in new.items()}
        used = {place for places in (*found.values(), *self.places.values()) for place in places}
        for place, group in enumerate(groups):
            if place not in used:
                names = [name or "(no name)" for name in new.values()]
                more = ", ..." if len(names) > 6 else ""
                raise OptionError(f"no parameter is in {group!r}: they are called {', '.join(names[:6])}{more}")
        self.places |= found

    def get_state(self, parameters: Mapping[str, Parameter]) -> dict[str, list[int]]:
        return {name: list(self.places[p]) for name, p in parameters.items() if p in self.places}

    def set_state(self, state: Mapping[str, Iterable[int]], parameters: Mapping[str, Parameter]) -> None:
        self.places |= {parameters[name]: tuple(places) for name, places in state.items()}

    def of(self, p: Parameter) -> Rule:
        """The optimizer itself for a parameter that is in no group."""
        places = self.places.get(p, ())
        if not places:
            rule: Rule = self.optimizer
            return rule
        if places not in self._made:
            self._made[places] = OwnSettings(self.optimizer, [self.optimizer.groups[place] for place in places])
        return self._made[places]
