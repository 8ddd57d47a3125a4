"""Numerical derivatives against what `back` says, in float64."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from xpnet import random
from xpnet.base.host import refuse_masked
from xpnet.base.nested import as_several, mapped
from xpnet.base.quiet import quietly
from xpnet.core.layer import Layer
from xpnet.core.network import Network
from xpnet.core.parameter import Parameter
from xpnet.errors import GradientError, OptionError

MAX_ENTRIES = 4096  # entries looked at one by one in search of the worst
STEPS = (1.0, 0.1, 0.01, 0.001)  # times eps: a kink that lies within one of them lies outside a smaller one
BESIDE = 0.03  # how far away another point is looked at, as a part of the size of what is moved

Variable = tuple[str, "np.ndarray | Parameter", np.ndarray]  # its name, where it is, and its gradient


@quietly
def gradient_check(
    layer: Layer,
    *xs: Any,
    train: bool = True,
    eps: float = 1e-4,
    tolerance: float = 1e-5,
    directions: int = 2,
    seed: int = 0,
) -> float:
    """Check the gradient of a layer or model with respect to its inputs and its trainable parameters.

    The scalar L = sum(y * c) over all outputs, with random c, is moved along random unit directions u of everything at
    once; the derivative (L(x + eps u) - L(x - eps u)) / (2 eps) must be the inner product of u and the gradient that
    `back` gives. Two forward passes a direction, whatever the size. A copy of the layer is checked, in float64; the
    layer itself is not changed. Integer inputs stay as they are. Random layers (dropout) draw the same numbers in every
    pass.

    Where ReLU or max has a kink between x - eps u and x + eps u, the two differ though the gradient is right. So what
    differs is looked at with smaller steps, down to eps / 1000, which leave kinks outside; and what still differs, as
    at x = 0 itself, with all steps at a point nearby. A gradient that is wrong is so with every step, and there too.

    Returns the largest relative error. Raises GradientError that names the worst entry if it is above `tolerance`, and
    OptionError for inputs that are not real numbers.
    """
    if not isinstance(layer, Layer):
        raise OptionError(f"gradient_check takes a layer or a model, such as layers.Dense(3), not {layer!r}")
    for x in xs:
        if not np.isrealobj(layer.backend.to_numpy(x)):
            raise OptionError("gradient_check takes real inputs")
    with random.preserved_state():
        return _Check(layer, xs, train, eps, seed).run(tolerance, directions)


class _Check:
    def __init__(self, layer: Layer, xs: tuple[Any, ...], train: bool, eps: float, seed: int) -> None:
        rng = self.rng = np.random.default_rng((seed, 7919))  # a stream that no caller draws the inputs from
        self.train, self.eps, self.seed = train, eps, seed
        self.layer = layer.copy().astype("float64")
        self.backend = self.layer.backend
        refuse_masked(xs)
        self.inputs = [self._as_input(i, len(xs), np.asarray(self.backend.to_numpy(x))) for i, x in enumerate(xs)]
        self.carried = [(state, state.value) for _, state in self.layer.named_states()]
        y, _ = self.forward()  # builds the layer, if it was not built yet
        self._restore_carried()
        self.weight = mapped(lambda y: rng.standard_normal(tuple(y.shape)), y)  # c
        self.parameters = [p for p in self.layer.parameters() if p.trainable]
        self.states = [p for p in self.layer.parameters() if not p.trainable]
        self.state_values = [self.backend.copy(p.value) for p in self.states]

    def _as_input(self, index: int, count: int, x: np.ndarray) -> np.ndarray:
        """A copy in float64, or of integers where the layer takes them; a network that is not built takes any."""
        places = {index, index - count}  # from the first input, and from the end
        whole = self.layer.takes_integers or not places.isdisjoint(self.layer.integers_at)
        if isinstance(self.layer, Network):
            known = self.layer.input_dtypes
            whole = known[index] == "int64" if index < len(known) else whole or x.dtype.kind in "iub"
        return np.array(x, np.int64 if whole and x.dtype.kind in "iub" else np.float64)

    def forward(self) -> tuple[Any, Any]:
        random.seed(self.seed)
        return self.layer.forward(*(self.backend.asarray(x) for x in self.inputs), train=self.train)

    def loss(self) -> float:
        y, _ = self.forward()
        self._restore()
        pairs = zip(as_several(y), as_several(self.weight), strict=True)
        return float(sum(np.sum(self.backend.to_numpy(output) * weight) for output, weight in pairs))

    def _restore(self) -> None:
        """Running statistics and carried states as they were: they move in every training pass."""
        for state, value in zip(self.states, self.state_values, strict=True):
            state.value = value
        self._restore_carried()

    def _restore_carried(self) -> None:
        for carried, value in self.carried:
            carried.value = value

    def gradients(self) -> list[np.ndarray | None]:
        """With respect to each input (None for integers) and each parameter, as `back` says."""
        for parameter in self.parameters:
            parameter.zero_grad()
        _, back = self.forward()
        self._restore()
        dxs = back(mapped(self.backend.asarray, self.weight))
        dxs = dxs if len(self.inputs) > 1 else (dxs,)
        gradients = [*dxs, *(p.grad for p in self.parameters)]
        return [None if g is None else np.array(self.backend.to_numpy(g)) for g in gradients]

    def run(self, tolerance: float, directions: int) -> float:
        variables = self.checked()
        errors = [self.largest_error(each, tolerance, directions) for each in variables]
        doubtful = [index for index, error in enumerate(errors) if not error <= tolerance]  # NaN too
        found: dict[int, float] = {}
        if doubtful:
            with self.point_nearby():
                there = self.checked()
                found = {index: self.largest_error(there[index], tolerance, directions) for index in doubtful}
        for index in doubtful:
            if not found[index] <= tolerance:
                raise GradientError(self.worst_entry(variables[index], errors[index], found[index], tolerance))
            errors[index] = found[index]
        return max(errors, default=0.0)

    def largest_error(self, variable: Variable, tolerance: float, directions: int) -> float:
        """Over some random directions; along each of them the smallest that a step gives, as far as one is needed."""
        _, target, gradient = variable
        worst = 0.0
        for _ in range(directions):
            u = self.rng.standard_normal(gradient.shape)
            u /= max(float(np.linalg.norm(u)), 1e-30)
            slope, best = float(np.sum(u * gradient)), np.inf
            for step in STEPS:
                best = np.fmin(best, relative_error(slope, self.slope(target, u, step), gradient))
                if best <= tolerance:
                    break
            worst = max(worst, float(best))
            if not worst <= tolerance:
                break
        return worst

    @contextlib.contextmanager
    def point_nearby(self) -> Iterator[None]:
        """Within the block, all numbers and trainable parameters are a little different."""
        with contextlib.ExitStack() as stack:
            targets: list[np.ndarray | Parameter] = [*self.inputs, *self.parameters]
            for target in targets:
                if isinstance(target, Parameter) or target.dtype.kind == "f":
                    moved = _moved(target, np.zeros(target.shape))
                    stack.enter_context(moved)
                    size = float(np.sqrt(np.mean(moved.before**2))) or 1.0
                    moved.move(BESIDE * size * self.rng.standard_normal(target.shape))
            yield

    def checked(self) -> list[Variable]:
        """Each variable with its name and its gradient; integers are none, and have no gradient."""
        targets: list[np.ndarray | Parameter] = [*self.inputs, *self.parameters]
        names = [f"input {i + 1}" if len(self.inputs) > 1 else "the input" for i in range(len(self.inputs))]
        names += [p.name for p in self.parameters]
        checked = []
        for name, target, gradient in zip(names, targets, self.gradients(), strict=True):
            whole = isinstance(target, np.ndarray) and target.dtype.kind != "f"
            if whole and gradient is None:
                continue
            found = "is None" if gradient is None else f"has shape {gradient.shape}"
            if gradient is None or gradient.shape != tuple(target.shape):
                raise GradientError(
                    f"{self.layer.label}: the gradient of {name} {found}, its value {tuple(target.shape)}"
                )
            if not whole:
                checked.append((name, target, gradient))
        return checked

    def slope(self, target: np.ndarray | Parameter, u: np.ndarray, step: float) -> float:
        """The derivative of the loss along u, by central differences over so much of eps."""
        eps = step * self.eps
        return (self.loss_at(target, eps * u) - self.loss_at(target, -eps * u)) / (2 * eps)

    def sides(self, target: np.ndarray | Parameter, u: np.ndarray, step: float) -> tuple[float, float]:
        """The derivatives along u from the left and from the right, which differ at a kink."""
        eps, here = step * self.eps, self.loss()
        return (here - self.loss_at(target, -eps * u)) / eps, (self.loss_at(target, eps * u) - here) / eps

    def loss_at(self, target: np.ndarray | Parameter, step: np.ndarray) -> float:
        with _moved(target, step):
            return self.loss()

    def worst_entry(self, variable: Variable, error: float, beside: float, tolerance: float) -> str:
        """The message: which entry of which gradient is wrong by how much."""
        name, target, gradient = variable
        entries = self.rng.permutation(gradient.size)[:MAX_ENTRIES]
        found: tuple[float, tuple[int, ...], float, float] = (-1.0, (), 0.0, 0.0)
        for entry in entries:
            index = tuple(int(i) for i in np.unravel_index(entry, gradient.shape))
            u = np.zeros(gradient.shape)
            u[index] = 1
            left, right = self.sides(target, u, STEPS[1])
            distance = min(abs(each - float(gradient[index])) for each in (left, right, (left + right) / 2))
            if not distance <= found[0]:
                found = distance, index, left, right
        _, index, left, right = found
        position = f"[{', '.join(map(str, index))}]"
        numerical = f"the numerical derivative is {(left + right) / 2:.6g}"
        if not abs(left - right) <= 1e-3 * max(abs(left), abs(right)):
            numerical += f" ({left:.6g} from the left and {right:.6g} from the right: a kink is there, too)"
        return (
            f"{self.layer.label}: the gradient of {name} is wrong: at {position} back gives {gradient[index]:.6g},"
            f" {numerical} (relative error along a random direction {error:.2g}, allowed {tolerance:.2g}; no kink,"
            f" as of ReLU or max, makes it: smaller steps show it as well, and at a point nearby it is {beside:.2g})"
        )


class _moved:
    """Within the block, `target` is moved by `step`."""

    def __init__(self, target: np.ndarray | Parameter, step: np.ndarray) -> None:
        self.target, self.step = target, step

    def move(self, step: np.ndarray) -> None:
        """To where it was before the block, and from there by `step`."""
        if isinstance(self.target, Parameter):
            self.target.value = self.before + step
        else:
            self.target[...] = self.before + step

    def __enter__(self) -> None:
        parameter = isinstance(self.target, Parameter)
        self.before = np.array(self.target.backend.to_numpy(self.target.value) if parameter else self.target)  # type: ignore[union-attr]
        self.move(self.step)

    def __exit__(self, *error: object) -> None:
        self.move(np.zeros_like(self.step))


def relative_error(analytic: float, numerical: float, gradient: np.ndarray) -> float:
    """|a - n| over the size that the derivative along a random direction typically has."""
    typical = float(np.linalg.norm(gradient)) / max(gradient.size, 1) ** 0.5
    return float(abs(analytic - numerical) / max(abs(analytic), abs(numerical), typical, 1e-8))
