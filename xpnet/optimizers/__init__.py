"""Optimizers: SGD, momentum, Nesterov, AdaGrad, RMSProp, Adam, AdamW.

The arithmetic of a step is a backend primitive; here stand the settings and the state, which is kept per parameter
object. Every optimizer takes `lr` (a number or a schedule), `weight_decay` (an L2 penalty: g += weight_decay * p; in
AdamW it is decoupled) and `clip_norm` (the gradients of all parameters together are scaled down to at most this
Euclidean norm; None: never).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from xpnet.backend import Array
from xpnet.backend.reference import AdamStep
from xpnet.base.checks import at_least_zero, fraction, positive
from xpnet.base.configured import Configured, arguments_of
from xpnet.base.hints import explained
from xpnet.base.lookup import by_name
from xpnet.core.parameter import Flat, Parameter
from xpnet.errors import OptionError
from xpnet.schedules import Schedule


class State(dict[str, Array]):
    """What an optimizer remembers of one parameter: arrays of its shape by name, and how often it was updated."""

    def __init__(self, p: Parameter | Flat, slots: Iterable[str]) -> None:
        super().__init__({slot: p.backend.zeros(p.shape, p.dtype) for slot in slots})
        self.backend, self.dtype, self.steps = p.backend, p.dtype, 0

    def follow(self, p: Parameter) -> None:
        """The parameter may have moved to another backend or data type since."""
        if p.backend is self.backend and p.dtype == self.dtype:
            return
        for slot, array in self.items():
            self[slot] = p.backend.copy(p.backend.asarray(self.backend.to_numpy(array), p.dtype))
        self.backend, self.dtype = p.backend, p.dtype

    def on_host(self) -> dict[str, Any]:
        """Copies of the arrays, as NumPy has them."""
        return {slot: self.backend.to_numpy(self.backend.copy(array)) for slot, array in self.items()}


class Optimizer(Configured):
    """The base: a subclass lists the arrays of state that it keeps for each parameter and says how one is updated."""

    slots: tuple[str, ...] = ()  # names of the state arrays of a parameter; each starts at zero
    elementwise = False  # whether no entry's update depends on another, so that parameters may be updated as one array

    def __init__(self, lr: float | Schedule, weight_decay: float, clip_norm: float | None) -> None:
        self.lr = lr if isinstance(lr, Schedule) else _rate(lr)
        self.weight_decay = at_least_zero("weight_decay", weight_decay)
        self.clip_norm = None if clip_norm is None else positive("clip_norm", clip_norm)
        self.steps = 0  # taken so far: where the schedule stands
        self.lr_scale = 1.0  # what a callback makes of the rate in the course of training; no setting, and not saved
        self.state: dict[Parameter, State] = {}
        self._together: list[_Together | None] = []  # None in a copy, whose parameters stand alone

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
        groups = self._groups([p for p in parameters if p.trainable])
        if scale != 1:
            for group, _ in groups:
                grad = group.grad
                grad *= scale
        if self.clip_norm is not None:
            self._clip([group for group, _ in groups])
        self.steps += 1
        for group, state in groups:
            self.step(group, state, lr)
        for p in parameters:  # a frozen one too: it may be trained later
            p.zero_grad()

    def _groups(self, trained: list[Parameter]) -> list[tuple[Parameter | Flat, State]]:
        """What is updated with one call each, and its state, now counted once more: a parameter, or several as one."""
        for p in trained:
            if p not in self.state:
                self.state[p] = State(p, self.slots)
            self.state[p].follow(p)
            self.state[p].steps += 1
        return self._arrange(trained)

    def _arrange(self, trained: list[Parameter]) -> list[tuple[Parameter | Flat, State]]:
        groups: list[tuple[Parameter | Flat, State]] = []
        alike: dict[tuple[Any, ...], list[Parameter]] = {}  # by all that a call takes for granted
        for p in trained:
            state = self.state[p]
            if self.elementwise and p.backend.flat:
                alike.setdefault((id(p.backend), p.dtype, state.steps), []).append(p)
            else:
                groups.append((p, state))
        laid = [self._lay(members) for members in alike.values() if len(members) > 1]
        self._together = [*laid]
        groups += [(members[0], self.state[members[0]]) for members in alike.values() if len(members) == 1]
        return groups + [(together.flat, together.state) for together in laid]

    def _lay(self, members: list[Parameter]) -> "_Together":
        """The members as one: as they lie since an earlier update, or laid out now."""
        found = [known for known in self._together if known and known.holds(members, self.state)]
        together = found[0] if found else _Together(members, self.state)
        together.state.steps = self.state[members[0]].steps
        return together

    def get_state(self, parameters: Mapping[str, Parameter]) -> dict[str, Any]:
        """All that changes in training, of these parameters by name: what `set_state` needs to go on from here."""
        known = {name: self.state[p] for name, p in parameters.items() if p in self.state}
        return {
            "steps": self.steps,
            "lr_scale": self.lr_scale,
            "settings": {name: value for name, value in self._settings().items() if _plain(value)},
            "schedule": self.lr.get_state() if isinstance(self.lr, Schedule) else {},
            "parameters": {name: {"steps": state.steps, "arrays": state.on_host()} for name, state in known.items()},
        }

    def set_state(self, state: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> None:
        """Put back what `get_state` gave; the parameters lie as they did, so that the next steps give the same bits."""
        for name in self._settings().keys() & state["settings"].keys():
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

    def _settings(self) -> dict[str, Any]:
        """The constructor's arguments as they are now, where it keeps them: a callback may have changed one."""
        return {name: value for name, value in arguments_of(self).items() if name in vars(self)}

    def step(self, p: Parameter | Flat, state: State, lr: float) -> None:
        """Change `p.value` by `p.grad` and `state`, in place; `p` is a parameter, or several that lie together."""
        raise OptionError(f"{type(self).__name__} does not say how a parameter is updated")

    def _clip(self, groups: list[Parameter | Flat]) -> None:
        """Scale all gradients by min(1, clip_norm / norm), on the device."""
        total: Any = 0.0
        for p in groups:
            total = p.backend.xp.sum(p.grad * p.grad) + total
        for p in groups:
            xp, grad = p.backend.xp, p.grad
            grad *= xp.minimum(self.clip_norm / (xp.sqrt(total) + 1e-12), xp.ones_like(total))


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float))


class _Together:
    """Parameters that lie behind one another, and their state in the same order: an optimizer's shortcut."""

    def __init__(self, parameters: Sequence[Parameter], state: dict[Parameter, State]) -> None:
        known = parameters[0]._flat
        self.flat = known if known is not None and known.holds(parameters) else Flat(parameters)
        self.state = State(self.flat, ())
        for slot in state[parameters[0]]:
            self.state[slot], parts = self.flat.lay([state[p][slot] for p in parameters])
            for p, part in zip(parameters, parts, strict=True):
                state[p][slot] = part
        self._parts = [dict(state[p]) for p in parameters]

    def __deepcopy__(self, memo: dict[int, Any]) -> None:
        return None  # copied parameters stand alone, and so does their state

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()

    def holds(self, parameters: Sequence[Parameter], state: dict[Parameter, State]) -> bool:
        """Whether these are still its parameters and the arrays in `state`, where anybody may put others, its own."""
        return self.flat.holds(parameters) and all(
            state[p][slot] is part
            for p, parts in zip(parameters, self._parts, strict=True)
            for slot, part in parts.items()
        )


class SGD(Optimizer):
    """v = momentum v + g;  p -= lr v.  With nesterov: p -= lr (g + momentum v).

    Polyak, 1964; Sutskever et al., 2013.
    """

    elementwise = True

    def __init__(
        self,
        lr: float | Schedule = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(lr, weight_decay, clip_norm)
        self.momentum, self.nesterov = fraction("momentum", momentum), bool(nesterov)
        if nesterov and not momentum:
            raise OptionError("nesterov needs a momentum above 0; 0.9 is usual")
        self.slots = ("velocity",) if momentum else ()

    def step(self, p: Parameter | Flat, state: State, lr: float) -> None:
        p.backend.sgd(
            p.value,
            p.grad,
            state.get("velocity"),
            lr=lr,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
        )


class Momentum(SGD):
    """SGD with momentum 0.9."""

    def __init__(
        self,
        lr: float | Schedule = 0.01,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(lr, momentum, False, weight_decay, clip_norm)


class Nesterov(SGD):
    """SGD with Nesterov's momentum 0.9."""

    def __init__(
        self,
        lr: float | Schedule = 0.01,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(lr, momentum, True, weight_decay, clip_norm)


class AdaGrad(Optimizer):
    """s += g**2;  p -= lr g / (sqrt(s) + eps)  (Duchi, Hazan and Singer, 2011)."""

    slots = ("squares",)
    elementwise = True

    def __init__(
        self,
        lr: float | Schedule = 0.01,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(lr, weight_decay, clip_norm)
        self.eps = positive("eps", eps)

    def step(self, p: Parameter | Flat, state: State, lr: float) -> None:
        p.backend.adagrad(p.value, p.grad, state["squares"], lr=lr, eps=self.eps, weight_decay=self.weight_decay)


class RMSProp(Optimizer):
    """s = rho s + (1 - rho) g**2;  p -= lr g / (sqrt(s) + eps)  (Tieleman and Hinton, 2012)."""

    slots = ("squares",)
    elementwise = True

    def __init__(
        self,
        lr: float | Schedule = 0.001,
        rho: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(lr, weight_decay, clip_norm)
        self.rho, self.eps = fraction("rho", rho), positive("eps", eps)

    def step(self, p: Parameter | Flat, state: State, lr: float) -> None:
        p.backend.rmsprop(
            p.value, p.grad, state["squares"], lr=lr, rho=self.rho, eps=self.eps, weight_decay=self.weight_decay
        )


class Adam(Optimizer):
    """m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g**2;  p -= lr m' / (sqrt(v') + eps), m' and v' without their bias to
    zero.

    Kingma and Ba, 2015.
    """

    slots = ("mean", "squares")
    elementwise = True
    decoupled = False

    def __init__(
        self,
        lr: float | Schedule = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(lr, weight_decay, clip_norm)
        self.beta1, self.beta2, self.eps = fraction("beta1", beta1), fraction("beta2", beta2), positive("eps", eps)

    def step(self, p: Parameter | Flat, state: State, lr: float) -> None:
        how = AdamStep(state.steps, lr, self.beta1, self.beta2, self.eps, self.weight_decay, self.decoupled)
        p.backend.adam(p.value, p.grad, state["mean"], state["squares"], how)


class AdamW(Adam):
    """Adam whose weight decay does not pass through the moments: p -= lr weight_decay p.

    Loshchilov and Hutter, 2019.
    """

    decoupled = True

    def __init__(
        self,
        lr: float | Schedule = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(lr, beta1, beta2, eps, weight_decay, clip_norm)


def _rate(lr: Any) -> float:
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


OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": AdaGrad,
    "rmsprop": RMSProp,
    "adam": Adam,
    "adamw": AdamW,
}


def get(optimizer: str | Optimizer) -> Optimizer:
    """An optimizer from its name, with its default settings, or as it is."""
    if isinstance(optimizer, Optimizer):
        return optimizer
    return by_name("optimizer", optimizer, OPTIMIZERS, "or give an Optimizer")


__getattr__ = explained(__name__)
