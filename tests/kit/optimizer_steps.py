"""What update steps must do on every backend, the compiled one among them, in the digits that float32 has."""

from typing import Any

import numpy as np

from xpnet.backend import Backend
from xpnet.backend.reference import AdamStep, MomentStep, MuonStep

STATES: tuple[tuple[str, int, dict[str, Any]], ...] = (  # update steps without weight decay, and their state arrays
    ("sgd", 1, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0}),
    ("adagrad", 1, {"lr": 0.1, "eps": 1e-3, "weight_decay": 0.0}),
    ("rmsprop", 1, {"lr": 0.1, "rho": 0.9, "eps": 1e-3, "weight_decay": 0.0}),
    ("adam", 2, {"how": AdamStep(1, 0.1, 0.9, 0.99, 1e-3, 0.0, False)}),
    ("adam", 2, {"how": AdamStep(1, 0.1, 0.9, 0.99, 1e-3, 0.0, True)}),
    ("moments", 2, {"how": MomentStep(0.1, 0.2, 0.9, 0.99, 0.3, True, 1e-3, 0.0, 0.0)}),
    ("lion", 1, {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0}),
)
DECOUPLED: tuple[tuple[str, int, dict[str, Any]], ...] = (  # with decay that shrinks the weights, and nothing else
    ("adam", 2, {"how": AdamStep(1, 0.1, 0.9, 0.99, 1e-3, 0.01, True)}),
    ("moments", 2, {"how": MomentStep(0.1, 0.2, 0.9, 0.99, 0.3, True, 1e-3, 0.0, 0.01)}),
    ("lion", 1, {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.01}),
    ("muon", 1, {"how": MuonStep(0.1, 0.1, 0.9, False, 0.01, (3.4445, -4.775, 2.0315), 5)}),
)


def on(backend: Backend, *arrays: Any) -> list[Any]:
    return [backend.copy(backend.asarray(np.array(array, np.float32))) for array in arrays]


def assert_first_steps(backend: Backend, beta1: float, beta2: float) -> None:
    """The first step of Adam is lr, against the sign of the gradient, whatever that and the betas are."""
    p, g, m, v = on(backend, np.zeros(5), [1, -1, 0.5, 20, -3], np.zeros(5), np.zeros(5))
    backend.adam(p, g, m, v, AdamStep(1, 1e-3, beta1, beta2, 1e-12, 0.0, False))
    np.testing.assert_allclose(backend.to_numpy(p), -1e-3 * np.sign([1, -1, 1, 1, -1]), rtol=1e-6)
    np.testing.assert_allclose(backend.to_numpy(m), (1 - beta1) * backend.to_numpy(g), rtol=3e-7)
    np.testing.assert_allclose(backend.to_numpy(v), (1 - beta2) * backend.to_numpy(g) ** 2, rtol=3e-7)


def assert_infinite_weights_stay(backend: Backend) -> None:
    for name, states, options in (*STATES, *DECOUPLED):
        p, g, *rest = on(backend, [np.inf, -np.inf, 1], [0.5, 0.5, 0.5], *[np.zeros(3)] * states)
        getattr(backend, name)(p, g, *rest, **options)
        found = backend.to_numpy(p)
        assert found[0] == np.inf and found[1] == -np.inf and found[2] < 1, (name, options)
        for state in rest:
            np.testing.assert_array_equal(backend.to_numpy(state), float(state[2]), err_msg=name)
