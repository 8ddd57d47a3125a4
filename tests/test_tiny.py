"""The whole idea in a page: a layer, its gradient, a network, its training, its file. It runs in seconds."""

from pathlib import Path
from typing import Any

import numpy as np

import xpnet
from tests.kit.small import digits
from xpnet import Layer, Sequential, layers, optimizers


class Square(Layer):
    """y = x**2;  dx = 2 x dy: forward and the way back, written once for every backend."""

    kind = "square"

    def forward(self, x: Any, train: bool = False) -> Any:
        def back(dy: Any) -> Any:
            return 2 * x * dy

        return x * x, back


def network() -> Sequential:
    return Sequential(
        [
            layers.Conv2D(8, 5, stride=2, activation="relu"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(10),
        ]
    )


def test_a_layer_is_a_forward_and_its_way_back() -> None:
    x = np.array([[1.0, -2.0, 3.0]], dtype="float32")
    y, back = Square().forward(x, train=True)
    assert y.tolist() == [[1, 4, 9]]
    assert back(np.ones_like(y)).tolist() == [[2, -4, 6]]
    xpnet.gradient_check(Square(), x.astype("float64"))  # against the numerical derivative


def test_a_network_learns_to_read_digits_and_remembers_it(tmp_path: Path) -> None:
    x, t = digits(1500)  # (N, 1, 28, 28) from 0 to 1, and class numbers (N,)
    model = network()
    model.compile(optimizer=optimizers.Adam(0.005), loss="softmax_cross_entropy", metrics=["accuracy"])
    history = model.fit(x[:1200], t[:1200], batch_size=20, epochs=3, verbose=0)
    losses = history.history["loss"]
    assert losses == sorted(losses, reverse=True)
    _, accuracy = model.evaluate(x[1200:], t[1200:])
    assert accuracy > 0.8  # a guess is right once in ten

    model.save(tmp_path / "digits.safetensors")
    again = xpnet.load(tmp_path / "digits.safetensors")
    assert np.array_equal(again.predict(x[:100]), model.predict(x[:100]))


def test_one_seed_fixes_every_number() -> None:
    x, t = digits(200)

    def weights() -> list[np.ndarray]:
        xpnet.seed(7)
        model = network()
        model.compile()
        model.fit(x, t, verbose=0)
        return model.get_weights()

    assert all(np.array_equal(a, b) for a, b in zip(weights(), weights(), strict=True))


def test_another_backend_gives_the_same_outputs() -> None:
    x, _ = digits(20)
    model = network()
    expected = model.predict(x)
    assert np.allclose(model.to("reference").predict(x), expected, rtol=1e-4, atol=1e-4)
