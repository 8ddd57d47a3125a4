"""The checker itself: it must pass what is right, find what is wrong and name it, and change nothing."""

from typing import Any

import numpy as np
import pytest

from tests.kit.helpers import bits
from tests.kit.small import Written
from tests.kit.strategies import normal, spaced
from xpnet import random
from xpnet.backend import Array, Backend
from xpnet.core.layer import Layer
from xpnet.errors import GradientError, OptionError
from xpnet.gradient_check import gradient_check
from xpnet.layers import BatchNorm2D, Conv2D, Dense, Dropout, Embedding, ReLU


class Affine(Layer):
    """y = x * scale + shift, and what is wrong with its way back."""

    def __init__(self, fault: str = "none", name: str | None = None) -> None:
        super().__init__(name)
        self.fault = fault

    def build(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        self.scale, self.shift = self.parameter([1.5] * shape[0]), self.parameter([0.5] * shape[0])
        self._built = True
        return shape

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        self.check(x)
        xp, fault = self.xp, self.fault
        scale = self.scale.value

        def back(dy: Array) -> Array:
            if fault != "no gradient for shift":
                self.shift.add_grad(xp.sum(dy, axis=0))
            dscale = xp.sum(dy * x, axis=0)
            self.scale.add_grad(dscale / x.shape[0] if fault == "mean instead of sum" else dscale)
            dx = dy * scale
            if fault == "sign":
                dx = -dx
            elif fault == "scale":
                dx = dx * 1.001
            elif fault == "missing term":
                dx = dy * 1.0
            elif fault == "one entry":
                dx[1, 2] += 0.5
            elif fault == "shape":
                dx = xp.sum(dx, axis=0)
            elif fault == "nan":
                dx = dx * float("nan")
            return dx

        return x * scale + self.shift.value, back


class Product(Layer):
    """y = a b, of which one gradient may be exchanged for the other."""

    swapped = False

    def forward(self, *xs: Array, train: bool = False) -> tuple[Array, Any]:
        a, b = xs
        return a * b, lambda dy: (dy * a, dy * b) if self.swapped else (dy * b, dy * a)


X = normal((4, 5), 1)


def test_a_right_gradient_passes_and_its_error_is_small(backend: Backend) -> None:
    assert gradient_check(Affine(), X) < 1e-8


@pytest.mark.parametrize(
    ("fault", "culprit"),
    [
        ("sign", "the input"),
        ("scale", "the input"),
        ("missing term", "the input"),
        ("nan", "the input"),
        ("no gradient for shift", "shift"),
        ("mean instead of sum", "scale"),
    ],
)
def test_a_wrong_gradient_is_found_and_named(backend: Backend, fault: str, culprit: str) -> None:
    with pytest.raises(
        GradientError, match=rf"^Affine: the gradient of {culprit} is wrong: at \[.*numerical derivative"
    ):
        gradient_check(Affine(fault), X)


def test_the_worst_entry_is_named_with_both_numbers() -> None:
    c = np.random.default_rng((0, 7919)).standard_normal(X.shape)  # the weights of the scalar that is differentiated
    right = 1.5 * c[1, 2]
    with pytest.raises(GradientError) as caught:
        gradient_check(Affine("one entry"), X)
    assert f"at [1, 2] back gives {right + 0.5:.6g}, the numerical derivative is {right:.6g}" in str(caught.value)


def test_a_gradient_of_the_wrong_shape_is_named(backend: Backend) -> None:
    with pytest.raises(GradientError, match=r"Affine: the gradient of the input has shape \(5,\), its value \(4, 5\)"):
        gradient_check(Affine("shape"), X)


def test_each_of_several_inputs_is_checked() -> None:
    layer = Product()
    assert gradient_check(layer, X, normal((4, 5), 2)) < 1e-8
    layer.swapped = True
    with pytest.raises(GradientError, match="the gradient of input 1 is wrong"):
        gradient_check(layer, X, normal((4, 5), 2))


class Ends(Layer):
    """y1 = 2 x, y2 = x**2, of which one gradient may be wrong."""

    def __init__(self, wrong: int = 0) -> None:
        super().__init__()
        self.wrong = wrong

    def forward(self, x: Array, train: bool = False) -> tuple[Any, Any]:
        def back(dy: Any) -> Array:
            first, second = dy
            return (2 + (self.wrong == 1)) * first + (2 - 3 * (self.wrong == 2)) * x * second

        return (2 * x, x * x), back


def test_every_output_is_checked() -> None:
    assert gradient_check(Ends(), X) < 1e-8
    for wrong in (1, 2):
        with pytest.raises(GradientError, match="Ends: the gradient of the input is wrong"):
            gradient_check(Ends(wrong), X)
    model = Written(lambda m, x: dict(zip("ab", m.ends(m.dense(x)), strict=True)), ends=Ends(), dense=Dense(3))
    assert gradient_check(model, X) < 1e-8
    model.ends.wrong = 2
    with pytest.raises(GradientError, match=r"Written: the gradient of (the input|dense\.weight) is wrong"):
        gradient_check(model, X)


class Picked(Embedding):
    """An embedding whose gradient may be that of other rows, or which gives one to its integers."""

    fault = ""

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        y, right = super().forward(x, train)

        def back(dy: Array) -> Any:
            if self.fault == "rows":
                self.weight.add_grad(self.backend.embedding_backward(dy, (x + 1) % self.vocabulary, self.vocabulary))
                return None
            right(dy)
            return self.xp.zeros_like(dy[..., 0]) if self.fault == "gradient" else None

        return y, back


def test_integers_are_no_variables_and_the_rest_is_checked(backend: Backend) -> None:
    x = np.array([[0, 1], [4, 4]])
    layer = Picked(5, 2)
    assert gradient_check(layer, x) < 1e-8
    layer.fault = "gradient"  # which nobody asks for
    assert gradient_check(layer, x) < 1e-8
    layer.fault = "rows"
    with pytest.raises(GradientError, match="Picked: the gradient of weight is wrong"):
        gradient_check(layer, x)


def test_a_missing_gradient_of_floats_is_named() -> None:
    class Lost(ReLU):
        def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
            return x, lambda dy: None

    with pytest.raises(GradientError, match=r"Lost: the gradient of the input is None, its value \(4, 5\)"):
        gradient_check(Lost(), X)


def test_a_mistake_in_a_parameter_inside_is_named_by_its_path() -> None:
    class Wrapper(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Affine("mean instead of sum")

        def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
            return self.inner.forward(x, train=train)

    with pytest.raises(GradientError, match=r"Wrapper: the gradient of inner\.scale is wrong"):
        gradient_check(Wrapper(), X)


def test_frozen_parameters_are_not_checked() -> None:
    layer = Affine("no gradient for shift")
    layer.forward(X.astype("float32"))
    layer.shift.trainable = False
    assert gradient_check(layer, X) < 1e-8


def test_the_tolerance_decides() -> None:
    assert 1e-5 < gradient_check(Affine("scale"), X, tolerance=0.01) < 0.01


def test_a_kink_at_the_very_input_is_no_error() -> None:
    """At zero the central difference of ReLU is one half, whatever the step: a point nearby decides."""
    x = spaced((4, 5), 1)
    x[1] = x[2, 3] = 0
    assert gradient_check(ReLU(), x) < 1e-8
    with pytest.raises(GradientError, match=r"the gradient of the input is wrong.* at a point nearby it is 0\.00"):
        gradient_check(Scaled(), x)


class Scaled(ReLU):
    """A gradient that is not quite right."""

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        y, back = super().forward(x, train)
        return y, lambda dy: 0.995 * back(dy)


def test_random_layers_are_checked_with_one_mask() -> None:
    assert gradient_check(Dropout(0.5), X, train=True) < 1e-8


def test_complex_inputs_are_refused() -> None:
    with pytest.raises(OptionError, match="real inputs"):
        gradient_check(ReLU(), X + 1j)


@pytest.mark.parametrize("train", [True, False])
def test_the_layer_and_the_inputs_are_not_changed(backend: Backend, train: bool) -> None:
    layer = BatchNorm2D()
    x = normal((3, 2, 4, 4), 1, "float32")
    y, back = layer.forward(backend.asarray(x), train=True)
    back(y)
    before = [bits(a) for p in layer.parameters() for a in (p.value, p.grad)], random.get_state(), bits(x)
    assert np.any(backend.to_numpy(layer.running_mean.value))
    gradient_check(layer, x, train=train)
    assert ([bits(a) for p in layer.parameters() for a in (p.value, p.grad)], random.get_state(), bits(x)) == before
    assert layer.dtype == "float32"


def test_a_failing_check_changes_nothing_either() -> None:
    layer = Affine("sign")
    layer.forward(X.astype("float32"))
    before = [bits(p.value) for p in layer.parameters()], random.get_state()
    with pytest.raises(GradientError):
        gradient_check(layer, X)
    assert ([bits(p.value) for p in layer.parameters()], random.get_state()) == before


def test_an_unbuilt_layer_stays_unbuilt() -> None:
    layer = Conv2D(2, 3)
    gradient_check(layer, normal((2, 3, 5, 5), 1))
    assert layer.parameters() == []


def test_running_statistics_do_not_drift_between_the_passes() -> None:
    """In inference mode the statistics are part of the function: they must be the same in every pass."""
    layer = BatchNorm2D(momentum=1.0)
    layer.forward(normal((3, 2, 4, 4), 1, "float32"), train=True)
    assert gradient_check(layer, normal((3, 2, 4, 4), 2), train=True) < 1e-6
    assert gradient_check(layer, normal((3, 2, 4, 4), 2), train=False) < 1e-6


def test_the_same_seed_gives_the_same_answer() -> None:
    layer = Dense(3)
    layer.forward(X.astype("float32"))
    assert gradient_check(layer, X, seed=3) == gradient_check(layer, X, seed=3)
    assert gradient_check(layer, X, seed=3) != gradient_check(layer, X, seed=4)
