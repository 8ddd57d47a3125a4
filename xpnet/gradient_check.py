"""Numerical derivatives against what `back` says, in float64."""

from typing import Any

import numpy as np

from xpnet import random
from xpnet.base.nested import as_several, mapped
from xpnet.base.unmasked import refuse_masked
from xpnet.core.layer import Layer
from xpnet.core.network import Network
from xpnet.core.parameter import Parameter
from xpnet.errors import GradientError, OptionError

MAX_ENTRIES = 4096  # entries looked at one by one in search of the worst


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
    pass. Keep inputs away from kinks: no zeros for ReLU, no ties for max pooling.

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
        checked = self.checked()
        worst = 0.0
        for name, target, gradient in checked:
            for _ in range(directions):
                u = self.rng.standard_normal(gradient.shape)
                u /= max(float(np.linalg.norm(u)), 1e-30)
                error = relative_error(float(np.sum(u * gradient)), self.slope(target, u), gradient)
                if not error <= tolerance:  # NaN too
                    raise GradientError(self.worst_entry(name, target, gradient, error, tolerance))
                worst = max(worst, error)
        return worst

    def checked(self) -> list[tuple[str, np.ndarray | Parameter, np.ndarray]]:
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

    def slope(self, target: np.ndarray | Parameter, u: np.ndarray) -> float:
        """The derivative of the loss along u, by central differences."""
        losses = []
        for sign in (1, -1):
            with _moved(target, sign * self.eps * u):
                losses.append(self.loss())
        return (losses[0] - losses[1]) / (2 * self.eps)

    def worst_entry(
        self, name: str, target: np.ndarray | Parameter, gradient: np.ndarray, error: float, tolerance: float
    ) -> str:
        """The message: which entry of which gradient is wrong by how much."""
        entries = self.rng.permutation(gradient.size)[:MAX_ENTRIES]
        found: tuple[float, tuple[int, ...], float] = (-1.0, (), 0.0)
        for entry in entries:
            index = tuple(int(i) for i in np.unravel_index(entry, gradient.shape))
            u = np.zeros(gradient.shape)
            u[index] = 1
            numerical = self.slope(target, u)
            difference = abs(numerical - float(gradient[index]))
            if not difference <= found[0]:
                found = difference, index, numerical
        _, index, numerical = found
        position = f"[{', '.join(map(str, index))}]"
        return (
            f"{self.layer.label}: the gradient of {name} is wrong: at {position} back gives {gradient[index]:.6g},"
            f" the numerical derivative is {numerical:.6g} (relative error along a random direction {error:.2g},"
            f" allowed {tolerance:.2g})"
        )


class _moved:
    """Within the block, `target` is moved by `step`."""

    def __init__(self, target: np.ndarray | Parameter, step: np.ndarray) -> None:
        self.target, self.step = target, step

    def _add(self, step: np.ndarray) -> None:
        if isinstance(self.target, Parameter):
            self.target.value = self.before + step
        else:
            self.target[...] = self.before + step

    def __enter__(self) -> None:
        parameter = isinstance(self.target, Parameter)
        self.before = np.array(self.target.backend.to_numpy(self.target.value) if parameter else self.target)  # type: ignore[union-attr]
        self._add(self.step)

    def __exit__(self, *error: object) -> None:
        self._add(np.zeros_like(self.step))


def relative_error(analytic: float, numerical: float, gradient: np.ndarray) -> float:
    """|a - n| over the size that the derivative along a random direction typically has."""
    typical = float(np.linalg.norm(gradient)) / max(gradient.size, 1) ** 0.5
    return float(abs(analytic - numerical) / max(abs(analytic), abs(numerical), typical, 1e-8))
